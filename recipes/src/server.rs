//! A server on the loopback, whose limiter does as it is told.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::{Decision, Limiter};

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Received {
    pub method: Method,
    pub uri: Uri,
    pub headers: HeaderMap,
    pub body: Bytes,
}

type Answer = dyn Fn(&Received) -> Response<String> + Send + Sync;

/// The server, on a port that the system picks. It stops when it is dropped.
pub struct Server {
    pub limiter: Limiter,
    address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    task: JoinHandle<()>,
}

impl Server {
    /// Starts it; what the limiter admits is answered by the closure.
    pub async fn start(
        answer: impl Fn(&Received) -> Response<String> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("a port of the loopback");
        let address = listener.local_addr().expect("a port that is bound");
        let limiter = Limiter::default();
        let received = Arc::default();
        let handler = Handler {
            limiter: limiter.clone(),
            received: Arc::clone(&received),
            answer: Arc::new(answer),
        };
        Self {
            limiter,
            address,
            received,
            task: tokio::spawn(accept(listener, handler)),
        }
    }

    /// Returns where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the address of a path, such as `/contacts`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Returns all that has arrived.
    pub fn received(&self) -> Vec<Received> {
        let received = self.received.lock();
        received.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Server").field(&self.address).finish()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Clone)]
struct Handler {
    limiter: Limiter,
    received: Arc<Mutex<Vec<Received>>>,
    answer: Arc<Answer>,
}

async fn accept(listener: TcpListener, handler: Handler) {
    while let Ok((stream, _)) = listener.accept().await {
        let handler = handler.clone();
        let serve = service_fn(move |request| handler.clone().serve(request));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), serve));
    }
}

impl Handler {
    async fn serve(self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map(|body| body.to_bytes());
        let received = Received {
            method: head.method,
            uri: head.uri,
            headers: head.headers,
            body: body.unwrap_or_default(),
        };
        let response = match self.limiter.decide() {
            Decision::Refuse(wait) => refusal(wait),
            Decision::Serve(published) => {
                let mut response = (self.answer)(&received);
                for (name, value) in published.iter().flat_map(|published| {
                    [
                        ("x-ratelimit-limit", published.limit as u64),
                        ("x-ratelimit-remaining", published.remaining as u64),
                        ("x-ratelimit-reset", published.reset),
                    ]
                }) {
                    response.headers_mut().insert(name, value.into());
                }
                response
            }
        };
        let mut all = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(received);
        Ok(response.map(Full::from))
    }
}

fn refusal(wait: u64) -> Response<String> {
    let response = Response::builder().status(429);
    let response = response.header("content-type", "application/json");
    let response = response.header("retry-after", wait);
    let body = r#"{"message":"slow down","error":{"message":"slow down"}}"#;
    response.body(body.to_owned()).expect("a valid response")
}
