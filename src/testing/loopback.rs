//! The test server over real connections.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::testing::server::Server;

impl Server {
    /// Listens on a free port of 127.0.0.1, in real time, until what it returns is dropped.
    ///
    /// It speaks HTTP/1.1 and HTTP/2. Calls by both ways count in the same limit.
    ///
    /// ```
    /// use std::time::Duration;
    /// use http::Request;
    /// use hyper_util::{client::legacy::Client, rt::TokioExecutor};
    /// use tower::{Layer, ServiceExt};
    /// use tower_backoff::testing::{Limit, Server};
    /// use tower_backoff::{BoxError, RetryLayer, policy::Provider};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), BoxError> {
    /// let server = Server::new(Limit::fixed_window(1, Duration::from_secs(1)));
    /// let loopback = server.serve().await?;
    /// let hyper_client = Client::builder(TokioExecutor::new()).build_http::<String>();
    /// let client = RetryLayer::new(Provider::new("acme")).layer(hyper_client);
    /// for id in 0..2 {
    ///     let request = Request::get(loopback.url(&format!("/jobs/{id}"))).body(String::new())?;
    ///     assert_eq!(client.clone().oneshot(request).await?.status(), 200);
    /// }
    /// assert_eq!((server.refusals(), server.early_calls()), (1, 0));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn serve(&self) -> io::Result<Loopback> {
        /// Longer than an answer is on its way over loopback, also on a machine that is busy.
        const TRANSIT: Duration = Duration::from_millis(100);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let addr = listener.local_addr()?;
        let task = tokio::spawn(accept(listener, self.behind(TRANSIT)));
        Ok(Loopback { addr, task })
    }
}

/// A [`Server`] that listens on 127.0.0.1 until this is dropped.
///
/// Dropping it closes the port and all connections.
#[derive(Debug)]
#[must_use = "the server stops when this is dropped"]
pub struct Loopback {
    addr: SocketAddr,
    task: JoinHandle<()>,
}

impl Loopback {
    /// Returns the address on which it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Returns the URL of a path, which begins with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The connections live in this task, so that they end with it.
async fn accept(listener: TcpListener, server: Server) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        connections.spawn(converse(stream, server.clone()));
        while connections.try_join_next().is_some() {}
    }
}

async fn converse(stream: TcpStream, server: Server) {
    let service = service_fn(move |request| on_request(server.clone(), request));
    let connection = auto::Builder::new(TokioExecutor::new());
    // A client that breaks its connection is no fault of the server.
    let _ = connection
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn on_request(
    server: Server,
    request: Request<Incoming>,
) -> Result<Response<String>, Infallible> {
    let (head, mut body) = request.into_parts();
    let response = server.on_request(&head);
    // Read to its end, so that the connection is free for the next request.
    while let Some(Ok(_)) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {}
    response.await
}
