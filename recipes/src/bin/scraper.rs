//! A scraper of 500 hosts
//!
//! There is a gate per origin, so one layer serves all hosts, and a refusal of one delays no other. A quota that is
//! declared counts per host as well. The concurrency limit of the whole program stands inside, where a waiting call returns
//! its permit. Gates that are idle are forgotten. hyper-util's client sends nothing twice that may have arrived. A host that
//! names a longer wait than `patience` ends its calls with `NotBefore`, whose `scope` is the host.

use std::collections::HashMap;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use std::{io, iter};

use futures_util::future::join_all;
use http::header::HOST;
use http::{Request, Response};
use hyper_util::client::legacy::connect::dns::Name;
use recipes::{Received, Server, check, past_patience};
use tower::{Service, ServiceExt};
// recipe: begin
use bytes::Bytes;
use http_body_util::Empty;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use tower::ServiceBuilder;
use tower::limit::ConcurrencyLimit;
use tower_backoff::policy::Provider;
use tower_backoff::{BoxError, Quota, Retry, RetryLayer};

type Scraper = Retry<ConcurrencyLimit<Client<Connector, Empty<Bytes>>>>;

fn scraper(connector: Connector) -> Scraper {
    let polite = Provider::new("the web").quota(Quota::concurrent(2)); // per host
    ServiceBuilder::new()
        .layer(RetryLayer::new(polite).end_with_not_before())
        .concurrency_limit(100) // in all
        .service(Client::builder(TokioExecutor::new()).build(connector))
}
// recipe: end

const HOSTS: usize = 500;
const PAGES: usize = 4;

/// In earnest that of hyper-rustls, which asks the system for addresses.
type Connector = HttpConnector<Loopback>;

/// Resolves every name to the loopback.
#[derive(Clone, Debug)]
struct Loopback(SocketAddr);

impl Service<Name> for Loopback {
    type Response = iter::Once<SocketAddr>;
    type Error = io::Error;
    type Future = Ready<io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Name) -> Self::Future {
        ready(Ok(iter::once(self.0)))
    }
}

/// Each tenth host refuses its first call for a second, and one for an hour.
fn answer(calls: &mut HashMap<usize, usize>, host: usize) -> Response<String> {
    let call = calls.entry(host).or_default();
    *call += 1;
    let response = Response::builder();
    let response = match (host, *call) {
        (7, 1) => response.status(429).header("retry-after", 3_600),
        (host, 1) if host % 10 == 0 => response.status(429).header("retry-after", 1),
        _ => response,
    };
    response
        .body("a page".to_owned())
        .expect("a valid response")
}

fn host(received: &Received) -> usize {
    let name = received.headers[HOST].to_str().expect("a name");
    let number = name
        .strip_prefix("host-")
        .and_then(|rest| rest.split_once('.'));
    number
        .and_then(|(number, _)| number.parse().ok())
        .expect("the number of a host")
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let calls = Mutex::default();
    let web = Server::start(move |received| answer(&mut calls.lock().unwrap(), host(received)));
    let web = web.await;
    let scraper = scraper(HttpConnector::new_with_resolver(Loopback(web.address())));
    let port = web.address().port();
    let get = async |host: usize, page: usize| {
        let url = format!("http://host-{host}.test:{port}/{page}");
        let request = Request::get(url).body(Empty::new())?;
        let response = scraper.clone().oneshot(request).await?;
        check(response.status().as_u16())
    };
    let begun = Instant::now();
    let pages = (0..HOSTS).flat_map(|host| (0..PAGES).map(move |page| (host, page)));
    let scraped = join_all(pages.map(|(host, page)| {
        let get = &get;
        async move { (host, get(host, page).await, begun.elapsed()) }
    }))
    .await;
    // Besides the pages there are the second calls to the hosts that refused the first.
    assert!(web.received().len() <= HOSTS * PAGES + HOSTS / 10);
    let mut slowest_of_others = Duration::ZERO;
    for (host, result, after) in scraped {
        match (host, result) {
            (7, Err(error)) => assert!(past_patience(&error).is_some(), "{error}"),
            (7, Ok(())) => {}
            (_, Err(error)) => return Err(error),
            (host, Ok(())) if host % 10 != 0 => slowest_of_others = slowest_of_others.max(after),
            _ => {}
        }
    }
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
    println!(
        "a scraper: {HOSTS} hosts in {took:.1?}; those that refused nothing were done after {slowest_of_others:.1?}"
    );
    Ok(())
}
