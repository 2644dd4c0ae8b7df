//! Mailchimp: <https://mailchimp.com/developer/marketing/docs/fundamentals/>.

use http::header::AUTHORIZATION;

use crate::gate::Quota;
use crate::policy::Provider;

/// Mailchimp's Marketing API: 10 connections at once, and no limit per time.
///
/// * A refusal is a 429 without any header; there is nothing to wait for but calls of one's own, so that
///   staying below 10 is all.
/// * Each data centre has a host of its own, and an account has one data centre.
pub fn mailchimp() -> Provider {
    Provider::new("mailchimp")
        .page("https://mailchimp.com/developer/marketing/docs/fundamentals/")
        .plan(Quota::concurrent(10))
        .per_credential([AUTHORIZATION])
}
