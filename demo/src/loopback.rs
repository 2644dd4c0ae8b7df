//! A provider behind a real socket, and the client that calls it.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

use super::desk::Desk;
use super::queue::Empty;

/// An HTTP server on a free port, which stops when it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    /// The address it listens on.
    pub addr: SocketAddr,
    task: AbortHandle,
}

impl Server {
    /// Starts a server for a desk on a port of 127.0.0.1.
    pub(crate) async fn start(desk: Desk) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let addr = listener.local_addr()?;
        let task = tokio::spawn(accept(listener, Arc::new(desk))).abort_handle();
        Ok(Self { addr, task })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Accepts connections. They belong to this task, so that they end with it.
async fn accept(listener: TcpListener, desk: Arc<Desk>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve(stream, Arc::clone(&desk)));
    }
}

async fn serve(stream: TcpStream, desk: Arc<Desk>) {
    let service = service_fn(|request: http::Request<hyper::body::Incoming>| {
        let desk = Arc::clone(&desk);
        async move { Ok::<_, Infallible>(desk.serve(request.uri().path()).await) }
    });
    // A connection that breaks is the client's concern: it counts what it lost.
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let _ = connection.await;
}

/// Creates hyper-util's pooling client.
pub(crate) fn client() -> Client<HttpConnector, Empty> {
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .build_http()
}
