//! GitLab, from these pages:
//!
//! * <https://docs.gitlab.com/administration/settings/user_and_ip_rate_limits/>
//! * <https://docs.gitlab.com/user/gitlab_com/#rate-limits-on-gitlabcom>

use std::time::Duration;

use crate::policy::Provider;

/// GitLab: limits that its administrators set; on gitlab.com 2,000 requests per minute and user.
///
/// * A refusal is a 429 with `Retry-After` and `RateLimit-Limit`, `-Name`, `-Observed`, `-Remaining`,
///   `-Reset` (epoch seconds) and `-ResetTime` (a date). Some limits of single endpoints say nothing:
///   at least a minute.
/// * `RateLimit-Name` names the limit that a request was counted by.
///
/// No quota is declared, since every installation has its own.
pub fn gitlab() -> Provider {
    Provider::new("gitlab")
        .page("https://docs.gitlab.com/administration/settings/user_and_ip_rate_limits/")
        .per_credential(["private-token", "authorization"])
        .buckets_in("ratelimit-name")
        .bare_429_wait(Duration::from_secs(60))
}
