//! Packages and images: npm, crates.io, Docker Hub.

use super::*;

#[test]
fn npm() {
    // Documented: the status.
    let table = Table::of(providers::npm());
    table.row(429, &[], "", HeldAtLeast(60));
    table.row(404, &[], r#"{"error":"Not found"}"#, Final);
    table.row(503, &[], "", Retried);
}

#[test]
fn crates_io() {
    // Recorded by a user without a user agent.
    const BLOCKED: &str = r#"{"errors":[{"detail":"We are unable to process your request at this time. This usually means that you are in violation of our crawler policy"}]}"#;
    let table = Table::of(providers::crates_io());
    table.row(403, &[], BLOCKED, Final);
    table.row(429, &[], "", HeldAtLeast(60));
    table.row(404, &[], r#"{"errors":[{"detail":"Not Found"}]}"#, Final);
}

#[test]
fn docker_hub() {
    // Documented: the headers of the registry and of the API, and the text of a refused pull.
    const PULLS: &str = "You have reached your pull rate limit. You may increase the limit by authenticating and upgrading: https://www.docker.com/increase-rate-limits";
    let pulls = |left| {
        [
            ("ratelimit-limit", "100;w=21600"),
            ("ratelimit-remaining", left),
        ]
    };
    let table = Table::of(providers::docker_hub());
    table.row(200, &pulls("20;w=21600"), "", Accepted);
    table.row(
        200,
        &counter(X_RATELIMIT, "0", SOON),
        "",
        AcceptedThenHeld(40),
    );
    table.row(429, &[], PULLS, HeldAtLeast(60));
    table.row(429, &[("Retry-After", "12")], "", HeldAsSaid(12));
    table.row(429, &counter(X_RATELIMIT, "0", SOON), "", HeldAsSaid(40));
    table.row(401, &[], "", Final);
}
