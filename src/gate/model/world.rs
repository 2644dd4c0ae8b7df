//! The callers, the server and the time in which they meet.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake as Wakes, Waker};
use std::time::Duration;

use shuttle::future::block_on;
use shuttle::thread;

use crate::gate::core::Admission;
use crate::gate::{
    AcquireRequest, Closing, Completion, Deadlines, Gate, GateConfig, Outcome, Permit, Quota,
    Rejected, Wait,
};
use crate::retry::Priority;
use crate::scope::Scope;
use crate::time::Moment;

const FOREVER: Duration = Duration::from_secs(3_600);

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Dropped before it request for the first time.
    Unasked,
    /// Dropped when it has asked once and has to wait.
    Waiting,
    /// Polled once, and left alone.
    LeftAlone,
    /// Dropped when it is admitted and not sent yet.
    Admitted,
    /// Dropped on its way.
    OnItsWay,
    /// Answered; its body is read, or dropped.
    Served,
    /// Refused for this many seconds, and goes again.
    Refused(u64),
}

/// One caller, as the gate sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct CallerPlan {
    pub(super) fate: Fate,
    pub(super) takes: Duration,
    pub(super) patience: Duration,
}

pub(super) const fn caller(fate: Fate) -> CallerPlan {
    CallerPlan {
        fate,
        takes: Duration::ZERO,
        patience: FOREVER,
    }
}

pub(super) struct World {
    pub(super) gate: Arc<Gate>,
    /// What the server allows, to be compared with what it sees.
    calls_at_once: u32,
    per_second: u32,
    on_their_way: AtomicU32,
    sent: Mutex<Vec<Moment>>,
    /// When it refused a call, and until when.
    closed: Mutex<Vec<(Moment, Moment)>>,
    time: Mutex<Moment>,
    /// By caller, with its number in the queue if it waits there.
    timers: Mutex<BTreeMap<(Moment, usize), (Arc<CountingWaker>, Option<u64>)>>,
    /// How many callers can run.
    awake: AtomicUsize,
    left_alone: Mutex<Vec<Permit>>,
}

/// Wakes a caller, and remembers that it did.
struct CountingWaker {
    world: Arc<World>,
    rung: AtomicBool,
    asleep: AtomicBool,
    sleeper: Mutex<Option<Waker>>,
}

impl CountingWaker {
    /// Lets its caller run from now on.
    fn ring(&self) {
        self.rung.store(true, Relaxed);
        if self.asleep.swap(false, Relaxed) {
            self.world.awake.fetch_add(1, Relaxed);
        }
    }

    fn rouse(&self) {
        let sleeper = self.sleeper.lock().unwrap().take();
        sleeper.into_iter().for_each(Waker::wake);
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.rung.swap(false, Relaxed) {
            return Poll::Ready(());
        }
        *self.sleeper.lock().unwrap() = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Wakes for CountingWaker {
    fn wake(self: Arc<Self>) {
        self.ring();
        self.rouse();
    }
}

impl World {
    pub(super) fn new(quotas: &[Quota]) -> Self {
        let config = GateConfig {
            quotas,
            ..GateConfig::default()
        };
        let limit = |concurrency| {
            let mut of_kind = quotas
                .iter()
                .filter(|quota| quota.window().is_none() == concurrency);
            of_kind.next().map_or(u32::MAX, Quota::limit)
        };
        let uri = "https://api.test/".parse().unwrap();
        Self {
            gate: Arc::new(Gate::new(Scope::origin(&uri), config)),
            calls_at_once: limit(true),
            per_second: limit(false),
            on_their_way: AtomicU32::new(0),
            sent: Mutex::default(),
            closed: Mutex::default(),
            time: Mutex::new(Moment::START + FOREVER),
            timers: Mutex::default(),
            awake: AtomicUsize::new(0),
            left_alone: Mutex::default(),
        }
    }

    fn now(&self) -> Moment {
        *self.time.lock().unwrap()
    }

    /// When the gate opens for a caller that has seen what happened so far.
    fn opens(&self) -> Moment {
        let closed = self.closed.lock().unwrap();
        let until = closed.iter().map(|(_, until)| *until);
        until.max().unwrap_or(Moment::START)
    }

    /// Notes that one more can run.
    pub(super) fn wakes(&self) {
        self.awake.fetch_add(1, Relaxed);
    }

    /// Notes that one caller less can run. If it was the last, time goes on to the next timer.
    pub(super) fn rests(&self) {
        while self.awake.fetch_sub(1, Relaxed) == 1 {
            let ring: Vec<_> = {
                let mut timers = self.timers.lock().unwrap();
                let Some((&(next, _), _)) = timers.first_key_value() else {
                    return;
                };
                *self.time.lock().unwrap() = next;
                let later = timers.split_off(&(next + Duration::from_nanos(1), 0));
                std::mem::replace(&mut *timers, later)
                    .into_values()
                    .collect()
            };
            // Time stands still until all have rung.
            self.awake.fetch_add(1, Relaxed);
            for (bell, number) in ring {
                match number {
                    Some(number) => self.gate.lock().on_timer(number, self.now()).wake(),
                    None => Wakes::wake(bell),
                }
            }
        }
    }

    /// Notes that the server sees a call.
    fn arrives(&self) {
        let now = self.now();
        let on_their_way = self.on_their_way.fetch_add(1, Relaxed) + 1;
        assert!(on_their_way <= self.calls_at_once, "{on_their_way} at once");
        let mut sent = self.sent.lock().unwrap();
        sent.push(now);
        let in_a_second = sent
            .iter()
            .filter(|sent| **sent + Duration::from_secs(1) > now);
        let in_a_second = in_a_second.count() as u32;
        assert!(in_a_second <= self.per_second, "{in_a_second} in a second");
    }
}

/// A caller: a thread with a waker and at most one timer.
struct ModelCaller {
    world: Arc<World>,
    number: usize,
    bell: Arc<CountingWaker>,
    plan: CallerPlan,
    started: Moment,
}

impl ModelCaller {
    fn run(world: Arc<World>, number: usize, plan: CallerPlan) {
        let bell = Arc::new(CountingWaker {
            world: Arc::clone(&world),
            rung: AtomicBool::new(false),
            asleep: AtomicBool::new(false),
            sleeper: Mutex::default(),
        });
        let started = world.now();
        let caller = Self {
            world,
            number,
            bell,
            plan,
            started,
        };
        caller.call();
        caller.world.rests();
    }

    fn sleep(&self, until: Option<Moment>, number: Option<u64>) {
        let timer = until.map(|until| (until, self.number));
        if let Some(timer) = timer {
            let rings = (Arc::clone(&self.bell), number);
            self.world.timers.lock().unwrap().insert(timer, rings);
        }
        if !self.bell.rung.swap(false, Relaxed) {
            self.bell.asleep.store(true, Relaxed);
            self.world.rests();
            block_on(poll_fn(|cx| self.bell.poll(cx)));
        }
        if let Some(timer) = timer {
            self.world.timers.lock().unwrap().remove(&timer);
        }
    }

    fn sleep_for(&self, time: Duration) {
        let until = self.world.now() + time;
        while self.world.now() < until {
            self.sleep(Some(until), None);
        }
    }

    fn call(&self) {
        let mut permit = Permit::new(Arc::clone(&self.world.gate), 1);
        let mut fate = self.plan.fate;
        let opens = self.world.opens();
        let (now, mut sent) =
            permit.try_acquire_now(Priority::Normal, false, self.world.now().instant());
        sent = sent && permit.is_granted_at_once(now);
        assert!(!sent || now >= opens, "sent while the gate is closed");
        loop {
            if !sent {
                let Some(waited) = self.wait(permit, fate) else {
                    return;
                };
                permit = waited;
                if fate == Fate::Admitted {
                    return;
                }
                sent = permit.commit(self.world.now());
                continue;
            }
            self.world.arrives();
            self.sleep_for(self.plan.takes);
            self.end(&mut permit, fate);
            match fate {
                Fate::Refused(_) => fate = Fate::Served,
                _ => return,
            }
            sent = false;
        }
    }

    /// Waits for admission; `None` if the caller leaves.
    fn wait(&self, mut permit: Permit, fate: Fate) -> Option<Permit> {
        if fate == Fate::Unasked {
            return None;
        }
        let latest = self.started + self.plan.patience;
        let request = AcquireRequest {
            priority: Priority::Normal,
            cost: 1,
            path: Default::default(),
            deadlines: Deadlines {
                latest,
                in_an_outage: latest,
            },
            max_waiting: usize::MAX,
        };
        let waker = Waker::from(Arc::clone(&self.bell));
        loop {
            match permit.acquire(request, self.world.now(), &mut Context::from_waker(&waker)) {
                Admission::Granted(_) => return Some(permit),
                Admission::Rejected(why) => {
                    self.gives_up(&why, latest);
                    return None;
                }
                _ if fate == Fate::Waiting => return None,
                admission if fate == Fate::LeftAlone => {
                    if let Admission::WaitUntil(look, _) = admission {
                        // It rings, and the caller does not come.
                        let rings = (Arc::clone(&self.bell), Some(permit.number));
                        let mut timers = self.world.timers.lock().unwrap();
                        timers.insert((look, self.number), rings);
                    }
                    self.world.left_alone.lock().unwrap().push(permit);
                    return None;
                }
                Admission::WaitUntil(look, _) => self.sleep(Some(look), Some(permit.number)),
                Admission::Parked(_) => self.sleep(None, None),
                Admission::AskMember => {
                    permit.ask_member(self.world.now());
                }
            }
        }
    }

    fn gives_up(&self, why: &Rejected, latest: Moment) {
        assert!(self.plan.patience < FOREVER, "{why:?}");
        let late = self.world.now() - latest;
        // Timers ring within a quarter of a second, one after the other.
        assert!(late <= Duration::from_millis(260), "told {late:?} late");
    }

    /// Ends the call for the server, and then for the gate.
    fn end(&self, permit: &mut Permit, fate: Fate) {
        let now = self.world.now();
        if fate == Fate::OnItsWay {
            self.world.on_their_way.fetch_sub(1, Relaxed);
            return permit.release();
        }
        if let Fate::Refused(seconds) = fate {
            let closing = Closing {
                wait: Wait::Named(Duration::from_secs(seconds)),
                received_at: now,
                refused: true,
                by_limit: true,
                path: Default::default(),
                decided_by: "retry-after".into(),
                max_wait: None,
            };
            let opening =
                permit.complete_and_close(completion(Outcome::RateLimited), closing, None, 0, now);
            let opens = opening.expect("it was sent").gate;
            self.world.closed.lock().unwrap().push((now, opens));
        } else if !permit.complete_plainly(completion(Outcome::Ok), now) {
            permit.complete(completion(Outcome::Ok), now);
        }
        let hold = permit.take_concurrency_permit();
        self.world.on_their_way.fetch_sub(1, Relaxed);
        drop(hold);
    }
}

fn completion(outcome: Outcome) -> Completion {
    Completion::plain(outcome)
}

/// Lets the callers run until all have ended. Returns when that was.
pub(super) fn play(quotas: &[Quota], plans: &[CallerPlan]) -> Duration {
    play_in(Arc::new(World::new(quotas)), plans)
}

/// The same, in a world that was made before.
pub(super) fn play_in(world: Arc<World>, plans: &[CallerPlan]) -> Duration {
    let begun = world.now();
    world.awake.store(plans.len(), Relaxed);
    let (last, others) = plans.split_last().expect("a caller");
    let callers: Vec<_> = others
        .iter()
        .enumerate()
        .map(|(number, plan)| {
            let (world, plan) = (Arc::clone(&world), *plan);
            thread::spawn(move || ModelCaller::run(world, number, plan))
        })
        .collect();
    ModelCaller::run(Arc::clone(&world), others.len(), *last);
    callers
        .into_iter()
        .for_each(|caller| caller.join().unwrap());
    let ended = world.now();
    world.left_alone.lock().unwrap().clear();
    let mut state = world.gate.lock();
    assert_eq!((state.waiters.len(), state.core.in_flight()), (0, 0));
    let usage = state.core.usage(ended);
    let concurrency = usage.iter().find(|usage| usage.window.is_none());
    assert!(concurrency.is_none_or(|concurrency| concurrency.used == 0));
    let early = |(completion, until): &(Moment, Moment)| {
        let sent = world.sent.lock().unwrap();
        sent.iter().any(|sent| sent > completion && sent < until)
    };
    assert!(
        !world.closed.lock().unwrap().iter().any(early),
        "sent early"
    );
    ended - begun
}
