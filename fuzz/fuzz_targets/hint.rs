//! Any list of headers, read as any response: the first two bytes are the status, then come `name: value` lines.

#![no_main]

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use libfuzzer_sys::fuzz_target;
use std::time::{Duration, SystemTime};
use tower_backoff::hint;

fuzz_target!(|data: &[u8]| {
    let Some((status, lines)) = data.split_first_chunk() else {
        return;
    };
    let status =
        StatusCode::from_u16(u16::from_le_bytes(*status)).unwrap_or(StatusCode::TOO_MANY_REQUESTS);
    let received = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
    hint::read(status, &headers(lines), received);
});

fn headers(lines: &[u8]) -> HeaderMap {
    lines.split(|byte| *byte == b'\n').filter_map(header).fold(
        HeaderMap::new(),
        |mut headers, (name, value)| {
            headers.append(name, value);
            headers
        },
    )
}

fn header(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let name = HeaderName::from_bytes(&line[..colon]).ok()?;
    Some((name, HeaderValue::from_bytes(&line[colon + 1..]).ok()?))
}
