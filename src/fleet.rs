//! Asking others before a call is sent: the seam behind which several processes share one quota.
//!
//! The gates of one process answer at once, and a layer that asks nobody else pays nothing for this. A
//! [`Fleet`] may answer later: it asks a ledger that all processes share.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use crate::scope::Scope;

/// Whoever else has to agree before a call is sent: a ledger that several processes share.
///
/// It is asked for every call, each time before that is sent, when the gates of this process have let it
/// through; and it is told when an answer shuts a gate here, so that it can tell the others.
///
/// A call that is known to belong to a bucket, as a response has named it, asks twice: for the bucket first and,
/// when that is granted, for the scope. If it has to wait then, it asks for both again.
///
/// ```
/// use std::sync::Mutex;
/// use std::time::{Duration, Instant};
/// use tower_backoff::fleet::{Reply, ReplyFuture, Fleet};
/// use tower_backoff::{RetryLayer, Scope, providers};
///
/// /// What a real ledger keeps elsewhere: until when nobody may call.
/// #[derive(Default)]
/// struct Ledger(Mutex<Option<Instant>>);
///
/// impl Fleet for Ledger {
///     fn admit(&self, _scope: &Scope, _cost: u32) -> ReplyFuture {
///         let shut = *self.0.lock().unwrap();
///         let wait = shut.map(|until| until.saturating_duration_since(Instant::now()));
///         Box::pin(async move {
///             // Here a ledger would be asked over the network.
///             match wait.filter(|wait| !wait.is_zero()) {
///                 Some(wait) => Reply::NotBefore(wait),
///                 None => Reply::Granted,
///             }
///         })
///     }
///
///     fn on_close(&self, _scope: &Scope, closed_for: Duration) {
///         *self.0.lock().unwrap() = Some(Instant::now() + closed_for);
///     }
/// }
///
/// let layer = RetryLayer::new(providers::lemlist()).fleet(Ledger::default());
/// # let _ = layer;
/// ```
pub trait Fleet: Send + Sync {
    /// Whether a call of this price may be sent, as far as this scope or this bucket is concerned. It answers now
    /// or later; a call that is dropped meanwhile drops the question.
    fn admit(&self, scope: &Scope, cost: u32) -> ReplyFuture;

    /// A call that was granted is not sent after all: somebody else has said no, or it was dropped, or its client did
    /// not become ready in time. The default does nothing.
    fn release(&self, scope: &Scope, cost: u32) {
        let _ = (scope, cost);
    }

    /// An answer has shut the gate of this scope here, for so long; or of this bucket, and then its calls alone
    /// have to wait.
    fn on_close(&self, scope: &Scope, closed_for: Duration);
}

/// The answer of a [`Fleet`], now or later.
pub type ReplyFuture = Pin<Box<dyn Future<Output = Reply> + Send + Sync>>;

/// What a [`Fleet`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reply {
    /// The call may be sent, if nothing else is to be asked for.
    Granted,
    /// Nobody may call for so long: the gate that was asked for shuts in this process, and the call asks again
    /// then.
    NotBefore(Duration),
}

impl<F: Fleet + ?Sized> Fleet for std::sync::Arc<F> {
    fn admit(&self, scope: &Scope, cost: u32) -> ReplyFuture {
        (**self).admit(scope, cost)
    }

    fn release(&self, scope: &Scope, cost: u32) {
        (**self).release(scope, cost);
    }

    fn on_close(&self, scope: &Scope, closed_for: Duration) {
        (**self).on_close(scope, closed_for);
    }
}
