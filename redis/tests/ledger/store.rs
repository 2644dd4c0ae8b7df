//! What lies in the server: which keys, for how long, and what a user may do there.

use std::time::Duration;

use redis::Value;
use tower_backoff::fleet::ScopeName;
use tower_backoff::fleet::ledger::{
    Exchange, LedgerClient, MemberAccount, QuotaUnit, ReplyState, ScopeClosing, Settled,
    Unreachable, Window,
};
use tower_backoff_redis::RedisLedger;

use crate::server;

/// What a user of the server needs to be allowed, and no more.
pub(crate) const ACL: &str = "-@all +hello +auth +client +ping +evalsha +script|load +subscribe +unsubscribe +time +hmget +hget \
    +hset +hdel +zadd +zcard +zrem +zrangebyscore +rpush +lpop +lindex +lset +pexpire +publish +del resetchannels \
    ~tb2:* &tb2:*";

pub(crate) const SCOPE: ScopeName = ScopeName([0x5c; 16]);

/// An exchange with one window of 8 a second.
pub(crate) fn said(member: u64, sequence: u64, need: u32) -> Exchange {
    Exchange {
        member,
        sequence,
        last_reply: sequence - 1,
        lease: Duration::from_secs(5),
        windows: vec![Window {
            unit: QuotaUnit::Cost,
            limit: 8,
            length: Duration::from_secs(1),
            slack: Duration::ZERO,
            is_plan: false,
        }],
        accounts: vec![MemberAccount {
            first: need.min(1),
            need,
            ..MemberAccount::default()
        }],
        members_known: 1,
        ..Exchange::default()
    }
}

/// The same, with this much settled just now.
pub(crate) fn settled(member: u64, sequence: u64, count: u32) -> Exchange {
    let mut exchange = said(member, sequence, 1);
    exchange.accounts[0].settled = count.into();
    exchange.accounts[0].log = vec![Settled {
        age: Duration::ZERO,
        count,
    }];
    exchange
}

#[tokio::test]
async fn the_rules_of_access_suffice() {
    let Some(server) = server::start(&[]) else {
        return;
    };
    let user = format!("ACL SETUSER tower on >secret {ACL}");
    server.command::<Value>(&user.split_whitespace().collect::<Vec<_>>());
    let url = format!("redis://tower:secret@127.0.0.1:{}", server.port());
    let ledger = RedisLedger::new(&url).unwrap();
    let closing = ScopeClosing {
        remaining: Duration::from_millis(1),
        is_refusal: true,
        age: Duration::ZERO,
    };
    // Every path of the script: grants, entries, bookings, a closing, leases that end, and leaving.
    ledger.exchange(SCOPE, &said(1, 1, 8)).await.unwrap();
    ledger.exchange(SCOPE, &settled(1, 2, 8)).await.unwrap();
    let booked = ledger.exchange(SCOPE, &said(2, 1, 1)).await.unwrap();
    assert_eq!(booked.grants[0].len(), 1);
    let mut ends = said(3, 1, 1);
    ends.lease = Duration::from_millis(1);
    ledger.exchange(SCOPE, &ends).await.unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    let mut refused = settled(2, 2, 1);
    refused.closing = Some(closing);
    ledger.exchange(SCOPE, &refused).await.unwrap();
    let mut leaves = settled(2, 3, 1);
    leaves.leaves = true;
    ledger.exchange(SCOPE, &leaves).await.unwrap();
    // Other keys are not for this user.
    let other = ledger.clone().prefix("other");
    let error = other.exchange(SCOPE, &said(1, 1, 1)).await.unwrap_err();
    assert!(
        matches!(&error, Unreachable::ErrorReply(text) if text.contains("NOPERM") || text.contains("permission")),
        "{error:?}"
    );
    // And a wrong password is an error reply, without the password.
    let wrong = RedisLedger::new(&url.replace("secret", "hunter2")).unwrap();
    let error = wrong.exchange(SCOPE, &said(1, 1, 1)).await.unwrap_err();
    let text = format!("{error:?} {wrong:?}");
    assert!(
        matches!(error, Unreachable::ErrorReply(_)) && !text.contains("hunter2"),
        "{text}"
    );
}

#[tokio::test]
async fn the_keys_hold_no_secret_and_expire() {
    let Some(server) = server::start(&[]) else {
        return;
    };
    let ledger = RedisLedger::new(&server.url()).unwrap();
    for member in 1..20 {
        ledger
            .exchange(SCOPE, &settled(member, 1, 1))
            .await
            .unwrap();
        let mut ends = said(100 + member, 1, 0);
        ends.lease = Duration::from_millis(1);
        ledger.exchange(SCOPE, &ends).await.unwrap();
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    ledger.exchange(SCOPE, &settled(200, 1, 1)).await.unwrap();
    let name = "5c".repeat(16);
    let mut keys: Vec<String> = server.command(&["KEYS", "*"]);
    keys.sort();
    let expected = ["m", "s", "v", "w0"].map(|end| format!("tb2:{{{name}}}:{end}"));
    assert_eq!(keys, expected);
    for key in &keys {
        let left: i64 = server.command(&["PTTL", key]);
        // Two leases and a window after the last exchange, and at most a quarter more.
        assert!((11_000..14_000).contains(&left), "{key}: {left} ms");
    }
    // Members in hexadecimal digits, the names of fields, and numbers as doubles.
    let fields: Vec<Vec<u8>> = server.command(&["HGETALL", &keys[1]]);
    let mut names = fields
        .iter()
        .step_by(2)
        .map(|name| std::str::from_utf8(name).unwrap());
    let is_plain = |name: &str| {
        let member = name.strip_prefix("m:").unwrap_or_default();
        name == "state" || member.len() == 16 && member.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    assert!(names.all(is_plain), "{fields:?}");
    let values = fields.iter().skip(1).step_by(2);
    // A moment has six bytes that could be letters.
    let has_words = |value: &Vec<u8>| {
        value
            .windows(8)
            .any(|word| word.iter().all(u8::is_ascii_alphabetic))
    };
    assert!(!values.clone().any(has_words), "{fields:?}");
    let size: usize = server.command(&["MEMORY", "USAGE", &keys[1]]);
    println!("the state with 39 members: {size} bytes");
}

#[tokio::test]
async fn a_closing_is_published() {
    let Some(server) = server::start(&[]) else {
        return;
    };
    let mut connection = server.connection();
    let mut subscription = connection.as_pubsub();
    subscription.psubscribe("tb2:*").unwrap();
    let ledger = RedisLedger::new(&server.url()).unwrap();
    let mut refused = said(1, 1, 1);
    refused.closing = Some(ScopeClosing {
        remaining: Duration::from_secs(7),
        is_refusal: true,
        age: Duration::ZERO,
    });
    let reply = ledger.exchange(SCOPE, &refused).await.unwrap();
    assert_eq!(reply.closed_for, Duration::from_secs(7));
    let message = subscription.get_message().unwrap();
    assert_eq!(message.get_payload::<String>().unwrap(), "7000000");
    assert!(message.get_channel_name().ends_with("}:c"));
}

#[tokio::test]
async fn a_ledger_whose_key_was_evicted_knows_nothing() {
    let Some(server) = server::start(&[]) else {
        return;
    };
    let ledger = RedisLedger::new(&server.url()).unwrap();
    for evicted in ["m", "w0", "s"] {
        server.command::<Value>(&["FLUSHALL"]);
        ledger.exchange(SCOPE, &settled(1, 1, 4)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(10)).await;
        ledger.exchange(SCOPE, &settled(2, 1, 2)).await.unwrap();
        let key = format!("tb2:{{{}}}:{evicted}", "5c".repeat(16));
        assert_eq!(server.command::<usize>(&["DEL", &key]), 1, "{evicted}");
        // The list is read when its first entry is free, and the leases are when one is renewed by an eighth.
        tokio::time::sleep(Duration::from_millis(1_010)).await;
        let mut again = settled(1, 2, 4);
        again.accounts[0].confirmed = 4;
        let reply = ledger.exchange(SCOPE, &again).await.unwrap();
        assert_eq!(
            (reply.state, reply.settled_by_all),
            (ReplyState::TellAll, 0),
            "{evicted}"
        );
        let mut all = settled(1, 3, 4);
        all.accounts[0].confirmed = 4;
        all.tells_all = true;
        all.members_known = 2;
        let reply = ledger.exchange(SCOPE, &all).await.unwrap();
        assert_eq!(
            (reply.state, reply.settled_by_all),
            (ReplyState::Done, 4),
            "{evicted}"
        );
        // 4 of 8 were settled, and none is granted: what the other one had is not known yet.
        assert_eq!(reply.free, 4, "{evicted}");
        assert!(reply.grants[0].is_empty(), "{evicted}");
    }
}

#[tokio::test]
async fn a_node_of_a_cluster_serves_a_ledger() {
    let Some(server) = server::start(&["--cluster-enabled", "yes"]) else {
        return;
    };
    server.take_slots(0..=16_383);
    let ledger = RedisLedger::new(&server.url()).unwrap();
    let mut reply = ledger.exchange(SCOPE, &said(1, 1, 1)).await;
    let started = std::time::Instant::now();
    while matches!(reply, Err(Unreachable::NoConnection(_)))
        && started.elapsed() < Duration::from_secs(10)
    {
        tokio::time::sleep(Duration::from_millis(50)).await;
        reply = ledger.exchange(SCOPE, &said(1, 1, 1)).await;
    }
    assert_eq!(reply.unwrap().grants[0][0].count, 1);
}

#[cfg(feature = "cluster")]
#[tokio::test]
async fn a_client_of_a_cluster_is_a_connection_of_a_ledger() {
    let Some(server) = server::start(&["--cluster-enabled", "yes"]) else {
        return;
    };
    server.take_slots(0..=16_383);
    let is_ready = || {
        let text: String = server.command(&["CLUSTER", "INFO"]);
        text.contains("cluster_state:ok")
    };
    while !is_ready() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let client = redis::cluster::ClusterClient::new(vec![server.url()]).unwrap();
    let connection = client.get_async_connection().await.unwrap();
    let ledger = RedisLedger::over(connection);
    let reply = ledger.exchange(SCOPE, &said(1, 1, 3)).await.unwrap();
    assert_eq!(reply.grants[0][0].count, 3);
}
