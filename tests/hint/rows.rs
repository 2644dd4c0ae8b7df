//! One response per row: its status, its headers, and what is read from them.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use std::time::{Duration, SystemTime};
use tower_backoff::hint::{self, Kind, Reading};

/// Reads a response at 2026-01-01T00:00:00Z; its headers are written `name: value | name: value`.
pub(crate) fn read(status: u16, headers: &str) -> Reading {
    let mut map = HeaderMap::new();
    for line in headers.split(" | ") {
        let (name, value) = line.split_once(": ").expect("a header");
        let value = HeaderValue::from_bytes(value.as_bytes()).expect("a value");
        map.append(name.parse::<HeaderName>().expect("a name"), value);
    }
    let received = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
    hint::read(
        StatusCode::from_u16(status).expect("a status"),
        &map,
        received,
    )
}

#[track_caller]
pub(crate) fn waits(status: u16, headers: &str, millis: u128, source: &str) {
    let Reading::Wait(hint) = read(status, headers) else {
        panic!("{headers} names no wait")
    };
    let asked = source.contains("retry") || source.contains("wait");
    let kind = if asked { Kind::RetryAfter } else { Kind::Reset };
    let found = (hint.wait().as_millis(), hint.kind(), hint.source());
    assert_eq!(found, (millis, kind, source), "{headers}");
}

#[track_caller]
pub(crate) fn nothing(status: u16, headers: &str) {
    assert_eq!(read(status, headers), Reading::Nothing, "{headers}");
}
