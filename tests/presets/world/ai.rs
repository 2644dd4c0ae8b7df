//! Models: OpenAI, Azure OpenAI, Anthropic, Gemini, Hugging Face.

use super::*;

#[test]
fn openai() {
    const LIMITED: &str = r#"{"error":{"message":"Rate limit reached for requests","type":"requests","param":null,"code":"rate_limit_exceeded"}}"#;
    const QUOTA: &str = r#"{"error":{"message":"You exceeded your current quota, please check your plan and billing details.","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#;
    let spent = [
        ("x-ratelimit-remaining-requests", "12"),
        ("x-ratelimit-remaining-tokens", "0"),
        ("x-ratelimit-reset-requests", "1s"),
        ("x-ratelimit-reset-tokens", "6m0s"),
    ];
    let table = Table::for_posts(providers::openai());
    table.row(200, &spent[..1], "", Accepted);
    table.row(200, &spent, "", AcceptedThenHeld(360));
    table.row(429, &spent, LIMITED, HeldAsSaid(360));
    table.row(429, &[("retry-after-ms", "7000")], LIMITED, HeldAsSaid(7));
    table.row(429, &[("retry-after", "20")], LIMITED, HeldAsSaid(20));
    table.row(429, &[], LIMITED, HeldAtLeast(60));
    table.row(429, &[], QUOTA, Final);
    table.row(429, &[("retry-after", "20")], QUOTA, Final);
    table.row(400, &[], r#"{"error":{"code":"invalid_type"}}"#, Final);
    table.row(503, &[], "", Final); // the work may be done
    let gets = Table::of(providers::openai());
    gets.row(503, &[], "", Retried);
    gets.row(503, &[("x-should-retry", "false")], "", Final);
    gets.row(409, &[("x-should-retry", "true")], "", Retried);
}

#[test]
fn azure_openai() {
    const PROSE: &str = r#"{"error":{"code":"429","message":"Requests to the ChatCompletions_Create Operation have exceeded token rate limit of your current pricing tier. Please retry after 6 seconds."}}"#;
    let both = [("retry-after-ms", "5500"), ("retry-after", "6")];
    let table = Table::for_posts(providers::azure_openai());
    table.row(429, &both, PROSE, HeldAsSaid(5));
    table.row(429, &both[1..], PROSE, HeldAsSaid(6));
    table.row(429, &[], PROSE, HeldAsSaid(6));
    table.row(429, &[], "", HeldAtLeast(60));
    table.row(401, &[], "", Final);
}

#[test]
fn anthropic() {
    let table = Table::for_posts(providers::anthropic());
    table.recorded("anthropic-200", Accepted);
    table.recorded("anthropic-429-tokens", HeldAsSaid(15));
    table.recorded("anthropic-429-retry-after", HeldAsSaid(5));
    table.recorded("anthropic-529", Retried);
    table.row(429, &[], "", HeldAtLeast(60));
    table.row(529, &[("x-should-retry", "false")], "", Final);
    table.row(400, &[], "", Final);
    table.row(500, &[], "", Final);
    Table::of(providers::anthropic()).row(500, &[], "", Retried);
}

#[test]
fn gemini() {
    const LIMITED: &str = r#"{"error":{"code":429,"message":"You exceeded your current quota.","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaId":"GenerateRequestsPerMinutePerProjectPerModel-FreeTier"}]},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"37s"}]}}"#;
    const BARE: &str =
        r#"{"error":{"code":429,"message":"Resource exhausted","status":"RESOURCE_EXHAUSTED"}}"#;
    const DENIED: &str =
        r#"{"error":{"code":403,"message":"No permission","status":"PERMISSION_DENIED"}}"#;
    let table = Table::for_posts(providers::gemini());
    table.row(429, &[], LIMITED, HeldAsSaid(37));
    table.row(429, &[], BARE, HeldAtLeast(60));
    // It is 08:02:40 in London: a new day began in California 2 minutes 40 ago.
    table.row(
        429,
        &[],
        &LIMITED.replace("PerMinute", "PerDay"),
        HeldAsSaid(86_240),
    );
    let another_minute = [("Date", "Tue, 16 Feb 2021 07:59:50 GMT")];
    let both = LIMITED.replace("Requests", "PerDayRequests");
    table.row(429, &another_minute, &both, HeldAsSaid(37));
    table.row(403, &[], DENIED, Final);
    table.row(503, &[], "", Final);
    let gets = Table::of(providers::gemini());
    gets.recorded("matrix-dendrite-nano", HeldAsSaid(0));
    gets.row(503, &[], "", Retried);
}

#[test]
fn hugging_face() {
    let table = Table::of(providers::hugging_face());
    table.recorded("huggingface", HeldAsSaid(55));
    let some_left = [("RateLimit", "\"api\";r=489;t=189")];
    table.row(200, &some_left, "", Accepted);
    let none_left = [("RateLimit", "\"api\";r=0;t=189")];
    table.row(200, &none_left, "", AcceptedThenHeld(189));
    table.row(429, &[], "", HeldAtLeast(300));
}
