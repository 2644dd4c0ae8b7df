//! How long the server needs for one exchange.

use std::time::Duration;

use redis::Value;
use tower_backoff::fleet::ledger::{Exchange, LedgerClient, Settled};
use tower_backoff_redis::RedisLedger;

use crate::server::{self, Server};
use crate::store::{SCOPE, said};

/// The microseconds that the server says it has spent per call of the script.
fn micros_per_call(server: &Server) -> f64 {
    let text: String = server.command(&["INFO", "commandstats"]);
    let line = text
        .lines()
        .find(|line| line.starts_with("cmdstat_evalsha:"));
    let fields = line.unwrap().split(',');
    let field = fields
        .into_iter()
        .find_map(|field| field.strip_prefix("usec_per_call="));
    field.unwrap().parse().unwrap()
}

/// A member that has settled 3 calls since its last exchange, and wants some more.
fn usual(member: u64, sequence: u64, limit: u32) -> Exchange {
    let mut exchange = said(member, sequence, 3);
    exchange.windows[0].limit = limit;
    let account = &mut exchange.accounts[0];
    account.settled = 3 * (sequence - 1);
    account.confirmed = account.settled.saturating_sub(3);
    if sequence > 1 {
        let settled = |millis, count| Settled {
            age: Duration::from_millis(millis),
            count,
        };
        account.log = vec![settled(20, 1), settled(5, 2)];
    }
    exchange
}

#[tokio::test]
#[ignore = "a measurement: cargo test -p tower-backoff-redis --release -- --ignored --nocapture"]
async fn the_time_of_the_script_does_not_grow_with_the_members() {
    let Some(server) = server::start(&[]) else {
        return;
    };
    let ledger = RedisLedger::new(&server.url()).unwrap();
    for (kind, limit) in [("plenty", 1_000_000), ("scarce", 200)] {
        for members in [16, 1_000] {
            server.command::<Value>(&["FLUSHALL"]);
            for member in 0..members {
                ledger
                    .exchange(SCOPE, &usual(member, 1, limit))
                    .await
                    .unwrap();
            }
            server.command::<Value>(&["CONFIG", "RESETSTAT"]);
            for round in 0..20_000 / members {
                for member in 0..members {
                    ledger
                        .exchange(SCOPE, &usual(member, 2 + round, limit))
                        .await
                        .unwrap();
                }
            }
            println!(
                "{kind}, {members} members: {:.1} us",
                micros_per_call(&server)
            );
        }
    }
}
