//! A real server, hyper's own, that keeps what was uploaded to it.

use std::sync::{Arc, Mutex};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::BoxError;
use super::listener::Listener;

/// A request body of any kind.
pub type Upload = UnsyncBoxBody<Bytes, BoxError>;

/// What the server does with a request.
#[derive(Clone, Copy, Debug)]
pub enum Does {
    /// Reads the upload to its end, then answers.
    Answer(u16),
    /// Reads the upload to its end and keeps nothing of it, then answers.
    Discard(u16),
    /// Answers without reading.
    AnswerUnread(u16),
    /// Reads this many bytes, then closes the connection.
    HangUpAfter(usize),
}

/// One upload, as far as it came.
#[derive(Clone, Debug, Default)]
pub struct Received {
    pub bytes: Bytes,
    pub trailers: Option<HeaderMap>,
    /// Whether it was read to its end, and the end was a good one.
    pub whole: bool,
}

type Script = dyn Fn(usize) -> Does + Send + Sync;

/// The server; it stops when dropped. Its answers say "try again" at once, and why.
#[derive(Debug)]
pub struct Uploads {
    listener: Listener,
    received: Arc<Mutex<Vec<Received>>>,
    bytes: watch::Receiver<usize>,
}

struct Server {
    script: Box<Script>,
    received: Arc<Mutex<Vec<Received>>>,
    bytes: watch::Sender<usize>,
}

impl Uploads {
    /// Does with each request, from 1, what `script` names for it. HTTP/1 or HTTP/2, as the client
    /// begins.
    pub async fn start(script: impl Fn(usize) -> Does + Send + Sync + 'static) -> Self {
        let (sender, bytes) = watch::channel(0);
        let received = Arc::default();
        let server = Arc::new(Server {
            script: Box::new(script),
            received: Arc::clone(&received),
            bytes: sender,
        });
        let listener = Listener::start(move |stream, _| Arc::clone(&server).serve(stream)).await;
        Self {
            listener,
            received,
            bytes,
        }
    }

    pub fn uri(&self) -> http::Uri {
        super::wire::uri(self.listener.addr(), "/upload")
    }

    /// What arrived, in the order in which the requests began.
    pub fn received(&self) -> Vec<Received> {
        self.received
            .lock()
            .expect("no test panics in here")
            .clone()
    }

    /// How many bytes of all uploads together have arrived.
    pub fn arrived(&self) -> usize {
        *self.bytes.borrow()
    }

    /// Waits until this many bytes of all uploads together have arrived.
    pub async fn has_read(&mut self, bytes: usize) {
        let arrived = self.bytes.wait_for(|&arrived| arrived >= bytes).await;
        arrived.expect("the server runs");
    }
}

impl Server {
    async fn serve(self: Arc<Self>, stream: TcpStream) {
        let service = service_fn(move |request| Arc::clone(&self).answer(request));
        let http = auto::Builder::new(TokioExecutor::new());
        // A connection that the script closes ends in an error, and so it should.
        let _ = http.serve_connection(TokioIo::new(stream), service).await;
    }

    async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, BoxError> {
        let nth = self.note(None, Received::default());
        let status = match (self.script)(nth + 1) {
            Does::AnswerUnread(status) => status,
            Does::Answer(status) => {
                self.read(request.into_body(), nth, usize::MAX).await?;
                status
            }
            Does::Discard(status) => {
                self.discard(request.into_body()).await?;
                status
            }
            Does::HangUpAfter(bytes) => {
                self.read(request.into_body(), nth, bytes).await?;
                return Err("hung up".into());
            }
        };
        let response = Response::builder()
            .status(status)
            .header("retry-after", "0");
        Ok(response.body(Full::from(format!("answer {}", nth + 1)))?)
    }

    async fn read(&self, mut body: Incoming, nth: usize, most: usize) -> Result<(), BoxError> {
        let mut received = Received::default();
        let mut bytes = BytesMut::new();
        while bytes.len() < most {
            let Some(frame) = body.frame().await.transpose()? else {
                received.whole = true;
                break;
            };
            match frame.into_data() {
                Ok(data) => {
                    bytes.extend_from_slice(&data);
                    self.bytes.send_modify(|arrived| *arrived += data.len());
                }
                Err(frame) => received.trailers = frame.into_trailers().ok(),
            }
            received.bytes = bytes.clone().freeze();
            self.note(Some(nth), received.clone());
        }
        self.note(Some(nth), received);
        Ok(())
    }

    async fn discard(&self, mut body: Incoming) -> Result<(), BoxError> {
        while let Some(frame) = body.frame().await.transpose()? {
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            self.bytes.send_modify(|arrived| *arrived += bytes);
        }
        Ok(())
    }

    /// Notes an upload, or what more has come of it.
    fn note(&self, nth: Option<usize>, upload: Received) -> usize {
        let mut received = self.received.lock().expect("no test panics in here");
        let nth = nth.unwrap_or(received.len());
        match received.get_mut(nth) {
            Some(known) => *known = upload,
            None => received.push(upload),
        }
        nth
    }
}
