//! The ledger that all members of a fleet share: what they say to it and what it replies.

mod exchange;
mod listener;
mod state;

use std::fmt;
use std::future::Future;

pub use exchange::{
    Counter, Exchange, Granted, MemberAccount, QuotaUnit, Reply, ReplyState, ScopeClosing, Settled,
    Window,
};
pub use listener::ClosingListener;
pub use state::LedgerState;

#[cfg(not(all(target_family = "wasm", target_os = "unknown")))]
pub(crate) use listener::HearsClosings;

use crate::scope::ScopeName;

/// A connection to a ledger: one exchange is one round trip.
pub trait LedgerClient: Send + Sync + 'static {
    /// Tells the ledger what a member has done in a scope, and returns what it grants.
    ///
    /// An exchange that takes too long is dropped by its member.
    fn exchange(
        &self,
        scope: ScopeName,
        exchange: &Exchange,
    ) -> impl Future<Output = Result<Reply, Unreachable>> + Send;

    /// Tells this listener when another member closes a scope, if the ledger can do so at once.
    ///
    /// It is a hint, and may be lost: each reply says, too, whether the scope is closed. The default does nothing.
    fn on_closing(&self, scope: ScopeName, listener: ClosingListener) {
        let _ = (scope, listener);
    }
}

impl<L: LedgerClient> LedgerClient for std::sync::Arc<L> {
    fn exchange(
        &self,
        scope: ScopeName,
        exchange: &Exchange,
    ) -> impl Future<Output = Result<Reply, Unreachable>> + Send {
        (**self).exchange(scope, exchange)
    }

    fn on_closing(&self, scope: ScopeName, listener: ClosingListener) {
        (**self).on_closing(scope, listener);
    }
}

/// Why an exchange failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unreachable {
    /// There is no connection, or it broke: tried again soon.
    NoConnection(String),
    /// The ledger replied with an error: tried again later.
    ErrorReply(String),
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoConnection(why) => write!(f, "no connection to the ledger: {why}"),
            Self::ErrorReply(why) => write!(f, "the ledger replied with an error: {why}"),
        }
    }
}

impl std::error::Error for Unreachable {}
