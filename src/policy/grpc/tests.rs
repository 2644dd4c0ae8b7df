use std::time::Duration;

use http::{Request, Response};

use super::*;
use crate::policy::Ruling::{self, Accept, Refuse, Retry, Throttled};

const FIND: &str = "https://api.test/acme.v1.Search/Find";
const DETAILS_OF_2_S: &str =
    "CAgaMgoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLlJldHJ5SW5mbxIGCgQIAhAA";

type Lines<'l> = &'l [(&'static str, &'l str)];

fn search() -> Grpc {
    Grpc::new(Provider::new("search"))
}

fn trusting() -> Grpc {
    search().idempotent(["/acme.v1.Search/Find"])
}

fn map(lines: Lines<'_>) -> HeaderMap {
    let lines = lines.iter();
    lines
        .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
        .collect()
}

fn head(lines: Lines<'_>) -> Response<()> {
    let mut response = Response::builder().header("content-type", "application/grpc");
    response.headers_mut().unwrap().extend(map(lines));
    response.body(()).unwrap()
}

fn request() -> Request<()> {
    Request::post(FIND).body(()).unwrap()
}

/// The verdict on an answer that is nothing but its head.
fn judged(policy: &Grpc, lines: Lines<'_>) -> Verdict {
    policy.judge(&Attempt::new(&request(), &head(lines)))
}

/// Ruling, whether the others wait, for how many milliseconds, and whether the server failed.
type Expected = (Ruling, bool, Option<u128>, bool);

#[track_caller]
fn rules(policy: &Grpc, lines: Lines<'_>, expected: Expected) {
    let verdict = judged(policy, lines);
    let wait = verdict.hint().map(|hint| hint.wait().as_millis());
    let said = (
        verdict.ruling(),
        verdict.closes_gate(),
        wait,
        verdict.is_failure(),
    );
    assert_eq!(said, expected, "{lines:?}");
}

#[test]
fn unavailable_goes_again_if_that_is_safe() {
    let unavailable: Lines<'_> = &[("grpc-status", "14")];
    rules(&search(), unavailable, (Refuse, false, None, true));
    rules(&trusting(), unavailable, (Retry, false, None, true));
    let any = search().retry_any_method([14]);
    rules(&any, unavailable, (Retry, false, None, true));
    let request = |said| Request::post(FIND).extension(Idempotent(said)).body(());
    let judged = |policy: &Grpc, said| {
        let (request, response) = (request(said).unwrap(), head(unavailable));
        policy.judge(&Attempt::new(&request, &response)).ruling()
    };
    assert!(self::judged(&search(), unavailable).is_not_safe());
    assert_eq!(judged(&search(), true), Retry);
    assert_eq!(judged(&trusting(), false), Refuse);
}

#[test]
fn a_wait_shuts_the_gate_and_makes_nothing_safe_that_was_not() {
    let unavailable: Lines<'_> = &[("grpc-status", "14"), ("grpc-retry-pushback-ms", "700")];
    rules(&search(), unavailable, (Refuse, true, Some(700), true));
    rules(&trusting(), unavailable, (Retry, true, Some(700), true));
}

#[test]
fn resource_exhausted_with_a_wait_goes_again_whatever_the_method() {
    let throttled = |wait| (Throttled, true, Some(wait), false);
    let exhausted = ("grpc-status", "8");
    let waits: [(Lines<'_>, u128); 5] = [
        (&[exhausted, ("grpc-retry-pushback-ms", "700")], 700),
        (
            &[exhausted, ("grpc-status-details-bin", DETAILS_OF_2_S)],
            2_000,
        ),
        (&[exhausted, ("retry-after", "3")], 3_000),
        (
            &[
                exhausted,
                ("x-ratelimit-remaining", "0"),
                ("x-ratelimit-reset", "9"),
            ],
            9_000,
        ),
        (
            &[
                exhausted,
                ("grpc-retry-pushback-ms", "9"),
                ("retry-after", "3"),
            ],
            9,
        ),
    ];
    for (lines, wait) in waits {
        rules(&search(), lines, throttled(wait));
    }
}

#[test]
fn resource_exhausted_without_a_wait_shuts_the_gate_as_a_bare_429_does() {
    let bare: Lines<'_> = &[("grpc-status", "8")];
    rules(&search(), bare, (Refuse, true, None, false));
    rules(&trusting(), bare, (Throttled, true, None, false));
    let minutes = Duration::from_secs(120);
    let policy = Grpc::new(Provider::new("search").bare_429_wait(minutes));
    assert_eq!(judged(&policy, bare).bare(), minutes);
    // So does one that asks for more than a year.
    let never: Lines<'_> = &[
        ("grpc-status", "8"),
        ("grpc-retry-pushback-ms", "99999999999"),
    ];
    rules(&trusting(), never, (Refuse, true, None, false));
}

#[test]
fn a_pushback_that_is_no_number_ends_the_call() {
    for pushback in ["-1", "soon", ""] {
        let lines = [("grpc-status", "14"), ("grpc-retry-pushback-ms", pushback)];
        rules(&trusting(), &lines, (Refuse, false, None, true));
        let lines = [("grpc-status", "8"), ("grpc-retry-pushback-ms", pushback)];
        rules(&trusting(), &lines, (Refuse, true, None, false));
    }
}

#[test]
fn a_message_that_is_too_large_is_no_limit() {
    for message in [
        "grpc: received message larger than max (5242880 vs. 4194304)",
        "SERVER: Received message larger than max (5 vs. 4)",
        "gRPC message exceeds maximum size 4: 5",
    ] {
        let lines = [("grpc-status", "8"), ("grpc-message", message)];
        rules(&trusting(), &lines, (Refuse, false, None, false));
    }
    let policy = Grpc::new(Provider::new("search").final_when_body_contains("out of credits"));
    let lines = [("grpc-status", "8"), ("grpc-message", "Out of credits")];
    rules(&policy, &lines, (Refuse, false, None, false));
}

#[test]
fn every_other_status_goes_to_the_caller() {
    rules(
        &trusting(),
        &[("grpc-status", "0")],
        (Accept, false, None, false),
    );
    for status in ["1", "2", "4", "5", "13", "16", "99"] {
        let lines = [("grpc-status", status), ("retry-after", "9")];
        rules(&trusting(), &lines, (Refuse, false, None, false));
    }
}

#[test]
fn a_status_that_is_not_a_number_is_unknown() {
    for status in ["", "fourteen", "+14", "-14", "14.0", "0x0e", "99999", "1 4"] {
        let (request, response) = (request(), head(&[("grpc-status", status)]));
        let attempt = Attempt::new(&request, &response);
        assert_eq!(attempt.grpc_status(), Some(2), "{status}");
        assert_eq!(trusting().judge(&attempt).ruling(), Refuse, "{status}");
    }
}

#[test]
fn the_status_may_be_in_the_trailers() {
    let (request, response) = (request(), head(&[]));
    let attempt = Attempt::new(&request, &response);
    assert_eq!(attempt.grpc_status(), None);
    assert_eq!(trusting().judge(&attempt).ruling(), Accept);
    let trailers = map(&[("grpc-status", "14"), ("grpc-retry-pushback-ms", "5")]);
    let verdict = trusting().judge(&attempt.with_trailers(&trailers));
    assert_eq!(verdict.hint().unwrap().wait(), Duration::from_millis(5));
    // That of the head counts, if there are two.
    let response = head(&[("grpc-status", "0")]);
    let attempt = Attempt::new(&request, &response).with_trailers(&trailers);
    assert_eq!(trusting().judge(&attempt).ruling(), Accept);
}

#[test]
fn what_is_no_grpc_is_judged_as_http() {
    let request = request();
    for (kind, status, ruling) in [
        ("text/html", 503, Retry),
        ("text/html", 429, Throttled),
        ("text/html", 404, Refuse),
        ("text/html", 200, Accept),
        ("application/grpc-web", 200, Accept),
        ("application/grpcish", 200, Accept),
        ("application/grpc", 503, Retry),
    ] {
        let response = Response::builder().status(status);
        let response = response.header("content-type", kind);
        let trailers = map(&[("grpc-status", "14")]);
        let response = response.body(()).unwrap();
        let mut attempt = Attempt::new(&request, &response);
        assert!(!trusting().wants_trailers(&attempt), "{kind} {status}");
        if kind != "application/grpc" {
            attempt = attempt.with_trailers(&trailers);
        }
        let verdict = trusting().judge(&attempt);
        assert_eq!(verdict.ruling(), ruling, "{kind} {status}");
    }
    let error = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    let request = request.map(|()| String::new());
    let failed = Attempt::failed(&request, &error);
    assert_eq!(search().judge(&failed).ruling(), Refuse);
    assert_eq!(trusting().judge(&failed).ruling(), Retry);
}

#[test]
fn an_answer_is_listened_to_unless_it_is_a_stream() {
    let listens = |policy: &Grpc, said: Option<Streams>, lines| {
        let mut request = request();
        if let Some(said) = said {
            request.extensions_mut().insert(said);
        }
        let response = head(lines);
        let attempt = Attempt::new(&request, &response);
        (policy.wants_body(&attempt), policy.wants_trailers(&attempt))
    };
    let (all, soon, not) = ((true, false), (false, true), (false, false));
    let (unary, stream) = (Some(Streams::unary()), Some(Streams::server_streaming()));
    let listed = search().streams(["/acme.v1.Search/Find"]);
    let not_listed = search().streams(["/acme.v1.Search/Watch"]);
    assert_eq!(listens(&search(), None, &[]), soon);
    assert_eq!(listens(&search(), unary, &[]), all);
    assert_eq!(listens(&search(), stream, &[]), not);
    assert_eq!(listens(&listed, None, &[]), not);
    assert_eq!(listens(&listed, unary, &[]), all);
    assert_eq!(listens(&not_listed, None, &[]), all);
    assert_eq!(listens(&not_listed, stream, &[]), not);
    assert_eq!(listens(&search().unary_only(), None, &[]), all);
    for policy in [search(), listed, not_listed] {
        assert_eq!(listens(&policy, None, &[("grpc-status", "14")]), not);
    }
}

#[test]
fn counters_in_the_head_count() {
    let lines = [
        ("grpc-status", "5"),
        ("x-ratelimit-limit", "10"),
        ("x-ratelimit-remaining", "3"),
        ("x-ratelimit-reset", "30"),
    ];
    assert!(judged(&search(), &lines).counter().is_some());
}

#[test]
fn a_refusal_is_about_the_bucket_that_it_names() {
    let name = HeaderName::from_static;
    let counted = Provider::new("search").buckets_in(name("x-bucket"));
    let stopping = counted.clone().global_limit_header(name("x-global"));
    let [counted, stopping] = [counted, stopping].map(Grpc::new);
    let bucket = |policy: &Grpc, head_lines: Lines<'_>, trailers: Lines<'_>| {
        let (response, trailers) = (head(head_lines), map(trailers));
        let (request, heard) = (request(), !trailers.is_empty());
        let mut attempt = Attempt::new(&request, &response);
        if heard {
            attempt = attempt.with_trailers(&trailers);
        }
        let verdict = policy.judge(&attempt);
        let bucket = verdict.bucket().map(|bucket| bucket.to_string());
        (bucket, verdict.closes_gate())
    };
    let find = Some("find".to_owned());
    let named = [("grpc-status", "8"), ("x-bucket", "find")];
    let missing = [("grpc-status", "5"), ("x-bucket", "find")];
    let served = [("grpc-status", "0"), ("x-bucket", "find")];
    let global = [named[0], named[1], ("x-global", "true")];
    let left = ("x-ratelimit-remaining", "3");
    assert_eq!(bucket(&counted, &named, &[]), (find.clone(), true));
    assert_eq!(bucket(&counted, &missing, &[]), (find.clone(), false));
    assert_eq!(bucket(&counted, &served, &[]), (find.clone(), false));
    assert_eq!(bucket(&counted, &[], &named), (find.clone(), true));
    assert_eq!(
        bucket(&counted, &named[1..], &named[..1]),
        (find.clone(), true)
    );
    assert_eq!(bucket(&counted, &named[..1], &[]), (None, true));
    assert_eq!(
        bucket(&counted, &[named[0], named[1], left], &[]),
        (None, true)
    );
    assert_eq!(bucket(&stopping, &global, &[]), (None, true));
    assert_eq!(bucket(&stopping, &[], &global), (None, true));
    assert_eq!(bucket(&stopping, &named, &[]), (find, true));
    assert_eq!(bucket(&search(), &named, &[]), (None, true));
}
