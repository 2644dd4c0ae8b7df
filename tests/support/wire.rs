//! An HTTP/1.1 server that is scripted byte by byte.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::listener::{self, Listener};

/// One thing that the server does in answer to a request. After the last step it reads the next request.
#[derive(Clone, Debug)]
pub enum Step {
    /// Writes these bytes as they are.
    Send(Bytes),
    /// Does nothing for so long.
    Wait(Duration),
    /// Writes chunks of a chunked body for ever.
    SendForEver(Bytes),
    /// Closes the connection in an orderly way.
    Close,
    /// Closes the connection with RST.
    Reset,
    /// Waits for the next request to arrive and closes on it, unread.
    CloseOnNext,
}

/// A request that the server has read to its end.
#[derive(Clone, Debug)]
pub struct Received {
    /// Which connection it came on, from 1.
    pub connection: usize,
    /// Which request this is to the whole server, from 1.
    pub nth: usize,
    /// Request line and headers as they were sent, without the blank line.
    pub head: String,
    /// The body; a chunked one with its chunk framing.
    pub body: Bytes,
}

type Script = dyn Fn(&Received) -> Vec<Step> + Send + Sync;
type Log = Mutex<Vec<Received>>;

/// The server; it stops when dropped.
#[derive(Debug)]
pub struct Wire {
    listener: Listener,
    log: Arc<Log>,
}

impl Wire {
    /// Answers each request with the steps that `script` names for it.
    pub async fn start(script: impl Fn(&Received) -> Vec<Step> + Send + Sync + 'static) -> Self {
        let script: Arc<Script> = Arc::new(script);
        let log = Arc::new(Log::default());
        let shared = Arc::clone(&log);
        let listener = Listener::start(move |stream, connection| {
            serve(stream, connection, Arc::clone(&script), Arc::clone(&shared))
        })
        .await;
        Self { listener, log }
    }

    /// Does the same for every request.
    pub async fn always(steps: Vec<Step>) -> Self {
        Self::start(move |_| steps.clone()).await
    }

    /// Closes every connection as soon as it is accepted, before reading from it.
    pub async fn closing_at_once() -> Self {
        let log = Arc::default();
        let listener = Listener::start(|stream, _| async move { drop(stream) }).await;
        Self { listener, log }
    }

    /// The address of `path` here.
    pub fn uri(&self, path: &str) -> http::Uri {
        uri(self.listener.addr(), path)
    }

    /// How many connections were accepted.
    pub fn connections(&self) -> usize {
        self.listener.connections()
    }

    /// How many requests were read to their end.
    pub fn requests(&self) -> usize {
        self.received().len()
    }

    /// The requests that were read to their end, in order.
    pub fn received(&self) -> Vec<Received> {
        self.log.lock().expect("no test panics in here").clone()
    }
}

/// The address of `path` at `addr`.
pub fn uri(addr: SocketAddr, path: &str) -> http::Uri {
    format!("http://{addr}{path}")
        .parse()
        .expect("tests name valid paths")
}

/// A whole answer with `Content-Length`, after which the connection stays open. `headers` are whole lines,
/// each with its line break.
pub fn answer(status: u16, headers: &str, body: &str) -> Vec<Step> {
    let mut bytes = head(status, headers, body.len());
    bytes.push_str(body);
    vec![Step::Send(bytes.into())]
}

/// The head now, each piece of the body `pause` after what came before it.
pub fn late_answer(status: u16, headers: &str, pieces: &[&str], pause: Duration) -> Vec<Step> {
    let length = pieces.iter().map(|piece| piece.len()).sum();
    let late = |piece: &&str| {
        [
            Step::Wait(pause),
            Step::Send(Bytes::from(piece.to_string())),
        ]
    };
    let mut steps = vec![Step::Send(head(status, headers, length).into())];
    steps.extend(pieces.iter().flat_map(late));
    steps
}

/// A chunked answer, all at once.
pub fn chunked_answer(status: u16, headers: &str, chunks: &[&str]) -> Vec<Step> {
    let mut bytes = chunked_head(status, headers);
    for chunk in chunks {
        bytes.push_str(&format!("{:x}\r\n{chunk}\r\n", chunk.len()));
    }
    bytes.push_str("0\r\n\r\n");
    vec![Step::Send(bytes.into())]
}

/// A body of `length` bytes.
pub fn large_answer(status: u16, headers: &str, length: usize) -> Vec<Step> {
    answer(status, headers, &"x".repeat(length))
}

/// A body that never ends.
pub fn endless_answer(status: u16, headers: &str) -> Vec<Step> {
    let chunk = format!("400\r\n{}\r\n", "x".repeat(0x400));
    vec![
        Step::Send(chunked_head(status, headers).into()),
        Step::SendForEver(chunk.into()),
    ]
}

/// Promises a byte more than it sends, then closes.
pub fn truncated_answer(status: u16, headers: &str, body: &str) -> Vec<Step> {
    let mut bytes = head(status, headers, body.len() + 1);
    bytes.push_str(body);
    vec![Step::Send(bytes.into()), Step::Close]
}

/// A whole answer on a connection that looks reusable and closes on its next request.
pub fn answer_then_close_on_next(status: u16, headers: &str, body: &str) -> Vec<Step> {
    let mut steps = answer(status, headers, body);
    steps.push(Step::CloseOnNext);
    steps
}

fn head(status: u16, headers: &str, length: usize) -> String {
    format!("HTTP/1.1 {status} Scripted\r\n{headers}content-length: {length}\r\n\r\n")
}

fn chunked_head(status: u16, headers: &str) -> String {
    format!("HTTP/1.1 {status} Scripted\r\n{headers}transfer-encoding: chunked\r\n\r\n")
}

async fn serve(mut stream: TcpStream, connection: usize, script: Arc<Script>, log: Arc<Log>) {
    let mut unread = Vec::new();
    while let Some((head, body)) = read_request(&mut stream, &mut unread).await {
        let received = record(&log, connection, head, body);
        let Some(still_open) = play(stream, script(&received)).await else {
            return;
        };
        stream = still_open;
    }
}

fn record(log: &Log, connection: usize, head: String, body: Bytes) -> Received {
    let mut log = log.lock().expect("no test panics in here");
    let received = Received {
        connection,
        nth: log.len() + 1,
        head,
        body,
    };
    log.push(received.clone());
    received
}

/// Plays the steps; `None` when one of them ended the connection.
async fn play(mut stream: TcpStream, steps: Vec<Step>) -> Option<TcpStream> {
    for step in steps {
        match step {
            Step::Send(bytes) => stream.write_all(&bytes).await.ok()?,
            Step::Wait(pause) => tokio::time::sleep(pause).await,
            Step::SendForEver(bytes) => loop {
                stream.write_all(&bytes).await.ok()?;
            },
            Step::Close => return None,
            Step::Reset => {
                listener::reset(stream);
                return None;
            }
            Step::CloseOnNext => {
                let _ = stream.peek(&mut [0]).await;
                return None;
            }
        }
    }
    Some(stream)
}

/// Reads one request; `None` when the connection ended first.
async fn read_request(stream: &mut TcpStream, unread: &mut Vec<u8>) -> Option<(String, Bytes)> {
    let head_ends = read_until(stream, unread, |bytes| position(bytes, b"\r\n\r\n")).await?;
    let head = String::from_utf8_lossy(&unread[..head_ends]).into_owned();
    unread.drain(..head_ends + 4);
    let body_ends = if let Some(length) = header(&head, "content-length") {
        let length: usize = length.parse().ok()?;
        read_until(stream, unread, |bytes| {
            (bytes.len() >= length).then_some(length)
        })
        .await?
    } else if header(&head, "transfer-encoding").is_some() {
        let last_chunk = |bytes: &[u8]| position(bytes, b"0\r\n\r\n").map(|at| at + 5);
        read_until(stream, unread, last_chunk).await?
    } else {
        0
    };
    Some((head, unread.drain(..body_ends).collect()))
}

async fn read_until<T>(
    stream: &mut TcpStream,
    unread: &mut Vec<u8>,
    find: impl Fn(&[u8]) -> Option<T>,
) -> Option<T> {
    loop {
        if let Some(found) = find(unread) {
            return Some(found);
        }
        if stream.read_buf(unread).await.ok()? == 0 {
            return None;
        }
    }
}

fn position(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}
