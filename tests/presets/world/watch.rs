//! Who watches: Sentry, Datadog, PagerDuty.

use super::*;

#[test]
fn sentry() {
    let table = Table::for_posts(providers::sentry());
    table.recorded("sentry-empty-cat", HeldAsSaid(2_700));
    table.recorded("sentry-vendor-only", HeldAsSaid(2_700));
    table.recorded("sentry-200", Accepted);
    table.recorded("sentry-web-api", HeldAsSaid(1));
    table.row(429, &[], "", HeldAtLeast(60));
    table.row(400, &[], "", Final);
}

#[test]
fn datadog() {
    let table = Table::of(providers::datadog());
    table.recorded("datadog", HeldAsSaid(1_184));
    table.row(200, &counter(X_RATELIMIT, "12", "1184"), "", Accepted);
    table.row(
        200,
        &counter(X_RATELIMIT, "0", "9"),
        "",
        AcceptedThenHeld(9),
    );
    table.row(403, &[], r#"{"errors":["Forbidden"]}"#, Final);
}

#[test]
fn pagerduty() {
    let table = Table::of(providers::pagerduty());
    table.recorded("pagerduty", HeldAsSaid(22));
    table.row(200, &counter(RATELIMIT, "959", "59"), "", Accepted);
    table.row(
        200,
        &counter(RATELIMIT, "0", "59"),
        "",
        AcceptedThenHeld(59),
    );
    table.row(500, &[], "", Retried);
}
