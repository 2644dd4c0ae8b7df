//! People: X, Reddit, Spotify, Strava, Stack Exchange.

use super::*;

#[test]
fn x() {
    const CAP: &str = r#"{"title":"UsageCapExceeded","period":"Monthly","scope":"Product","detail":"Usage cap exceeded: Monthly product cap","type":"https://api.twitter.com/2/problems/usage-capped"}"#;
    let table = Table::of(providers::x());
    table.recorded("x-twitter-200", Accepted);
    table.recorded("x-twitter-429", HeldAsSaid(600));
    table.row(429, &[], CAP, Final);
    table.row(
        429,
        &[],
        r#"{"title":"Too Many Requests"}"#,
        HeldAtLeast(60),
    );
    table.row(503, &[], "", Retried);
}

#[test]
fn reddit() {
    let left = |left| {
        [
            ("X-Ratelimit-Used", "2"),
            ("X-Ratelimit-Remaining", left),
            ("X-Ratelimit-Reset", "378"),
        ]
    };
    let table = Table::of(providers::reddit());
    table.row(200, &left("998.0"), "", Accepted);
    table.row(200, &left("0.0"), "", AcceptedThenHeld(378));
    table.row(429, &left("0.0"), "", HeldAsSaid(378));
    table.row(429, &[], "", HeldAtLeast(60));
}

#[test]
fn spotify() {
    let table = Table::of(providers::spotify());
    table.recorded("spotify", HeldAsSaid(5));
    table.row(429, &[], "", HeldAtLeast(60));
    table.row(404, &[], "", Final);
}

#[test]
fn strava() {
    // It is 08:02:40: the quarter ends in 12 minutes 20, the day in 15 hours 57 minutes 20.
    let used = |usage| {
        [
            ("X-RateLimit-Limit", "200,2000"),
            ("X-RateLimit-Usage", usage),
        ]
    };
    let reads = |usage| {
        [
            ("X-RateLimit-Limit", "200,2000"),
            ("X-RateLimit-Usage", "101,643"),
            ("X-ReadRateLimit-Limit", "100,1000"),
            ("X-ReadRateLimit-Usage", usage),
        ]
    };
    let table = Table::of(providers::strava());
    table.recorded("strava", HeldAsSaid(450));
    table.row(200, &used("199,643"), "", Accepted);
    table.row(200, &used("200,643"), "", AcceptedThenHeld(740));
    table.row(429, &used("201,643"), "", HeldAsSaid(740));
    table.row(429, &used("12,2000"), "", HeldAsSaid(57_440));
    table.row(200, &reads("99,500"), "", Accepted);
    table.row(200, &reads("100,500"), "", AcceptedThenHeld(740));
    table.row(429, &reads("12,1000"), "", HeldAsSaid(57_440));
    table.row(429, &[], "", HeldAtLeast(900));
    table.row(401, &used("199,643"), "", Final);
}

#[test]
fn stack_exchange() {
    const SERVED: &str =
        r#"{"items":[{"title":"backoff"}],"has_more":false,"quota_max":300,"quota_remaining":297}"#;
    const PAUSE: &str =
        r#"{"items":[],"backoff":10,"has_more":false,"quota_max":300,"quota_remaining":297}"#;
    const THROTTLED: &str = r#"{"error_id":502,"error_message":"too many requests from this IP, more requests available in 38123 seconds","error_name":"throttle_violation"}"#;
    const BAD: &str = r#"{"error_id":400,"error_message":"site","error_name":"bad_parameter"}"#;
    let table = Table::of(providers::stack_exchange());
    table.row(200, &[], SERVED, Accepted);
    table.row(200, &[], PAUSE, AcceptedThenHeld(10));
    table.row(400, &[], THROTTLED, HeldAsSaid(38_123));
    table.row(502, &[], THROTTLED, HeldAsSaid(38_123));
    table.row(503, &[], THROTTLED, HeldAsSaid(38_123));
    table.row(400, &[], BAD, Final);
}
