//! Any answer, judged by any preset, and again as gRPC: the first byte is the preset, two are the status, then come
//! `name: value` lines, which are the trailers, too, a blank line, and the body.

#![no_main]

mod lines;

use http::{Request, Response};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use tower_backoff::policy::{Attempt, Grpc, Policy, Provider};
use tower_backoff::providers;

static PRESETS: LazyLock<Vec<Provider>> = LazyLock::new(providers::all);

fuzz_target!(|data: &[u8]| {
    let Some(([preset, status @ ..], rest)) = data.split_first_chunk::<3>() else {
        return;
    };
    let blank = rest.windows(2).position(|pair| pair == b"\n\n");
    let (head, body) = rest.split_at(blank.unwrap_or(rest.len()));
    let request = Request::post("https://api.test/v1/users/7?key=secret")
        .body(())
        .expect("a request");
    let mut response = Response::new(());
    *response.status_mut() = lines::status(*status);
    *response.headers_mut() = lines::headers(head);
    let provider = &PRESETS[usize::from(*preset) % PRESETS.len()];
    judge(provider, &request, &response, body);
    judge(&Grpc::new(provider.clone()), &request, &response, body);
});

fn judge(policy: &dyn Policy, request: &Request<()>, response: &Response<()>, body: &[u8]) {
    let bare = Attempt::new(request, response).received_at(lines::received());
    let inspected = bare
        .with_body(body.trim_ascii_start())
        .with_trailers(response.headers());
    for attempt in [bare, inspected] {
        let _ = policy.wants_body(&attempt);
        let verdict = policy.judge(&attempt);
        if let Some(hint) = verdict.hint() {
            assert!(hint.wait() <= lines::YEAR, "{verdict:?}");
        }
        assert_eq!(verdict, policy.judge(&attempt), "judged twice");
    }
}
