//! What an attempt tells.

use super::*;

#[test]
fn an_attempt_tells_what_was_asked_and_what_came_back() {
    let request = Request::put("https://api.test/orders/7").body(()).unwrap();
    let response = Response::builder().status(503).header("retry-after", "5");
    let response = response.body(()).unwrap();
    let trailers = HeaderMap::from_iter([(http::header::ETAG, "7".parse().unwrap())]);
    let noon = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_772_452_800);
    let attempt = Attempt::new(&request, &response)
        .with_body(b"down")
        .with_trailers(&trailers)
        .received_at(noon);
    assert_eq!(
        (attempt.method(), attempt.uri().path()),
        (&Method::PUT, "/orders/7")
    );
    assert_eq!(attempt.status(), Some(StatusCode::SERVICE_UNAVAILABLE));
    assert_eq!(attempt.headers(), Some(response.headers()));
    assert_eq!(
        (attempt.body(), attempt.trailers()),
        (Some(&b"down"[..]), Some(&trailers))
    );
    assert_eq!((attempt.number(), attempt.received()), (1, noon));
    assert!(attempt.error().is_none() && matches!(attempt.reading(), Reading::Wait(_)));
}

#[test]
fn an_attempt_that_failed_has_an_error_and_no_answer() {
    let request = Request::post("https://api.test/")
        .body(String::from("order one"))
        .unwrap();
    let error = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    let attempt = Attempt::failed(&request, &error);
    assert!(
        attempt
            .error()
            .is_some_and(|error| error.is::<std::io::Error>())
    );
    assert_eq!((attempt.status(), attempt.headers()), (None, None));
    assert_eq!(
        (attempt.reading(), attempt.standard()),
        (Reading::Nothing, Verdict::not_safe())
    );
}
