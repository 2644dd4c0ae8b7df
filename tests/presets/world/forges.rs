//! Code forges: GitHub, GitLab, Bitbucket.

use super::*;

#[test]
fn github() {
    const SECONDARY: &str = r#"{"message":"You have exceeded a secondary rate limit. Please wait a few minutes before you try again."}"#;
    const PERMISSION: &str = r#"{"message":"Resource not accessible by integration"}"#;
    let left = |left| counter(X_RATELIMIT, left, SOON);
    let table = Table::of(providers::github());
    table.recorded("github-primary", HeldAsSaid(3_025));
    table.recorded("github-secondary-retry-after", HeldAsSaid(60));
    table.recorded("github-secondary-bare", HeldAtLeast(60));
    table.recorded("github-403-permission", Final);
    table.recorded("github-200-last", AcceptedThenHeld(60));
    table.row(200, &left("4999"), "", Accepted);
    table.row(429, &left("0"), "", HeldAsSaid(40));
    table.row(429, &left("12"), SECONDARY, HeldAtLeast(60));
    table.row(403, &left("12"), PERMISSION, Final);
    table.row(404, &left("12"), r#"{"message":"Not Found"}"#, Final);
    table.row(502, &[], "", Retried);
    let posts = Table::for_posts(providers::github());
    posts.row(403, &left("12"), SECONDARY, HeldAtLeast(60));
    posts.row(502, &[], "", Final);
}

#[test]
fn github_graphql() {
    const LIMITED: &str = r#"{"errors":[{"type":"RATE_LIMITED","message":"API rate limit exceeded for user ID 1."}]}"#;
    const TITLE: &str = r#"{"data":{"issue":{"title":"RATE_LIMITED"}}}"#;
    let left = |left| counter(X_RATELIMIT, left, SOON);
    let table = Table::for_posts(providers::github_graphql());
    table.recorded("github-graphql-200", HeldAsSaid(600));
    table.row(200, &left("12"), r#"{"data":{}}"#, Accepted);
    table.row(200, &left("12"), TITLE, Accepted);
    table.row(200, &left("0"), LIMITED, HeldAsSaid(40));
    table.row(200, &left("0"), r#"{"data":{}}"#, AcceptedThenHeld(40));
}

#[test]
fn gitlab() {
    let table = Table::of(providers::gitlab());
    table.recorded("gitlab-epoch", HeldAsSaid(30));
    table.recorded("gitlab-reset-only", HeldAsSaid(30));
    table.recorded("gitlab-resettime-only", HeldAsSaid(60));
    table.recorded("gitlab-app-limiter", HeldAsSaid(600));
    table.recorded("gitlab-app-limiter-before", HeldAtLeast(60));
    table.row(403, &[], r#"{"message":"403 Forbidden"}"#, Final);
    table.row(500, &[], "", Retried);
}

#[test]
fn bitbucket() {
    // Documented: the limit.
    let table = Table::of(providers::bitbucket());
    table.row(429, &[], "", HeldAtLeast(60));
    table.row(404, &[], "", Final);
    table.row(502, &[], "", Retried);
}
