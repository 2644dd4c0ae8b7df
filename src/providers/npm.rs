//! The npm registry, from these pages:
//!
//! * <https://docs.npmjs.com/policies/open-source-terms>
//! * <https://blog.npmjs.org/post/164799520460/api-rate-limiting-rolling-out>

use crate::policy::Provider;

/// The npm registry: limits that no page names.
///
/// * A refusal is a 429, as its announcement of 2017 has it.
/// * Five million requests in a month are unreasonable by its terms.
///
/// No quota is declared, since the pages name none.
pub fn npm() -> Provider {
    Provider::new("npm").page("https://docs.npmjs.com/policies/open-source-terms")
}
