//! Commerce: Stripe, Shopify.

use super::*;

#[test]
fn stripe() {
    const RATE: &str = r#"{"error":{"type":"invalid_request_error","code":"rate_limit","message":"Request rate limit exceeded."}}"#;
    const LOCK: &str = r#"{"error":{"type":"invalid_request_error","code":"lock_timeout","message":"This object cannot be accessed right now."}}"#;
    const CARD: &str = r#"{"error":{"type":"card_error","code":"card_declined"}}"#;
    let retry = |answer| [("Stripe-Should-Retry", answer)];
    let table = Table::for_posts(providers::stripe());
    table.row(429, &[], RATE, HeldAtLeast(60));
    table.row(429, &[], LOCK, Retried);
    table.row(429, &retry("true"), LOCK, Retried);
    table.row(402, &[], CARD, Final);
    table.row(402, &retry("false"), CARD, Final);
    table.row(409, &[], "", Final);
    table.row(409, &retry("true"), "", Final); // without a key it might be done twice
    table.row(500, &[], "", Final);
    let gets = Table::of(providers::stripe());
    gets.row(409, &retry("true"), "", Retried);
    gets.row(500, &[], "", Retried);
    gets.row(500, &retry("false"), "", Final);
}

#[test]
fn shopify() {
    let table = Table::of(providers::shopify());
    table.recorded("shopify-rest", HeldAsSaid(2));
    table.recorded("shopify-200-callcount", Accepted);
    table.recorded("shopify-430", Final);
    table.row(429, &[], "", HeldAtLeast(60));
    table.row(
        422,
        &[],
        r#"{"errors":{"title":["can't be blank"]}}"#,
        Final,
    );
}

#[test]
fn shopify_graphql() {
    const TITLE: &str = r#"{"data":{"product":{"title":"THROTTLED"}}}"#;
    const DENIED: &str =
        r#"{"errors":[{"message":"Access denied","extensions":{"code":"ACCESS_DENIED"}}]}"#;
    const BARE: &str = r#"{"errors":[{"message":"Throttled","extensions":{"code":"THROTTLED"}}]}"#;
    let table = Table::for_posts(providers::shopify_graphql());
    table.recorded("shopify-graphql", HeldAsSaid(4));
    table.row(200, &[], BARE, HeldAtLeast(60));
    table.row(200, &[], TITLE, Accepted);
    table.row(200, &[], DENIED, Accepted);
}
