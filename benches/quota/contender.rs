//! Who takes part: a client around the server, by whatever means.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use http::StatusCode;
use tower_backoff::BoxError;

use crate::scenario::Scenario;
use crate::server::Server;

/// How a call ended.
pub type Outcome = Result<StatusCode, BoxError>;

/// Does one job, with all the retries that the contender thinks right. Cheap to clone, like the
/// clients that stand behind it.
pub type Client = Arc<dyn Fn(u32) -> Pin<Box<dyn Future<Output = Outcome> + Send>> + Send + Sync>;

/// One way to call a server.
#[derive(Clone, Copy)]
pub struct Contender {
    pub name: &'static str,
    pub takes_part: fn(&Scenario) -> bool,
    pub client: fn(&Setup) -> Client,
}

impl Contender {
    /// One that takes part in the eight.
    pub fn peer(name: &'static str, client: fn(&Setup) -> Client) -> Self {
        Self {
            name,
            takes_part: |scenario| scenario.is_one_of_eight,
            client,
        }
    }
}

/// What a contender is given.
#[derive(Clone)]
pub struct Setup {
    pub scenario: Scenario,
    pub server: Server,
    pub seed: u64,
}
