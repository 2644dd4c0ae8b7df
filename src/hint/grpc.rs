//! What a gRPC status says about when to come back.

use super::grammar::protobuf::{Value, fields};
use super::grammar::{Number, base64};
use super::reading::{Hint, Kind, Reading};
use super::value::Parsed;
use http::HeaderMap;
use std::time::Duration;

/// [gRFC A6](https://github.com/grpc/proposal/blob/master/A6-client-retries.md): milliseconds.
const PUSHBACK: &str = "grpc-retry-pushback-ms";
/// A `google.rpc.Status`.
const DETAILS: &str = "grpc-status-details-bin";
/// What counts among the details.
const RETRY_INFO: &str = "google.rpc.RetryInfo";

/// The most bytes of details that are read; by default h2 takes no more than 16 KiB of metadata.
const LARGEST: usize = 64 * 1024;

/// Reads the metadata that a gRPC status came with: the trailers, or the head if there is nothing else.
///
/// Two places name a wait, `grpc-retry-pushback-ms` and the `google.rpc.RetryInfo` among the status details. If both
/// do, it is the longer of the two.
///
/// ```
/// use http::HeaderMap;
/// use std::time::Duration;
/// use tower_backoff::hint::{Reading, read_grpc};
///
/// let mut trailers = HeaderMap::new();
/// trailers.insert("grpc-status", "14".parse()?);
/// trailers.insert("grpc-retry-pushback-ms", "250".parse()?);
///
/// let Reading::Wait(hint) = read_grpc(&trailers) else {
///     panic!("the trailers name a wait");
/// };
/// assert_eq!(hint.wait(), Duration::from_millis(250));
/// # Ok::<(), http::header::InvalidHeaderValue>(())
/// ```
pub fn read_grpc(metadata: &HeaderMap) -> Reading {
    let pushback = pushback(metadata).map(|stated| (stated, PUSHBACK));
    let details = retry_delay(metadata).map(|stated| (stated, RETRY_INFO));
    let longest = pushback.into_iter().chain(details);
    match longest.max_by_key(|(stated, _)| *stated) {
        Some((Parsed::Wait(wait), name)) => Reading::Wait(Hint::new(wait, Kind::RetryAfter, name)),
        Some((Parsed::OutOfRange, name)) => Reading::Never(name),
        Some((Parsed::Past, _)) | None => Reading::Nothing,
    }
}

/// Whether the server forbids to send this call again.
///
/// It then pushes back by what is no number, such as -1, or by several values.
pub(crate) fn forbids_retry(metadata: &HeaderMap) -> bool {
    metadata.contains_key(PUSHBACK) && pushback(metadata).is_none()
}

fn pushback(metadata: &HeaderMap) -> Option<Parsed> {
    const MILLI: u64 = 1_000_000;
    let mut lines = metadata.get_all(PUSHBACK).iter();
    let (Some(only), None) = (lines.next(), lines.next()) else {
        return None;
    };
    let number = Number::read(only.as_bytes()).filter(|number| number.integral)?;
    Some(Parsed::of(number.of(MILLI)))
}

fn retry_delay(metadata: &HeaderMap) -> Option<Parsed> {
    let lines = metadata.get_all(DETAILS).iter();
    let details = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    details.filter_map(in_details).max()
}

/// `Status { int32 code = 1; string message = 2; repeated Any details = 3; }`
fn in_details(text: &[u8]) -> Option<Parsed> {
    let small = Some(text).filter(|text| text.len() <= LARGEST)?;
    let status = base64::decode(small)?;
    let mut longest = None;
    fields(&status, |number, value| {
        if let (3, Value::Bytes(any)) = (number, value) {
            longest = longest.max(in_any(any));
        }
    })?;
    longest.map(Parsed::of)
}

/// `Any { string type_url = 1; bytes value = 2; }`, the URL being anything before the name.
fn in_any(any: &[u8]) -> Option<Duration> {
    let [url, info] = two_fields(any, |value| match value {
        Value::Bytes(bytes) => Some(bytes),
        Value::Number(_) => None,
    })?;
    let name = url?.rsplit(|byte| *byte == b'/').next()?;
    let info = info.filter(|_| name == RETRY_INFO.as_bytes())?;
    in_retry_info(info)
}

/// `RetryInfo { Duration retry_delay = 1; }`
fn in_retry_info(info: &[u8]) -> Option<Duration> {
    let [delay, _] = two_fields(info, |value| match value {
        Value::Bytes(bytes) => Some(bytes),
        Value::Number(_) => None,
    })?;
    in_duration(delay?)
}

/// `Duration { int64 seconds = 1; int32 nanos = 2; }`; a negative one is none.
fn in_duration(duration: &[u8]) -> Option<Duration> {
    let [seconds, nanos] = two_fields(duration, |value| match value {
        Value::Number(number) => Some(number),
        Value::Bytes(_) => None,
    })?;
    let seconds = seconds.unwrap_or(0);
    let nanos = u32::try_from(nanos.unwrap_or(0)).ok()?;
    let sound = i64::try_from(seconds).is_ok() && nanos < 1_000_000_000;
    sound.then(|| Duration::new(seconds, nanos))
}

/// The fields 1 and 2 of a message, as far as `of` takes them; the last of each counts, as in protobuf.
fn two_fields<'m, T: Copy>(
    message: &'m [u8],
    of: impl Fn(Value<'m>) -> Option<T>,
) -> Option<[Option<T>; 2]> {
    let mut found = [None; 2];
    fields(message, |number, value| {
        let place = number
            .checked_sub(1)
            .and_then(|at| usize::try_from(at).ok());
        if let Some(place) = place.and_then(|at| found.get_mut(at)) {
            *place = of(value);
        }
    })?;
    Some(found)
}

#[cfg(test)]
mod tests;
