//! Processes that share a quota through a real server, for some seconds, and what breaks meanwhile.
//!
//! A process is a ledger with gates of its own. They share nothing but the server.

use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::time::Duration;

use http::Request;
use tokio::task::JoinSet;
use tower::{Layer, ServiceExt};
use tower_backoff::policy::Provider;
use tower_backoff::testing::{Limit, Server as Api};
use tower_backoff::{BoxError, Gates, Quota, RetryLayer};
use tower_backoff_redis::Ledger;

use crate::server::{self, Server};

const SECOND: Duration = Duration::from_secs(1);
const QUOTA: u32 = 200;

/// Four processes with ten workers each, at an API that counts in a sliding window.
struct Fleet {
    api: Api,
    ledgers: Vec<Ledger>,
    workers: JoinSet<Result<(), BoxError>>,
    stops: Arc<AtomicBool>,
}

impl Fleet {
    fn at(server: &Server) -> Self {
        Self::at_url(&server.url())
    }

    fn at_url(url: &str) -> Self {
        let mut fleet = Self {
            api: Api::new(Limit::sliding_log(QUOTA, SECOND)),
            ledgers: Vec::new(),
            workers: JoinSet::new(),
            stops: Arc::default(),
        };
        for _ in 0..4 {
            let ledger = Ledger::new(url).unwrap();
            fleet
                .ledgers
                .push(ledger.secret("one deployment").processes(4));
            fleet.start(fleet.ledgers.len() - 1);
        }
        fleet
    }

    fn start(&mut self, process: usize) {
        let acme = Provider::new("acme").quota(Quota::per_second(QUOTA));
        let client = RetryLayer::new(acme)
            .gates(&Gates::new())
            .patience(600 * SECOND)
            .fleet(self.ledgers[process].clone())
            .layer(self.api.clone());
        for _ in 0..10 {
            let (client, stops) = (client.clone(), Arc::clone(&self.stops));
            self.workers.spawn(async move {
                while !stops.load(Ordering::Relaxed) {
                    let request = Request::get("https://acme.test/").body(String::new())?;
                    client.clone().oneshot(request).await?;
                }
                Ok(())
            });
        }
    }

    /// How many calls were served in this time.
    async fn served_within(&self, time: Duration) -> usize {
        let served = || self.api.calls() - self.api.refusals();
        let before = served();
        tokio::time::sleep(time).await;
        served() - before
    }

    async fn end(mut self) {
        self.stops.store(true, Ordering::Relaxed);
        while let Some(worker) = self.workers.join_next().await {
            worker.unwrap().unwrap();
        }
    }

    fn is_alone(&self, process: usize) -> bool {
        let status = self.ledgers[process].status();
        status.iter().any(|member| member.alone_for.is_some())
    }
}

fn signal(server: &Server, name: &str) {
    let process = server.process().to_string();
    Command::new("kill")
        .args([name, &process])
        .status()
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn four_processes_spend_one_quota_without_a_refusal() {
    let Some(server) = server::start(&[]) else {
        return;
    };
    let fleet = Fleet::at(&server);
    tokio::time::sleep(2 * SECOND).await;
    let served = fleet.served_within(3 * SECOND).await;
    println!("{served} of 600");
    assert_eq!(fleet.api.refusals(), 0);
    // How much is used depends on the machine; the bench `fleet` judges it.
    assert!(served > 300, "{served} of 600");
    assert_eq!(fleet.ledgers[0].status()[0].members, 4);
    fleet.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_and_comes_back_empty_costs_no_refusal() {
    let Some(server) = server::start(&[]) else {
        return;
    };
    let fleet = Fleet::at(&server);
    tokio::time::sleep(2 * SECOND).await;
    let port = server.port();
    drop(server);
    let alone = fleet.served_within(3 * SECOND).await;
    assert!(fleet.is_alone(0), "the server is gone");
    let server = server::start_on(port, &[]);
    let back = fleet.served_within(3 * SECOND).await;
    println!("{alone} of 600 alone, {back} of 600 as it is back");
    assert!(!fleet.is_alone(0));
    assert_eq!(fleet.api.refusals(), 0);
    assert!(alone > 150 && back > 300);
    fleet.end().await;
    drop(server);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_silent_for_seconds_costs_no_refusal() {
    let Some(server) = server::start(&[]) else {
        return;
    };
    let fleet = Fleet::at(&server);
    tokio::time::sleep(2 * SECOND).await;
    signal(&server, "-STOP");
    let silent = fleet.served_within(3 * SECOND).await;
    signal(&server, "-CONT");
    let back = fleet.served_within(3 * SECOND).await;
    println!("{silent} of 600 meanwhile, {back} of 600 as it goes on");
    assert_eq!(fleet.api.refusals(), 0);
    assert!(back > 200);
    fleet.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_flushed_is_told_again() {
    let Some(server) = server::start(&[]) else {
        return;
    };
    let fleet = Fleet::at(&server);
    tokio::time::sleep(2 * SECOND).await;
    server.command::<()>(&["FLUSHALL"]);
    let served = fleet.served_within(4 * SECOND).await;
    println!("{served} of 800");
    assert_eq!(fleet.api.refusals(), 0);
    assert!(served > 300);
    fleet.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_may_leave_and_the_others_have_its_part() {
    let Some(server) = server::start(&[]) else {
        return;
    };
    let fleet = Fleet::at(&server);
    tokio::time::sleep(2 * SECOND).await;
    fleet.ledgers[3].leave().await;
    tokio::time::sleep(SECOND).await;
    assert_eq!(fleet.ledgers[0].status()[0].members, 3);
    fleet.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_begin_without_a_server_keep_to_their_guess() {
    let Some(server) = server::start(&[]) else {
        return;
    };
    signal(&server, "-STOP");
    let fleet = Fleet::at(&server);
    let served = fleet.served_within(3 * SECOND).await;
    println!("{served} of 600");
    assert!(fleet.is_alone(0));
    assert_eq!(fleet.api.refusals(), 0);
    signal(&server, "-CONT");
    fleet.served_within(2 * SECOND).await;
    assert_eq!(fleet.api.refusals(), 0);
    assert!(!fleet.is_alone(0));
    fleet.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_in_one_process_is_pushed_to_the_others() {
    let Some(server) = server::start(&[]) else {
        return;
    };
    // Each process calls once. The second call is refused for a minute.
    let api = Api::new(Limit::fixed_window(1, 60 * SECOND));
    let client = |ledger: Ledger| {
        RetryLayer::new(Provider::new("acme"))
            .gates(&Gates::new())
            .patience(SECOND)
            .fleet(ledger)
            .layer(api.clone())
    };
    let new = || Ledger::new(&server.url()).unwrap().secret("one deployment");
    let (one, another) = (client(new()), client(new()));
    let call = |client: &tower_backoff::Retry<Api>| {
        let request = Request::get("https://acme.test/")
            .body(String::new())
            .unwrap();
        client.clone().oneshot(request)
    };
    call(&another).await.unwrap();
    assert_eq!(call(&one).await.unwrap().status(), 429);
    let calls = api.calls();
    // Sooner than its next exchange, which is due a quarter of a lease after the last one.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(
        call(&another).await.is_err(),
        "it would wait for longer than a second"
    );
    assert_eq!(
        api.calls(),
        calls,
        "the other process was told before it called"
    );
}

/// A port behind which one server is, and then another.
struct Switch {
    port: u16,
    target: Arc<AtomicU16>,
}

impl Switch {
    fn to(server: &Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let target = Arc::new(AtomicU16::new(server.port()));
        let switched = Arc::clone(&target);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let port = switched.load(Ordering::Relaxed);
                if let Ok(server) = TcpStream::connect(("127.0.0.1", port)) {
                    for (mut from, mut to) in [
                        (client.try_clone().unwrap(), server.try_clone().unwrap()),
                        (server, client),
                    ] {
                        std::thread::spawn(move || {
                            let _ = std::io::copy(&mut from, &mut to);
                            let _ = to.shutdown(std::net::Shutdown::Both);
                        });
                    }
                }
            }
        });
        Self { port, target }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_lost_the_last_writes_takes_over_without_a_refusal() {
    let Some((master, replica)) = server::start(&[]).zip(server::start(&[])) else {
        return;
    };
    let port = master.port().to_string();
    replica.command::<()>(&["REPLICAOF", "127.0.0.1", &port]);
    let is_linked = || {
        let text: String = replica.command(&["INFO", "replication"]);
        text.contains("master_link_status:up")
    };
    while !is_linked() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let switch = Switch::to(&master);
    let fleet = Fleet::at_url(&format!("redis://127.0.0.1:{}", switch.port));
    tokio::time::sleep(2 * SECOND).await;
    // What is written from now on does not reach it.
    replica.command::<()>(&["REPLICAOF", "127.0.0.1", "1"]);
    tokio::time::sleep(Duration::from_millis(700)).await;
    switch.target.store(replica.port(), Ordering::Relaxed);
    drop(master);
    // It is found read-only for a while, and then promoted.
    let alone = fleet.served_within(Duration::from_millis(500)).await;
    replica.command::<()>(&["REPLICAOF", "NO", "ONE"]);
    let back = fleet.served_within(3 * SECOND).await;
    println!("{alone} of 100 meanwhile, {back} of 600 as it has taken over");
    assert_eq!(fleet.api.refusals(), 0);
    assert!(!fleet.is_alone(0));
    assert_eq!(fleet.ledgers[0].status()[0].members, 4);
    assert!(back > 300, "{back}");
    fleet.end().await;
}
