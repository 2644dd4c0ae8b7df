//! Processes of several releases at one server: what is not known is kept, and what is missing is nothing.

use std::sync::Mutex;
use std::time::Duration;

use redis::{Connection, Value};
use tower_backoff::fleet::ledger::{LedgerClient, ReplyState, ScopeClosing, Unreachable};
use tower_backoff_redis::{RedisLedger, RunScript, ScriptCall};

use crate::server::{self, Server};
use crate::store::{SCOPE, said, settled};

/// The script as it was before it knew the age of what it is told. It has written what a process leaves behind that is not
/// upgraded yet. No release has a script to run instead.
pub(crate) fn before_ages(source: &str) -> String {
    let changes = [
        ("local LAST = COUNTED_AT", "local LAST = LATEST"),
        ("ahead, now, 0, 0, 0 }", "ahead, now }"),
        ("if state[CLOSED_AT] <= reopened_at then", "if true then"),
        (" and state[COUNTED_AT] <= reopened_at then", " then"),
        (
            ", state[REOPENED_AT] = state[REOPENED] + 1, max(state[REOPENED_AT], reopened_at)",
            " = state[REOPENED] + 1",
        ),
        (
            "\nif note_closing then\n  if heard_at",
            "\nif false then\n  if heard_at",
        ),
        (
            "\nif heard_at(counter_age) < state[REOPENED_AT] then",
            "\nif false then",
        ),
        (
            "state[COUNTED_AT] = max(state[COUNTED_AT], heard_at(counter_age))",
            "",
        ),
    ];
    changes
        .iter()
        .fold(source.to_owned(), |source, (now, before)| {
            assert_eq!(source.matches(now).count(), 1, "{now}");
            source.replace(now, before)
        })
}

/// Whether a process is upgraded only after so many exchanges of all.
pub(crate) fn runs_before_ages(process: usize, exchanges: usize) -> bool {
    exchanges < 24 * process
}

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

/// The members of another release: they say fewer numbers than these, or more.
struct OtherMembers {
    connection: Mutex<Connection>,
    fewer: usize,
    more: u8,
}

impl RunScript for OtherMembers {
    async fn run_script(&self, call: ScriptCall<'_>) -> Result<Vec<i64>, Unreachable> {
        // An array of so many numbers. The last ones are small, and a byte each.
        let mut said = call.arguments[1].clone();
        said.truncate(said.len() - self.fewer);
        said.extend(std::iter::repeat_n(9, self.more.into()));
        let numbers = u32::from_be_bytes(said[1..5].try_into().unwrap());
        let numbers = numbers - self.fewer as u32 + u32::from(self.more);
        said[1..5].copy_from_slice(&numbers.to_be_bytes());
        let mut command = redis::cmd("EVAL");
        command.arg(call.source).arg(call.keys.len()).arg(call.keys);
        command.arg(&call.arguments[0]).arg(said);
        let reply = command.query(&mut *self.connection.lock().unwrap());
        reply.map_err(|error| Unreachable::ErrorReply(error.to_string()))
    }
}

#[tokio::test]
async fn members_of_other_releases_say_less_or_more() {
    let Some(server) = server::start(&[]) else {
        return;
    };
    let ends = [(4, 0), (3, 0), (2, 0), (1, 0), (0, 0), (0, 5)];
    for (member, (fewer, more)) in (1..).zip(ends) {
        let ledger = RedisLedger::over(OtherMembers {
            connection: Mutex::new(server.connection()),
            fewer,
            more,
        });
        let mut opens = said(member, 1, 0);
        opens.reopens = true;
        let opened = ledger.exchange(SCOPE, &opens).await.unwrap();
        // The first of these numbers says that a user has opened the scope.
        assert_eq!(opened.reopened, member - 1, "{fewer} fewer");
        let mut refused = said(member, 2, 1);
        refused.closing = Some(ScopeClosing {
            remaining: Duration::from_secs(60),
            is_refusal: true,
            age: Duration::ZERO,
        });
        let closed = ledger.exchange(SCOPE, &refused).await.unwrap();
        assert_eq!(closed.state, ReplyState::Done);
        assert!(closed.closed_for >= Duration::from_secs(59), "{closed:?}");
    }
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
