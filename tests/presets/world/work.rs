//! Work: Notion, Airtable, Jira, Linear, Discourse, Trello, Asana, ClickUp, monday.

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

#[test]
fn trello() {
    // Documented: both bodies.
    const TOKEN: &str = r#"{"error":"API_TOKEN_LIMIT_EXCEEDED","message":"Rate limit exceeded"}"#;
    const KEY: &str = r#"{"error":"API_KEY_LIMIT_EXCEEDED","message":"Rate limit exceeded"}"#;
    let table = Table::for_posts(providers::trello());
    table.row(429, &[], TOKEN, HeldAtLeast(10));
    table.row(429, &[], KEY, HeldAtLeast(10));
    table.row(429, &[], "", HeldAtLeast(60));
    table.row(401, &[], "invalid token", Final);
}

#[test]
fn asana() {
    // Documented: the example of the page.
    const LIMITED: &str = r#"{"errors":[{"message":"You've made too many requests and hit a rate limit. Please retry after the given amount of time."}]}"#;
    let table = Table::for_posts(providers::asana());
    table.row(429, &[("Retry-After", "30")], LIMITED, HeldAsSaid(30));
    table.row(429, &[], LIMITED, HeldAtLeast(60));
    table.row(403, &[], "", Final);
}

#[test]
fn clickup() {
    let table = Table::of(providers::clickup());
    table.recorded("clickup", HeldAsSaid(33));
    table.row(200, &counter(X_RATELIMIT, "95", SOON), "", Accepted);
    table.row(
        200,
        &counter(X_RATELIMIT, "0", SOON),
        "",
        AcceptedThenHeld(40),
    );
    table.row(
        401,
        &[],
        r#"{"err":"Token invalid","ECODE":"OAUTH_025"}"#,
        Final,
    );
}

#[test]
fn monday() {
    // Documented: the body of a field's limit, the codes, and when the day ends.
    const FIELD: &str = r#"{"error_message":"Concurrency limit exceeded for the field","error_code":"FIELD_LIMIT_EXCEEDED","error_data":{"retry_in_seconds":15,"entity":"boards"},"status_code":429,"account_id":123456}"#;
    const DENIED: &str = r#"{"data":[],"errors":[{"message":"User unauthorized to perform action","extensions":{"code":"UserUnauthorizedException","status_code":403}}]}"#;
    let code = |code: &str| {
        format!(
            r#"{{"errors":[{{"message":"m","extensions":{{"code":"{code}","status_code":429}}}}]}}"#
        )
    };
    let table = Table::for_posts(providers::monday());
    table.recorded("monday-old-prose", HeldAsSaid(16));
    table.row(429, &[], FIELD, HeldAsSaid(15));
    table.row(200, &[], FIELD, HeldAsSaid(15));
    table.row(
        429,
        &[("Retry-After", "21")],
        &code("COMPLEXITY_BUDGET_EXHAUSTED"),
        HeldAsSaid(21),
    );
    table.row(429, &[], &code("maxConcurrencyExceeded"), HeldAtLeast(60));
    // It is 08:02:40 in London: the day ends in 15 hours 57 minutes 20.
    table.row(429, &[], &code("DAILY_LIMIT_EXCEEDED"), HeldAsSaid(57_440));
    table.row(200, &[], DENIED, Accepted);
    table.row(200, &[], r#"{"data":{"boards":[]}}"#, Accepted);
}
