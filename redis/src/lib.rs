//! A ledger in Redis or Valkey for [`tower_backoff`]: many processes share one rate limit.
//!
//! ```
//! use tower_backoff::{RetryLayer, providers};
//! use tower_backoff_redis::Ledger;
//!
//! # let key = b"the same bytes in all processes";
//! let ledger = Ledger::new("redis://127.0.0.1:6379")? // does not wait for the server, nor fail because it is away
//!     .secret(key) // the same bytes in all processes
//!     .processes(16); // a guess, used only until the server was reached once
//! let layer = RetryLayer::new(providers::wolfeo()).fleet(ledger.clone());
//! # let _ = layer;
//! # Ok::<_, tower_backoff_redis::InvalidUrl>(())
//! ```
//!
//! One script does a whole exchange in one round trip. Redis 6.2 or later, or Valkey.
//!
//! # Features
//!
//! - `rustls`: encrypted connections, `rediss://`. It trusts the certificates of the system.
//! - `cluster`: a client of a Redis Cluster as the connection of a ledger.

mod connection;
mod constants;
mod fleet;
mod ledger;
mod listeners;
mod script;

use std::error::Error;
use std::fmt;

pub use connection::{RedisConnection, RunScript};
pub use fleet::Ledger;
pub use ledger::RedisLedger;
pub use script::ScriptCall;

/// The address of a server cannot be read, or the certificate that it is to have.
///
/// It says nothing of the address itself, which may hold a password.
#[derive(Debug)]
pub struct InvalidUrl {
    message: String,
}

impl InvalidUrl {
    fn new(error: &redis::RedisError) -> Self {
        let category = error.category();
        Self {
            message: format!("not the address of a redis server: {category}"),
        }
    }

    #[cfg(feature = "rustls")]
    fn of_certificate(why: &str) -> Self {
        Self {
            message: format!("cannot encrypt with this address and certificate: {why}"),
        }
    }
}

impl fmt::Display for InvalidUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl Error for InvalidUrl {}
