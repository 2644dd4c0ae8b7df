//! Algolia: <https://www.algolia.com/doc/guides/security/api-keys/in-depth/api-key-restrictions>.

use crate::policy::Provider;

/// Algolia: requests per hour and address, if the API key has such a limit.
///
/// * A refusal is a 429, and names no wait.
/// * Each application has hosts of its own.
///
/// No quota is declared, since the owner of the key sets it.
pub fn algolia() -> Provider {
    Provider::new("algolia")
        .page("https://www.algolia.com/doc/guides/security/api-keys/in-depth/api-key-restrictions")
        .per_credential(["x-algolia-api-key"])
}
