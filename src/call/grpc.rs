//! What a call of gRPC says and hears in the words of gRPC: its deadline, its earlier attempts, and why it was not sent.

use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::error::NotBefore;

/// How many attempts the server has seen before ([gRFC A6](https://github.com/grpc/proposal/blob/master/A6-client-retries.md)).
pub(super) const PREVIOUS_ATTEMPTS: HeaderName =
    HeaderName::from_static("grpc-previous-rpc-attempts");

const TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
const RESOURCE_EXHAUSTED: u8 = 8;
const UNAVAILABLE: u8 = 14;

/// The time that a call has, from `grpc-timeout`: at most eight digits and a unit.
pub(super) fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let (unit, digits) = headers.get(TIMEOUT)?.as_bytes().split_last()?;
    let is_number = (1..=8).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    let number = digits
        .iter()
        .filter(|_| is_number)
        .fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    let (_, nanos) = UNITS.iter().find(|(name, _)| name == unit)?;
    is_number.then(|| of_nanos(u128::from(number) * nanos))
}

fn of_nanos(nanos: u128) -> Duration {
    const SECOND: u128 = 1_000_000_000;
    let seconds = u64::try_from(nanos / SECOND).unwrap_or(u64::MAX);
    Duration::new(seconds, (nanos % SECOND) as u32)
}

/// The units of `grpc-timeout`, in nanoseconds.
const UNITS: [(u8, u128); 6] = [
    (b'n', 1),
    (b'u', 1_000),
    (b'm', 1_000_000),
    (b'S', 1_000_000_000),
    (b'M', 60_000_000_000),
    (b'H', 3_600_000_000_000),
];

/// Shortens `grpc-timeout` by the time that has passed: it is that of the call, and not of each attempt.
pub(super) fn reduce_timeout(headers: &mut HeaderMap, elapsed: Duration) {
    if let Some(timeout) = timeout(headers) {
        // Nothing left is not zero, which some servers take for no timeout at all.
        let left = timeout.saturating_sub(elapsed).max(Duration::from_nanos(1));
        headers.insert(TIMEOUT, written(left));
    }
}

/// Writes a timeout in the finest unit that has room for it, rounded down.
fn written(timeout: Duration) -> HeaderValue {
    let nanos = timeout.as_nanos();
    let fits = UNITS.iter().find(|(_, unit)| nanos / unit < 100_000_000);
    let (name, unit) = fits.unwrap_or(&UNITS[5]);
    let number = (nanos / unit).min(99_999_999);
    let text = format!("{number}{}", char::from(*name));
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("1n"))
}

/// The head of a response without messages that says what `error` says: the status, its message, and when to come back.
///
/// A client of gRPC knows no other errors than statuses: an error of a layer would be `UNKNOWN` to it.
pub(super) fn refusal(error: &NotBefore, is_outage: bool) -> HeaderMap {
    let code = if is_outage {
        UNAVAILABLE
    } else {
        RESOURCE_EXHAUSTED
    };
    let message = error.to_string();
    let mut headers = HeaderMap::new();
    let kind = HeaderValue::from_static("application/grpc");
    headers.insert(CONTENT_TYPE, kind);
    headers.insert("grpc-status", HeaderValue::from(u16::from(code)));
    let mut insert = |name, text: String| {
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    insert("grpc-message", percent_encoded(&message));
    if !error.wait().is_zero() {
        let details = details(code, &message, error.wait());
        insert("grpc-status-details-bin", base64(&details));
    }
    headers
}

/// A message as HTTP/2 carries it: printable ASCII stays, but for the percent sign.
fn percent_encoded(message: &str) -> String {
    let mut text = String::with_capacity(message.len());
    for byte in message.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => text.push(char::from(byte)),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

/// `google.rpc.Status { code = 1; message = 2; repeated Any details = 3; }`, with a `RetryInfo` as its only detail.
fn details(code: u8, message: &str, wait: Duration) -> Vec<u8> {
    const RETRY_INFO: &[u8] = b"type.googleapis.com/google.rpc.RetryInfo";
    let mut duration = Vec::new();
    put_number(&mut duration, 1, wait.as_secs());
    put_number(&mut duration, 2, wait.subsec_nanos().into());
    let mut info = Vec::new();
    put_bytes(&mut info, 1, &duration);
    let mut any = Vec::new();
    put_bytes(&mut any, 1, RETRY_INFO);
    put_bytes(&mut any, 2, &info);
    let mut status = Vec::new();
    put_number(&mut status, 1, code.into());
    put_bytes(&mut status, 2, message.as_bytes());
    put_bytes(&mut status, 3, &any);
    status
}

fn put_number(message: &mut Vec<u8>, field: u8, number: u64) {
    message.push(field << 3);
    put_varint(message, number);
}

fn put_bytes(message: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    message.push(field << 3 | 2);
    put_varint(message, bytes.len() as u64);
    message.extend_from_slice(bytes);
}

fn put_varint(message: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        message.push(number as u8 | 0x80);
        number >>= 7;
    }
    message.push(number as u8);
}

/// Base64 (RFC 4648, section 4) without its padding, as gRPC writes it.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let mut three = [0; 3];
        three[..group.len()].copy_from_slice(group);
        let bits = u32::from_be_bytes([0, three[0], three[1], three[2]]);
        for digit in 0..=group.len() {
            let at = bits >> (18 - 6 * digit) & 63;
            text.push(char::from(DIGITS[at as usize]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hint::{Reading, read_grpc};
    use crate::scope::Scope;
    use std::time::SystemTime;

    fn with(timeout: &str) -> HeaderMap {
        HeaderMap::from_iter([(TIMEOUT, HeaderValue::try_from(timeout).unwrap())])
    }

    #[test]
    fn a_timeout_is_read_in_each_unit() {
        for (text, nanos) in [
            ("1H", Some(3_600_000_000_000)),
            ("2M", Some(120_000_000_000)),
            ("5S", Some(5_000_000_000)),
            ("250m", Some(250_000_000)),
            ("00000007u", Some(7_000)),
            ("99999999n", Some(99_999_999)),
            ("123456789n", None),
            ("S", None),
            ("5", None),
            ("-5S", None),
            ("5s", None),
            ("5 S", None),
            ("", None),
        ] {
            let read = timeout(&with(text));
            assert_eq!(read, nanos.map(Duration::from_nanos), "{text:?}");
        }
        assert!(timeout(&with("99999999H")).is_some());
    }

    #[test]
    fn a_timeout_is_shortened_by_what_has_passed_and_never_to_nothing() {
        for (text, elapsed_millis, expected) in [
            ("5S", 2_000, "3000000u"),
            ("5S", 0, "5000000u"),
            ("50m", 1, "49000000n"),
            ("2H", 3_600_000, "3600000m"),
            ("1m", 2_000, "1n"),
            ("99999999H", 1, "99999998H"),
            ("soon", 1, "soon"),
        ] {
            let mut headers = with(text);
            reduce_timeout(&mut headers, Duration::from_millis(elapsed_millis));
            assert_eq!(headers[TIMEOUT], expected, "{text}");
        }
        let mut none = HeaderMap::new();
        reduce_timeout(&mut none, Duration::from_secs(1));
        assert!(none.is_empty());
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        for wait in [
            Duration::from_millis(1),
            Duration::from_millis(58_301),
            Duration::from_secs(86_400 * 30),
        ] {
            let error = NotBefore {
                moment: SystemTime::UNIX_EPOCH,
                wait,
                scope: Scope::named("100 % caf\u{e9}"),
                decided_by: "retry-after".into(),
            };
            let headers = refusal(&error, false);
            let Reading::Wait(hint) = read_grpc(&headers) else {
                panic!("{headers:?}");
            };
            assert_eq!(hint.wait(), wait);
            let message = headers["grpc-message"].to_str().unwrap();
            assert!(
                message.starts_with("100 %25 caf%C3%A9 takes no call"),
                "{message}"
            );
        }
    }

    #[test]
    fn the_test_vectors_of_the_rfc_are_encoded_without_padding() {
        for (plain, text) in [
            ("", ""),
            ("f", "Zg"),
            ("fo", "Zm8"),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg"),
            ("fooba", "Zm9vYmE"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), text);
        }
        assert_eq!(base64(&[0xfb, 0xff]), "+/8");
    }
}
