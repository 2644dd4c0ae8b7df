//! Servers that are away, return, are silent, are read-only, or reply nonsense.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

use redis::Value;
use tower_backoff::fleet::ledger::{LedgerClient, ReplyState, Unreachable};
use tower_backoff_redis::RedisLedger;

use crate::server;
use crate::store::{SCOPE, said};

fn is_away<T>(reply: &Result<T, Unreachable>) -> bool {
    matches!(reply, Err(Unreachable::NoConnection(_)))
}

#[tokio::test]
async fn a_server_that_returns_is_reached_with_the_next_try() {
    let Some(server) = server::start(&[]) else {
        return;
    };
    let port = server.port();
    let ledger = RedisLedger::new(&server.url()).unwrap();
    ledger.exchange(SCOPE, &said(1, 1, 1)).await.unwrap();
    drop(server);
    for sequence in 2..5 {
        assert!(is_away(
            &ledger.exchange(SCOPE, &said(1, sequence, 1)).await
        ));
    }
    let _server = server::start_on(port, &[]);
    // The script is loaded again.
    ledger.exchange(SCOPE, &said(1, 5, 1)).await.unwrap();
}

#[tokio::test]
async fn a_script_that_was_flushed_is_loaded_again() {
    let Some(server) = server::start(&[]) else {
        return;
    };
    let ledger = RedisLedger::new(&server.url()).unwrap();
    for sequence in 1..4 {
        ledger.exchange(SCOPE, &said(1, sequence, 1)).await.unwrap();
        server.command::<Value>(&["SCRIPT", "FLUSH"]);
    }
}

#[tokio::test]
async fn a_server_that_is_silent_is_away_after_its_time() {
    let Some(server) = server::start(&[]) else {
        return;
    };
    let signal = |name: &str| {
        let process = server.process().to_string();
        Command::new("kill")
            .args([name, &process])
            .status()
            .unwrap();
    };
    let ledger = RedisLedger::new(&server.url()).unwrap();
    ledger.exchange(SCOPE, &said(1, 1, 1)).await.unwrap();
    signal("-STOP");
    for sequence in 2..4 {
        let started = Instant::now();
        assert!(is_away(
            &ledger.exchange(SCOPE, &said(1, sequence, 1)).await
        ));
        let took = started.elapsed();
        assert!((240..600).contains(&took.as_millis()), "{took:?}");
    }
    // Many scopes wait together, not one after the other.
    let started = Instant::now();
    let scopes: Vec<_> = (0..20)
        .map(|_| {
            let ledger = ledger.clone();
            tokio::spawn(async move { is_away(&ledger.exchange(SCOPE, &said(9, 1, 1)).await) })
        })
        .collect();
    for scope in scopes {
        assert!(scope.await.unwrap());
    }
    assert!(
        started.elapsed() < Duration::from_millis(900),
        "{:?}",
        started.elapsed()
    );
    signal("-CONT");
    let reply = ledger.exchange(SCOPE, &said(1, 4, 1)).await.unwrap();
    assert_eq!(reply.state, ReplyState::Done);
    // What was sent before may have been heard, and is late now.
    let late = ledger.exchange(SCOPE, &said(1, 2, 1)).await.unwrap();
    assert_eq!(late.state, ReplyState::Late);
}

#[tokio::test]
async fn a_server_that_is_read_only_is_away_and_one_without_memory_replies_an_error() {
    let Some(server) = server::start(&[]) else {
        return;
    };
    let ledger = RedisLedger::new(&server.url()).unwrap();
    server.command::<Value>(&["REPLICAOF", "127.0.0.1", "1"]);
    let reply = ledger.exchange(SCOPE, &said(1, 1, 1)).await;
    assert!(is_away(&reply), "{reply:?}");
    server.command::<Value>(&["REPLICAOF", "NO", "ONE"]);
    server.command::<Value>(&["CONFIG", "SET", "maxmemory", "1"]);
    let reply = ledger.exchange(SCOPE, &said(1, 2, 1)).await;
    assert!(
        matches!(reply, Err(Unreachable::ErrorReply(_))),
        "{reply:?}"
    );
    server.command::<Value>(&["CONFIG", "SET", "maxmemory", "0"]);
    ledger.exchange(SCOPE, &said(1, 3, 1)).await.unwrap();
}

#[tokio::test]
async fn a_key_of_another_kind_is_an_error_reply() {
    let Some(server) = server::start(&[]) else {
        return;
    };
    let ledger = RedisLedger::new(&server.url()).unwrap();
    let key = format!("tb2:{{{}}}:s", "5c".repeat(16));
    server.command::<Value>(&["SET", &key, "nonsense"]);
    let reply = ledger.exchange(SCOPE, &said(1, 1, 1)).await;
    assert!(
        matches!(reply, Err(Unreachable::ErrorReply(_))),
        "{reply:?}"
    );
}

/// A server that replies the same bytes to whatever it is sent.
fn replies(bytes: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut buffer = [0; 4_096];
                while matches!(stream.read(&mut buffer), Ok(read) if read > 0) {
                    if stream.write_all(bytes).is_err() {
                        return;
                    }
                }
            });
        }
    });
    format!("redis://{address}")
}

#[tokio::test]
async fn garbled_replies_are_errors() {
    let garbled: [&[u8]; 9] = [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"+OK\r\n",
        b":1\r\n",
        b"$-1\r\n",
        b"*0\r\n",
        b"*2\r\n:0\r\n:5\r\n",
        b"*3\r\n:0\r\n:-7\r\n$1\r\nx\r\n",
        b"*9999999999\r\n:0\r\n",
        b"\xff\xfe\x00",
    ];
    for bytes in garbled {
        let ledger = RedisLedger::new(&replies(bytes)).unwrap();
        for sequence in 1..3 {
            let reply = ledger.exchange(SCOPE, &said(1, sequence, 1)).await;
            assert!(reply.is_err(), "{bytes:?}: {reply:?}");
        }
    }
}

#[test]
fn an_address_that_cannot_be_read_is_an_error_without_the_address() {
    let error = RedisLedger::new("http://user:hunter2@host").unwrap_err();
    let text = format!("{error} {error:?}");
    assert!(!text.contains("hunter2"), "{text}");
}
