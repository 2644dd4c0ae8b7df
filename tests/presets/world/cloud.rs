//! Where things run: Cloudflare, DigitalOcean, Heroku, Vercel, Okta.

use super::*;

#[test]
fn cloudflare() {
    let table = Table::of(providers::cloudflare());
    table.recorded("cloudflare-api", HeldAsSaid(30));
    table.recorded("cloudflare-200", Accepted);
    table.recorded("cloudflare-1015", HeldAsSaid(3_600));
    table.row(429, &[], "", HeldAtLeast(300));
    table.row(
        403,
        &[],
        r#"{"success":false,"errors":[{"code":9109}]}"#,
        Final,
    );
}

#[test]
fn digitalocean() {
    let table = Table::of(providers::digitalocean());
    table.recorded("digitalocean-200", Accepted);
    table.recorded("digitalocean-burst", HeldAsSaid(29));
    table.recorded("digitalocean-hourly", HeldAsSaid(59));
    table.row(422, &[], r#"{"id":"unprocessable_entity"}"#, Final);
}

#[test]
fn heroku() {
    const LIMITED: &str =
        r#"{"id":"rate_limit","message":"Your account reached the API rate limit"}"#;
    let table = Table::of(providers::heroku());
    table.row(200, &[("RateLimit-Remaining", "2400")], "", Accepted);
    table.row(200, &[("RateLimit-Remaining", "0")], "", Accepted);
    table.row(
        429,
        &[("RateLimit-Remaining", "0")],
        LIMITED,
        HeldAtLeast(60),
    );
    table.row(422, &[], r#"{"id":"invalid_params"}"#, Final);
}

#[test]
fn vercel() {
    const LIMITED: &str =
        r#"{"error":{"code":"too_many_requests","message":"Rate limit exceeded"}}"#;
    let table = Table::of(providers::vercel());
    table.row(200, &counter(X_RATELIMIT, "12", SOON), "", Accepted);
    table.row(
        429,
        &counter(X_RATELIMIT, "0", SOON),
        LIMITED,
        HeldAsSaid(40),
    );
    table.row(403, &[], r#"{"error":{"code":"forbidden"}}"#, Final);
}

#[test]
fn okta() {
    let table = Table::of(providers::okta());
    table.recorded("okta-200", Accepted);
    table.recorded("okta-429", HeldAsSaid(30));
    table.recorded("okta-concurrent", HeldAsSaid(6));
    table.row(403, &[], r#"{"errorCode":"E0000006"}"#, Final);
}
