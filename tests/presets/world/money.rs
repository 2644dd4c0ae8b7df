//! Money: Binance, Plaid, Square.

use super::*;

#[test]
fn binance() {
    const BANNED: &str = r#"{"code":-1003,"msg":"Way too much request weight used; IP banned until 1613462600000. Please use WebSocket Streams for live updates to avoid bans."}"#;
    const ORDERS: &str =
        r#"{"code":-1015,"msg":"Too many new orders; current limit is 100 orders per 10 SECOND."}"#;
    let table = Table::of(providers::binance());
    table.recorded("binance-429", HeldAsSaid(12));
    table.recorded("binance-418-ban", HeldAsSaid(3_493));
    table.recorded("binance-418-body", HeldAsSaid(3_492));
    table.recorded("binance-403-waf", Final);
    table.row(200, &[("X-MBX-USED-WEIGHT-1M", "12")], "", Accepted);
    table.row(418, &[], BANNED, HeldAsSaid(40));
    table.row(429, &[], BANNED, HeldAsSaid(40));
    table.row(418, &[], "", HeldAtLeast(120));
    table.row(
        418,
        &[],
        r#"{"code":-1003,"msg":"IP banned."}"#,
        HeldAtLeast(120),
    );
    table.row(429, &[], ORDERS, HeldAtLeast(60));
    table.row(400, &[], r#"{"code":-1121,"msg":"Invalid symbol."}"#, Final);
    table.row(503, &[], "", Retried);
    let posts = Table::for_posts(providers::binance());
    posts.row(503, &[], "", Final); // the order may be placed
    posts.row(418, &[], "", HeldAtLeast(120));
    posts.row(429, &[], ORDERS, HeldAtLeast(60));
}

#[test]
fn plaid() {
    // Documented: the type, and the form of the codes.
    const LIMITED: &str =
        r#"{"error_type":"RATE_LIMIT_EXCEEDED","error_code":"ACCOUNTS_LIMIT","error_message":"m"}"#;
    let table = Table::for_posts(providers::plaid());
    table.row(429, &[], LIMITED, HeldAtLeast(60));
    table.row(
        400,
        &[],
        r#"{"error_type":"ITEM_ERROR","error_code":"ITEM_LOGIN_REQUIRED"}"#,
        Final,
    );
    table.row(500, &[], "", Final);
}

#[test]
fn square() {
    let table = Table::for_posts(providers::square());
    table.recorded("square", HeldAtLeast(60));
    table.row(
        401,
        &[],
        r#"{"errors":[{"category":"AUTHENTICATION_ERROR","code":"UNAUTHORIZED"}]}"#,
        Final,
    );
}
