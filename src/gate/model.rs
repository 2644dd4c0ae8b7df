//! The gate under every schedule that a few of its callers can have, and under thousands of those of more.
//!
//! Run by shuttle rather than loom: all that callers share is behind one lock, so there are no weak memory orders
//! to explore; and besides going through all schedules of two callers, shuttle samples those of many. That nobody
//! is left waiting needs no assertion: it panics when every thread is parked.
//!
//! Time stands still as long as anybody can run, and then jumps to the next timer. So it never helps a caller
//! that nobody woke, except where a timer of the gate itself does.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake as Wakes, Waker};
use std::time::Duration;

use shuttle::future::block_on;
use shuttle::rand::{Rng, thread_rng};
use shuttle::scheduler::{DfsScheduler, PctScheduler, RandomScheduler, Scheduler};
use shuttle::thread;
use shuttle::{Config, Runner};

use super::queue::Queue;
use super::words::Standing;
use super::{Asks, Closing, Ending, Facts, Gate, Heard, Leaves, Quota, Turn, Until, Wait};
use crate::moment::Moment;
use crate::scope::Scope;

const SEED: u64 = 1;
const FOREVER: Duration = Duration::from_secs(3_600);

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Dropped before it asks for the first time.
    Unasked,
    /// Dropped when it has asked once and has to wait.
    Waiting,
    /// Polled once, and left alone; except those on whom the others rely.
    LeftAlone,
    /// Dropped when it is let through and not sent yet.
    Admitted,
    /// Dropped on its way.
    OnItsWay,
    /// Answered; its body is read, or dropped.
    Served,
    /// Refused for so many seconds, and goes again.
    Refused(u64),
}

/// One caller, as the gate sees it.
#[derive(Clone, Copy, Debug)]
struct Plan {
    fate: Fate,
    takes: Duration,
    patience: Duration,
}

const fn at_once(fate: Fate) -> Plan {
    Plan {
        fate,
        takes: Duration::ZERO,
        patience: FOREVER,
    }
}

struct World {
    gate: Arc<Gate>,
    /// What the server allows, to be compared with what it sees.
    calls_at_once: u32,
    per_second: u32,
    on_their_way: AtomicU32,
    sent: Mutex<Vec<Moment>>,
    /// When it refused somebody, and until when.
    shut: Mutex<Vec<(Moment, Moment)>>,
    time: Mutex<Moment>,
    timers: Mutex<BTreeMap<(Moment, usize), Arc<Bell>>>,
    /// How many callers can run.
    awake: AtomicUsize,
    left_alone: Mutex<Vec<Turn>>,
}

/// Wakes a caller, and remembers that it did.
struct Bell {
    world: Arc<World>,
    rung: AtomicBool,
    asleep: AtomicBool,
    sleeper: Mutex<Option<Waker>>,
}

impl Bell {
    /// From now on its caller can run.
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

impl Wakes for Bell {
    fn wake(self: Arc<Self>) {
        self.ring();
        self.rouse();
    }
}

impl World {
    fn new(quotas: &[Quota]) -> Self {
        let facts = Facts {
            quotas,
            cold_start: None,
        };
        let limit = |at_once| {
            let mut of_kind = quotas
                .iter()
                .filter(|quota| quota.window().is_none() == at_once);
            of_kind.next().map_or(u32::MAX, Quota::limit)
        };
        let uri = "https://api.test/".parse().unwrap();
        Self {
            gate: Arc::new(Gate::new(Scope::origin(&uri), facts)),
            calls_at_once: limit(true),
            per_second: limit(false),
            on_their_way: AtomicU32::new(0),
            sent: Mutex::default(),
            shut: Mutex::default(),
            time: Mutex::new(Moment::START + FOREVER),
            timers: Mutex::default(),
            awake: AtomicUsize::new(0),
            left_alone: Mutex::default(),
        }
    }

    fn now(&self) -> Moment {
        *self.time.lock().unwrap()
    }

    /// When the gate opens for those who have seen what happened so far.
    fn opens(&self) -> Moment {
        let shut = self.shut.lock().unwrap();
        let until = shut.iter().map(|(_, until)| *until);
        until.max().unwrap_or(Moment::START)
    }

    /// So many answers alike have been looked at.
    fn warm(&self, answers: u32) {
        for _ in 0..answers {
            let mut turn = Turn::at(Arc::clone(&self.gate), 1);
            let (now, sent) = turn.arrive(false, self.now().instant());
            assert!(sent, "the gate is open");
            turn.answered(looked_at(Ending::Accepted), now);
        }
    }

    /// One caller less can run. If it was the last, time goes on to the next timer.
    fn rests(&self) {
        if self.awake.fetch_sub(1, Relaxed) > 1 {
            return;
        }
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
        // All of them, before the first can run and rest again.
        ring.iter().for_each(|bell| bell.ring());
        ring.iter().for_each(|bell| bell.rouse());
    }

    /// The server sees a call.
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

/// A caller: a thread with a bell and at most one timer.
struct Caller {
    world: Arc<World>,
    number: usize,
    bell: Arc<Bell>,
    plan: Plan,
    started: Moment,
}

impl Caller {
    fn run(world: Arc<World>, number: usize, plan: Plan) {
        let bell = Arc::new(Bell {
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

    fn sleep(&self, until: Option<Moment>) {
        let timer = until.map(|until| (until, self.number));
        if let Some(timer) = timer {
            let bell = Arc::clone(&self.bell);
            self.world.timers.lock().unwrap().insert(timer, bell);
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
            self.sleep(Some(until));
        }
    }

    fn call(&self) {
        let mut turn = Turn::at(Arc::clone(&self.world.gate), 1);
        let mut fate = self.plan.fate;
        let opens = self.world.opens();
        let (now, mut sent) = turn.arrive(false, self.world.now().instant());
        assert!(!sent || now >= opens, "sent while the gate is shut");
        loop {
            if !sent {
                let Some(waited) = self.wait(turn, fate) else {
                    return;
                };
                turn = waited;
                if fate == Fate::Admitted {
                    return;
                }
                sent = turn.still_holds(self.world.now());
                continue;
            }
            self.world.arrives();
            self.sleep_for(self.plan.takes);
            self.end(&mut turn, fate);
            match fate {
                Fate::Refused(_) => fate = Fate::Served,
                _ => return,
            }
            sent = false;
        }
    }

    /// Until it is let through; `None` if it goes away.
    fn wait(&self, mut turn: Turn, fate: Fate) -> Option<Turn> {
        if fate == Fate::Unasked {
            return None;
        }
        let latest = self.started + self.plan.patience;
        let asks = Asks {
            price: 1,
            patience: Until {
                latest,
                in_an_outage: latest,
            },
            most_waiting: usize::MAX,
        };
        let waker = Waker::from(Arc::clone(&self.bell));
        loop {
            match turn.ask(asks, self.world.now(), &mut Context::from_waker(&waker)) {
                Standing::Through(_) => return Some(turn),
                Standing::Leaves(why) => {
                    self.gives_up(&why, latest);
                    return None;
                }
                _ if fate == Fate::Waiting => return None,
                // Those who look after the others are as many as these are few: here they all can be left alone.
                _ if fate == Fate::LeftAlone && !Queue::is_sentinel(turn.number) => {
                    self.world.left_alone.lock().unwrap().push(turn);
                    return None;
                }
                Standing::Waits(look) => self.sleep(Some(look)),
                Standing::Sleeps => self.sleep(None),
            }
        }
    }

    fn gives_up(&self, why: &Leaves, latest: Moment) {
        assert!(self.plan.patience < FOREVER, "{why:?}");
        let late = self.world.now() - latest;
        assert!(late <= Duration::from_millis(10), "told {late:?} late");
    }

    /// The call is over for the server, and then for the gate.
    fn end(&self, turn: &mut Turn, fate: Fate) {
        let now = self.world.now();
        if fate == Fate::OnItsWay {
            self.world.on_their_way.fetch_sub(1, Relaxed);
            return turn.give_back();
        }
        if let Fate::Refused(seconds) = fate {
            let closing = Closing {
                wait: Wait::Named(Duration::from_secs(seconds)),
                heard: now,
                refused: true,
                decided_by: "retry-after".into(),
                at_most: None,
            };
            let opens = turn.shut(looked_at(Ending::Refused), closing, 0, now);
            let opens = opens.expect("it was sent");
            self.world.shut.lock().unwrap().push((now, opens));
        } else if !turn.serves(HEADERS, || now) {
            turn.answered(looked_at(Ending::Accepted), now);
        }
        let hold = turn.hand_over();
        self.world.on_their_way.fetch_sub(1, Relaxed);
        drop(hold);
    }
}

/// So many has every answer.
const HEADERS: usize = 12;

fn looked_at(ending: Ending) -> Heard {
    Heard {
        ending,
        counter: None,
        looked_at: Some(HEADERS),
        price: None,
        by_a_limit: false,
    }
}

/// Lets the callers run, until all have ended. Returns when that was.
fn play(quotas: &[Quota], plans: &[Plan]) -> Duration {
    play_in(World::new(quotas), plans)
}

fn play_in(world: World, plans: &[Plan]) -> Duration {
    let world = Arc::new(world);
    let begun = world.now();
    world.awake.store(plans.len(), Relaxed);
    let (last, others) = plans.split_last().expect("a caller");
    let callers: Vec<_> = others
        .iter()
        .enumerate()
        .map(|(number, plan)| {
            let (world, plan) = (Arc::clone(&world), *plan);
            thread::spawn(move || Caller::run(world, number, plan))
        })
        .collect();
    Caller::run(Arc::clone(&world), others.len(), *last);
    callers
        .into_iter()
        .for_each(|caller| caller.join().unwrap());
    let ended = world.now();
    world.left_alone.lock().unwrap().clear();
    let mut state = world.gate.lock();
    assert_eq!((state.queue.len(), state.in_flight()), (0, 0));
    let at_once = state
        .allowance
        .spent(ended)
        .into_iter()
        .find(|spent| spent.window.is_none());
    assert!(at_once.is_none_or(|at_once| at_once.spent == 0));
    let early = |(heard, until): &(Moment, Moment)| {
        let sent = world.sent.lock().unwrap();
        sent.iter().any(|sent| sent > heard && sent < until)
    };
    assert!(!world.shut.lock().unwrap().iter().any(early), "sent early");
    ended - begun
}

fn run(scheduler: impl Scheduler + 'static, model: impl Fn() + Send + Sync + 'static) -> usize {
    let mut config = Config::new();
    config.stack_size = 0x20000;
    Runner::new(scheduler, config).run(model)
}

/// By two ways of sampling: evenly, and with few changes of the one who runs.
fn sample(times: usize, model: impl Fn() + Copy + Send + Sync + 'static) {
    let random = run(RandomScheduler::new_from_seed(SEED, times), model);
    let priorities = run(PctScheduler::new_from_seed(SEED, 4, times), model);
    println!("{} schedules", random + priorities);
}

fn one_of(fates: &[Fate]) -> Fate {
    fates[thread_rng().gen_range(0..fates.len())]
}

const LEAVES: [Fate; 5] = [
    Fate::Unasked,
    Fate::Waiting,
    Fate::Admitted,
    Fate::OnItsWay,
    Fate::Served,
];

#[test]
fn two_callers_for_one_place_in_every_schedule() {
    let mut schedules = 0;
    for first in LEAVES {
        for second in LEAVES {
            let model = move || {
                play(&[Quota::concurrent(1)], &[first, second].map(at_once));
            };
            schedules += run(DfsScheduler::new(None, false), model);
        }
    }
    println!("{schedules} schedules, which is all of them");
}

/// A gate that makes out tickets for the callers.
fn play_with_tickets(plans: &[Plan]) {
    let world = World::new(&[]);
    world.warm(20);
    play_in(world, plans);
}

#[test]
fn two_callers_with_tickets_in_every_schedule() {
    let fates = [Fate::OnItsWay, Fate::Served];
    let mut schedules = 0;
    for first in fates {
        for second in fates {
            let model = move || play_with_tickets(&[first, second].map(at_once));
            schedules += run(DfsScheduler::new(None, false), model);
        }
    }
    println!("{schedules} schedules, which is all of them");
}

#[test]
fn a_ticket_is_void_when_the_gate_shuts_and_all_are_accounted_for() {
    sample(10_000, || {
        let fates = [Fate::OnItsWay, Fate::Served, Fate::Served, Fate::Refused(2)];
        let plans: Vec<_> = (0..6).map(|_| at_once(one_of(&fates))).collect();
        play_with_tickets(&plans);
    });
}

#[test]
fn nobody_is_stuck_and_no_place_is_given_out_twice_whoever_is_dropped_wherever() {
    sample(10_000, || {
        let plans: Vec<_> = (0..7).map(|_| at_once(one_of(&LEAVES))).collect();
        let took = play(&[Quota::concurrent(2)], &plans);
        assert_eq!(took, Duration::ZERO, "nobody needs a timer");
    });
}

#[test]
fn callers_without_a_timer_get_through_although_others_are_left_alone() {
    sample(5_000, || {
        let plans: Vec<_> = (0..9)
            .map(|_| Plan {
                takes: Duration::from_millis(thread_rng().gen_range(0..3) * 100),
                ..at_once(one_of(&[
                    Fate::Waiting,
                    Fate::LeftAlone,
                    Fate::OnItsWay,
                    Fate::Served,
                    Fate::Served,
                    Fate::Refused(2),
                ]))
            })
            .collect();
        let quotas = [Quota::per_second(2), Quota::concurrent(2)];
        let took = play(&quotas, &plans);
        assert!(took < Duration::from_secs(300), "{took:?}");
    });
}

#[test]
fn the_patience_of_each_ends_in_time_although_few_have_timers() {
    sample(5_000, || {
        let plans: Vec<_> = (0..8)
            .map(|nth| Plan {
                takes: Duration::from_secs(if nth == 0 { 60 } else { 1 }),
                patience: Duration::from_secs(thread_rng().gen_range(1..100)),
                ..at_once(one_of(&[Fate::Waiting, Fate::Served, Fate::Served]))
            })
            .collect();
        play(&[Quota::concurrent(1)], &plans);
    });
}
