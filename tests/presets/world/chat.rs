//! Messages: Slack, Discord, Zoom, Twilio, SendGrid, Mailchimp, Telegram, Matrix.

use super::*;

#[test]
fn slack() {
    let table = Table::for_posts(providers::slack());
    table.recorded("slack", HeldAsSaid(30));
    table.row(200, &[], r#"{"ok":false,"error":"not_authed"}"#, Accepted);
    table.row(503, &[], "", Final);
}

#[test]
fn discord() {
    let table = Table::of(providers::discord());
    table.recorded("discord-user", HeldAsSaid(65));
    table.recorded("discord-shared", HeldAsSaid(1_337));
    table.recorded("discord-global", HeldAsSaid(65));
    table.recorded("discord-200-exhausted", AcceptedThenHeld(1));
    table.recorded("discord-body-only", HeldAsSaid(64));
    table.row(
        401,
        &[],
        r#"{"message":"401: Unauthorized","code":0}"#,
        Final,
    );
    table.row(403, &[("Retry-After", "5")], "", Final);
    table.row(502, &[], "", Retried);
}

#[test]
fn zoom() {
    const SECOND: &str = r#"{"code":429,"message":"You have reached the maximum per-second rate limit for this API. Try again later."}"#;
    const DAY: &str = r#"{"code":429,"message":"You have reached the maximum daily rate limit for this API. Refer to the response header for details on when you can make another request."}"#;
    let daily = [
        ("X-RateLimit-Type", "Daily-limit"),
        ("X-RateLimit-Limit", "30000"),
        ("X-RateLimit-Remaining", "0"),
        ("Retry-After", "2021-02-17T00:00:00Z"),
    ];
    let table = Table::of(providers::zoom());
    table.row(429, &[], SECOND, HeldAtLeast(1));
    table.row(429, &daily, DAY, HeldAsSaid(57_440));
    table.row(429, &[], DAY, HeldAtLeast(60));
}

#[test]
fn twilio() {
    const LIMITED: &str = r#"{"code":20429,"message":"Too Many Requests","more_info":"https://www.twilio.com/docs/errors/20429","status":429}"#;
    let table = Table::for_posts(providers::twilio());
    table.row(429, &[], LIMITED, HeldAtLeast(60));
    table.row(429, &[("Retry-After", "5")], LIMITED, HeldAsSaid(5));
    table.row(400, &[], r#"{"code":21211,"status":400}"#, Final);
    table.row(503, &[], "", Final);
}

#[test]
fn sendgrid() {
    let table = Table::for_posts(providers::sendgrid());
    table.row(202, &counter(X_RATELIMIT, "599", SOON), "", Accepted);
    table.row(
        202,
        &counter(X_RATELIMIT, "0", SOON),
        "",
        AcceptedThenHeld(40),
    );
    let body = r#"{"errors":[{"field":null,"message":"too many requests"}]}"#;
    table.row(429, &counter(X_RATELIMIT, "0", SOON), body, HeldAsSaid(40));
    table.row(401, &[], "", Final);
}

#[test]
fn mailchimp() {
    const LIMITED: &str = r#"{"title":"Too Many Requests","status":429,"detail":"You have exceeded the limit of 10 simultaneous connections."}"#;
    let table = Table::for_posts(providers::mailchimp());
    table.row(429, &[], LIMITED, HeldAtLeast(60));
    table.row(400, &[], r#"{"title":"Member Exists","status":400}"#, Final);
}

#[test]
fn telegram() {
    let table = Table::for_posts(providers::telegram());
    table.recorded("telegram", HeldAsSaid(35));
    table.row(429, &[], "", HeldAtLeast(60));
    table.row(
        400,
        &[],
        r#"{"ok":false,"error_code":400,"description":"Bad Request: chat not found"}"#,
        Final,
    );
}

#[test]
fn matrix() {
    // Documented: the example of the specification.
    const LIMITED: &str =
        r#"{"errcode":"M_LIMIT_EXCEEDED","error":"Too many requests","retry_after_ms":2000}"#;
    let table = Table::of(providers::matrix());
    table.recorded("matrix", HeldAsSaid(2));
    table.recorded("matrix-both", HeldAsSaid(2));
    table.row(429, &[], LIMITED, HeldAsSaid(2));
    table.row(429, &[("Retry-After", "5")], LIMITED, HeldAsSaid(5));
    table.row(
        429,
        &[],
        r#"{"errcode":"M_LIMIT_EXCEEDED"}"#,
        HeldAtLeast(60),
    );
    table.row(403, &[], r#"{"errcode":"M_FORBIDDEN"}"#, Final);
}
