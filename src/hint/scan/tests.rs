//! The scan against those who read everything.

use super::*;
use crate::hint::Reading;
use crate::hint::value::{ReferenceTime, Unit};
use crate::hint::wait::{self, StatusClass};
use proptest::prelude::*;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

/// Names and values as servers write them, and the values that an attentive reader can still read.
struct Vocabulary {
    names: Vec<HeaderName>,
    values: Vec<HeaderValue>,
}

static RECORDED: LazyLock<Vocabulary> = LazyLock::new(|| {
    const CORPUS: &str = include_str!("../../../tests/corpus/responses.json");
    let corpus: Vec<serde_json::Value> = serde_json::from_str(CORPUS).expect("the corpus");
    let lines = corpus.iter().flat_map(|entry| {
        let lines = entry["headers"].as_array().expect("headers");
        lines
            .iter()
            .map(|line| [0, 1].map(|part| line[part].as_str().expect("text")))
    });
    let (names, values): (Vec<_>, Vec<_>) = lines.map(|[name, value]| (name, value)).unzip();
    let names = names.into_iter().chain(NAMES);
    let values = values.into_iter().chain(VALUES);
    Vocabulary {
        names: names.map(|name| name.parse().expect("a name")).collect(),
        values: values
            .map(|value| value.parse().expect("a value"))
            .collect(),
    }
});

const NAMES: [&str; 12] = [
    "ratelimit",
    "x-ratelimit",
    "x-left",
    "remain",
    "x-limit-status",
    "x-quota-available",
    "x-ratelimit-remaining-tokens",
    "x-limit-remaining-seconds-until-reset",
    "beta-ratelimit-remaining",
    "age",
    "date",
    "content-length",
];

const VALUES: [&str; 22] = [
    "0",
    "00",
    "0.0",
    "0.7",
    "\"0\"",
    "\" 0 \"",
    "0;w=60",
    "5, 0",
    "5 , 0",
    "7/0",
    "1.2.3, 0",
    ", 0",
    "-1, 0",
    "\"5\", 0",
    "\"a\";r=0;t=3",
    "\"a\";r= \"0\" ;t=3",
    "5;r=0;t=3",
    ";remaining=0;reset=3",
    "limit=9, remaining=\t0, reset=30",
    "4294967296",
    "",
    "\"",
];

fn some_headers() -> impl Strategy<Value = HeaderMap> {
    let of = |count: usize| 0..count;
    let line = (of(RECORDED.names.len()), of(RECORDED.values.len()));
    prop::collection::vec(line, 0..8).prop_map(|lines| {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(RECORDED.names[name].clone(), RECORDED.values[value].clone());
        }
        headers
    })
}

fn reference() -> ReferenceTime {
    let received = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
    ReferenceTime::of(|| received, None, false)
}

/// Reads a served response whatever the scan says about its counters.
fn reads(headers: &HeaderMap) -> Reading {
    let scan = HeaderScan {
        may_be_exhausted: true,
        ..HeaderScan::of(headers)
    };
    wait::read(headers, &scan, StatusClass::Served, reference(), &[])
}

/// The tightest counter, sought in every header.
fn tightest(headers: &HeaderMap) -> Option<(u32, &str)> {
    let counters = headers.iter().filter_map(|(name, value)| {
        let role = Name::read(name.as_str())?.role;
        let counts = matches!(role, Role::Remaining { of_calls: true, .. });
        let number = value.as_bytes().first().is_some_and(u8::is_ascii_digit);
        (counts && number).then_some((whole_count(value.as_bytes())?, name.as_str()))
    });
    let last_of_equals = counters.collect::<Vec<_>>().into_iter().rev();
    last_of_equals.min_by_key(|(remaining, _)| *remaining)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn what_makes_a_caller_wait_is_noticed(headers in some_headers()) {
        if reads(&headers) != Reading::Nothing {
            prop_assert!(HeaderScan::of(&headers).may_be_exhausted(), "{headers:?}");
            prop_assert!(!is_silent(&headers), "{headers:?}");
        }
    }

    #[test]
    fn the_tightest_counter_is_noticed(headers in some_headers()) {
        let scan = HeaderScan::of(&headers);
        let found = scan.tightest().map(|counter| counter.remaining);
        let expected = tightest(&headers);
        prop_assert_eq!(found, expected.map(|(remaining, _)| remaining), "{:?}", headers);
        if let (Some(found), Some((_, name))) = (scan.tightest(), expected) {
            let stem = Name::read(name).expect("a counter").stem;
            prop_assert_eq!(found.name.stem, stem, "{:?}", headers);
            prop_assert!(!is_silent(&headers), "{headers:?}");
        }
    }

    #[test]
    fn no_value_that_can_be_read_is_passed_over(headers in some_headers()) {
        for (name, value) in &headers {
            let has_role = Name::read(name.as_str()).is_some();
            let bytes = value.as_bytes();
            let is_read = count(bytes).is_some() || reference().read(bytes, Unit::Auto).is_some();
            if has_role && is_read {
                prop_assert!(may_be_read(name.as_str(), bytes), "{name:?}: {value:?}");
            }
        }
    }
}

fn response<'a>(lines: impl IntoIterator<Item = (&'a str, &'a str)>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let name: HeaderName = name.parse().expect("a name");
        headers.append(name, value.parse().expect("a value"));
    }
    headers
}

#[test]
fn a_response_without_a_counter_is_silent() {
    let headers = response([
        ("date", "Mon, 02 Mar 2026 12:00:00 GMT"),
        ("age", "0"),
        ("content-length", "0"),
        ("etag", "\"0-5f\""),
        ("via", "1.1 varnish"),
        ("x-request-id", "0a7c"),
        ("retry-after", "30"),
        ("x-ratelimit-limit", "100"),
        ("x-ratelimit-reset", "0"),
        ("x-ratelimit-remaining-tokens", "10"),
    ]);
    assert!(is_silent(&headers));
    assert!(!HeaderScan::of(&headers).may_be_exhausted());
}

#[test]
fn a_counter_with_something_left_is_not_silent_and_not_exhausted() {
    for line in [
        ("x-ratelimit-remaining", "10"),
        ("ratelimit", "\"default\";r=50;t=30"),
    ] {
        let headers = response([line]);
        assert!(!is_silent(&headers), "{line:?}");
        assert!(!HeaderScan::of(&headers).may_be_exhausted(), "{line:?}");
    }
}

/// More headers with a role than a scan keeps, and then some more.
fn flood<'a>(last: impl IntoIterator<Item = (&'a str, &'a str)>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for number in 0..2 * MOST {
        let name = format!("x-ratelimit-limit-{number}");
        headers.extend(response([(&*name, "5")]));
    }
    headers.extend(response(last));
    headers
}

#[test]
fn a_flood_of_headers_hides_no_wait() {
    let headers = flood([
        ("x-ratelimit-reset", "20"),
        ("retry-after", "10"),
        ("x-ratelimit-remaining", "0"),
        ("x-ratelimit-reset-day", "40"),
        ("ratelimit", "\"day\";r=0;t=30"),
    ]);
    let scan = HeaderScan::of(&headers);
    assert!(scan.has_overflown() && scan.may_be_exhausted());
    assert_eq!(scan.tightest().map(|counter| counter.remaining), Some(0));
    for class in [StatusClass::Served, StatusClass::Refused] {
        let Reading::Wait(hint) = wait::read(&headers, &scan, class, reference(), &[]) else {
            panic!("{class:?} names no wait");
        };
        assert_eq!(hint.wait(), Duration::from_secs(40), "{class:?}");
    }
}

#[test]
fn a_flood_of_headers_does_not_make_a_year_a_moment() {
    let headers = flood([("retry-after", "99999999"), ("x-ratelimit-reset", "20")]);
    let scan = HeaderScan::of(&headers);
    let reading = wait::read(&headers, &scan, StatusClass::Refused, reference(), &[]);
    assert_eq!(reading, Reading::Never("retry-after"));
}
