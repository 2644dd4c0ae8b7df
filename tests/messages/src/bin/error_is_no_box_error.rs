//! Calls through a client whose error is not `std::error::Error`.

#[cfg(mistakes)]
mod mistake {
    use tower::{Layer, service_fn};
    use tower_backoff::{RetryLayer, providers};

    #[derive(Debug)]
    struct Broken;

    type Response = Result<http::Response<String>, Broken>;

    async fn send(request: http::Request<String>) {
        let client = service_fn(|_: http::Request<String>| async { Response::Err(Broken) });
        let mut client = RetryLayer::new(providers::lemlist()).layer(client);
        let _ = client.call(request).await;
    }
}

fn main() {}
