//! A contender: a client of the server with its own way to retry.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use http::StatusCode;
use tower_backoff::BoxError;

use crate::scenario::Scenario;
use crate::server::Server;

/// The final status or error of a job.
pub type Outcome = Result<StatusCode, BoxError>;

/// Does one job, with all retries of the contender. Clones are cheap and share the client.
pub type Client = Arc<dyn Fn(u32) -> Pin<Box<dyn Future<Output = Outcome> + Send>> + Send + Sync>;

/// One row of each table.
#[derive(Clone, Copy)]
pub struct Contender {
    pub name: &'static str,
    /// Whether it declares the limit of the server.
    pub is_declared: bool,
    pub takes_part: fn(&Scenario) -> bool,
    pub client: fn(&Setup) -> Client,
}

impl Contender {
    /// A contender that takes part in the eight scenarios of the peers.
    pub fn peer(name: &'static str, client: fn(&Setup) -> Client) -> Self {
        Self {
            name,
            is_declared: false,
            takes_part: |scenario| scenario.is_one_of_eight,
            client,
        }
    }
}

/// What a contender builds its client from.
#[derive(Clone)]
pub struct Setup {
    pub scenario: Scenario,
    pub server: Server,
    pub seed: u64,
}
