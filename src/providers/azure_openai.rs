//! Azure OpenAI: <https://learn.microsoft.com/azure/ai-services/openai/how-to/quota>.

use crate::hint::Field;
use crate::policy::{PartialQuota, Provider};

/// Azure OpenAI: requests and tokens per minute, by deployment.
///
/// * A refusal is a 429 with `retry-after-ms` and `retry-after`; its message names the seconds, too.
/// * What is left is published in `x-ratelimit-remaining-requests` and `-tokens`.
/// * The deployment is in the path, `/openai/deployments/{deployment}/`, so that one does not wait for
///   another.
///
/// No quota is declared, since the owner of the deployment sets it.
///
/// A request that says what it uses, by `Cost::of("tokens", 900)`, waits for the published tokens, too.
pub fn azure_openai() -> Provider {
    Provider::new("azure-openai")
        .page("https://learn.microsoft.com/azure/ai-services/openai/how-to/quota")
        .add_partial_quota(PartialQuota::of_published_costs("tokens"))
        .per_credential(["api-key", "authorization"])
        .per_path_segment(2)
        .wait_from(Field::after("retry after "))
}
