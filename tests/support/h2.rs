//! An HTTP/2 server that is scripted frame by frame, since no library lets a server say wrong things.
//!
//! Prior knowledge, no TLS. It acts on a request when its last byte has arrived, one request after the other.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::listener::Listener;
use super::wire;

/// One thing that the server does in answer to a request.
#[derive(Clone, Debug)]
pub enum Step {
    /// Sends the head of the answer; its body follows.
    Head(u16, Vec<(String, String)>),
    /// Sends a piece of the body.
    Data(Bytes),
    /// Ends the body.
    End,
    /// Ends the body with trailers.
    Trailers(Vec<(String, String)>),
    /// Resets the stream.
    Reset(Reason),
    /// Sends GOAWAY.
    GoAway(Last, Reason),
    /// Does nothing for so long, on the whole connection.
    Wait(Duration),
    /// Closes the connection in an orderly way.
    Close,
}

/// Which streams the server says it may have processed when it sends GOAWAY.
#[derive(Clone, Copy, Debug)]
pub enum Last {
    /// None at all: whatever was sent was not looked at.
    Nothing,
    /// Those before this request's.
    Before,
    /// This request's, too.
    This,
    /// All that will ever be, as the first of two GOAWAYs says.
    Everything,
}

/// A request whose end has arrived.
#[derive(Clone, Copy, Debug)]
pub struct Received {
    /// Which connection it came on, from 1.
    pub connection: usize,
    /// Which request this is to the whole server, from 1.
    pub nth: usize,
    /// Its stream.
    pub stream: u32,
}

type Script = dyn Fn(&Received) -> Vec<Step> + Send + Sync;
type Log = Mutex<Vec<Received>>;

/// The server; it stops when dropped.
#[derive(Debug)]
pub struct H2 {
    listener: Listener,
    log: Arc<Log>,
}

impl H2 {
    /// Answers each request with the steps that `script` names for it.
    pub async fn start(script: impl Fn(&Received) -> Vec<Step> + Send + Sync + 'static) -> Self {
        let script: Arc<Script> = Arc::new(script);
        let log = Arc::new(Log::default());
        let shared = Arc::clone(&log);
        let listener = Listener::start(move |stream, number| {
            let connection = Connection {
                stream,
                number,
                script: Arc::clone(&script),
                log: Arc::clone(&shared),
            };
            async { connection.serve().await.unwrap_or_default() }
        })
        .await;
        Self { listener, log }
    }

    /// Does the same for every request.
    pub async fn always(steps: Vec<Step>) -> Self {
        Self::start(move |_| steps.clone()).await
    }

    /// The address of `path` here.
    pub fn uri(&self, path: &str) -> http::Uri {
        wire::uri(self.listener.addr(), path)
    }

    /// How many connections were accepted.
    pub fn connections(&self) -> usize {
        self.listener.connections()
    }

    /// How many requests arrived whole, whatever became of them.
    pub fn requests(&self) -> usize {
        self.received().len()
    }

    /// The requests that arrived whole, in order.
    pub fn received(&self) -> Vec<Received> {
        self.log.lock().expect("no test panics in here").clone()
    }
}

/// A whole answer.
pub fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Vec<Step> {
    let headers = headers
        .iter()
        .map(|&(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    vec![
        Step::Head(status, headers),
        Step::Data(Bytes::from(body.to_owned())),
        Step::End,
    ]
}

/// Resets the stream instead of answering.
pub fn reset(reason: Reason) -> Vec<Step> {
    vec![Step::Reset(reason)]
}

/// Sends GOAWAY instead of answering, then closes.
pub fn go_away(last: Last, reason: Reason) -> Vec<Step> {
    vec![Step::GoAway(last, reason), Step::Close]
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const LARGEST_FRAME: usize = 16_384;

/// RFC 9113, section 6.
mod kind {
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
}

const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl Frame {
    fn ends_a_request(&self) -> bool {
        matches!(self.kind, kind::HEADERS | kind::DATA) && self.flags & END_STREAM != 0
    }

    fn wants_an_ack(&self) -> bool {
        matches!(self.kind, kind::SETTINGS | kind::PING) && self.flags & ACK == 0
    }
}

struct Connection {
    stream: TcpStream,
    number: usize,
    script: Arc<Script>,
    log: Arc<Log>,
}

impl Connection {
    /// Ends with an error when the client goes away, which is no concern of the test.
    async fn serve(mut self) -> std::io::Result<()> {
        self.stream.read_exact(&mut [0; PREFACE.len()]).await?;
        self.write(kind::SETTINGS, 0, 0, &[]).await?;
        loop {
            let frame = self.read().await?;
            if frame.wants_an_ack() {
                let pong = if frame.kind == kind::PING {
                    &*frame.payload
                } else {
                    &[]
                };
                self.write(frame.kind, ACK, 0, pong).await?;
            } else if frame.ends_a_request() {
                let received = self.record(frame.stream);
                for step in (self.script)(&received) {
                    self.play(step, received.stream).await?;
                }
            }
        }
    }

    fn record(&self, stream: u32) -> Received {
        let mut log = self.log.lock().expect("no test panics in here");
        let received = Received {
            connection: self.number,
            nth: log.len() + 1,
            stream,
        };
        log.push(received);
        received
    }

    async fn play(&mut self, step: Step, stream: u32) -> std::io::Result<()> {
        match step {
            Step::Head(status, headers) => {
                let block = [status_line(status), header_block(&headers)].concat();
                self.write(kind::HEADERS, END_HEADERS, stream, &block).await
            }
            Step::Data(bytes) => {
                for piece in bytes.chunks(LARGEST_FRAME) {
                    self.write(kind::DATA, 0, stream, piece).await?;
                }
                Ok(())
            }
            Step::End => self.write(kind::DATA, END_STREAM, stream, &[]).await,
            Step::Trailers(trailers) => {
                let block = header_block(&trailers);
                let flags = END_HEADERS | END_STREAM;
                self.write(kind::HEADERS, flags, stream, &block).await
            }
            Step::Reset(reason) => {
                let code = u32::from(reason).to_be_bytes();
                self.write(kind::RST_STREAM, 0, stream, &code).await
            }
            Step::GoAway(last, reason) => {
                let code = u32::from(reason).to_be_bytes();
                let payload = [last.id(stream).to_be_bytes(), code].concat();
                self.write(kind::GOAWAY, 0, 0, &payload).await
            }
            Step::Wait(pause) => {
                tokio::time::sleep(pause).await;
                Ok(())
            }
            Step::Close => self.close().await,
        }
    }

    /// Reads what the client still sends: closing on unread bytes would reset the connection and could take
    /// the last frames with it.
    async fn close(&mut self) -> std::io::Result<()> {
        self.stream.shutdown().await?;
        loop {
            self.read().await?;
        }
    }

    async fn read(&mut self) -> std::io::Result<Frame> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).await?;
        let [a, b, c, kind, flags, s1, s2, s3, s4] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        self.stream.read_exact(&mut payload).await?;
        Ok(Frame {
            kind,
            flags,
            stream: u32::from_be_bytes([s1, s2, s3, s4]),
            payload,
        })
    }

    async fn write(
        &mut self,
        kind: u8,
        flags: u8,
        stream: u32,
        payload: &[u8],
    ) -> std::io::Result<()> {
        let length = u32::try_from(payload.len()).expect("frames are small");
        let mut frame = length.to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        self.stream.write_all(&frame).await
    }
}

impl Last {
    fn id(self, stream: u32) -> u32 {
        match self {
            Last::Nothing => 0,
            Last::Before => stream.saturating_sub(2),
            Last::This => stream,
            Last::Everything => u32::MAX >> 1,
        }
    }
}

fn status_line(status: u16) -> Vec<u8> {
    const STATUS_IN_STATIC_TABLE: u8 = 8;
    let mut block = vec![STATUS_IN_STATIC_TABLE];
    push_text(&mut block, &status.to_string());
    block
}

/// RFC 7541, section 6.2.2: literal fields that touch no table, so that neither side needs a memory.
fn header_block(headers: &[(String, String)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in headers {
        block.push(0);
        push_text(&mut block, name);
        push_text(&mut block, value);
    }
    block
}

fn push_text(block: &mut Vec<u8>, text: &str) {
    let length = u8::try_from(text.len()).expect("test headers are short");
    assert!(length < 127, "test headers are short");
    block.push(length);
    block.extend(text.as_bytes());
}
