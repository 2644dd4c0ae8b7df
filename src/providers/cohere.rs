//! Cohere, from these pages:
//!
//! * <https://docs.cohere.com/docs/rate-limits>
//! * <https://docs.cohere.com/reference/errors>

use http::header::AUTHORIZATION;

use crate::policy::Provider;

/// Cohere: requests per minute by key, endpoint and model.
///
/// * A refusal is a 429 whose message says which limit was met.
/// * The endpoint is in the path, `/v2/chat`, so that one does not wait for another.
/// * Trial keys have 1,000 calls per month besides.
///
/// No quota is declared: a chat has 500 per minute and 20 with a trial key, other endpoints from 5 to 2,000.
pub fn cohere() -> Provider {
    Provider::new("cohere")
        .page("https://docs.cohere.com/docs/rate-limits")
        .per_credential([AUTHORIZATION])
        .per_path_segment(1)
}
