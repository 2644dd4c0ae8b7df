//! Hugging Face: <https://huggingface.co/docs/hub/rate-limits>.

use std::time::Duration;

use http::header::AUTHORIZATION;

use crate::policy::Provider;

/// Hugging Face Hub: limits per 5 minutes, by plan and by kind of request.
///
/// * What is left is published in the `RateLimit` field, `"api";r=0;t=55`, whose item names the kind. A
///   refusal is a 429 with nothing left.
/// * There are three kinds: resolvers, whose paths have `/resolve/` in them, the API, and pages.
/// * Without a token the address is counted, with one its owner.
///
/// No quota is declared, since it depends on the plan and is published.
pub fn hugging_face() -> Provider {
    Provider::new("hugging-face")
        .page("https://huggingface.co/docs/hub/rate-limits")
        .per_credential([AUTHORIZATION])
        .per_path_part(["/resolve/", "/api/"])
        .bare_429_wait(Duration::from_secs(5 * 60))
}
