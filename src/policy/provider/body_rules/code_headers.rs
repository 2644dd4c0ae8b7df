//! Codes that stand in headers.

use http::{HeaderMap, HeaderName, StatusCode};

use super::{BodyRules, Codes, is_one_of};
use crate::header_name::header_name;
use crate::policy::Provider;

impl BodyRules {
    /// Whether a code stands in a header that counts under any status, or under this one.
    pub(super) fn has_code_in_headers(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        codes: &Codes,
    ) -> bool {
        let names = self.code_headers.iter();
        let values = names.flat_map(|name| headers.get_all(name));
        let values = values.filter_map(|value| value.to_str().ok());
        let mut said = values.flat_map(|value| value.split(',')).map(code_of);
        said.any(|code| codes.on(status).any(|codes| is_one_of(code, codes)))
    }
}

/// The code in one item of a header, which may go on with an address or with what is to blame:
/// `ThrottlingException:http://internal.amazon.com/coral/`.
fn code_of(value: &str) -> &str {
    let end = value.find([':', ';']).unwrap_or(value.len());
    value[..end].trim()
}

impl Provider {
    /// Looks for codes in these headers, too. It replaces the headers that were named.
    ///
    /// This is for providers that leave the code out of some bodies. A code ends at a colon or a semicolon, and a comma parts several.
    ///
    /// ```
    /// use tower_backoff::policy::{Attempt, Policy, Provider, Ruling};
    ///
    /// let aws = Provider::new("aws")
    ///     .throttled_codes(["ThrottlingException"])
    ///     .code_headers(["x-amzn-errortype"]);
    ///
    /// let request = http::Request::post("https://lambda.example.com/").body(())?;
    /// let response = http::Response::builder()
    ///     .status(400)
    ///     .header("x-amzn-errortype", "ThrottlingException:http://internal.amazon.com/coral/")
    ///     .body(())?;
    /// let attempt = Attempt::new(&request, &response);
    /// assert_eq!(aws.judge(&attempt).ruling(), Ruling::Throttled);
    /// # Ok::<(), http::Error>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn code_headers<N>(mut self, headers: impl IntoIterator<Item = N>) -> Self
    where
        N: TryInto<HeaderName> + AsRef<str>,
    {
        let mut names = Vec::new();
        for name in headers {
            names.push(header_name(name));
        }
        self.body_rules.code_headers = names;
        self
    }

    /// Takes back what was said with [`code_headers`](Self::code_headers).
    ///
    /// ```
    /// # use tower_backoff::policy::Provider;
    /// let acme = Provider::new("acme").code_headers(["x-code"]).without_code_headers();
    /// assert_eq!(acme, Provider::new("acme"));
    /// ```
    #[must_use]
    pub fn without_code_headers(mut self) -> Self {
        self.body_rules.code_headers.clear();
        self
    }
}
