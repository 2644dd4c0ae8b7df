use super::*;
use http::HeaderValue;
use proptest::prelude::*;

fn metadata(lines: &[(&'static str, &str)]) -> HeaderMap {
    let mut metadata = HeaderMap::new();
    for (name, value) in lines {
        metadata.append(*name, value.parse().unwrap());
    }
    metadata
}

#[track_caller]
fn says(lines: &[(&'static str, &str)], millis: u64, source: &'static str) {
    let hint = Hint::new(Duration::from_millis(millis), Kind::RetryAfter, source);
    assert_eq!(read_grpc(&metadata(lines)), Reading::Wait(hint));
}

/// A field of bytes.
fn bytes(number: u8, value: &[u8]) -> Vec<u8> {
    let mut field = vec![(number << 3) | 2];
    push_varint(&mut field, value.len() as u64);
    field.extend(value);
    field
}

fn push_varint(message: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        message.push(number as u8 | 0x80);
        number >>= 7;
    }
    message.push(number as u8);
}

/// `RetryInfo` with this delay, as an `Any`.
fn retry_info(seconds: u64, nanos: u64) -> Vec<u8> {
    let mut duration = vec![1 << 3];
    push_varint(&mut duration, seconds);
    duration.push(2 << 3);
    push_varint(&mut duration, nanos);
    let url = bytes(1, b"type.googleapis.com/google.rpc.RetryInfo");
    [url, bytes(2, &bytes(1, &duration))].concat()
}

/// `Status` of RESOURCE_EXHAUSTED with these details.
fn status(details: &[Vec<u8>]) -> Vec<u8> {
    let mut status = vec![1 << 3, 8];
    status.extend(bytes(2, b"slow down"));
    details.iter().for_each(|any| status.extend(bytes(3, any)));
    status
}

fn encoded(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let three = [0, 1, 2].map(|at| u32::from(group.get(at).copied().unwrap_or(0)));
        let bits = (three[0] << 16) | (three[1] << 8) | three[2];
        for digit in 0..=group.len() {
            text.push(DIGITS[(bits >> (18 - 6 * digit)) as usize & 63].into());
        }
    }
    text
}

fn of_details(status: &[u8]) -> Reading {
    read_grpc(&metadata(&[(DETAILS, &encoded(status))]))
}

#[test]
fn a_pushback_is_milliseconds() {
    says(&[(PUSHBACK, "250")], 250, PUSHBACK);
    says(&[(PUSHBACK, "0")], 0, PUSHBACK);
    let far = metadata(&[(PUSHBACK, "99999999999999999999999")]);
    assert_eq!(read_grpc(&far), Reading::Never(PUSHBACK));
}

#[test]
fn a_pushback_that_is_no_number_forbids_another_try() {
    for text in ["-1", "", "soon", "+5", "1.5", "0x10", "1e3", "5 ms"] {
        let metadata = metadata(&[(PUSHBACK, text)]);
        assert_eq!(read_grpc(&metadata), Reading::Nothing, "{text}");
        assert!(forbids_retry(&metadata), "{text}");
    }
    assert!(forbids_retry(&metadata(&[
        (PUSHBACK, "1"),
        (PUSHBACK, "2")
    ])));
    assert!(!forbids_retry(&metadata(&[(PUSHBACK, "1")])));
    assert!(!forbids_retry(&metadata(&[])));
}

#[test]
fn a_retry_info_is_found_among_the_details() {
    // Status { code: 8, details: [RetryInfo { retry_delay: 1.5 s }] }
    let text = "CAgaNgoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLlJldHJ5SW5mbxIKCggIARCAyrXuAQ==";
    says(&[(DETAILS, text)], 1_500, RETRY_INFO);
    says(&[(DETAILS, text.trim_end_matches('='))], 1_500, RETRY_INFO);
    // A proxy may join two lines.
    says(&[(DETAILS, &format!("AAAA,{text}"))], 1_500, RETRY_INFO);
    let other = bytes(1, b"type.googleapis.com/google.rpc.ErrorInfo");
    let status = status(&[other, retry_info(1, 1), retry_info(7, 0)]);
    says(&[(DETAILS, &encoded(&status))], 7_000, RETRY_INFO);
}

#[test]
fn of_two_that_name_a_wait_the_longer_counts() {
    let details = encoded(&status(&[retry_info(2, 0)]));
    says(&[(DETAILS, &details), (PUSHBACK, "100")], 2_000, RETRY_INFO);
    says(&[(DETAILS, &details), (PUSHBACK, "3000")], 3_000, PUSHBACK);
}

#[test]
fn what_is_no_retry_info_in_full_says_nothing() {
    let negative = retry_info(-5_i64 as u64, 0);
    let too_many_nanos = retry_info(1, 1_000_000_000);
    let no_delay = [bytes(1, RETRY_INFO.as_bytes()), bytes(2, b"")].concat();
    for any in [negative, too_many_nanos, no_delay] {
        assert_eq!(of_details(&status(&[any])), Reading::Nothing);
    }
    for text in ["", "!", "A", "CAga", "\u{e9}"] {
        let mut metadata = HeaderMap::new();
        metadata.insert(DETAILS, HeaderValue::from_bytes(text.as_bytes()).unwrap());
        assert_eq!(read_grpc(&metadata), Reading::Nothing, "{text}");
    }
    let long = "A".repeat(LARGEST + 4);
    assert_eq!(read_grpc(&metadata(&[(DETAILS, &long)])), Reading::Nothing);
}

#[test]
fn more_than_a_year_is_never() {
    let status = status(&[retry_info(i64::MAX as u64, 999_999_999)]);
    assert_eq!(of_details(&status), Reading::Never(RETRY_INFO));
}

proptest! {
    #[test]
    fn every_delay_is_read_and_never_shortened(seconds in 0..31_000_000_u64, nanos in 0..1_000_000_000_u32) {
        let delay = Duration::new(seconds, nanos);
        let Reading::Wait(hint) = of_details(&status(&[retry_info(seconds, nanos.into())])) else {
            panic!("a wait of {delay:?}");
        };
        prop_assert!(hint.wait() >= delay && hint.wait() < delay + Duration::from_millis(1));
    }

    #[test]
    fn a_status_that_was_cut_names_no_wait(seconds in 1..1_000_u64, cut in 0..80_usize) {
        let mut status = status(&[retry_info(seconds, 5)]);
        status.truncate(cut % status.len());
        prop_assert_eq!(of_details(&status), Reading::Nothing);
    }

    #[test]
    fn bytes_of_any_kind_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = of_details(&bytes);
        if let Ok(value) = HeaderValue::from_bytes(&bytes) {
            let mut metadata = HeaderMap::new();
            metadata.insert(DETAILS, value.clone());
            metadata.insert(PUSHBACK, value);
            let _ = (read_grpc(&metadata), forbids_retry(&metadata));
        }
    }

    #[test]
    fn a_damaged_status_does_no_harm(at in 0..90_usize, byte: u8) {
        let mut status = status(&[retry_info(5, 5)]);
        let at = at % status.len();
        status[at] = byte;
        let _ = of_details(&status);
    }
}
