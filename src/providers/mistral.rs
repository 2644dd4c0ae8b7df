//! Mistral: <https://docs.mistral.ai/deployment/ai-studio/tier>.

use http::header::AUTHORIZATION;

use crate::policy::Provider;

/// Mistral: requests per second and tokens per minute and month, by organization and tier.
///
/// * A refusal is a 429.
///
/// No quota is declared, since it depends on the tier, and the page leaves the numbers to the account.
pub fn mistral() -> Provider {
    Provider::new("mistral")
        .page("https://docs.mistral.ai/deployment/ai-studio/tier")
        .per_credential([AUTHORIZATION])
}
