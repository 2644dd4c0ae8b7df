//! A ledger in Redis or Valkey for [`tower_backoff`]: many processes share one rate limit.
//!
//! [`RedisLedger`] is the connection of a fleet to its ledger: it runs one script, which does a whole exchange in one
//! round trip. Redis 6.2 or later, or Valkey.
//!
//! ```
//! use std::time::Duration;
//! use tower_backoff_redis::RedisLedger;
//!
//! // Does not wait for the server, and does not fail because it is away.
//! let ledger = RedisLedger::new("redis://127.0.0.1:6379")?
//!     .timeout(Duration::from_millis(250))
//!     .prefix("tb");
//! # let _ = ledger;
//! # Ok::<_, tower_backoff_redis::InvalidUrl>(())
//! ```
//!
//! # Features
//!
//! - `rustls`: encrypted connections, `rediss://`.
//! - `cluster`: a client of a Redis Cluster as the connection of a ledger.

mod connection;
mod ledger;
mod script;

use std::error::Error;
use std::fmt;

pub use connection::{RedisConnection, RunScript};
pub use ledger::RedisLedger;
pub use script::ScriptCall;

/// The address of a server cannot be read.
///
/// It says nothing of the address itself, which may hold a password.
#[derive(Debug)]
pub struct InvalidUrl {
    category: String,
}

impl InvalidUrl {
    fn new(error: &redis::RedisError) -> Self {
        Self {
            category: error.category().to_owned(),
        }
    }
}

impl fmt::Display for InvalidUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "not the address of a redis server: {}",
            self.category
        )
    }
}

impl Error for InvalidUrl {}
