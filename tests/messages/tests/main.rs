//! Reads what the compiler says of the programs in `src/bin`.

use std::process::Command;

/// What the compiler says of a program, without its line breaks.
fn message(program: &str) -> String {
    let target = concat!(env!("CARGO_TARGET_TMPDIR"), "/messages");
    let output = Command::new(env!("CARGO"))
        .args(["check", "--quiet", "--target-dir", target, "--bin", program])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("RUSTFLAGS", "--cfg mistakes")
        .output()
        .expect("cargo runs");
    assert!(!output.status.success(), "{program} compiles");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Asserts that the first error is explained by these words.
#[track_caller]
fn assert_says(program: &str, words: &[&str]) {
    let message = message(program);
    let first = message.split("\nerror").next().unwrap_or_default();
    for words in words {
        assert!(first.contains(words), "{words:?} is not in\n{message}");
    }
}

#[test]
fn a_client_that_is_not_clone_is_told_to_be_wrapped_in_a_buffer() {
    let words = [
        "beneath `RetryLayer` is not `Clone`",
        "RetryLayer::new(providers::lemlist()).layer(client);",
        "wrap it in `tower::buffer::Buffer`",
        "services in `tower_backoff::client::connection` that are `Clone`",
    ];
    assert_says("client-is-not-clone", &words);
}

#[test]
fn a_stack_over_a_client_that_is_not_clone_says_so_where_it_is_built() {
    let words = [
        "beneath `RetryLayer` is not `Clone`",
        ".service_fn(move |request|",
        "wrap it in `tower::buffer::Buffer`",
    ];
    assert_says("stack-is-not-clone", &words);
}

#[test]
fn an_error_that_is_no_box_error_is_told_to_be_mapped() {
    let words = [
        "the error `Broken` of the client beneath `RetryLayer` is not `Into<tower_backoff::BoxError>`",
        "implement `std::error::Error` for it",
        "`.map_err(..)` of `tower::ServiceBuilder`",
    ];
    assert_says("error-is-no-box-error", &words);
}

#[test]
fn a_body_that_cannot_be_replayed_is_told_of_both_layers() {
    let words = [
        "the request body `hyper::body::Incoming` does not say how it is sent a second time",
        "wrap the service in `tower_backoff::body::ReplayLayer`",
        "or in `tower_backoff::body::NoReplayLayer`",
    ];
    assert_says("body-is-not-replayable", &words);
}

#[test]
fn a_stack_has_the_same_words_if_oneshot_is_called_as_a_function() {
    let error = "the error `Broken` of the client beneath `RetryLayer` is not `Into<tower_backoff::BoxError>`";
    assert_says("stack-with-an-error", &[error]);
    let body = "the request body `hyper::body::Incoming` does not say how it is sent a second time";
    assert_says("stack-with-a-body", &[body]);
}
