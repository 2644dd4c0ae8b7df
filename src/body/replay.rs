//! Sending a request body again.

/// A request body that knows how to be sent again.
///
/// Implemented for every body that is `Clone`, and for [`Once`](super::Once), which says no.
///
/// ```
/// use tower_backoff::body::Replay;
///
/// let body = String::from("{}");
/// assert_eq!(body.replay(), Some(String::from("{}")));
/// ```
#[diagnostic::on_unimplemented(
    message = "the request body `{Self}` does not say how it is sent a second time",
    label = "this body can be read only once",
    note = "wrap the service in `tower_backoff::body::OnceLayer` to send such bodies once and never again",
    note = "or buffer the body into one that is `Clone`, such as `http_body_util::Full<bytes::Bytes>`",
    note = "`tower_backoff::body::ReplayLayer`, a bounded buffer for streams, comes with a later version"
)]
pub trait Replay: Sized {
    /// The same body from its start; `None` if it cannot be had again.
    fn replay(&self) -> Option<Self>;
}

// The compiler then explains with the words above instead of "`Clone` is not satisfied".
#[diagnostic::do_not_recommend]
impl<B: Clone> Replay for B {
    fn replay(&self) -> Option<Self> {
        Some(self.clone())
    }
}
