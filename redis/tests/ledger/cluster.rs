//! A cluster of three nodes, and a slot that moves from one to another while a scope is used.

use std::time::{Duration, Instant};

use redis::Value;
use tower_backoff::fleet::ledger::{LedgerClient, Reply, ReplyState};
use tower_backoff_redis::{RedisLedger, RunScript};

use crate::server::{self, Server};
use crate::store::{SCOPE, settled};

fn start() -> Option<Vec<Server>> {
    let nodes: Option<Vec<_>> = (0..3)
        .map(|_| server::start(&["--cluster-enabled", "yes"]))
        .collect();
    let nodes = nodes?;
    for (nth, node) in nodes.iter().enumerate() {
        node.take_slots([0..=5_460, 5_461..=10_922, 10_923..=16_383][nth].clone());
        let port = nodes[0].port().to_string();
        node.command::<Value>(&["CLUSTER", "MEET", "127.0.0.1", &port]);
    }
    let is_ready = |node: &Server| {
        let text: String = node.command(&["CLUSTER", "INFO"]);
        text.contains("cluster_state:ok") && text.contains("cluster_known_nodes:3")
    };
    let began = Instant::now();
    while !nodes.iter().all(is_ready) {
        assert!(began.elapsed() < Duration::from_secs(30), "no cluster");
        std::thread::sleep(Duration::from_millis(50));
    }
    Some(nodes)
}

async fn soon<C: RunScript>(ledger: &RedisLedger<C>, sequence: &mut u64) -> Reply {
    let began = Instant::now();
    loop {
        *sequence += 1;
        let mut exchange = settled(1, *sequence, 3);
        exchange.accounts[0].confirmed = if *sequence > 1 { 3 } else { 0 };
        let exchanging = ledger.exchange(SCOPE, &exchange);
        match tokio::time::timeout(Duration::from_millis(500), exchanging).await {
            Ok(Ok(reply)) => return reply,
            other => assert!(began.elapsed() < Duration::from_secs(10), "{other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_slot_that_moves_takes_the_ledger_with_it() {
    let Some(nodes) = start() else {
        return;
    };
    let client = redis::cluster::ClusterClient::new(vec![nodes[0].url()]).unwrap();
    let connection = client.get_async_connection().await.unwrap();
    let ledger = RedisLedger::over(connection);
    let mut sequence = 0;
    assert_eq!(soon(&ledger, &mut sequence).await.settled_by_all, 3);

    let key = format!("tb2:{{{}}}:s", "5c".repeat(16));
    let slot: u16 = nodes[0].command(&["CLUSTER", "KEYSLOT", &key]);
    let from = usize::from(slot) / 5461;
    let (from, to) = (&nodes[from], &nodes[(from + 1) % 3]);
    let slot = slot.to_string();
    let id = |node: &Server| node.command::<String>(&["CLUSTER", "MYID"]);
    to.command::<Value>(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &id(from)]);
    from.command::<Value>(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &id(to)]);
    let keys: Vec<String> = from.command(&["CLUSTER", "GETKEYSINSLOT", &slot, "10"]);
    let port = to.port().to_string();
    for (nth, key) in keys.iter().enumerate() {
        from.command::<Value>(&["MIGRATE", "127.0.0.1", &port, key, "0", "1000"]);
        if nth == 0 {
            // Half of it is here and half there: for a moment neither node serves it.
            let mut exchange = settled(1, sequence + 1, 3);
            exchange.accounts[0].confirmed = 3;
            sequence += 1;
            // The client tries again and again: a member gives up after its timeout.
            let reply = tokio::time::timeout(
                Duration::from_millis(500),
                ledger.exchange(SCOPE, &exchange),
            )
            .await;
            if let Ok(Ok(reply)) = reply {
                assert_eq!((reply.state, reply.settled_by_all), (ReplyState::Done, 3));
            }
        }
    }
    for node in [to, from] {
        node.command::<Value>(&["CLUSTER", "SETSLOT", &slot, "NODE", &id(to)]);
    }
    let reply = soon(&ledger, &mut sequence).await;
    assert_eq!(
        (reply.state, reply.settled_by_all),
        (ReplyState::Done, 3),
        "all of it has moved"
    );
    let keys: Vec<String> = to.command(&["CLUSTER", "GETKEYSINSLOT", &slot, "10"]);
    assert!(keys.contains(&key), "{keys:?}");
}
