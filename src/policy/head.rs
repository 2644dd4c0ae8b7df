//! The head of a request, as policies see it.

use std::fmt;

use http::{Extensions, HeaderMap, Method, Request, Uri, request};

use crate::retry::Idempotent;

/// Method, address, headers and extensions of a request.
///
/// Its `Debug` shows nothing but the method and the host: paths, queries and headers carry secrets.
#[derive(Clone, Copy)]
pub struct RequestHead<'a> {
    method: &'a Method,
    uri: &'a Uri,
    headers: &'a HeaderMap,
    extensions: &'a Extensions,
}

impl<'a> RequestHead<'a> {
    /// The head of a request with any body.
    #[inline]
    pub fn new<B>(request: &'a Request<B>) -> Self {
        Self {
            method: request.method(),
            uri: request.uri(),
            headers: request.headers(),
            extensions: request.extensions(),
        }
    }

    /// The same request to another address.
    pub(crate) fn at(self, uri: &'a Uri) -> Self {
        Self { uri, ..self }
    }

    /// The method.
    #[inline]
    pub fn method(&self) -> &'a Method {
        self.method
    }

    /// The address.
    #[inline]
    pub fn uri(&self) -> &'a Uri {
        self.uri
    }

    /// The headers.
    #[inline]
    pub fn headers(&self) -> &'a HeaderMap {
        self.headers
    }

    /// The extensions, through which a caller speaks to a policy.
    #[inline]
    pub fn extensions(&self) -> &'a Extensions {
        self.extensions
    }

    /// Whether sending the request twice does no harm.
    ///
    /// The caller said so ([`Idempotent`]), or the method is idempotent (RFC 9110, 9.2.2), or there is an
    /// `Idempotency-Key` that is not empty.
    #[inline]
    pub fn is_idempotent(&self) -> bool {
        match self.extensions.get::<Idempotent>() {
            Some(Idempotent(said)) => *said,
            None => self.method.is_idempotent() || self.has_idempotency_key(),
        }
    }

    /// Whether there is an `Idempotency-Key`; an empty one tells no request from another.
    pub(crate) fn has_idempotency_key(&self) -> bool {
        let key = self.headers.get("idempotency-key");
        let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'"');
        key.is_some_and(|key| !key.as_bytes().iter().all(is_blank))
    }
}

impl<'a> From<&'a request::Parts> for RequestHead<'a> {
    fn from(parts: &'a request::Parts) -> Self {
        Self {
            method: &parts.method,
            uri: &parts.uri,
            headers: &parts.headers,
            extensions: &parts.extensions,
        }
    }
}

impl fmt::Debug for RequestHead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestHead")
            .field("method", self.method)
            .field("host", &self.uri.host())
            .finish_non_exhaustive()
    }
}
