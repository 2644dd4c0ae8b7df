//! Docker Hub, from these pages:
//!
//! * <https://docs.docker.com/docker-hub/usage/>
//! * <https://docs.docker.com/docker-hub/usage/pulls/>
//! * <https://docs.docker.com/reference/api/hub/latest/#tag/rate-limiting>

use http::header::AUTHORIZATION;

use crate::policy::Provider;

/// Docker Hub: pulls per 6 hours and user, requests to its API, and a limit against abuse per address.
///
/// * The API publishes `X-RateLimit-Remaining` and `-Reset`, the reset in epoch seconds. A refusal is a 429
///   with `Retry-After` in seconds.
/// * The registry publishes what is left of the pulls without a reset, `ratelimit-remaining: 20;w=21600`. A
///   refusal is a bare 429.
/// * The limit against abuse is in the order of thousands per minute, and its refusal is a bare 429.
///
/// No quota is declared, since pulls depend on the account: 100 without one, 200 with a personal one.
pub fn docker_hub() -> Provider {
    Provider::new("docker-hub")
        .page("https://docs.docker.com/docker-hub/usage/")
        .per_credential([AUTHORIZATION])
}
