//! A world in exact time: workers drain a queue through a learner, and a limiter answers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::answers::{LimiterAnswer, PlainClosing, WordedWait, Wording};
use super::limiters::Limiter;
use crate::gate::core::learning::{LearnedLimit, Learner, RefusalWait, Ticket};
use crate::time::{Moment, Rng, up_to};

/// A caller stops waiting for the answer to a call that hangs.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The workers, their queue and their server.
#[derive(Clone, Debug)]
pub(super) struct QueueWorld<L> {
    pub(super) limiter: L,
    pub(super) says: Wording,
    /// When each job is ready, in order.
    pub(super) jobs: Vec<Duration>,
    pub(super) workers: usize,
    pub(super) round_trip: Duration,
    /// By how much a way to the server or back differs at most.
    pub(super) spread: Duration,
    /// Another client of the same limiter sends a call each time that this has passed.
    pub(super) foreign: Option<Duration>,
    /// How many percent of the callers go away while their call is with the server.
    pub(super) cancelled: u64,
    /// How many percent of the callers go away before their call is sent.
    pub(super) aborted: u64,
    /// This many first calls after a closing are not answered.
    pub(super) hanging_probes: u32,
    pub(super) seed: u64,
}

/// What came of it.
#[derive(Clone, Debug)]
pub(super) struct DrainedQueue {
    /// When the last job was done.
    pub(super) took: Duration,
    pub(super) served: u32,
    /// The refusals of calls that were sent before the first refusal was known.
    pub(super) refused_at_first: u32,
    /// All other refusals.
    pub(super) refused: u32,
    /// When each call was sent.
    pub(super) sent: Vec<Duration>,
    /// When each refusal was received.
    pub(super) refusals: Vec<Duration>,
    pub(super) learned: Option<LearnedLimit>,
    /// The longest length that was believed at any time.
    pub(super) longest: Duration,
}

#[derive(Debug)]
struct CallInFlight {
    ticket: Ticket,
    sent: Duration,
    generation: u32,
}

#[derive(Debug)]
enum WorldEvent {
    Wake,
    Arrive(CallInFlight),
    Answer(CallInFlight, LimiterAnswer),
    Cancel(CallInFlight),
    Foreign,
}

impl<L: Limiter + Clone> QueueWorld<L> {
    /// 3,000 jobs, 64 workers, and a round trip of 50 ms.
    pub(super) fn of(limiter: L, says: Wording) -> Self {
        Self {
            limiter,
            says,
            jobs: vec![Duration::ZERO; 3_000],
            workers: 64,
            round_trip: Duration::from_millis(50),
            spread: Duration::from_millis(5),
            foreign: None,
            cancelled: 0,
            aborted: 0,
            hanging_probes: 0,
            seed: 1,
        }
    }

    pub(super) fn jobs(self, jobs: usize) -> Self {
        let jobs = vec![Duration::ZERO; jobs];
        Self { jobs, ..self }
    }

    /// How long it takes if each call arrives at the moment in which it is served.
    pub(super) fn least(&self) -> Duration {
        let (mut limiter, work) = (self.limiter.clone(), self.limiter.work());
        let way = self.round_trip / 2;
        let mut foreign = self.foreign;
        let (mut arrival, mut done) = (Duration::ZERO, Vec::with_capacity(self.jobs.len()));
        for (number, ready) in self.jobs.iter().enumerate() {
            let is_free = number.checked_sub(self.workers).map(|before| done[before]);
            arrival = arrival.max(*ready.max(&is_free.unwrap_or_default()) + way);
            loop {
                while let Some(call) = foreign.filter(|call| *call <= arrival) {
                    if limiter.wait(call).is_zero() {
                        limiter.serve(call);
                    }
                    foreign = self.foreign.map(|every| call + every);
                }
                match limiter.wait(arrival) {
                    Duration::ZERO => break,
                    wait => arrival += wait,
                }
            }
            limiter.serve(arrival);
            done.push(arrival + work + way);
        }
        done.into_iter().max().unwrap_or_default()
    }

    /// Drains the queue through a learner that was told nothing.
    pub(super) fn drain(&self) -> DrainedQueue {
        let run = WorldRun::of(self.clone());
        run.finish(self.least())
    }
}

#[derive(Debug)]
struct WorldRun<L> {
    world: QueueWorld<L>,
    rng: Rng,
    events: BTreeMap<(Duration, u32), WorldEvent>,
    events_so_far: u32,
    now: Duration,
    learner: Learner,
    closing: PlainClosing,
    /// How many jobs were ready so far, and how many have left the queue for good.
    ready: usize,
    taken: usize,
    /// Jobs whose call was refused.
    refused_jobs: usize,
    in_flight: u32,
    gone: u32,
    next_wake: Duration,
    probed: u32,
    drained: DrainedQueue,
}

impl<L: Limiter + Clone> WorldRun<L> {
    fn of(world: QueueWorld<L>) -> Self {
        let mut run = Self {
            rng: Rng::Seeded(Arc::new(world.seed.into())),
            events: BTreeMap::new(),
            events_so_far: 0,
            now: Duration::ZERO,
            learner: Learner::new(None, None),
            closing: PlainClosing::default(),
            ready: 0,
            taken: 0,
            refused_jobs: 0,
            in_flight: 0,
            gone: 0,
            next_wake: Duration::ZERO,
            probed: 0,
            drained: DrainedQueue {
                took: Duration::ZERO,
                served: 0,
                refused_at_first: 0,
                refused: 0,
                sent: Vec::new(),
                refusals: Vec::new(),
                learned: None,
                longest: Duration::ZERO,
            },
            world,
        };
        let mut moments = run.world.jobs.clone();
        moments.dedup();
        for ready in moments {
            run.push(ready, WorldEvent::Wake);
        }
        if let Some(every) = run.world.foreign {
            run.push(every, WorldEvent::Foreign);
        }
        run
    }

    fn push(&mut self, at: Duration, event: WorldEvent) {
        self.events_so_far += 1;
        self.events.insert((at, self.events_so_far), event);
    }

    fn moment(&self, at: Duration) -> Moment {
        /// No moment of the world is the earliest of all.
        const DAY: Duration = Duration::from_secs(86_400);
        Moment::START + DAY + at
    }

    fn way(&self) -> Duration {
        let spread = self.world.spread;
        let later = up_to(spread.as_nanos() as u64 * 2, self.rng.bits());
        self.world.round_trip / 2 + Duration::from_nanos(later) - spread
    }

    fn is_one_of(&self, percent: u64) -> bool {
        up_to(99, self.rng.bits()) < percent
    }

    fn is_done(&self) -> bool {
        (self.drained.served + self.gone) as usize >= self.world.jobs.len()
    }

    fn finish(mut self, least: Duration) -> DrainedQueue {
        let latest = least * 30 + Duration::from_secs(3_600);
        while !self.is_done() {
            let next = self.events.pop_first();
            let next = next.filter(|((at, _), _)| *at <= latest);
            let ((at, _), event) = next.unwrap_or_else(|| panic!("stuck: {:?}", self.learner));
            self.now = at;
            self.happens(event);
            self.send();
        }
        self.drained.took = self.now;
        self.drained.learned = self.learner.learned();
        self.drained
    }

    fn happens(&mut self, event: WorldEvent) {
        match event {
            WorldEvent::Wake => {}
            WorldEvent::Foreign => {
                if self.world.limiter.wait(self.now).is_zero() {
                    self.world.limiter.serve(self.now);
                }
                let every = self.world.foreign.expect("there is another client");
                self.push(self.now + every, WorldEvent::Foreign);
            }
            WorldEvent::Arrive(call) => self.arrive(call),
            WorldEvent::Answer(call, answer) => self.answer(&call, &answer),
            WorldEvent::Cancel(call) => {
                self.in_flight -= 1;
                self.gone += 1;
                self.learner.on_cancel(call.ticket);
            }
        }
    }

    /// Sends all calls that may go now.
    fn send(&mut self) {
        let jobs = &self.world.jobs;
        self.ready = jobs.partition_point(|ready| *ready <= self.now);
        while let waiting @ 1.. = self.waiting() {
            if let Some(until) = self.blocked() {
                if until != self.next_wake || until <= self.now {
                    self.next_wake = until;
                    self.push(until, WorldEvent::Wake);
                }
                return;
            }
            match self.refused_jobs {
                0 => self.taken += 1,
                _ => self.refused_jobs -= 1,
            }
            self.send_one(waiting - 1);
        }
    }

    fn waiting(&self) -> usize {
        let free = self.world.workers - self.in_flight as usize;
        free.min(self.ready - self.taken + self.refused_jobs)
    }

    fn blocked(&mut self) -> Option<Duration> {
        if self.now < self.closing.until {
            return Some(self.closing.until);
        }
        let now = self.moment(self.now);
        let blocked = self.learner.blocked(1, self.in_flight, now)?;
        assert!(blocked.until > now, "{blocked:?}");
        // A waiting call sleeps until then, so that it must not be free before, if nothing happens meanwhile.
        for part in [0.3, 0.9] {
            let before = now + blocked.until.since(now).mul_f64(part);
            let mut later = self.learner.clone();
            let is_kept = later.blocked(1, self.in_flight, before).is_some();
            assert!(is_kept, "free at {before:?}, told {blocked:?}");
        }
        Some(self.now + blocked.until.since(now))
    }

    fn send_one(&mut self, others: usize) {
        let now = self.moment(self.now);
        let ticket = self.learner.on_admit(1, self.in_flight, others, now);
        if self.is_one_of(self.world.aborted) {
            self.gone += 1;
            return self.learner.on_abort(1, ticket, now);
        }
        self.in_flight += 1;
        self.drained.sent.push(self.now);
        let call = CallInFlight {
            ticket,
            sent: self.now,
            generation: self.closing.generation,
        };
        let at = self.now + self.way();
        self.push(at, WorldEvent::Arrive(call));
    }

    /// The server answers, unless the call hangs or its caller has left.
    fn arrive(&mut self, call: CallInFlight) {
        let (now, limiter) = (self.now, &mut self.world.limiter);
        let wait = limiter.wait(now);
        if wait.is_zero() {
            limiter.serve(now);
        }
        let left = limiter.left(now);
        let work = if wait.is_zero() {
            limiter.work()
        } else {
            Duration::ZERO
        };
        let answer = self.world.says.answer(wait, left);
        let back = now + work + self.way();
        let is_probe = call.generation > self.probed && self.probed < self.world.hanging_probes;
        if is_probe {
            self.probed = call.generation;
            self.push(call.sent + TIMEOUT, WorldEvent::Cancel(call));
        } else if self.is_one_of(self.world.cancelled) {
            self.push(now, WorldEvent::Cancel(call));
        } else {
            self.push(back, WorldEvent::Answer(call, answer));
        }
    }

    fn answer(&mut self, call: &CallInFlight, answer: &LimiterAnswer) {
        let (sent, now) = (self.moment(call.sent), self.moment(self.now));
        if let Some(wait) = answer.refused {
            self.refuse(call, wait);
        }
        self.in_flight -= 1;
        if let Some(counter) = answer.counter {
            self.learner
                .on_counter(counter, call.ticket, false, self.in_flight == 0, now);
        }
        if answer.refused.is_some() {
            return self.learner.on_answer(call.ticket, now);
        }
        if answer.counter.is_none() {
            self.learner.on_silent_success(call.ticket);
        }
        if call.generation == self.closing.generation {
            self.closing.streak = 0;
        }
        self.drained.served += 1;
        let others_wait = self.waiting() > 1;
        self.learner.on_success(call.ticket, sent, others_wait, now);
        let learned = self.learner.learned().and_then(|learned| learned.window);
        self.drained.longest = self.drained.longest.max(learned.unwrap_or_default());
    }

    fn refuse(&mut self, call: &CallInFlight, wait: WordedWait) {
        let first = self.drained.refusals.first();
        match first.is_none_or(|first| call.sent <= *first) {
            true => self.drained.refused_at_first += 1,
            false => self.drained.refused += 1,
        }
        self.drained.refusals.push(self.now);
        self.refused_jobs += 1;
        let how = match wait {
            WordedWait::Named(wait) => RefusalWait::Named(wait),
            WordedWait::Floor(least, _) => RefusalWait::Floor(least),
        };
        let (sent, now) = (self.moment(call.sent), self.moment(self.now));
        self.learner.on_refusal(call.ticket, sent, how, now);
        let round_trip = self.learner.round_trip();
        self.closing
            .close(call.generation, wait, round_trip, self.now);
    }
}

impl DrainedQueue {
    /// Refusals per job, but for those of the first calls.
    pub(super) fn refused_per_job(&self) -> f64 {
        f64::from(self.refused) / f64::from(self.served.max(1))
    }
}
