//! A keep-alive HTTP/1.1 server on a thread of its own, so that its CPU time is not counted.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::thread;

use http::Uri;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime;

use crate::mock::{BODY, Mock};

/// The path whose responses publish a limit.
const COUNTERS_PATH: &str = "/counters";

/// The address of a running server.
#[derive(Clone, Copy, Debug)]
pub struct Server(SocketAddr);

impl Server {
    /// Starts the server. It runs until the process ends.
    pub fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        listener.set_nonblocking(true).expect("a socket");
        thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_io().build();
            let runtime = runtime.expect("a runtime");
            runtime.block_on(accept(listener));
        });
        Self(address)
    }

    /// A resource whose responses name no limit.
    pub fn without_counters(self) -> Uri {
        self.uri("/contacts")
    }

    /// A resource whose responses publish limit, remaining and reset.
    pub fn with_counters(self) -> Uri {
        self.uri(COUNTERS_PATH)
    }

    fn uri(self, path: &str) -> Uri {
        let uri = format!("http://{}{path}", self.0);
        Uri::try_from(uri).expect("a valid address")
    }
}

async fn accept(listener: std::net::TcpListener) {
    let listener = TcpListener::from_std(listener).expect("a socket");
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        tokio::spawn(serve(stream));
    }
}

/// Answers one request after the other until the client closes the connection.
async fn serve(mut stream: TcpStream) {
    let silent = written(&Mock::without_counters());
    let counters = written(&Mock::with_counters());
    let counters_line = format!("GET {COUNTERS_PATH} ");
    let _ = stream.set_nodelay(true);
    let mut head = Vec::with_capacity(4_096);
    while matches!(stream.read_buf(&mut head).await, Ok(1..)) {
        // The client sends no body, and the next request only after this response.
        if !head.ends_with(b"\r\n\r\n") {
            continue;
        }
        let publishes = head.starts_with(counters_line.as_bytes());
        let response = if publishes { &counters } else { &silent };
        head.clear();
        if stream.write_all(response).await.is_err() {
            return;
        }
    }
}

/// The bytes of a response on the wire.
fn written(mock: &Mock) -> Vec<u8> {
    let mut head = String::from("HTTP/1.1 200 OK\r\n");
    for (name, value) in mock.response().headers() {
        let value = value.to_str().expect("a value of ASCII characters");
        write!(head, "{name}: {value}\r\n").expect("a string takes everything");
    }
    head.push_str("\r\n");
    head.push_str(BODY);
    head.into_bytes()
}
