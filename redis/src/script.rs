//! The script that is one exchange: what it is given, and what it replies.

use std::sync::LazyLock;
use std::time::Duration;

use tower_backoff::fleet::ScopeName;
use tower_backoff::fleet::ledger::{
    Counter, Exchange, Granted, MemberAccount, QuotaUnit, Reply, ReplyState, Window,
};

use crate::constants::inline_constants;

/// The reference of a ledger, in Lua.
pub(crate) static SOURCE: LazyLock<String> =
    LazyLock::new(|| inline_constants(include_str!("exchange.lua")));

/// The longest duration that a ledger calculates with: 35 years.
const MAX_MICROS: u128 = 1 << 50;
/// The greatest number that a member tells. Sums of it are exact in doubles.
const MOST: u64 = 1 << 48;
/// The greatest integer that is exact in a double.
const MOST_EXACT: u64 = (1 << 53) - 1;

/// A script to run: all its keys belong to one slot of a cluster.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ScriptCall<'a> {
    /// The text of the script, for `SCRIPT LOAD`.
    pub source: &'static str,
    /// Its SHA-1 in hexadecimal digits, for `EVALSHA`.
    pub sha1: &'a str,
    /// Its `KEYS`.
    pub keys: &'a [String],
    /// Its `ARGV`.
    pub arguments: &'a [Vec<u8>],
}

/// The keys of a scope, in the order that the script expects.
pub(crate) fn keys(prefix: &str, scope: ScopeName, windows: usize) -> Vec<String> {
    let start = start(prefix, scope);
    let mut keys: Vec<_> = ["s", "m", "v"].map(|end| format!("{start}{end}")).into();
    keys.extend((0..windows).map(|window| format!("{start}w{window}")));
    keys
}

/// The channel on which the closings of a scope are published.
pub(crate) fn channel(prefix: &str, scope: ScopeName) -> String {
    format!("{}c", start(prefix, scope))
}

/// What all keys of a scope begin with. The braces keep them in one slot of a cluster.
fn start(prefix: &str, scope: ScopeName) -> String {
    format!("{prefix}2:{{{scope}}}:")
}

/// What the script is told: the member, and an exchange as flat integers.
pub(crate) fn arguments(exchange: &Exchange) -> Vec<Vec<u8>> {
    let member = format!("{:016x}", exchange.member);
    vec![member.into_bytes(), pack(&flatten(exchange))]
}

fn flatten(exchange: &Exchange) -> Vec<u64> {
    let mut flat = vec![
        exchange.sequence,
        exchange.last_reply,
        micros_up(exchange.lease).max(1),
        exchange.tells_all.into(),
        exchange.leaves.into(),
        exchange.members_known.into(),
        exchange.served.into(),
    ];
    flat.extend(match exchange.closing {
        None => [0, 0],
        Some(closing) => [
            if closing.is_refusal { 2 } else { 1 },
            micros_up(closing.remaining),
        ],
    });
    flat.extend(exchange.counter.map_or([0; 6], flatten_counter));
    flat.push(exchange.windows.len() as u64);
    flat.extend(exchange.windows.iter().flat_map(flatten_window));
    let units = units(&exchange.windows);
    let accounts = units.iter().zip(&exchange.accounts);
    flat.push(accounts.len() as u64);
    for (unit, account) in accounts {
        flatten_account(&mut flat, *unit, account);
    }
    // What the script of an earlier release does not read.
    let closing = exchange.closing.map(|closing| closing.age);
    let counter = exchange.counter.map(|counter| counter.age);
    flat.extend([
        exchange.reopens.into(),
        micros(closing.unwrap_or_default()),
        micros(counter.unwrap_or_default()),
        micros(exchange.reopened_ago),
    ]);
    flat.iter()
        .map(|number| (*number).min(MOST_EXACT))
        .collect()
}

fn flatten_counter(counter: Counter) -> [u64; 6] {
    [
        1,
        counter.limit.into(),
        counter.remaining.into(),
        micros(counter.resets_in),
        counter.settled_by_all,
        counter.cost.into(),
    ]
}

fn flatten_window(window: &Window) -> [u64; 4] {
    let length = match window.unit {
        QuotaUnit::InFlight => 0,
        _ => micros_up(window.length),
    };
    [
        number(window.unit),
        window.limit.into(),
        length,
        window.is_plan.into(),
    ]
}

fn flatten_account(flat: &mut Vec<u64>, unit: QuotaUnit, account: &MemberAccount) {
    flat.extend([
        number(unit),
        account.held.min(MOST),
        account.settled.min(MOST),
        account.confirmed.min(MOST),
        account.in_window.min(MOST),
        account.first.into(),
        account.need.into(),
        account.extra.into(),
        account.log.len() as u64,
    ]);
    let log = account.log.iter();
    flat.extend(log.flat_map(|settled| [micros(settled.age), settled.count.into()]));
}

/// The unit of each account: costs always, the others if a window counts in them.
fn units(windows: &[Window]) -> Vec<QuotaUnit> {
    let is_counted = |unit| windows.iter().any(|window| window.unit == unit);
    let mut units = vec![QuotaUnit::Cost];
    units.extend(
        [QuotaUnit::Calls, QuotaUnit::InFlight]
            .into_iter()
            .filter(|unit| is_counted(*unit)),
    );
    units
}

fn number(unit: QuotaUnit) -> u64 {
    match unit {
        QuotaUnit::Calls => 1,
        QuotaUnit::InFlight => 2,
        _ => 0,
    }
}

fn micros(duration: Duration) -> u64 {
    duration.as_micros().min(MAX_MICROS) as u64
}

fn micros_up(duration: Duration) -> u64 {
    duration.as_nanos().div_ceil(1_000).min(MAX_MICROS) as u64
}

/// Doubles, which the script unpacks in one step. Each of the numbers is exact in one.
fn pack(numbers: &[u64]) -> Vec<u8> {
    let doubles = numbers.iter().map(|number| *number as f64);
    doubles.flat_map(f64::to_le_bytes).collect()
}

/// Reads the integers of a reply to this exchange. `None` if it is garbled.
pub(crate) fn read(reply: &[i64], exchange: &Exchange) -> Option<Reply> {
    let mut numbers = reply.iter().map(|number| u64::try_from(*number).ok());
    let mut next = || numbers.next().flatten();
    let mut read = Reply {
        state: match next()? {
            0 => ReplyState::Done,
            1 => ReplyState::TellAll,
            2 => ReplyState::Late,
            _ => return None,
        },
        ..Reply::default()
    };
    let _clock = next()?;
    read.closed_for = Duration::from_micros(next()?);
    read.members = u32::try_from(next()?).ok()?;
    read.settled_by_all = next()?;
    read.free = u32::try_from(next()?).ok()?;
    read.ask_again_in = Duration::from_micros(next()?);
    read.is_published = next()? != 0;
    read.grants = vec![Vec::new(); exchange.accounts.len()];
    // The script was told of no account of another unit.
    for (_, grants) in units(&exchange.windows).iter().zip(&mut read.grants) {
        for _ in 0..next()? {
            grants.push(Granted {
                from: Duration::from_micros(next()?),
                count: u32::try_from(next()?).ok()?,
            });
        }
    }
    // A script of an earlier release says no more, and what a later one adds to the end is not understood here.
    read.reopened = next().unwrap_or(0);
    let free = exchange
        .windows
        .iter()
        .map_while(|_| u32::try_from(next()?).ok());
    read.free_in_windows = free.collect();
    Some(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_garbled_reply_is_no_reply() {
        let whole = [0, 5, 1_000_000, 3, 40, 7, 0, 1, 1, 0, 6];
        let exchange = Exchange {
            accounts: vec![MemberAccount::default()],
            ..Exchange::default()
        };
        assert_eq!(read(&whole, &exchange).unwrap().grants[0][0].count, 6);
        let garbled: [&[i64]; 6] = [
            &[],
            &[9, 5, 0, 3, 40, 7, 0, 1, 0],
            &[0, 5, -1, 3, 40, 7, 0, 1, 0],
            &[0, 5, 0, i64::MAX, 40, 7, 0, 1, 0],
            &[0, 5, 0, 3, 40, 7, 0, 1, i64::MAX, 0, 6],
            &whole[..10],
        ];
        for reply in garbled {
            assert_eq!(read(reply, &exchange), None, "{reply:?}");
        }
    }

    #[test]
    fn a_reply_of_an_earlier_release_says_less_and_one_of_a_later_release_more() {
        let window = Window {
            unit: QuotaUnit::Cost,
            limit: 9,
            length: Duration::from_secs(1),
            slack: Duration::ZERO,
            is_plan: false,
        };
        let exchange = Exchange {
            windows: vec![window],
            accounts: vec![MemberAccount::default()],
            ..Exchange::default()
        };
        let whole = [0, 5, 1_000_000, 3, 40, 7, 0, 1, 1, 0, 6, 2, 8, 4_711, -1];
        let told = |length: usize| {
            let reply = read(&whole[..length], &exchange).unwrap();
            (
                reply.grants[0][0].count,
                reply.reopened,
                reply.free_in_windows,
            )
        };
        assert_eq!(told(11), (6, 0, vec![]));
        assert_eq!(told(12), (6, 2, vec![]));
        assert_eq!(told(13), (6, 2, vec![8]));
        assert_eq!(told(15), (6, 2, vec![8]));
    }

    #[test]
    fn all_keys_of_a_scope_are_in_one_slot() {
        let keys = keys("tb", ScopeName([0xab; 16]), 2);
        let name = "ab".repeat(16);
        let end = ["s", "m", "v", "w0", "w1"].map(|end| format!("tb2:{{{name}}}:{end}"));
        assert_eq!(keys, end);
    }
}
