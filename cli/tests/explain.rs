//! `tower-backoff explain`, as a user runs it.

mod command;
// What is written as a preset compiles.
#[path = "fixtures/acme.rs"]
mod acme;

use std::time::Duration;

use command::run;
use tower_backoff::{Quota, policy::Provider};

/// A response as `curl -si` prints it, this many seconds after noon.
fn response(second: u32, retry_after: Option<u32>) -> String {
    let status = retry_after.map_or("200 OK", |_| "429 Too Many Requests");
    let wait = retry_after.map_or_else(String::new, |wait| format!("Retry-After: {wait}\r\n"));
    format!(
        "HTTP/1.1 {status}\r\nDate: Mon, 05 Jan 2026 12:00:{second:02} GMT\r\n{wait}\r\na body\n"
    )
}

fn explain(args: &[&str], text: &str) -> String {
    let args: Vec<_> = [&["explain"], args].concat();
    run(&args, text).expect("valid responses")
}

#[test]
fn one_response_is_explained_by_itself() {
    let text = explain(&[], &response(0, Some(7)));
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], "status   429 Too Many Requests");
    assert_eq!(lines[3], "wait     7s, as retry-after says");
    let continued = format!("HTTP/1.1 100 Continue\r\n\r\n{}", response(0, Some(7)));
    assert_eq!(explain(&[], &continued), text);
}

/// Five calls in ten seconds are served, the sixth is refused.
fn limited() -> String {
    let served = |second| response(second, None);
    let mut texts: Vec<_> = [0, 0, 1, 1, 2].map(served).to_vec();
    texts.push(response(2, Some(8)));
    texts.extend([10, 10, 11].map(served));
    texts.concat()
}

#[test]
fn several_responses_show_what_a_gate_would_believe() {
    let text = explain(&[], &limited());
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[5], "     6  429  throttled  8s, as retry-after says");
    assert_eq!(lines[9], "learned  about 5 per 10 s, unsure");
    let served = response(0, None) + &response(1, None);
    let nothing = "learned  nothing: no refusal shows a limit\n";
    assert!(explain(&[], &served).contains(nothing));
    assert!(explain(&["--provider", "lemlist"], &served).ends_with(nothing));
}

#[test]
fn a_response_may_follow_a_body_without_a_newline() {
    let text = limited().replace("a body\n", r#"{"status":"HTTP/1.1 200 OK"}"#);
    let lines: Vec<_> = explain(&[], &limited())
        .lines()
        .map(str::to_owned)
        .collect();
    assert_eq!(explain(&[], &text).lines().collect::<Vec<_>>(), lines);
}

#[test]
fn a_body_may_speak_of_http() {
    let text = explain(&[], &response(0, Some(7)));
    for body in ["HTTP/2 is fine\n", "HTTP/1.1 200 OK"] {
        let about = response(0, Some(7)).replace("a body\n", &format!("\"{body}"));
        assert_eq!(explain(&[], &about), text, "{body}");
    }
    let about = response(0, Some(7)).replace("a body\n", "HTTP/2 is fine\n");
    assert_eq!(explain(&[], &about), text);
}

#[test]
fn a_long_line_that_speaks_of_http_is_read_at_once() {
    let text = explain(&[], &response(0, Some(7)));
    for line in ["HTTP/", "HTTP/1.1 200 "] {
        let body = line.repeat(100_000);
        let about = response(0, Some(7)).replace("a body\n", &format!("\"{body}"));
        let begun = std::time::Instant::now();
        assert_eq!(explain(&[], &about), text);
        assert!(begun.elapsed().as_secs() < 10, "{line}");
    }
}

#[test]
fn files_are_read_one_after_the_other() {
    let folder = command::Folder::new("files");
    let [first, second] = ["first", "second"].map(|name| folder.path(name));
    std::fs::write(&first, response(0, None)).unwrap();
    std::fs::write(&second, response(2, Some(8))).unwrap();
    let both = response(0, None) + &response(2, Some(8));
    assert_eq!(explain(&[&first, &second], ""), explain(&[], &both));
}

#[test]
fn what_several_responses_show_is_written_as_a_preset() {
    let last = "HTTP/1.1 200 OK\r\nDate: Mon, 05 Jan 2026 12:00:12 GMT\r\n\
                X-RateLimit-Resource: core\r\n\r\na body\n";
    let text = explain(&["--name", "acme"], &(limited() + last));
    let (_, written) = text.split_once("\n\n").expect("a preset");
    assert_eq!(written, include_str!("fixtures/acme.rs"));
    let expected = Provider::new("acme")
        .plan(Quota::new(5, Duration::from_secs(10)))
        .buckets_in("x-ratelimit-resource");
    assert_eq!(acme::acme(), expected);
}

#[test]
fn recorded_responses_are_explained_in_json() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/recorded.json");
    let text = explain(&["--json", corpus], "");
    let expected = r#"{"decided_by":"retry-after","hint":"retry-after","id":"one","verdict":"throttled","wait_ms":7000}"#;
    assert_eq!(text.trim_end(), expected);
}

#[test]
fn what_is_no_response_and_no_preset_is_an_error() {
    let error = run(&["explain"], "no response").unwrap_err();
    assert!(error.contains("should be a status line"), "{error}");
    let error = run(&["explain", "--provider", "nothing"], "").unwrap_err();
    assert!(error.contains("no preset is called nothing"), "{error}");
    let error = run(&["unknown"], "").unwrap_err();
    assert!(error.contains("usage: tower-backoff explain"), "{error}");
}
