//! A server that others use as well: the fleet learns what is left for it, with few refusals.

use std::collections::VecDeque;
use std::time::Duration;

use super::super::terms::COST;
use super::fleet::{SimulatedFleet, window};
use super::member::{MILLI, Needs, SECOND};
use crate::fleet::ledger::{QuotaUnit, ScopeClosing};

const MEMBERS: usize = 16;
const LIMIT: u32 = 200;
const SECONDS: u64 = 25;
/// An answer takes this long.
const LATENCY: u64 = 20 * MILLI;

/// A log of the last second, of which others use a part.
struct SharedServer {
    log: VecDeque<u64>,
    /// Others send one call in this time.
    others_each: u64,
    others_next: u64,
}

impl SharedServer {
    /// How long to wait, if the call is refused.
    fn hear(&mut self, now: u64) -> Option<u64> {
        while self.others_next <= now {
            self.forget(self.others_next);
            if self.log.len() < LIMIT as usize {
                self.log.push_back(self.others_next);
            }
            self.others_next += self.others_each;
        }
        self.forget(now);
        if self.log.len() < LIMIT as usize {
            self.log.push_back(now);
            return None;
        }
        Some(self.log[0] + SECOND - now)
    }

    fn forget(&mut self, now: u64) {
        while self.log.front().is_some_and(|at| at + SECOND <= now) {
            self.log.pop_front();
        }
    }
}

#[derive(Debug, Default)]
struct Answers {
    served: u32,
    refused: u32,
}

/// Members that want more than there is, for some seconds after the first ones.
fn play(others_per_second: u64, seconds: u64, first: u64) -> Answers {
    let windows = vec![window(QuotaUnit::Cost, LIMIT, SECOND)];
    let mut fleet = SimulatedFleet::new(windows, MEMBERS);
    let mut server = SharedServer {
        log: VecDeque::new(),
        others_each: SECOND / others_per_second,
        others_next: fleet.now,
    };
    let mut on_its_way = vec![VecDeque::new(); MEMBERS];
    let mut asks_at = [fleet.now; MEMBERS];
    let mut answers = Answers::default();
    let (start, end) = (
        fleet.now + first * SECOND,
        fleet.now + (first + seconds) * SECOND,
    );
    while fleet.now < end {
        let now = fleet.now;
        for turn in 0..MEMBERS {
            let member = (turn + (now / MILLI % 1_009) as usize) % MEMBERS;
            while let Some((sent_at, wait)) = on_its_way[member].front().copied() {
                let wait: Option<u64> = wait;
                if sent_at + LATENCY > now {
                    break;
                }
                on_its_way[member].pop_front();
                fleet.answer(member, 1);
                if let Some(wait) = wait {
                    fleet.members[member].on_refusal(
                        ScopeClosing {
                            remaining: Duration::from_micros(
                                wait.saturating_sub(LATENCY).max(MILLI),
                            ),
                            is_refusal: true,
                            age: Duration::ZERO,
                        },
                        now,
                    );
                    asks_at[member] = now;
                }
                if now >= start {
                    answers.refused += u32::from(wait.is_some());
                    answers.served += u32::from(wait.is_none());
                }
            }
            if now >= asks_at[member] {
                let need = 25_u32.saturating_sub(fleet.members[member].held(COST) as u32);
                let reply = fleet.exchange(
                    member,
                    Needs {
                        first: 1,
                        need,
                        extra: 0,
                    },
                );
                let again = reply.ask_again_in.as_micros() as u64;
                asks_at[member] = now + again.clamp(5 * MILLI, 125 * MILLI);
            }
            let sent = fleet.send(member, 25, 1, 0);
            for _ in 0..sent {
                on_its_way[member].push_back((now, server.hear(now)));
            }
        }
        fleet.advance(MILLI);
    }
    answers
}

#[test]
fn what_others_leave_is_learned_with_few_refusals() {
    for (others, most_refused) in [(1, 0.01), (60, 0.01)] {
        let answers = play(others, SECONDS, 2);
        let ratio = f64::from(answers.refused) / f64::from(answers.served);
        let used = f64::from(answers.served) / SECONDS as f64 / (f64::from(LIMIT) - others as f64);
        println!("{others} by others: {ratio:.4} refused per success, {used:.3} used");
        assert!(ratio <= most_refused, "{answers:?}");
        assert!(used > 0.8, "{used}");
    }
}
