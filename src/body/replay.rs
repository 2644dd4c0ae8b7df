//! The trait of request bodies that can be sent again.

use http_body::Body;

/// A request body that can be sent again.
///
/// It is implemented for every `Clone` body; for [`ReplayBody`](super::ReplayBody), which buffers what is sent of a
/// stream; and for [`NoReplay`](super::NoReplay), which is never sent again.
///
/// Some bodies are `Clone` and share one stream, so that a second clone is what the first has left. So a clone is
/// sent only if the body reported its exact size (below 4 GiB) before it was first sent, or that it is empty, and the
/// clone reports the same. A body that does not know its size is sent once: wrap the service in
/// [`ReplayLayer`](super::ReplayLayer) to have it sent again.
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
    note = "wrap the service in `tower_backoff::body::ReplayLayer` to buffer such bodies, up to a bound, while they are sent",
    note = "or in `tower_backoff::body::NoReplayLayer` to send them once and never again",
    note = "or buffer the body into one that is `Clone`, such as `http_body_util::Full<bytes::Bytes>`",
    note = "what is no `http_body::Body` at all, such as `()`, is no body: use `http_body_util::Empty<bytes::Bytes>`"
)]
pub trait Replay: Body + Sized {
    /// Whether replays are clones, which are trusted only if they report the right size.
    #[doc(hidden)]
    const IS_CLONE: bool = false;

    /// Returns the same body from its start; `None` if that is not possible.
    fn replay(&self) -> Option<Self>;

    /// Like [`replay`](Self::replay), after a response has arrived.
    ///
    /// It is `None` as well if an attempt was still sending the body then. The default calls `replay`, for bodies
    /// that do not know how far they were sent.
    fn replay_after_answer(&self) -> Option<Self> {
        self.replay()
    }
}

// The compiler then explains with the words above instead of "`Clone` is not satisfied".
#[diagnostic::do_not_recommend]
impl<B: Clone + Body> Replay for B {
    const IS_CLONE: bool = true;

    fn replay(&self) -> Option<Self> {
        Some(self.clone())
    }
}
