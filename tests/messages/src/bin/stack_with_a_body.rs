//! Sends a body that can be read only once through a stack of layers.

#[cfg(mistakes)]
mod mistake {
    use hyper::body::Incoming;
    use tower::{ServiceBuilder, ServiceExt};
    use tower_backoff::{BoxError, RetryLayer, providers};

    type Response = Result<http::Response<String>, BoxError>;

    async fn send(request: http::Request<Incoming>) {
        let client = ServiceBuilder::new()
            .map_request(|request: http::Request<Incoming>| request)
            .layer(RetryLayer::new(providers::lemlist()))
            .service_fn(|_: http::Request<Incoming>| async { Response::Ok(Default::default()) });
        let _ = ServiceExt::oneshot(client, request).await;
    }
}

fn main() {}
