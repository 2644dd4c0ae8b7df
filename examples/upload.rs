//! Streaming uploads to a server that refuses each of them once.
//!
//! ```text
//! cargo run --example upload                # this file
//! cargo run --example upload -- Cargo.lock  # another one
//! ```
//!
//! It starts a server on the loopback that answers 503 to the first upload on each connection, and sends
//! it the file as a stream in three ways: with a `ReplayLayer` whose buffer holds all of it; with one whose
//! buffer does not; and with that one and a `BodyFactory`, which opens the file again.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, io};

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, TryStreamExt, stream};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, StreamBody};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::fs::File;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tower::{ServiceBuilder, ServiceExt};
use tower_backoff::body::{BodyFactory, ReplayLayer};
use tower_backoff::policy::Provider;
use tower_backoff::{BoxError, Report, RetryLayer};

type Upload = UnsyncBoxBody<Bytes, io::Error>;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let path = env::args().nth(1);
    let path = path.unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/", file!()).into());
    let size = tokio::fs::metadata(&path).await?.len();
    let server = start().await?;
    println!("the file has {size} bytes; the server refuses every first upload\n");

    let enough = usize::try_from(size)? + 1024;
    send("a buffer that is large enough", enough, put(server, &path)?).await?;
    send("a buffer of 1 KiB", 1024, put(server, &path)?).await?;
    let mut request = put(server, &path)?;
    let again = move || Ok::<_, Infallible>(stream_of(path.clone()));
    request.extensions_mut().insert(BodyFactory::new(again));
    send("a buffer of 1 KiB, and a factory", 1024, request).await
}

/// Sends a request through layers of its own, and prints the result.
async fn send(what: &str, bound: usize, request: Request<Upload>) -> Result<(), BoxError> {
    let client = ServiceBuilder::new()
        .layer(ReplayLayer::new().bound(bound))
        .layer(RetryLayer::new(Provider::new("loopback")))
        .service(Client::builder(TokioExecutor::new()).build_http());
    let response = client.oneshot(request).await?;
    let report = response.extensions().get::<Report>().cloned();
    let (status, body) = (response.status(), response.into_body().collect().await?);
    println!("{what}: {status}");
    println!(
        "    the server says: {}",
        String::from_utf8_lossy(&body.to_bytes())
    );
    if let Some(report) = report {
        println!("    the report says: {report}");
    }
    Ok(())
}

fn put(server: SocketAddr, path: &str) -> Result<Request<Upload>, http::Error> {
    Request::put(format!("http://{server}/")).body(stream_of(path.to_owned()))
}

/// Opens the file when the upload begins, and reads it as fast as the connection takes it.
fn stream_of(path: String) -> Upload {
    let frames = stream::once(File::open(path)).map_ok(chunks).try_flatten();
    Upload::new(StreamBody::new(frames.map_ok(Frame::data)))
}

fn chunks(file: File) -> impl Stream<Item = io::Result<Bytes>> {
    stream::try_unfold(file, async |mut file| {
        let mut chunk = BytesMut::with_capacity(16 * 1024);
        let read = file.read_buf(&mut chunk).await?;
        Ok((read > 0).then(|| (chunk.freeze(), file)))
    })
}

/// A server that refuses the first upload of each connection.
async fn start() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let addr = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let nth = AtomicUsize::new(1);
            let service =
                service_fn(move |request| answer(nth.fetch_add(1, Ordering::Relaxed), request));
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    Ok(addr)
}

async fn answer(nth: usize, request: Request<Incoming>) -> Result<Response<String>, BoxError> {
    let bytes = request.into_body().collect().await?.to_bytes().len();
    let status = if nth == 1 { 503 } else { 200 };
    let answer = format!("upload {nth} had {bytes} bytes");
    Ok(Response::builder().status(status).body(answer)?)
}
