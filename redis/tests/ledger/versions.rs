//! States that another release has written: what is not known is kept, and what is missing is nothing.

use redis::Value;
use tower_backoff::fleet::ledger::{LedgerClient, ReplyState};
use tower_backoff_redis::RedisLedger;

use crate::server::{self, Server};
use crate::store::{SCOPE, said, settled};

fn key() -> String {
    format!("tb1:{{{}}}:s", "5c".repeat(16))
}

/// Changes the numbers of a field: `state` or that of a member.
fn change(server: &Server, field: &str, lua: &str) {
    let script = format!(
        "local numbers = cmsgpack.unpack(redis.call('HGET', KEYS[1], ARGV[1])) {lua} \
         redis.call('HSET', KEYS[1], ARGV[1], cmsgpack.pack(numbers)) return #numbers"
    );
    server.command::<Value>(&["EVAL", &script, "1", &key(), field]);
}

fn last(server: &Server, field: &str) -> i64 {
    let script = "local numbers = cmsgpack.unpack(redis.call('HGET', KEYS[1], ARGV[1])) return numbers[#numbers]";
    server.command(&["EVAL", script, "1", &key(), field])
}

#[tokio::test]
async fn what_a_later_release_has_added_is_kept() {
    let Some(server) = server::start(&[]) else {
        return;
    };
    let ledger = RedisLedger::new(&server.url()).unwrap();
    let member = format!("m:{:016x}", 1);
    ledger.exchange(SCOPE, &settled(1, 1, 3)).await.unwrap();
    for field in ["state", &member] {
        change(&server, field, "numbers[#numbers + 1] = 4711");
    }
    server.command::<Value>(&["HSET", &key(), "later", "4712"]);
    for sequence in 2..5 {
        let mut exchange = settled(1, sequence, 3);
        exchange.accounts[0].confirmed = 3;
        let reply = ledger.exchange(SCOPE, &exchange).await.unwrap();
        assert_eq!((reply.state, reply.settled_by_all), (ReplyState::Done, 3));
        ledger.exchange(SCOPE, &said(2, sequence, 2)).await.unwrap();
    }
    assert_eq!(
        (last(&server, "state"), last(&server, &member)),
        (4711, 4711)
    );
    assert_eq!(server.command::<String>(&["HGET", &key(), "later"]), "4712");
}

#[tokio::test]
async fn what_an_earlier_release_did_not_know_is_nothing() {
    let Some(server) = server::start(&[]) else {
        return;
    };
    let ledger = RedisLedger::new(&server.url()).unwrap();
    let member = format!("m:{:016x}", 1);
    ledger.exchange(SCOPE, &settled(1, 1, 3)).await.unwrap();
    // The numbers that places go round by came later.
    change(
        &server,
        "state",
        "for index = 32, #numbers do numbers[index] = nil end",
    );
    change(&server, &member, "numbers[16] = nil");
    for sequence in 2..40 {
        let mut exchange = settled(1, sequence, 3);
        exchange.accounts[0].confirmed = 3;
        let reply = ledger.exchange(SCOPE, &exchange).await.unwrap();
        assert_eq!((reply.state, reply.settled_by_all), (ReplyState::Done, 3));
        for other in 2..12 {
            ledger
                .exchange(SCOPE, &said(other, sequence, 2))
                .await
                .unwrap();
        }
    }
}
