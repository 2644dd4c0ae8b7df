//! Work: Notion, Airtable, Jira, Linear, Discourse.

use super::*;

#[test]
fn notion() {
    const CONFLICT: &str = r#"{"object":"error","status":409,"code":"conflict_error"}"#;
    let table = Table::of(providers::notion());
    table.recorded("notion", HeldAsSaid(1));
    table.row(409, &[], CONFLICT, Final);
    table.row(503, &[], r#"{"code":"service_unavailable"}"#, Retried);
}

#[test]
fn airtable() {
    const LIMITED: &str =
        r#"{"errors":[{"error":"RATE_LIMIT_REACHED","message":"Rate limit exceeded"}]}"#;
    const MONTH: &str = r#"{"errors":[{"error":"PUBLIC_API_BILLING_LIMIT_EXCEEDED","message":"API billing plan limit exceeded"}]}"#;
    let table = Table::for_posts(providers::airtable());
    table.row(429, &[], LIMITED, HeldAtLeast(30));
    table.row(429, &[], "", HeldAtLeast(30));
    table.row(429, &[], MONTH, Final);
    table.row(422, &[], "", Final);
}

#[test]
fn jira() {
    let reset = |left| counter(X_RATELIMIT, left, "2021-02-16T08:04Z");
    let beta = [
        ("Beta-RateLimit", "\"hourly\";r=0;t=1200"),
        ("Beta-RateLimit-Policy", "\"hourly\";q=65000;w=3600"),
    ];
    let table = Table::of(providers::jira());
    table.row(429, &reset("0"), "", HeldAsSaid(80));
    table.row(429, &[("Retry-After", "5")], "", HeldAsSaid(5));
    table.row(200, &reset("12"), "", Accepted);
    table.row(200, &beta, "", Accepted);
    table.row(503, &[("Retry-After", "5")], "", HeldAsSaid(5));
    table.row(403, &[], "", Final);
    let posts = Table::for_posts(providers::jira());
    posts.row(429, &[("Retry-After", "5")], "", HeldAsSaid(5));
}

#[test]
fn linear() {
    const LIMITED: &str =
        r#"{"errors":[{"message":"Rate limit exceeded","extensions":{"code":"RATELIMITED"}}]}"#;
    const INVALID: &str = r#"{"errors":[{"extensions":{"code":"INVALID_INPUT"}}]}"#;
    let left = |requests, complexity| {
        [
            ("X-RateLimit-Requests-Limit", "5000"),
            ("X-RateLimit-Requests-Remaining", requests),
            ("X-RateLimit-Requests-Reset", "1613462600000"),
            ("X-RateLimit-Complexity-Remaining", complexity),
            ("X-RateLimit-Complexity-Reset", "1613462650000"),
        ]
    };
    let table = Table::for_posts(providers::linear());
    table.row(200, &left("4999", "249999"), "", Accepted);
    table.row(200, &left("0", "249999"), "", AcceptedThenHeld(40));
    table.row(400, &left("0", "249999"), LIMITED, HeldAsSaid(40));
    table.row(400, &left("12", "0"), LIMITED, HeldAsSaid(90));
    table.row(400, &[], LIMITED, HeldAtLeast(60));
    table.row(400, &left("12", "12"), INVALID, Final);
}

#[test]
fn discourse() {
    const LIMITED: &str = r#"{"errors":["You've performed this action too many times, please try again later."],"error_type":"rate_limit","extras":{"wait_seconds":30}}"#;
    let table = Table::for_posts(providers::discourse());
    table.row(429, &[("Retry-After", "12")], LIMITED, HeldAsSaid(12));
    table.row(429, &[], LIMITED, HeldAsSaid(30));
    table.row(429, &[], "", HeldAtLeast(60));
    table.row(
        403,
        &[],
        r#"{"errors":["no"],"error_type":"invalid_access"}"#,
        Final,
    );
}
