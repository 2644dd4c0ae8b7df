//! One attempt, and the response or the error that it brought.

use std::error::Error;
use std::fmt;
use std::time::SystemTime;

use http::header::CONTENT_TYPE;
use http::{Extensions, HeaderMap, Method, Request, Response, StatusCode, Uri};

use super::{Policy, RequestHead, Verdict};
use crate::failure::{self, Redirected};
use crate::hint::Reading;
use crate::time::sys;
use crate::time::{Clock, Moment};

/// A request that was sent, and the response or the error that came back.
///
/// The layer makes them; tests of a policy make their own:
///
/// ```
/// use tower_backoff::policy::{Attempt, Policy, Provider, Ruling};
///
/// let request = http::Request::post("https://api.example.com/orders").body(())?;
/// let response = http::Response::builder().status(503).body(())?;
/// let attempt = Attempt::new(&request, &response);
///
/// let careful = Provider::new("acme");
/// assert_eq!(careful.judge(&attempt).ruling(), Ruling::Refuse); // it may have been done
/// let acme = Provider::new("acme").unprocessed_on([503]);
/// assert_eq!(acme.judge(&attempt).ruling(), Ruling::Retry); // its page says it was not
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct Attempt<'a> {
    request: RequestHead<'a>,
    outcome: AttemptResult<'a>,
    body: Option<&'a [u8]>,
    trailers: Option<&'a HeaderMap>,
    number: u32,
    received: Received<'a>,
    has_body: bool,
    harmless: bool,
    kept_back: bool,
    redirected: Option<&'a Redirected>,
    by_head: Option<(&'a dyn Policy, &'a Verdict)>,
}

pub(super) const GRPC_STATUS: &str = "grpc-status";
/// The status of gRPC for a status that is not a number.
const UNKNOWN: u16 = 2;

/// A moment of the wall clock, which is read only when a policy asks for it.
#[derive(Clone, Copy)]
pub(crate) enum Received<'a> {
    Wall(SystemTime),
    Later(&'a Clock, Moment),
}

#[derive(Clone, Copy)]
enum AttemptResult<'a> {
    Response(StatusCode, &'a HeaderMap),
    Failure(&'a (dyn Error + 'static)),
}

impl<'a> Attempt<'a> {
    /// A first attempt whose response arrived now.
    pub fn new<B, R>(request: &'a Request<B>, response: &'a Response<R>) -> Self {
        let outcome = AttemptResult::Response(response.status(), response.headers());
        Self::build(
            RequestHead::new(request),
            outcome,
            1,
            Received::Wall(sys::wall()),
        )
    }

    /// A first attempt that failed without a response.
    ///
    /// The request counts as one without a body, which needs a stronger proof that it was not sent. (The layer asks
    /// the body whether it is empty.)
    ///
    /// ```
    /// use tower_backoff::policy::{Attempt, Ruling};
    ///
    /// let request = http::Request::get("https://api.example.com/").body(String::new())?;
    /// let error = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    /// let attempt = Attempt::failed(&request, &error);
    /// assert_eq!(attempt.standard().ruling(), Ruling::Retry);
    /// # Ok::<(), http::Error>(())
    /// ```
    pub fn failed<B>(request: &'a Request<B>, error: &'a (dyn Error + 'static)) -> Self {
        let outcome = AttemptResult::Failure(error);
        Self::build(
            RequestHead::new(request),
            outcome,
            1,
            Received::Wall(sys::wall()),
        )
    }

    fn build(
        request: RequestHead<'a>,
        outcome: AttemptResult<'a>,
        number: u32,
        received: Received<'a>,
    ) -> Self {
        Self {
            request,
            outcome,
            body: None,
            trailers: None,
            number,
            received,
            has_body: false,
            harmless: false,
            kept_back: false,
            redirected: None,
            by_head: None,
        }
    }

    pub(crate) fn from_response(
        request: RequestHead<'a>,
        status: StatusCode,
        headers: &'a HeaderMap,
        number: u32,
        received: Received<'a>,
    ) -> Self {
        Self::build(
            request,
            AttemptResult::Response(status, headers),
            number,
            received,
        )
    }

    pub(crate) fn from_error(
        request: RequestHead<'a>,
        error: &'a (dyn Error + 'static),
        number: u32,
        received: Received<'a>,
    ) -> Self {
        Self::build(request, AttemptResult::Failure(error), number, received)
    }

    /// The same attempt of a request that has a body, or has none.
    pub(crate) fn with_content_if(mut self, has_body: bool) -> Self {
        self.has_body = has_body;
        self
    }

    /// The same attempt, whose request a layer of the caller may have refused to send.
    pub(crate) fn kept_back_if(mut self, kept_back: bool) -> Self {
        self.kept_back = kept_back;
        self
    }

    pub(crate) fn was_kept_back(&self) -> bool {
        self.kept_back
    }

    /// The same attempt with the address that these extensions of the response name.
    pub(crate) fn redirected_by(mut self, extensions: &'a Extensions) -> Self {
        self.redirected = extensions.get();
        self
    }

    /// The same attempt with the verdict of the policy on its head.
    pub(crate) fn judged_by_head(mut self, policy: &'a dyn Policy, verdict: &'a Verdict) -> Self {
        self.by_head = Some((policy, verdict));
        self
    }

    /// What this policy says of the head, if it was asked before. A policy around it may have said something else.
    pub(super) fn head_verdict_of(&self, policy: &dyn Policy) -> Option<&'a Verdict> {
        let (judge, verdict) = self.by_head?;
        // A policy may begin where the one around it does: the types have to be the same, too.
        let is_judge = std::ptr::eq(judge, policy);
        is_judge.then_some(verdict)
    }

    /// The address that answered, if the request was redirected.
    pub(crate) fn answered_by(&self) -> Option<&'a Uri> {
        self.redirected.map(Redirected::uri)
    }

    /// Returns the attempt with the body that came back.
    #[must_use]
    pub fn with_body(mut self, body: &'a [u8]) -> Self {
        self.body = Some(body);
        self
    }

    /// Returns the attempt with the trailers that followed the body.
    #[must_use]
    pub fn with_trailers(mut self, trailers: &'a HeaderMap) -> Self {
        self.trailers = Some(trailers);
        self
    }

    /// The same attempt without its body, for a policy that reads none.
    pub(super) fn bodiless(mut self) -> Self {
        self.body = None;
        self
    }

    /// The same attempt, whose request a policy may know to be idempotent.
    pub(super) fn harmless_if(mut self, harmless: bool) -> Self {
        self.harmless = harmless;
        self
    }

    /// Returns the attempt as received at this moment of the wall clock.
    #[must_use]
    pub fn received_at(mut self, moment: SystemTime) -> Self {
        self.received = Received::Wall(moment);
        self
    }

    /// The head of the request.
    pub fn request(&self) -> RequestHead<'a> {
        self.request
    }

    /// The method of the request.
    pub fn method(&self) -> &'a Method {
        self.request.method()
    }

    /// The address of the request.
    pub fn uri(&self) -> &'a Uri {
        self.request.uri()
    }

    /// The status of the response; `None` if there was no response.
    pub fn status(&self) -> Option<StatusCode> {
        match self.outcome {
            AttemptResult::Response(status, _) => Some(status),
            AttemptResult::Failure(_) => None,
        }
    }

    /// The headers of the response; `None` if there was no response.
    pub fn headers(&self) -> Option<&'a HeaderMap> {
        match self.outcome {
            AttemptResult::Response(_, headers) => Some(headers),
            AttemptResult::Failure(_) => None,
        }
    }

    /// The error of the client, if there was no response.
    pub fn error(&self) -> Option<&'a (dyn Error + 'static)> {
        match self.outcome {
            AttemptResult::Response(..) => None,
            AttemptResult::Failure(error) => Some(error),
        }
    }

    /// The body of the response, if the policy wanted it and it ended within the bounds.
    pub fn body(&self) -> Option<&'a [u8]> {
        self.body
    }

    /// The trailers of the response, if the policy wanted them and they came in time.
    pub fn trailers(&self) -> Option<&'a HeaderMap> {
        self.trailers
    }

    /// Whether the response is one of gRPC by its `Content-Type`; one of gRPC-Web is not.
    pub fn is_grpc(&self) -> bool {
        self.headers().is_some_and(are_of_grpc)
    }

    /// The gRPC status of the response, from its headers or its trailers.
    ///
    /// It is `None` if the response is not one of gRPC, or its trailers were not read. A status that is not a number is
    /// 2, `UNKNOWN`.
    ///
    /// ```
    /// use tower_backoff::policy::Attempt;
    ///
    /// let request = http::Request::post("https://api.example.com/acme.v1.Search/Find").body(())?;
    /// let response = http::Response::builder()
    ///     .header("content-type", "application/grpc")
    ///     .header("grpc-status", "14")
    ///     .body(())?;
    /// assert_eq!(Attempt::new(&request, &response).grpc_status(), Some(14));
    /// # Ok::<(), http::Error>(())
    /// ```
    pub fn grpc_status(&self) -> Option<u16> {
        self.grpc().map(|(status, _)| status)
    }

    /// The gRPC status of the response, and the metadata that it came with.
    pub(super) fn grpc(&self) -> Option<(u16, &'a HeaderMap)> {
        let places = [self.headers(), self.trailers];
        let metadata = places
            .into_iter()
            .flatten()
            .find(|metadata| metadata.contains_key(GRPC_STATUS))
            .filter(|_| self.is_grpc())?;
        let status = metadata.get(GRPC_STATUS)?.to_str().ok();
        let digits = status.filter(|status| status.bytes().all(|byte| byte.is_ascii_digit()));
        let status = digits.and_then(|digits| digits.parse().ok());
        Some((status.unwrap_or(UNKNOWN), metadata))
    }

    /// The number of this attempt; the first is 1.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// When the head of the response arrived, by the wall clock.
    pub fn received(&self) -> SystemTime {
        match self.received {
            Received::Wall(moment) => moment,
            Received::Later(clock, moment) => clock.wall_at(moment),
        }
    }

    /// Whether a retry cannot do the work twice: the request is idempotent, or was never sent.
    pub fn is_safe_to_resend(&self) -> bool {
        self.harmless || self.request.is_idempotent() || self.is_undone()
    }

    /// Whether the request failed before the server can have done anything about it.
    pub(super) fn is_undone(&self) -> bool {
        let is_undone = |error| failure::delivery(error).is_undone(self.has_body);
        self.kept_back || self.error().is_some_and(is_undone)
    }

    /// The wait that the response names, as the generic reader finds it.
    pub fn reading(&self) -> Reading {
        match self.outcome {
            AttemptResult::Response(status, headers) => {
                crate::hint::read(status, headers, self.received())
            }
            AttemptResult::Failure(_) => Reading::Nothing,
        }
    }
}

/// Whether the headers are those of a message of gRPC.
pub(super) fn are_of_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE);
    let rest = kind.and_then(|kind| kind.as_bytes().strip_prefix(b"application/grpc"));
    rest.is_some_and(|rest| matches!(rest, [] | [b'+' | b';' | b' ', ..]))
}

impl fmt::Debug for Attempt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt")
            .field("request", &self.request)
            .field("status", &self.status())
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
