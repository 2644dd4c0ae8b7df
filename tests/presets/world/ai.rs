//! Models: OpenAI, Azure OpenAI, Anthropic, Gemini, Hugging Face.

use super::*;
use tower_backoff::policy::{Attempt, Policy, Provider, Ruling};

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
    for code in [
        "credit_balance_exhausted",
        "organization_usage_limit_exceeded",
        "organization_spend_limit_exceeded",
        "project_spend_limit_exceeded",
    ] {
        let body = QUOTA.replace(
            r#""code":"insufficient_quota""#,
            &format!(r#""code":"{code}""#),
        );
        table.row(429, &[], &body, Final);
        table.row(
            429,
            &[],
            &body.replace("insufficient_quota", "error"),
            Final,
        );
    }
    table.row(400, &[], r#"{"error":{"code":"invalid_type"}}"#, Final);
    table.row(503, &[], "", Final); // the work may be done
    let gets = Table::of(providers::openai());
    gets.row(503, &[], "", Retried);
    gets.row(503, &[("x-should-retry", "false")], "", Final);
    gets.row(409, &[("x-should-retry", "true")], "", Retried);
}

/// What the page of error codes documents: there is no capacity for the request.
const OVERLOADED: &str = r#"{"error":{"type":"service_unavailable_error","code":"server_is_overloaded","message":"The server is overloaded."}}"#;

#[test]
fn openai_sends_any_method_again_when_nothing_was_done() {
    for path in ["/v1/responses", "/v1/fine_tuning/jobs", "/v1/batches"] {
        let table = Table::for_posts_to(path, providers::openai());
        table.row(503, &[], OVERLOADED, Retried);
        table.row(500, &[], "", Final);
        table.row(409, &[], "", Final);
        let said = |said| [("x-should-retry", said)];
        table.row(500, &said("true"), "", Retried);
        table.row(400, &said("true"), "", Retried);
        table.row(503, &said("false"), OVERLOADED, Final);
    }
}

#[test]
fn what_only_asks_a_model_goes_again_after_any_failure() {
    let openai = [
        "/v1/chat/completions",
        "/v1/completions",
        "/v1/embeddings",
        "/v1/moderations/",
        "/behind/a/proxy/v1/chat/completions",
    ];
    let anthropic = ["/v1/messages", "/v1/messages/count_tokens"];
    let ours = |path| (path, providers::openai());
    let theirs = |path| (path, providers::anthropic());
    for (path, provider) in openai.map(ours).into_iter().chain(anthropic.map(theirs)) {
        let questions = Table::for_posts_to(path, provider.clone());
        let once = Table::for_posts_to(path, provider.clone().without_idempotent_paths());
        for status in [500, 502, 504, 520, 408, 409] {
            questions.row(status, &[], "", Retried);
            once.row(status, &[], "", Final);
        }
        assert_eq!(broken(&provider, path), Ruling::Retry, "{path}");
    }
    let [openai, anthropic] = [providers::openai(), providers::anthropic()];
    for (provider, path) in [
        (&openai, "/v1/responses"),
        (&openai, "/v1/files"),
        (&openai, "/v1/batches"),
        (&openai, "/v1/fine_tuning/jobs"),
        (&openai, "/v1/threads/thread_1/messages"),
        (&openai, "/v1/chat/completions/chatcmpl-1"),
        (&openai, "/v1/uncompletions"),
        (&anthropic, "/v1/messages/batches"),
        (&anthropic, "/v1/files"),
    ] {
        assert_eq!(broken(provider, path), Ruling::Refuse, "{path}");
        Table::for_posts_to(path, provider.clone()).row(500, &[], "", Final);
    }
}

#[test]
fn only_a_post_is_a_question() {
    let request = http::Request::patch("https://api.test/v1/chat/completions");
    let request = request.body(()).unwrap();
    let response = http::Response::builder().status(500).body(()).unwrap();
    let verdict = providers::openai().judge(&Attempt::new(&request, &response));
    assert_eq!(verdict.ruling(), Ruling::Refuse);
}

#[test]
fn a_caller_can_say_that_a_question_is_asked_once() {
    let request = http::Request::post("https://api.test/v1/chat/completions")
        .extension(tower_backoff::Idempotent(false))
        .body(())
        .unwrap();
    let response = http::Response::builder().status(500).body(()).unwrap();
    let verdict = providers::openai().judge(&Attempt::new(&request, &response));
    assert_eq!(verdict.ruling(), Ruling::Refuse);
}

/// What is done about a POST whose connection broke.
fn broken(provider: &Provider, path: &str) -> Ruling {
    let request = http::Request::post(format!("https://api.test{path}"));
    let request = request.body(()).unwrap();
    let error = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    let attempt = Attempt::failed(&request, &error);
    provider.judge(&attempt).ruling()
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
    table.row(500, &[("x-should-retry", "true")], "", Retried);
    const SPENT: &str = r#"{"type":"error","error":{"type":"rate_limit_error","message":"You have reached your API usage limits.","details":{"error_code":"enforced_spend_limit_reached"}},"request_id":"req_1"}"#;
    table.row(429, &[], SPENT, Final);
    table.row(429, &[("retry-after", "5")], SPENT, Final);
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
    let streamed = format!("[{LIMITED}]");
    table.row(429, &[], &streamed, HeldAsSaid(37));
    table.row(400, &[], &streamed, HeldAsSaid(37));
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
