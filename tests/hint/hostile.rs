//! Headers that no server should send, and waits that must never become shorter.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use jiff::{Timestamp, tz::Offset};
use proptest::prelude::*;
use std::time::{Duration, SystemTime};
use tower_backoff::hint::{self, Reading};

/// 2026-01-01T00:00:00Z.
const NOW: i64 = 1_767_225_600;

fn received() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(NOW.unsigned_abs())
}

fn refused(name: &'static str, value: &[u8]) -> Reading {
    let Ok(value) = HeaderValue::from_bytes(value) else {
        return Reading::Nothing;
    };
    let headers = HeaderMap::from_iter([(HeaderName::from_static(name), value)]);
    hint::read(StatusCode::TOO_MANY_REQUESTS, &headers, received())
}

#[test]
fn a_hostile_value_is_neither_a_wait_nor_a_panic() {
    let long = "9".repeat(1 << 20);
    let odd = [
        "-1",
        "+5",
        "inf",
        "-inf",
        "infinity",
        "nan",
        "NaN",
        "1e3",
        "1E3",
        "1_000",
        "0x1F",
        "",
        " ",
        "\t",
        ",",
        ",,",
        ";",
        "=",
        "\"",
        "\"\"",
        "\"\"\"",
        "1.",
        ".5",
        "..",
        "--5",
        "\u{0663}\u{0660}",
        "\u{FF13}\u{FF10}",
        "30\u{a0}",
        "30s ago",
        "P1D",
        "T",
        "Z",
        "GMT",
        ":::",
        "99:99:99",
        "0000-00-00",
        "2026-99-99T99:99:99Z",
        "1h-5m",
        "5\u{b5}",
        "Mon, 00 Jan 2026 00:00:00 GMT",
        "Thu, 01 Jan 2026 00:00:00 GMT+99:99",
        "Thu Jan 01 2026 00:00:00 GMT+0100 (",
        "292277026596-12-04T15:30:08Z",
        "-9999-01-01T00:00:00Z",
        "99999999999999999999s",
        "106751991167d",
    ];
    for name in [
        "retry-after",
        "retry-after-ms",
        "x-retry-after",
        "x-ratelimit-reset",
        "ratelimit",
    ] {
        for value in odd {
            assert_eq!(
                refused(name, value.as_bytes()),
                Reading::Nothing,
                "{name}: {value:?}"
            );
        }
    }
    assert_eq!(
        refused("x-ratelimit-reset", long.as_bytes()),
        Reading::Nothing
    );
    assert_eq!(
        refused("retry-after", long.as_bytes()),
        Reading::Never("retry-after")
    );
    assert_eq!(
        refused("retry-after", b"18446744073709551615"),
        Reading::Never("retry-after")
    );
    assert_eq!(refused("retry-after", &[0xFF; 64]), Reading::Nothing);
}

#[test]
fn a_million_bytes_of_anything_are_read_quickly() {
    for unit in [
        ",", ", ", "0,", "\"", ";", "=", "Thu,", "r=0;", "1:", "1h", "a", "(", " \t",
    ] {
        let value = unit.repeat((1 << 20) / unit.len());
        for name in [
            "retry-after",
            "x-ratelimit-remaining",
            "x-ratelimit-reset",
            "ratelimit",
            "date",
            "age",
        ] {
            let _ = refused(name, value.as_bytes());
        }
    }
}

#[test]
fn thousands_of_counters_are_read_quickly() {
    let mut headers = HeaderMap::new();
    for at in 0..5_000 {
        for role in ["remaining", "reset", "reset-after"] {
            let name: HeaderName = format!("x-ratelimit-{at}-{role}").parse().expect("a name");
            headers.append(name, HeaderValue::from_static("0, 0, 0"));
        }
    }
    let reading = hint::read(StatusCode::OK, &headers, received());
    assert!(matches!(reading, Reading::Wait(hint) if hint.wait().is_zero()));
}

/// The words that names and values are made of, so that chance finds its way into the readers.
fn piece() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "x-",
        "ratelimit",
        "rate-limit",
        "-remaining",
        "-reset",
        "-after",
        "-in",
        "-ms",
        "retry-after",
        "quota",
        "-left",
        "date",
        "age",
        "0",
        "1",
        "9999999999",
        ".",
        ",",
        ";",
        "r=0",
        "t=",
        "\"",
        ":",
        "-",
        "T",
        "Z",
        "GMT",
        "Thu, ",
        "01 Jan 2026 ",
        "2026-01-01",
        "00:00:30",
        "+",
        "h",
        "m",
        "s",
        " ",
        "(",
        ")",
        "reset=",
        "remaining=0",
        "_",
    ]);
    prop_oneof![4 => words.prop_map(String::from), 1 => "\\PC{0,3}"]
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    let joined =
        prop::collection::vec(piece(), 0..8).prop_map(|pieces| pieces.concat().into_bytes());
    prop_oneof![3 => joined, 1 => prop::collection::vec(any::<u8>(), 0..40)]
}

/// A number of nanoseconds from now, as servers write it; a form says what it cannot express.
#[derive(Clone, Copy, Debug)]
enum Form {
    Seconds,
    Fraction,
    Millis,
    Go,
    Clock,
    EpochSeconds,
    EpochMillis,
    Iso,
    IsoZoned,
    Imf,
    Rfc850,
    Asctime,
    JavaScript,
}

fn form() -> impl Strategy<Value = Form> {
    use Form::*;
    prop::sample::select(vec![
        Seconds,
        Fraction,
        Millis,
        Go,
        Clock,
        EpochSeconds,
        EpochMillis,
        Iso,
        IsoZoned,
        Imf,
        Rfc850,
        Asctime,
        JavaScript,
    ])
}

impl Form {
    /// The header, its value, and the wait that it states.
    fn write(self, wait: Duration) -> (&'static str, String, Duration) {
        let whole = Duration::from_secs(wait.as_secs());
        let (seconds, nanos) = (wait.as_secs(), wait.subsec_nanos());
        let milli = Duration::from_millis(wait.as_millis() as u64);
        let asked = |value| ("retry-after", value, whole);
        match self {
            Form::Seconds => asked(seconds.to_string()),
            Form::Fraction => ("retry-after", format!("{seconds}.{nanos:09}"), wait),
            Form::Millis => (
                "retry-after-ms",
                format!("{}.{:06}", wait.as_millis(), nanos % 1_000_000),
                wait,
            ),
            Form::Go => {
                let [hours, minutes, seconds] = [seconds / 3_600, seconds / 60 % 60, seconds % 60];
                (
                    "retry-after",
                    format!("{hours}h{minutes}m{seconds}.{nanos:09}s"),
                    wait,
                )
            }
            Form::Clock => {
                let [hours, minutes, seconds] = [seconds / 3_600, seconds / 60 % 60, seconds % 60];
                (
                    "retry-after",
                    format!("{hours:02}:{minutes:02}:{seconds:02}.{nanos:09}"),
                    wait,
                )
            }
            Form::EpochSeconds => (
                "x-ratelimit-reset",
                format!("{}.{nanos:09}", NOW.unsigned_abs() + seconds),
                wait,
            ),
            Form::EpochMillis => (
                "x-ratelimit-reset",
                (u128::from(NOW.unsigned_abs()) * 1_000 + wait.as_millis()).to_string(),
                milli,
            ),
            Form::Iso => ("retry-after", at(wait, "%Y-%m-%dT%H:%M:%S%.fZ"), wait),
            Form::IsoZoned => {
                let there = Offset::constant(-7).to_datetime(moment(wait));
                (
                    "retry-after",
                    there.strftime("%Y-%m-%d %H:%M:%S%.f-0700").to_string(),
                    wait,
                )
            }
            Form::Imf => asked(at(wait, "%a, %d %b %Y %H:%M:%S GMT")),
            Form::Rfc850 => asked(at(wait, "%A, %d-%b-%y %H:%M:%S GMT")),
            Form::Asctime => asked(at(wait, "%a %b %e %H:%M:%S %Y")),
            Form::JavaScript => asked(at(
                wait,
                "%a %b %d %Y %H:%M:%S GMT+0000 (Coordinated Universal Time)",
            )),
        }
    }
}

fn moment(wait: Duration) -> Timestamp {
    let start = Timestamp::from_second(NOW).expect("a moment");
    start.checked_add(wait).expect("a moment")
}

fn at(wait: Duration, format: &str) -> String {
    moment(wait).strftime(format).to_string()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_wait_is_ever_shorter_than_written(
        form in form(),
        nanos in prop_oneof![0..10_000_000_000_u64, 0..31_000_000_000_000_000_u64],
    ) {
        let (name, value, stated) = form.write(Duration::from_nanos(nanos));
        let Reading::Wait(hint) = refused(name, value.as_bytes()) else { panic!("{name}: {value} is not read") };
        prop_assert!(hint.wait() >= stated, "{value} became {:?}", hint.wait());
        prop_assert!(hint.wait() < stated + Duration::from_millis(1), "{value} became {:?}", hint.wait());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_headers_can_make_the_reader_panic(
        status in 100..1_000_u16,
        lines in prop::collection::vec((text(), text()), 0..12),
        received in any::<u64>(),
    ) {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(&name), HeaderValue::from_bytes(&value)) {
                headers.append(name, value);
            }
        }
        let received = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(received)).unwrap_or(SystemTime::UNIX_EPOCH);
        let reading = hint::read(StatusCode::from_u16(status).expect("a status"), &headers, received);
        if let Reading::Wait(hint) = reading {
            prop_assert!(hint.wait() <= Duration::from_secs(366 * 86_400));
            prop_assert_eq!(hint.wait().subsec_nanos() % 1_000_000, 0);
        }
    }
}

#[test]
fn an_unreadable_line_pairs_no_other_values() {
    let mut headers = HeaderMap::new();
    headers.insert("x-ratelimit-remaining", HeaderValue::from_static("0, 60"));
    for reset in ["none", "7", "3600"] {
        headers.append("x-ratelimit-reset", HeaderValue::from_static(reset));
    }
    let reading = hint::read(StatusCode::TOO_MANY_REQUESTS, &headers, received());
    let Reading::Wait(hint) = reading else {
        panic!("{reading:?}")
    };
    let wait = hint.wait().as_secs();
    assert_eq!(wait, 3_600, "three values of two counters: the longest");
}

#[test]
fn a_list_that_begins_with_garbage_keeps_its_other_values() {
    let reading = refused("x-ratelimit-reset", b"soon (5), 3600");
    let Reading::Wait(hint) = reading else {
        panic!("{reading:?}")
    };
    assert_eq!(hint.wait().as_secs(), 3_600);
}
