//! The member against a ledger whose replies are written down here.

mod alone;
mod calls;
mod closing;
mod interleavings;
mod quota_use;
mod recovery;
mod reopening;
mod stock;
mod suspended;

use std::time::Duration;

use super::state::{MemberState, Standing};
use super::{Away, LeaseSettings};
use crate::fleet::ledger::{Exchange, Granted, QuotaUnit, Reply, ReplyState, Unreachable, Window};
use crate::fleet::{CallEnding, CallOutcome, CloseReason, Grant, GrantId, PublishedCounter};
use crate::time::Moment;

const SETTINGS: LeaseSettings = LeaseSettings {
    lease: Duration::from_secs(5),
    timeout: Duration::from_millis(250),
    processes: 10,
    when_away: Away::Share,
};

const WINDOW: Duration = Duration::from_secs(1);

fn at(millis: u64) -> Moment {
    Moment::START + Duration::from_secs(100_000) + Duration::from_millis(millis)
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn window(unit: QuotaUnit, limit: u32, length: Duration) -> Window {
    Window {
        unit,
        limit,
        length,
        slack: millis(250),
        is_plan: false,
    }
}

/// A member of a scope with 100 a second.
fn member() -> MemberState {
    member_of(&[window(QuotaUnit::Cost, 100, WINDOW)])
}

fn member_of(windows: &[Window]) -> MemberState {
    MemberState::new(SETTINGS, 1, windows, at(0))
}

/// A reply that grants these: from when, and how many.
fn reply(granted: &[(u64, u32)]) -> Reply {
    let granted = granted.iter().map(|(from, count)| Granted {
        from: millis(*from),
        count: *count,
    });
    Reply {
        members: 4,
        ask_again_in: millis(125),
        grants: vec![granted.collect()],
        ..Reply::default()
    }
}

fn exchange(member: &mut MemberState, waiting: usize, reply: &Reply, now: Moment) -> Exchange {
    let exchange = member.begin_exchange(waiting, now);
    member.on_reply(reply, now);
    exchange
}

fn is_away() -> Unreachable {
    Unreachable::NoConnection(String::new())
}

fn fails(member: &mut MemberState, now: Moment) {
    member.begin_exchange(20, now);
    member.on_unreachable(&is_away(), now);
}

#[track_caller]
fn granted(grant: Grant) -> GrantId {
    match grant {
        Grant::Now(grant) => grant,
        other => panic!("{other:?}"),
    }
}

fn served() -> CallOutcome {
    CallOutcome {
        ending: CallEnding::Served,
        cost: 1,
        counter: None,
    }
}

/// How many calls in a row are granted now.
fn granted_now(member: &mut MemberState, now: Moment) -> usize {
    (0..1_000)
        .take_while(|_| matches!(member.admit(1, now), Grant::Now(_)))
        .count()
}
