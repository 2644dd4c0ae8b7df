//! A refusal that a waiting call keeps, in one small allocation.

use bytes::{Buf, BufMut, Bytes};
use http::{
    Extensions, HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Version, response,
};
use http_body::{Body, Frame};

use super::{BufferedBody, ResponseBody};

/// The head and body of a response.
///
/// Headers, trailers and body are written one after the other as on the wire; the rest is stored as it is.
pub(crate) struct StoredResponse<R: Body> {
    bytes: Box<[u8]>,
    status: StatusCode,
    version: Version,
    extensions: Extensions,
    error: Option<Box<R::Error>>,
}

/// Precedes a sensitive value. No value contains this byte, or one that ends a line.
const SENSITIVE: u8 = 0;

impl<R: Body> StoredResponse<R> {
    /// Stores a response; `None` if its body was not read to its end, or was too large.
    pub(crate) fn new(head: response::Parts, body: BufferedBody<R>) -> Option<Self> {
        if !body.is_whole() {
            return None;
        }
        let mut bytes = Vec::new();
        put_headers(&mut bytes, &head.headers);
        let trailers = body.frames.iter().find_map(Frame::trailers_ref);
        let none = HeaderMap::new();
        put_headers(&mut bytes, trailers.unwrap_or(&none));
        body.pieces().for_each(|piece| bytes.put_slice(piece));
        Some(Self {
            bytes: bytes.into(),
            status: head.status,
            version: head.version,
            extensions: head.extensions,
            error: body.error.map(Box::new),
        })
    }

    pub(crate) fn into_response(self) -> Response<ResponseBody<R>> {
        let mut bytes = Bytes::from(self.bytes);
        let headers = take_headers(&mut bytes);
        let trailers = take_headers(&mut bytes);
        let data = (!bytes.is_empty()).then(|| Frame::data(bytes));
        let trailers = (!trailers.is_empty()).then(|| Frame::trailers(trailers));
        let mut response = Response::new(ResponseBody::from_buffered(BufferedBody {
            frames: data.into_iter().chain(trailers).collect(),
            truncated: false,
            error: self.error.map(|error| *error),
            rest: None,
        }));
        *response.status_mut() = self.status;
        *response.version_mut() = self.version;
        *response.headers_mut() = headers;
        *response.extensions_mut() = self.extensions;
        response
    }
}

/// Writes one header per line, and an empty line after them.
fn put_headers(bytes: &mut Vec<u8>, headers: &HeaderMap) {
    for (name, value) in headers {
        bytes.put_slice(name.as_str().as_bytes());
        bytes.put_u8(b':');
        if value.is_sensitive() {
            bytes.put_u8(SENSITIVE);
        }
        bytes.put_slice(value.as_bytes());
        bytes.put_u8(b'\n');
    }
    bytes.put_u8(b'\n');
}

fn take_headers(bytes: &mut Bytes) -> HeaderMap {
    let mut headers = HeaderMap::new();
    while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
        let mut line = bytes.split_to(end);
        bytes.advance(1);
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            break;
        };
        let name = HeaderName::from_bytes(&line.split_to(colon));
        line.advance(1);
        let sensitive = line.first() == Some(&SENSITIVE);
        line.advance(usize::from(sensitive));
        // They were valid when they were written.
        if let (Ok(name), Ok(mut value)) = (name, HeaderValue::from_maybe_shared(line)) {
            value.set_sensitive(sensitive);
            headers.append(name, value);
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    type Empty = http_body_util::combinators::UnsyncBoxBody<Bytes, &'static str>;

    fn refusal() -> (response::Parts, BufferedBody<Empty>) {
        let response = Response::builder().status(503).header("via", "one");
        let (head, ()) = response.header("via", "two").body(()).unwrap().into_parts();
        let trailers = HeaderMap::from_iter([(http::header::ETAG, HeaderValue::from_static("z"))]);
        let pieces = ["a ", "body"].map(|piece| Frame::data(Bytes::from_static(piece.as_bytes())));
        let body = BufferedBody {
            frames: VecDeque::from_iter(pieces.into_iter().chain([Frame::trailers(trailers)])),
            truncated: false,
            error: Some("it broke off"),
            rest: None,
        };
        (head, body)
    }

    #[tokio::test]
    async fn a_refusal_is_put_together_again_with_its_trailers_and_its_error() {
        use http_body_util::BodyExt;
        let (head, body) = refusal();
        let response = StoredResponse::new(head, body)
            .expect("it is whole")
            .into_response();
        assert_eq!(response.status(), 503);
        let via: Vec<_> = response.headers().get_all("via").iter().collect();
        assert_eq!(via, ["one", "two"]);
        let mut body = response.into_body();
        let data = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(data, "a body");
        let trailers = body.frame().await.unwrap().unwrap().into_trailers();
        assert_eq!(trailers.unwrap()["etag"], "z");
        assert_eq!(body.frame().await.unwrap().unwrap_err(), "it broke off");
    }

    #[test]
    fn a_refusal_that_was_cut_is_not_kept() {
        let (head, mut body) = refusal();
        body.truncated = true;
        assert!(StoredResponse::new(head, body).is_none());
    }
}
