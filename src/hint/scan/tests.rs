//! The scan against those who read everything.

use super::*;
use crate::hint::generic::{self, StatusClass};
use crate::hint::value::ReferenceTime;
use crate::hint::{Head, Reading};
use http::{HeaderValue, StatusCode};
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

/// The whole reader, which does not stop at a scan.
fn reads(headers: &HeaderMap) -> Reading {
    let received = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
    let head = Head {
        status: StatusCode::OK,
        headers,
        received,
        refused: None,
    };
    generic::read(
        &head,
        StatusClass::Served,
        ReferenceTime::of(received, None, false),
        &[],
    )
}

/// The tightest counter, sought without any haste.
fn tightest(headers: &HeaderMap) -> Option<(u32, &str)> {
    const OTHERS: [&str; 7] = [
        "token",
        "cost",
        "point",
        "complex",
        "time",
        "concurrent",
        "beta-",
    ];
    let counters = headers.iter().filter_map(|(name, value)| {
        let (name, value) = (name.as_str(), value.as_bytes());
        let counts = name.contains(REMAINING)
            && name.contains("limit")
            && !OTHERS.iter().any(|other| name.contains(other));
        let number = value.first().is_some_and(u8::is_ascii_digit);
        (counts && number).then_some((whole(value)?, name))
    });
    let last_of_equals = counters.collect::<Vec<_>>().into_iter().rev();
    last_of_equals.min_by_key(|(remaining, _)| *remaining)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn what_makes_anybody_wait_is_noticed(headers in some_headers()) {
        if reads(&headers) != Reading::Nothing {
            prop_assert!(HeaderScan::at(&headers, true).may_be_exhausted(), "{headers:?}");
            prop_assert!(HeaderScan::at(&headers, false).may_be_exhausted(), "{headers:?}");
        }
    }

    #[test]
    fn the_tightest_counter_is_noticed(headers in some_headers()) {
        let scan = HeaderScan::at(&headers, true);
        let found = scan.tightest().map(|counter| (counter.remaining, counter.around));
        let expected = tightest(&headers)
            .map(|(remaining, name)| (remaining, name.split_once(REMAINING).expect("a part")));
        prop_assert_eq!(found, expected, "{:?}", headers);
    }
}

#[test]
fn what_no_server_spends_is_passed_over() {
    let silent = [
        ("date", "Mon, 02 Mar 2026 12:00:00 GMT"),
        ("age", "0"),
        ("content-length", "0"),
        ("etag", "\"0-5f\""),
        ("via", "1.1 varnish"),
        ("x-request-id", "0a7c"),
        ("x-ratelimit-limit", "100"),
        ("x-ratelimit-remaining", "10"),
        ("ratelimit", "\"default\";r=50;t=30"),
    ];
    let headers = silent.map(|(name, value)| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )
    });
    let headers = HeaderMap::from_iter(headers);
    assert!(!HeaderScan::at(&headers, true).may_be_exhausted());
    assert!(HeaderScan::at(&headers, true).counts());
    assert!(!HeaderScan::at(&headers, false).counts());
}
