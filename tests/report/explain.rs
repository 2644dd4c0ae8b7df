//! The example that explains responses.

// Its own `main` has no caller here.
#[allow(dead_code)]
#[path = "../../examples/explain/main.rs"]
mod example;

use example::Options;

/// A response as `curl -si` prints it, this many seconds after noon.
fn response(second: u32, retry_after: Option<u32>) -> String {
    let status = retry_after.map_or("200 OK", |_| "429 Too Many Requests");
    let wait = retry_after.map_or_else(String::new, |wait| format!("Retry-After: {wait}\r\n"));
    format!(
        "HTTP/1.1 {status}\r\nDate: Mon, 05 Jan 2026 12:00:{second:02} GMT\r\n{wait}\r\na body\n"
    )
}

fn explain(args: &[&str], texts: &[String]) -> String {
    let args = args.iter().map(|arg| (*arg).to_owned());
    let options = Options::from_args(args).expect("valid options");
    let texts: Vec<_> = texts.iter().map(|text| text.clone().into_bytes()).collect();
    options.explain(&texts).expect("valid responses")
}

#[test]
fn one_response_is_explained_by_itself() {
    let text = explain(&[], &[response(0, Some(7))]);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], "status   429 Too Many Requests");
    assert_eq!(lines[3], "wait     7s, as retry-after says");
    let continued = format!("HTTP/1.1 100 Continue\r\n\r\n{}", response(0, Some(7)));
    assert_eq!(explain(&[], &[continued]), text);
}

#[test]
fn several_responses_show_what_a_gate_would_believe() {
    let served = |second| response(second, None);
    let mut texts: Vec<_> = [0, 0, 1, 1, 2].map(served).to_vec();
    texts.push(response(2, Some(8)));
    texts.extend([10, 10, 11].map(served));
    let apart = explain(&[], &texts);
    assert_eq!(explain(&[], &[texts.concat()]), apart);
    let lines: Vec<_> = apart.lines().collect();
    assert_eq!(lines.len(), 10);
    assert_eq!(lines[5], "     6  429  throttled  8s, as retry-after says");
    assert_eq!(lines[9], "learned  about 5 per 10 s, unsure");
    let text = explain(&[], &[served(0), served(1)]);
    assert!(text.ends_with("learned  nothing: no refusal shows a limit\n"));
}
