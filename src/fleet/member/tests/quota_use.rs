//! Members and the reference ledger in virtual time: how much of a quota is used, and how soon again after a fault.

use super::*;
use crate::fleet::ledger::LedgerState;
use crate::time::Rng;

const LIMIT: usize = 200;
const MEMBERS: u64 = 16;

/// One process with 25 workers that call one after the other, each as soon as it may.
struct SimulatedProcess {
    member: MemberState,
    waiting: usize,
    /// When the gate asks next. `FAR`: when it is woken.
    asks_at: Moment,
    /// The calls that were sent, and when their answers arrive.
    calls: Vec<(Moment, GrantId)>,
    /// What is on its way to the ledger, and from it.
    said: Option<(Moment, Exchange)>,
    replied: Option<(Moment, Result<Reply, Unreachable>)>,
}

impl SimulatedProcess {
    fn new(id: u64) -> Self {
        let settings = LeaseSettings {
            processes: MEMBERS as u32,
            ..SETTINGS
        };
        let windows = [window(QuotaUnit::Cost, LIMIT as u32, WINDOW)];
        Self {
            member: MemberState::new(settings, id, &windows, at(0)),
            waiting: 25,
            asks_at: at(0),
            calls: Vec::new(),
            said: None,
            replied: None,
        }
    }

    fn next_event(&mut self, now: Moment) -> Moment {
        let asks_at = match self.waiting {
            0 => Moment::FAR,
            _ => self.asks_at,
        };
        let answers = self.calls.iter().map(|(answered, _)| *answered);
        let exchange = match (&self.said, &self.replied) {
            (Some((arrives, _)), _) => *arrives,
            (None, Some((arrives, _))) => *arrives,
            (None, None) => self.member.next_exchange(now),
        };
        answers.fold(asks_at.min(exchange), Ord::min)
    }
}

/// All processes, and the server that they call. The ledger may be away.
struct SimulatedProcesses {
    now: Moment,
    processes: Vec<SimulatedProcess>,
    ledger: Option<LedgerState>,
    /// When each call arrived.
    arrived: Vec<Moment>,
    random: Rng,
}

impl SimulatedProcesses {
    fn new() -> Self {
        Self {
            now: at(0),
            processes: (1..=MEMBERS).map(SimulatedProcess::new).collect(),
            ledger: Some(LedgerState::new()),
            arrived: Vec::new(),
            random: Rng::from_seed(7),
        }
    }

    /// How long a message takes: up to a millisecond.
    fn trip(&self) -> Duration {
        Duration::from_micros(100 + self.random.bits() % 900)
    }

    fn run_until(&mut self, end: Moment) {
        loop {
            let now = self.now;
            let processes = self.processes.iter_mut();
            let next = processes.map(|process| process.next_event(now)).min();
            self.now = next.map_or(end, |next| next.clamp(now, end));
            if self.now == end {
                return;
            }
            for index in 0..self.processes.len() {
                self.answer(index);
                self.exchange(index);
                self.send(index);
            }
        }
    }

    fn answer(&mut self, index: usize) {
        let (now, process) = (self.now, &mut self.processes[index]);
        let (due, others) = process.calls.drain(..).partition(|(at, _)| *at <= now);
        process.calls = others;
        let due: Vec<_> = due;
        for (_, grant) in due {
            process.member.on_outcome(Some(grant), &served(), now);
            process.waiting += 1;
        }
    }

    fn exchange(&mut self, index: usize) {
        let (now, trip) = (self.now, self.trip());
        let process = &mut self.processes[index];
        if let Some((_, said)) = process.said.take_if(|(arrives, _)| *arrives <= now) {
            let clock = now.since(Moment::START);
            let ledger = self.ledger.as_mut();
            let reply = ledger.map(|ledger| ledger.exchange(&said, clock));
            process.replied = Some((now + trip, reply.ok_or_else(is_away)));
        }
        if let Some((_, reply)) = process.replied.take_if(|(arrives, _)| *arrives <= now) {
            match reply {
                Ok(reply) => process.member.on_reply(&reply, now),
                Err(why) => process.member.on_unreachable(&why, now),
            }
            process.asks_at = now;
        }
        let is_idle = process.said.is_none() && process.replied.is_none();
        if is_idle && process.member.next_exchange(now) <= now {
            let said = process.member.begin_exchange(process.waiting, now);
            process.said = Some((now + trip, said));
        }
    }

    fn send(&mut self, index: usize) {
        let now = self.now;
        if std::mem::take(&mut self.processes[index].member.wakes_gates) {
            self.processes[index].asks_at = now;
        }
        while self.processes[index].waiting > 0 && self.processes[index].asks_at <= now {
            let arrives = now + self.trip();
            let answered = arrives + self.trip();
            let process = &mut self.processes[index];
            match process.member.admit(1, now) {
                Grant::Now(grant) => {
                    process.waiting -= 1;
                    process.calls.push((answered, grant));
                    self.arrived.push(arrives);
                }
                Grant::At(wait) => process.asks_at = now + wait,
                Grant::Later => process.asks_at = Moment::FAR,
            }
        }
    }

    /// How many calls arrived in each of these seconds, from this millisecond on.
    fn seconds(&self, from: u64, seconds: u64) -> Vec<usize> {
        let second = |from: Moment| {
            let arrived = self.arrived.iter();
            arrived
                .filter(|at| **at >= from && **at < from + WINDOW)
                .count()
        };
        (0..seconds)
            .map(|nth| second(at(from + 1_000 * nth)))
            .collect()
    }

    /// The calls that are more than the limit within one window.
    fn overrun(&mut self) -> usize {
        self.arrived.sort_unstable();
        let calls = self.arrived.windows(LIMIT + 1);
        calls
            .filter(|calls| calls[LIMIT].since(calls[0]) < WINDOW)
            .count()
    }
}

#[track_caller]
fn all_is_used(seconds: &[usize]) {
    let used: usize = seconds.iter().sum();
    assert!(used * 100 >= 98 * LIMIT * seconds.len(), "{seconds:?}");
    let least = seconds.iter().min().unwrap();
    assert!(least * 100 >= 95 * LIMIT, "{seconds:?}");
}

#[test]
fn sixteen_processes_use_all_of_a_quota_and_no_more() {
    let mut fleet = SimulatedProcesses::new();
    fleet.run_until(at(15_000));
    all_is_used(&fleet.seconds(0, 15));
    assert_eq!(fleet.overrun(), 0);
}

#[test]
fn a_ledger_that_is_flushed_grants_all_again_within_two_seconds() {
    for flushed_at in [5_000, 5_130, 5_550, 5_777] {
        let mut fleet = SimulatedProcesses::new();
        fleet.run_until(at(flushed_at));
        fleet.ledger = Some(LedgerState::new());
        fleet.run_until(at(flushed_at + 6_000));
        all_is_used(&fleet.seconds(flushed_at + 2_000, 3));
        assert_eq!(fleet.overrun(), 0);
    }
}

#[test]
fn a_ledger_that_comes_back_empty_grants_all_again_within_two_seconds() {
    for back_at in [10_000, 10_300, 10_777] {
        let mut fleet = SimulatedProcesses::new();
        fleet.run_until(at(5_000));
        fleet.ledger = None;
        fleet.run_until(at(back_at));
        fleet.ledger = Some(LedgerState::new());
        fleet.run_until(at(back_at + 6_000));
        all_is_used(&fleet.seconds(back_at + 2_000, 3));
        assert_eq!(fleet.overrun(), 0);
    }
}
