//! The ledger that all members of a fleet share: what they say to it and what it replies.

mod exchange;
mod state;

use std::future::Future;

pub use exchange::{
    Closing, Counter, Exchange, Granted, MemberAccount, Reply, ReplyState, Settled, Unit, Window,
};
pub use state::LedgerState;

use super::ScopeName;

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
