//! More models: Mistral, Cohere, Groq, DeepSeek, OpenRouter.

use super::*;

#[test]
fn mistral() {
    let table = Table::for_posts(providers::mistral());
    table.recorded("mistral-bare", HeldAtLeast(60));
    table.row(429, &[("Retry-After", "2")], "", HeldAsSaid(2));
    table.row(500, &[], "", Final);
    table.row(401, &[], "", Final);
}

#[test]
fn cohere() {
    // Documented: the message.
    const LIMITED: &str = r#"{"message":"You are past the per minute request limit, please wait and try again later."}"#;
    let table = Table::for_posts(providers::cohere());
    table.row(429, &[], LIMITED, HeldAtLeast(60));
    table.row(400, &[], r#"{"message":"invalid request"}"#, Final);
    table.row(500, &[], "", Final);
}

#[test]
fn groq() {
    // Documented: the headers, with the values of the page; the statuses; the code of a spend limit.
    let left = |requests, tokens| {
        [
            ("x-ratelimit-limit-requests", "14400"),
            ("x-ratelimit-remaining-requests", requests),
            ("x-ratelimit-remaining-tokens", tokens),
            ("x-ratelimit-reset-requests", "2m59.56s"),
            ("x-ratelimit-reset-tokens", "7.66s"),
        ]
    };
    const SPENT: &str = r#"{"error":{"type":"invalid_request_error","code":"blocked_api_access"}}"#;
    let path = "/openai/v1/chat/completions";
    let table = Table::for_posts_to(path, providers::groq());
    table.row(200, &left("14370", "17997"), "", Accepted);
    table.row(200, &left("14370", "0"), "", AcceptedThenHeld(7));
    table.row(429, &left("0", "17997"), "", HeldAsSaid(179));
    table.row(429, &[("retry-after", "2")], "", HeldAsSaid(2));
    table.row(429, &[], "", HeldAtLeast(60));
    table.row(400, &[], SPENT, Final);
    for status in [408, 409, 498, 500, 502, 503] {
        table.row(status, &[], "", Retried);
    }
    let files = Table::for_posts_to("/openai/v1/files", providers::groq());
    files.row(498, &[], "", Retried);
    files.row(500, &[], "", Final);
}

#[test]
fn deepseek() {
    // Documented: the statuses and their titles.
    let table = Table::for_posts(providers::deepseek());
    table.row(429, &[], "Rate Limit Reached", HeldAtLeast(60));
    table.row(402, &[], "Insufficient Balance", Final);
    table.row(402, &[("Retry-After", "5")], "", Final);
    table.row(422, &[], "Invalid Parameters", Final);
    table.row(503, &[], "Server Overloaded", Final); // no page says that nothing was done
    Table::of(providers::deepseek()).row(503, &[], "", Retried);
}

#[test]
fn openrouter() {
    let table = Table::for_posts(providers::openrouter());
    table.recorded("openrouter-body-headers", HeldAsSaid(60));
    // Documented: the statuses and headers.
    table.row(429, &[("Retry-After", "9")], "", HeldAsSaid(9));
    table.row(402, &[("Retry-After", "3")], "", HeldAsSaid(3));
    table.row(402, &[], r#"{"error":{"code":402,"message":"m"}}"#, Final);
    table.row(429, &[], "", HeldAtLeast(60));
    let gets = Table::of(providers::openrouter());
    gets.row(503, &[("Retry-After", "9")], "", HeldAsSaid(9));
}
