//! Sends a body that can be read only once.

#[cfg(mistakes)]
mod mistake {
    use hyper::body::Incoming;
    use tower::{Layer, service_fn};
    use tower_backoff::{BoxError, RetryLayer, providers};

    type Response = Result<http::Response<String>, BoxError>;

    async fn send(request: http::Request<Incoming>) {
        let client =
            service_fn(|_: http::Request<Incoming>| async { Response::Ok(Default::default()) });
        let mut client = RetryLayer::new(providers::lemlist()).layer(client);
        let _ = client.call(request).await;
    }
}

fn main() {}
