//! Bytes as the headers of a response: lines of `name: value`.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use std::time::{Duration, SystemTime};

/// When every response arrives.
pub fn received() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600)
}

/// The longest wait that is believed: a leap year.
pub const YEAR: Duration = Duration::from_secs(366 * 86_400);

pub fn status(bytes: [u8; 2]) -> StatusCode {
    StatusCode::from_u16(u16::from_le_bytes(bytes)).unwrap_or(StatusCode::TOO_MANY_REQUESTS)
}

pub fn headers(lines: &[u8]) -> HeaderMap {
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
