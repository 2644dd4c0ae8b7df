//! A single hyper connection beneath the layer (feature `hyper`).
//!
//! A `SendRequest` is not a tower service, and that of HTTP/1.1 cannot be cloned. These adapters are both, and all
//! clones share the connection. A request carries only the path, and a `Host` header, by which the layer finds its
//! scope.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use tokio::sync::Mutex;
use tower_service::Service;

/// An HTTP/1.1 connection: one request at a time, in order of arrival.
///
/// ```no_run
/// use http_body_util::Empty;
/// use hyper_util::rt::TokioIo;
/// use tower::Layer;
/// use tower_backoff::client::connection::Http1;
/// use tower_backoff::{BoxError, RetryLayer, providers};
///
/// # async fn connect() -> Result<(), BoxError> {
/// let stream = tokio::net::TcpStream::connect("127.0.0.1:8080").await?;
/// let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
/// tokio::spawn(connection);
/// let client = RetryLayer::new(providers::wolfeo()).layer(Http1::new(sender));
/// # let _: tower_backoff::Retry<Http1<Empty<bytes::Bytes>>> = client;
/// # Ok(())
/// # }
/// ```
pub struct Http1<B> {
    // A fair lock: requests are sent in order of arrival. It is held until the head of the response has arrived; the
    // connection is not ready before the body has ended.
    sender: Arc<Mutex<http1::SendRequest<B>>>,
}

impl<B> Http1<B> {
    /// Wraps the sending half of a connection, whose other half must be polled elsewhere.
    pub fn new(sender: http1::SendRequest<B>) -> Self {
        let sender = Arc::new(Mutex::new(sender));
        Self { sender }
    }
}

impl<B> Clone for Http1<B> {
    fn clone(&self) -> Self {
        let sender = Arc::clone(&self.sender);
        Self { sender }
    }
}

impl<B> fmt::Debug for Http1<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http1").finish_non_exhaustive()
    }
}

impl<B> Service<Request<B>> for Http1<B>
where
    B: Body + Send + 'static,
{
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = ResponseFuture;

    /// Ready while the connection is open; a request waits for others in its future.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        let Ok(mut sender) = self.sender.try_lock() else {
            return Poll::Ready(Ok(()));
        };
        match sender.poll_ready(cx) {
            Poll::Ready(Err(closed)) => Poll::Ready(Err(closed)),
            _ => Poll::Ready(Ok(())),
        }
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture {
        let sender = Arc::clone(&self.sender);
        ResponseFuture(Box::pin(async move {
            let mut sender = sender.lock().await;
            sender.ready().await?;
            sender.send_request(request).await
        }))
    }
}

/// An HTTP/2 connection: many requests at once.
pub struct Http2<B> {
    sender: http2::SendRequest<B>,
}

impl<B> Http2<B> {
    /// Wraps the sending half of a connection, whose other half must be polled elsewhere.
    pub fn new(sender: http2::SendRequest<B>) -> Self {
        Self { sender }
    }
}

impl<B> Clone for Http2<B> {
    fn clone(&self) -> Self {
        let sender = self.sender.clone();
        Self { sender }
    }
}

impl<B> fmt::Debug for Http2<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http2").finish_non_exhaustive()
    }
}

impl<B> Service<Request<B>> for Http2<B>
where
    B: Body + Send + 'static,
{
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        self.sender.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture {
        ResponseFuture(Box::pin(self.sender.send_request(request)))
    }
}

/// The response future of a connection.
#[must_use = "futures do nothing unless polled"]
pub struct ResponseFuture(Pin<Box<ConnectionFuture>>);

type ConnectionFuture = dyn Future<Output = hyper::Result<Response<Incoming>>> + Send;

impl Future for ResponseFuture {
    type Output = hyper::Result<Response<Incoming>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
