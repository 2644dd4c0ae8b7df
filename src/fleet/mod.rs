//! Sharing one quota between processes: a shared ledger is asked before a call is sent.
//!
//! The gates of one process decide at once, and without a fleet there is no cost. A [`Fleet`] may reply later: it
//! asks a ledger that all processes share.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use crate::scope::Scope;

/// A ledger shared by several processes, which must grant each call before it is sent.
///
/// It is asked for each attempt, after the gates of this process have admitted it. When a response closes a gate
/// here, it is told, so that it can tell the other processes.
///
/// A call that belongs to a bucket, as a response has named it, asks twice: for the bucket first and, when that is
/// granted, for the scope. If it then has to wait, it asks for both again.
///
/// ```
/// use std::sync::Mutex;
/// use std::time::{Duration, Instant};
/// use tower_backoff::fleet::{Reply, ReplyFuture, Fleet};
/// use tower_backoff::{RetryLayer, Scope, providers};
///
/// /// Holds calls back until a moment. A real ledger stores it where all processes see it.
/// #[derive(Default)]
/// struct Ledger(Mutex<Option<Instant>>);
///
/// impl Fleet for Ledger {
///     fn admit(&self, _scope: &Scope, _cost: u32) -> ReplyFuture {
///         let closed_until = *self.0.lock().unwrap();
///         let wait = closed_until.map(|until| until.saturating_duration_since(Instant::now()));
///         Box::pin(async move {
///             // A real ledger is asked over the network here.
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
    /// Asks whether a call of this cost may be sent, for this scope or bucket.
    ///
    /// The reply comes now or later. A call that is dropped drops the future.
    fn admit(&self, scope: &Scope, cost: u32) -> ReplyFuture;

    /// Returns what was granted to a call that was not sent after all.
    ///
    /// The bucket was granted and the scope was not, the call was dropped, or its client did not become ready in
    /// time. The default does nothing.
    fn release(&self, scope: &Scope, cost: u32) {
        let _ = (scope, cost);
    }

    /// Called when a response has closed the gate of this scope or bucket for `closed_for`.
    ///
    /// After the closing of a bucket only the calls of the bucket have to wait.
    fn on_close(&self, scope: &Scope, closed_for: Duration);
}

/// The reply of a [`Fleet`], now or later.
pub type ReplyFuture = Pin<Box<dyn Future<Output = Reply> + Send + Sync>>;

/// The reply of a [`Fleet`] to one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reply {
    /// The call may be sent.
    Granted,
    /// No call may be sent for this long.
    ///
    /// The gate of the scope or bucket closes in this process, and the call then asks again.
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

pub mod ledger;

/// The name of a scope that all processes with the same secret share: 128 bits of a keyed hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScopeName(pub [u8; 16]);
