//! Calls to many hosts in turn, through this crate and through a bare counter per host.

use std::collections::HashMap;
use std::convert::Infallible;
use std::task::{Context, Poll};

use http::Uri;
use http::uri::Authority;
use tower::{Layer, Service};
use tower_backoff::{Gates, Quota};

use crate::contender::{PollOnce, send};
use crate::gate;
use crate::mock::{Mock, MockRequest, RequestTemplate};

/// One request serves all hosts: 10,000 requests would take more memory than what is measured.
struct Hosts<S> {
    service: S,
    template: RequestTemplate,
    hosts: Vec<Uri>,
    next: usize,
}

/// Calls to `hosts` hosts through a layer with this quota.
pub fn ours(hosts: usize, quota: Quota) -> Box<dyn FnMut(u64)> {
    call_in_turn(
        hosts,
        gate::layer_of(quota, &Gates::new()).layer(Mock::without_counters()),
    )
}

/// Calls to `hosts` hosts through the bare service and a counter per host.
pub fn counted(hosts: usize) -> Box<dyn FnMut(u64)> {
    let counts = HashMap::new();
    call_in_turn(hosts, Counted(Mock::without_counters(), counts))
}

fn call_in_turn<S>(hosts: usize, service: S) -> Box<dyn FnMut(u64)>
where
    S: Service<MockRequest, Future: 'static> + 'static,
{
    let mut hosts = Hosts::new(hosts, service);
    Box::new(move |steps| (0..steps).for_each(|_| hosts.step()))
}

impl<S: Service<MockRequest, Future: 'static>> Hosts<S> {
    /// Starts with 20 calls to each host, so that its gate has learned how the host answers.
    fn new(hosts: usize, service: S) -> Self {
        let host = |host| {
            let uri = format!("https://api-{host}.example.com/v1/contacts");
            Uri::try_from(uri).expect("an address")
        };
        let mut hosts = Self {
            service,
            template: RequestTemplate::new(),
            hosts: (0..hosts).map(host).collect(),
            next: 0,
        };
        (0..20 * hosts.hosts.len()).for_each(|_| hosts.step());
        hosts
    }

    /// Calls the next host, which answers at once.
    fn step(&mut self) {
        let mut request = self.template.request();
        *request.uri_mut() = self.hosts[self.next].clone();
        self.next = (self.next + 1) % self.hosts.len();
        let mut call = Box::pin(send(&mut self.service, request));
        assert!(call.as_mut().poll_once(), "a call that succeeds at once");
    }
}

/// A server and the number of calls to each host.
struct Counted(Mock, HashMap<Authority, u64>);

impl Service<MockRequest> for Counted {
    type Response = <Mock as Service<MockRequest>>::Response;
    type Error = Infallible;
    type Future = <Mock as Service<MockRequest>>::Future;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: MockRequest) -> Self::Future {
        let host = request.uri().authority().expect("a host");
        match self.1.get_mut(host) {
            Some(count) => *count += 1,
            None => drop(self.1.insert(host.clone(), 1)),
        }
        self.0.call(request)
    }
}
