//! Customers: HubSpot, Salesforce, Zendesk, Intercom, Klaviyo.

use tower_backoff::hint::Field;

use super::*;

#[test]
fn hubspot() {
    const BURST: &str = r#"{"status":"error","message":"You have reached your ten_secondly_rolling limit.","errorType":"RATE_LIMIT","policyName":"TEN_SECONDLY_ROLLING"}"#;
    const DAILY: &str = r#"{"status":"error","message":"You have reached your daily limit.","errorType":"RATE_LIMIT","policyName":"DAILY"}"#;
    let left = [
        ("X-HubSpot-RateLimit-Daily", "250000"),
        ("X-HubSpot-RateLimit-Daily-Remaining", "249999"),
        ("X-HubSpot-RateLimit-Interval-Milliseconds", "10000"),
        ("X-HubSpot-RateLimit-Max", "100"),
        ("X-HubSpot-RateLimit-Remaining", "0"),
    ];
    let table = Table::of(providers::hubspot());
    table.row(200, &left, "", Accepted);
    table.row(429, &left, BURST, HeldAtLeast(10));
    table.row(429, &left, DAILY, HeldAtLeast(60));
    let new_york = Field::midnight("DAILY", "EST5EDT,M3.2.0,M11.1.0");
    let ours = Table::of(providers::hubspot().add_wait_from(new_york));
    ours.row(429, &left, BURST, HeldAtLeast(10));
    ours.row(429, &left, DAILY, HeldAsSaid(75_440));
    table.row(
        400,
        &[],
        r#"{"status":"error","category":"VALIDATION_ERROR"}"#,
        Final,
    );
    table.row(502, &[], "", Retried);
}

#[test]
fn salesforce() {
    const LOCKED: &str = r#"[{"message":"unable to obtain exclusive access to this record","errorCode":"UNABLE_TO_LOCK_ROW","fields":[]}]"#;
    const DENIED: &str =
        r#"[{"message":"insufficient access rights","errorCode":"INSUFFICIENT_ACCESS"}]"#;
    let table = Table::for_posts(providers::salesforce());
    table.recorded("salesforce-403", HeldAtLeast(60));
    table.row(400, &[], LOCKED, Retried);
    table.row(403, &[], DENIED, Final);
    table.row(400, &[], r#"[{"errorCode":"MALFORMED_QUERY"}]"#, Final);
    table.row(503, &[], "", Final);
}

#[test]
fn zendesk() {
    let table = Table::of(providers::zendesk());
    table.recorded("zendesk-list", HeldAsSaid(41));
    table.recorded("zendesk-200", Accepted);
    table.recorded("zendesk-429-trace", HeldAsSaid(93));
    table.row(503, &[("Retry-After", "30")], "", HeldAsSaid(30));
}

#[test]
fn intercom() {
    let table = Table::of(providers::intercom());
    table.recorded("intercom", HeldAsSaid(10));
    table.row(200, &counter(X_RATELIMIT, "82", SOON), "", Accepted);
    table.row(
        200,
        &counter(X_RATELIMIT, "0", SOON),
        "",
        AcceptedThenHeld(40),
    );
}

#[test]
fn klaviyo() {
    // Documented: the headers of served answers.
    let left = |left| counter(["RateLimit-Remaining", "RateLimit-Reset"], left, "48");
    let table = Table::for_posts(providers::klaviyo());
    table.row(200, &left("699"), "", Accepted);
    table.row(200, &left("0"), "", AcceptedThenHeld(48));
    table.row(429, &[("Retry-After", "12")], "", HeldAsSaid(12));
    table.row(429, &[], "", HeldAtLeast(60));
    table.row(400, &[], "", Final);
}
