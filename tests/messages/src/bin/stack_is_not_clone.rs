//! Builds a stack of layers over a client that is not `Clone`.

#[cfg(mistakes)]
mod mistake {
    use hyper::client::conn::http1::SendRequest;
    use tower::{ServiceBuilder, ServiceExt};
    use tower_backoff::{RetryLayer, providers};

    async fn send(mut connection: SendRequest<String>, request: http::Request<String>) {
        let client = ServiceBuilder::new()
            .map_request(|request: http::Request<String>| request)
            .layer(RetryLayer::new(providers::lemlist()))
            .service_fn(move |request| connection.send_request(request));
        let _ = client.oneshot(request).await;
    }
}

fn main() {}
