//! Calls through a client that is not `Clone`.

#[cfg(mistakes)]
mod mistake {
    use hyper::client::conn::http1::SendRequest;
    use tower::{Layer, service_fn};
    use tower_backoff::{RetryLayer, providers};

    async fn send(mut connection: SendRequest<String>, request: http::Request<String>) {
        let client = service_fn(move |request| connection.send_request(request));
        let mut client = RetryLayer::new(providers::lemlist()).layer(client);
        let _ = client.call(request).await;
    }
}

fn main() {}
