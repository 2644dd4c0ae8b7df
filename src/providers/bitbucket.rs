//! Bitbucket Cloud: <https://support.atlassian.com/bitbucket-cloud/docs/api-request-limits/>.

use http::header::AUTHORIZATION;

use crate::gate::Quota;
use crate::policy::Provider;

/// Bitbucket Cloud: 1,000 requests per hour and user, in a window that rolls.
///
/// * A refusal is a 429.
/// * Without credentials it is 60 per hour and address.
///
/// Repositories of bigger workspaces have up to 10,000 per hour, raw files 5,000.
pub fn bitbucket() -> Provider {
    Provider::new("bitbucket")
        .page("https://support.atlassian.com/bitbucket-cloud/docs/api-request-limits/")
        .plan(Quota::per_hour(1_000))
        .per_credential([AUTHORIZATION])
}
