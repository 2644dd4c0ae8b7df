//! What has happened at a test server: the state of its limits, and the calls that it has seen.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::testing::dialect::{CountedCall, Dialect, Header};
use crate::testing::limit::{Limit, LimitState};
use crate::time::{Clock, Moment};

/// The limits of a server and the calls that it has seen; all its clones share it.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) limits: Vec<Limit>,
    pub(super) clock: Option<Clock>,
    pub(super) calls: usize,
    pub(super) refusals: usize,
    pub(super) early_calls: usize,
    /// The waits that refusals named and that are not over, each longer than those before.
    waits: Vec<NamedWait>,
}

/// A wait that a refusal named.
#[derive(Clone, Copy, Debug)]
struct NamedWait {
    /// When the client could have known.
    told_at: Moment,
    until: Moment,
}

/// What becomes of a call that has arrived.
#[derive(Debug)]
pub(super) struct Arrival {
    /// The number of an admitted call, from 1.
    pub(super) admitted: Option<usize>,
    pub(super) headers: Vec<Header>,
    /// Empty unless the call was refused.
    pub(super) refusal_body: String,
    /// What the clock of the server shows when it answers.
    pub(super) date: SystemTime,
}

/// How a server treats the calls that arrive.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    pub(super) dialect: Dialect,
    pub(super) response_time: Duration,
    /// How long an answer is on its way before a call that arrives can have heeded it.
    pub(super) transit: Duration,
}

impl Record {
    pub(super) fn new(limit: Limit) -> Self {
        Self {
            limits: vec![limit],
            clock: None,
            calls: 0,
            refusals: 0,
            early_calls: 0,
            waits: Vec::new(),
        }
    }

    /// Counts a call that arrives now.
    pub(super) fn on_arrival(&mut self, now: Moment, manner: &Manner) -> Arrival {
        let clock = *self.clock.get_or_insert_with(|| Clock::starting_at(noon()));
        let wall = clock.wall_at(now);
        self.calls += 1;
        self.early_calls += usize::from(self.is_early(now));
        for limit in &mut self.limits {
            limit.advance(now, wall);
        }
        let refusing: Vec<bool> = self
            .limits
            .iter()
            .map(|limit| !limit.has_room(now))
            .collect();
        let is_admitted = !refusing.contains(&true);
        for (limit, refuses) in self.limits.iter_mut().zip(&refusing) {
            match is_admitted {
                true => limit.take(now),
                false if *refuses => limit.on_refusal(now),
                false => {}
            }
        }
        self.refusals += usize::from(!is_admitted);
        let takes = manner.response_time;
        let states: Vec<_> = self
            .limits
            .iter()
            .map(|limit| limit.state(now, takes))
            .collect();
        let call = CountedCall {
            is_admitted,
            limit: telling(&states, &refusing),
            limits: &states,
            now,
            wall,
        };
        let answered_at = now + manner.response_time;
        let wait = manner.dialect.named_wait(&call).filter(|_| !is_admitted);
        if let Some(wait) = wait {
            self.keep(NamedWait {
                told_at: answered_at + manner.transit,
                until: now + wait,
            });
        }
        let refusal_body = if is_admitted {
            String::new()
        } else {
            manner.dialect.refusal_body(&call)
        };
        Arrival {
            admitted: is_admitted.then_some(self.calls - self.refusals),
            headers: manner.dialect.headers(&call),
            refusal_body,
            date: clock.wall_at(answered_at),
        }
    }

    /// Notes the end of an admitted call.
    pub(super) fn on_end(&mut self, arrived: Moment) {
        self.limits
            .iter_mut()
            .for_each(|limit| limit.release(arrived));
    }

    /// Whether a wait is not over that the client could have known of.
    fn is_early(&mut self, now: Moment) -> bool {
        self.waits.retain(|wait| now < wait.until);
        self.waits.iter().any(|wait| wait.told_at < now)
    }

    /// Keeps a wait unless an earlier refusal has named one that is as long.
    fn keep(&mut self, new: NamedWait) {
        if self.waits.iter().all(|wait| wait.until < new.until) {
            self.waits.push(new);
        }
    }
}

/// The limit that an answer tells about: the one that refuses longest, or the one with the least left.
fn telling(states: &[LimitState], refusing: &[bool]) -> LimitState {
    let refusals = states.iter().zip(refusing).filter(|(_, refuses)| **refuses);
    let longest = refusals
        .map(|(state, _)| state)
        .max_by_key(|state| state.resets_at);
    let least = states.iter().min_by_key(|state| state.remaining);
    *longest.or(least).expect("a server has a limit")
}

/// Where the clock of a server in virtual time begins: 2026-03-02 12:00:00 UTC.
fn noon() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_772_452_800)
}
