//! Calls through a stack of layers over a client whose error is not `std::error::Error`.

#[cfg(mistakes)]
mod mistake {
    use tower::{ServiceBuilder, ServiceExt};
    use tower_backoff::{RetryLayer, providers};

    #[derive(Debug)]
    struct Broken;

    type Response = Result<http::Response<String>, Broken>;

    async fn send(request: http::Request<String>) {
        let client = ServiceBuilder::new()
            .map_request(|request: http::Request<String>| request)
            .layer(RetryLayer::new(providers::lemlist()))
            .service_fn(|_: http::Request<String>| async { Response::Err(Broken) });
        let _ = ServiceExt::oneshot(client, request).await;
    }
}

fn main() {}
