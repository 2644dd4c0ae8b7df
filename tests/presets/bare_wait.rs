//! No preset comes back sooner than after a minute, unless a page names a shorter wait.

use std::time::Duration;

use http::{Request, Response};
use tower_backoff::policy::{Attempt, Policy, Provider};
use tower_backoff::providers::{self, frameworks};

/// Those that wait less, the page that names the wait, and the wait in the words of the fact file.
const SHORTER: [(&str, u64, &str, &str); 2] = [
    (
        "airtable",
        30,
        "https://support.airtable.com/docs/managing-api-call-limits-in-airtable",
        "30 s",
    ),
    (
        "aws",
        20,
        "https://github.com/boto/botocore/blob/develop/botocore/retries/standard.py",
        "20 s",
    ),
];

/// What a bare 429 makes all calls wait, in seconds, found by comparing.
fn bare_wait(provider: &Provider) -> u64 {
    let request = Request::get("https://api.test/").body(()).unwrap();
    let response = Response::builder().status(429).body(()).unwrap();
    let verdict = provider.judge(&Attempt::new(&request, &response));
    let bare = |seconds: &u64| verdict.clone().bare_wait(Duration::from_secs(*seconds)) == verdict;
    (1..=3_600).find(bare).expect("a wait of at most an hour")
}

#[test]
fn no_preset_waits_less_than_a_minute_after_a_bare_429_unless_its_page_says_so() {
    let silent = [
        frameworks::nginx(),
        frameworks::nginx_limit_conn(8),
        frameworks::mod_evasive(Duration::from_secs(10)),
        frameworks::laravel(),
        frameworks::django_rest(),
        frameworks::express_rate_limit(),
        frameworks::koa_ratelimit(),
        frameworks::rate_limiter_flexible_millis(),
        frameworks::fastify(),
        frameworks::fastify_continue_exceeding(),
        frameworks::governor(),
        frameworks::load_shed(8),
    ];
    for provider in providers::all().into_iter().chain(silent) {
        let name = provider.name();
        let wait = bare_wait(&provider);
        match SHORTER.iter().find(|(listed, ..)| *listed == name) {
            Some((_, seconds, ..)) => assert_eq!(wait, *seconds, "{name}"),
            None => assert!(wait >= 60, "{name} waits {wait} s, and no page is listed"),
        }
    }
}

#[test]
fn a_shorter_wait_is_cited_in_the_fact_file() {
    for (name, _, page, words) in SHORTER {
        let file = format!("{}/src/providers/{name}.rs", env!("CARGO_MANIFEST_DIR"));
        let facts = std::fs::read_to_string(&file).expect("the fact file");
        let docs: String = facts
            .lines()
            .filter(|line| line.starts_with("//"))
            .collect();
        assert!(docs.contains(page), "{name} cites no page");
        assert!(docs.contains(words), "{name} does not state its wait");
    }
}
