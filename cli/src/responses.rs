//! Responses as curl prints them, and as they were recorded.

use http::{HeaderName, HeaderValue, Response};
use serde::Deserialize;
use tower_backoff::BoxError;

/// One recorded response.
#[derive(Deserialize)]
pub(crate) struct Recorded {
    #[serde(default)]
    pub(crate) id: serde_json::Value,
    pub(crate) provider: Option<String>,
    status: u16,
    #[serde(default)]
    headers: Vec<(String, String)>,
    body: Option<String>,
    pub(crate) now: String,
    #[serde(default)]
    pub(crate) rule: bool,
}

impl Recorded {
    pub(crate) fn response(&self) -> Result<Response<Vec<u8>>, BoxError> {
        let lines = self
            .headers
            .iter()
            .map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        response(
            self.status,
            lines,
            self.body.clone().unwrap_or_default().into(),
        )
    }
}

/// Skips lines that are not headers, as a client would have.
fn response<'a>(
    status: u16,
    headers: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    body: Vec<u8>,
) -> Result<Response<Vec<u8>>, BoxError> {
    let mut response = Response::builder().status(status).body(body)?;
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name);
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value)) {
            response.headers_mut().append(name, value);
        }
    }
    Ok(response)
}

pub(crate) fn as_curl_prints_it(text: &[u8]) -> Result<Response<Vec<u8>>, BoxError> {
    let (head, body) = split_head(text);
    let mut lines = head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let first = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    let status = first
        .strip_prefix("HTTP/")
        .and_then(|rest| rest.split_whitespace().nth(1))
        .and_then(|status| status.parse().ok())
        .ok_or("the first line should be a status line, such as HTTP/1.1 429 Too Many Requests")?;
    let headers = lines.filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        Some((&line[..colon], line[colon + 1..].trim_ascii()))
    });
    response(status, headers, body.to_vec())
}

/// Takes a text apart in which one response follows another. A 100 Continue is none.
///
/// The body before a response may end without a newline.
pub(crate) fn apart(text: &[u8]) -> Vec<Vec<u8>> {
    let text = as_curl_verbose_prints_it(text);
    let mut responses: Vec<&[u8]> = Vec::new();
    let mut rest = &text[..];
    while !rest.is_empty() {
        let next = (1..rest.len()).find(|at| begins_response(&rest[*at..], rest[at - 1] == b'\n'));
        let (response, behind) = rest.split_at(next.unwrap_or(rest.len()));
        match responses.last_mut() {
            Some(last) if is_informational(last) => *last = response,
            _ => responses.push(response),
        }
        rest = behind;
    }
    let responses: Vec<_> = responses.into_iter().map(<[u8]>::to_vec).collect();
    if responses.is_empty() {
        return vec![text]; // and the reader says what is missing
    }
    responses
}

/// Whether a status line begins here; within a line only if a header follows, since bodies speak of HTTP as well.
///
/// It reads no further than it has to, so that a long line that often speaks of HTTP takes no longer than any other.
fn begins_response(text: &[u8], on_its_own_line: bool) -> bool {
    let Some(version) = text.strip_prefix(b"HTTP/") else {
        return false;
    };
    let is_in_version = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
    let length = version.iter().take_while(|byte| is_in_version(byte));
    let [b' ', status @ ..] = &version[length.count()..] else {
        return false;
    };
    let Some((status, reason)) = status.split_first_chunk::<3>() else {
        return false;
    };
    let is_reason = |byte: &u8| byte.is_ascii_alphanumeric() || b" -'".contains(byte);
    let length = reason.iter().take_while(|byte| is_reason(byte));
    let behind = &reason[length.count()..];
    let is_word = reason.first().is_none_or(u8::is_ascii_whitespace);
    let is_status = status.iter().all(u8::is_ascii_digit) && is_word;
    is_status && (on_its_own_line || begins_with_header(behind))
}

/// Whether a line ends here, and the next one is a header.
fn begins_with_header(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"\r").unwrap_or(text);
    let Some(text) = text.strip_prefix(b"\n") else {
        return false;
    };
    let is_in_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
    let length = text.iter().take_while(|byte| is_in_name(byte)).count();
    length > 0 && text.get(length) == Some(&b':')
}

fn is_informational(response: &[u8]) -> bool {
    let status = response.split(|byte| *byte == b' ').nth(1);
    status.is_some_and(|status| status.starts_with(b"1"))
}

/// Keeps the lines that `curl -v` marks as received, with `< `.
fn as_curl_verbose_prints_it(text: &[u8]) -> Vec<u8> {
    let mut lines = text.split_inclusive(|byte| *byte == b'\n').peekable();
    let marked = |line: &[u8]| line.starts_with(b"< ") || line.trim_ascii() == b"<";
    if !text.starts_with(b"HTTP/") {
        while lines.next_if(|line| !marked(line)).is_some() {}
    }
    let unmarked = lines.map(|line| line.strip_prefix(b"< ").unwrap_or(line));
    unmarked
        .map(|line| {
            if line.trim_ascii() == b"<" {
                b"\r\n"
            } else {
                line
            }
        })
        .collect::<Vec<_>>()
        .concat()
}

fn split_head(text: &[u8]) -> (&[u8], &[u8]) {
    let end = |blank: &[u8]| {
        let at = text
            .windows(blank.len())
            .position(|window| window == blank)?;
        Some((at, at + blank.len()))
    };
    match [end(b"\r\n\r\n"), end(b"\n\n")].into_iter().flatten().min() {
        Some((head, body)) => (&text[..head], &text[body..]),
        None => (text, &[]),
    }
}
