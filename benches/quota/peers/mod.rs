//! The peers: other retry crates, each once with its defaults and once patient.
//!
//! A default is what the crate's own documentation starts with, plus the crate's jitter where that is
//! not a default: each call draws its own random numbers, from the seed of the run. Patient is 50
//! attempts, waits of at most 60 s before jitter, and no budget. All are told to send a GET again after
//! a 408, a 429 and any 5xx.

mod backon;
mod reqwest_retry;
mod resilience;
mod throttle_net;
mod tower_retry;

use std::time::Duration;

use http::StatusCode;

use crate::contender::Contender;
use crate::scenario::Scenario;

/// The attempts of a patient client.
const MAX_ATTEMPTS: u32 = 50;
/// The longest wait of a patient client, before jitter.
const MAX_DELAY: Duration = Duration::from_secs(60);

/// All peers, in the order of the table.
pub fn all() -> Vec<Contender> {
    let mut peers = Vec::new();
    peers.extend(tower_retry::all());
    peers.extend(resilience::all());
    peers.extend(backon::all());
    peers.extend(reqwest_retry::all());
    peers.extend(throttle_net::all());
    peers
}

/// The eight scenarios, and the cells of the zoo in which a client can be told nothing.
fn plays_in_the_zoo(scenario: &Scenario) -> bool {
    match &scenario.specimen {
        Some(specimen) => !specimen.needs_words(),
        None => scenario.is_one_of_eight,
    }
}

fn is_transient(status: StatusCode) -> bool {
    let refused = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
    status.is_server_error() || refused.contains(&status)
}
