//! Random worlds in virtual time: many callers, hosts of all kinds, and every fault that there is.
//!
//! Each world follows from its number. It is played to its end, and then must hold: no call was sent before a wait was
//! over that a refusal had named, for its host or its bucket; each call ended by its patience; a POST was executed
//! once; bodies arrived whole; declared quotas were not overspent; nothing is left at the gates; no call waited while
//! its gate said that nothing keeps it; and each that waited was told what for.
//!
//! ```sh
//! cargo test --test stress random_world                            # two hundred worlds
//! WORLDS=100000 cargo test --release --test stress random_world    # any number
//! WORLD=4711 cargo test --test stress random_world                 # one of them
//! ```

mod book;
mod caller;
mod limiter;
mod rng;
mod server;

use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use http::HeaderName;
use tokio::time::{Instant, sleep, timeout};
use tower::Layer;
use tower_backoff::policy::Provider;
use tower_backoff::{Clock, Decision, Gates, Observer, Quota, RetryLayer};

use self::book::{Book, Declared};
use self::caller::{Caller, LeftAlone};
use self::rng::Rng;
use self::server::{Host, Hosts, Temper};

/// No world lasts longer.
const END: Duration = Duration::from_secs(24 * 60 * 60);

struct Sees;

impl Observer for Sees {
    fn on_decision(&self, decision: &Decision<'_>) {
        assert!(decision.attempt.number() > 0);
    }
}

/// What was said of the hosts: nothing, what is true, or less than that.
fn layer(rng: &mut Rng, tempers: &mut [Temper], gates: &Gates, seed: u64) -> RetryLayer {
    let mut provider = Provider::new("world");
    if tempers.iter().any(|temper| temper.buckets) {
        provider = provider.buckets_in(HeaderName::from_static("x-bucket"));
    }
    if rng.happens(400) {
        provider = provider.final_codes(["BROKE"]);
    } else {
        tempers
            .iter_mut()
            .for_each(|temper| temper.final_refusals = 0);
    }
    let limit = rng.one_of(&[1, 5, 20, 100, 2_000]);
    let length = rng.millis(500..60_000);
    let quota = Quota::new(limit, length);
    let declared = match rng.within(0..8) {
        0 => Some((quota, Declared::Window(limit.into(), length))),
        1 => Some((quota.paced(), Declared::Window(limit.into(), length))),
        2 => Some((
            quota.burst(limit.div_ceil(4)),
            Declared::Window(limit.into(), length),
        )),
        3 => Some((Quota::concurrent(limit), Declared::Concurrent(limit.into()))),
        4 => Some((quota, Declared::Nothing)),
        _ => None,
    };
    if let Some((quota, declared)) = declared {
        provider = match declared {
            Declared::Nothing => provider.plan(quota),
            _ => provider.quota(quota),
        };
        for temper in tempers {
            // What was not sent has spent nothing.
            (temper.declared, temper.unsent) = (declared, 0);
        }
    }
    let noon = UNIX_EPOCH + Duration::from_secs(1_772_452_800);
    let mut clock = Clock::starting_at(noon);
    if rng.happens(200) {
        let jump = Duration::from_secs(rng.within(0..7_200));
        clock = clock.jumping_to(noon + jump, rng.millis(0..100_000));
    }
    let layer = RetryLayer::new(provider)
        .gates(gates)
        .clock(clock)
        .seed(seed);
    let layer = if rng.happens(200) {
        layer.observe(Sees)
    } else {
        layer
    };
    if rng.happens(100) {
        layer.max_waiting(rng.within(1..100) as usize)
    } else {
        layer
    }
}

/// What came of a world.
struct Played {
    calls: u64,
    refusals: u64,
    violations: Vec<String>,
}

async fn play(seed: u64) -> Played {
    let mut rng = Rng::new(seed);
    let begun = Instant::now();
    let book = Arc::new(Mutex::new(Book::default()));
    let gates = Gates::new();
    let number_of_hosts = rng.within(1..3);
    let mut tempers: Vec<_> = (0..number_of_hosts)
        .map(|_| Temper::any(&mut rng))
        .collect();
    let layer = layer(&mut rng, &mut tempers, &gates, seed);
    let hosts = tempers.into_iter().enumerate();
    let hosts =
        hosts.map(|(number, temper)| Host::new(number, temper, &mut rng, begun, Arc::clone(&book)));
    let service = layer.layer(Hosts(hosts.collect()));
    let left_alone = LeftAlone::default();
    let leaves_alone = rng.happens(300);
    let callers = rng.one_of(&[20, 20, 40, 80, 80, 300]);
    let busy = rng.millis(1..120_000);
    let callers: Vec<_> = (0..callers)
        .map(|number| {
            let caller = Caller {
                number,
                rng: rng.split(),
                begun,
                busy,
                book: Arc::clone(&book),
                left_alone: leaves_alone.then(|| left_alone.clone()),
                hosts: number_of_hosts,
            };
            tokio::spawn(caller.run(service.clone()))
        })
        .collect();
    let watch =
        (!leaves_alone).then(|| tokio::spawn(watch(gates.clone(), Arc::clone(&book), begun)));
    for caller in callers {
        let done = timeout(END, caller).await;
        match done {
            Ok(done) => done.expect("no panic"),
            Err(_) => book
                .lock()
                .unwrap()
                .violated(|| "a caller never ends".into()),
        }
    }
    watch.into_iter().for_each(|watch| watch.abort());
    left_alone.clear();
    sleep(Duration::from_secs(120)).await;
    let mut book = book.lock().unwrap();
    for gate in gates.snapshot() {
        if (gate.waiting, gate.in_flight) != (0, 0) {
            book.violated(|| format!("left over: {gate:?}"));
        }
    }
    Played {
        calls: book.calls,
        refusals: book.refusals,
        violations: std::mem::take(&mut book.violations),
    }
}

/// Looks now and then whether calls wait though their gate says that nothing keeps them.
async fn watch(gates: Gates, book: Arc<Mutex<Book>>, begun: Instant) {
    const LONG: u32 = 5;
    let mut free: std::collections::HashMap<String, (u32, u64)> = Default::default();
    loop {
        sleep(Duration::from_millis(701)).await;
        for gate in gates.snapshot() {
            let calls = book.lock().unwrap().calls;
            let (times, before) = free.entry(gate.scope.to_string()).or_insert((0, calls));
            let kept = gate.waiting == 0 || gate.closed_by.is_some() || *before != calls;
            (*times, *before) = (if kept { 0 } else { *times + 1 }, calls);
            if *times == LONG {
                let now = begun.elapsed();
                book.lock()
                    .unwrap()
                    .violated(|| format!("nothing keeps the callers at {now:?}: {gate:?}"));
            }
        }
    }
}

fn play_one(seed: u64) -> Played {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(play(seed))
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn in_random_worlds_all_promises_hold() {
    let seeds = match number("WORLD") {
        Some(seed) => seed..seed + 1,
        None => 0..number("WORLDS").unwrap_or(200),
    };
    let count = seeds.end - seeds.start;
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let workers: Vec<_> = (0..threads)
        .map(|worker| {
            let seeds = seeds.clone();
            std::thread::spawn(move || {
                let mut of_all = (0, 0, Vec::new());
                for seed in seeds.filter(|seed| seed % threads == worker) {
                    let played = play_one(seed);
                    of_all.0 += played.calls;
                    of_all.1 += played.refusals;
                    let found = played.violations.into_iter();
                    of_all
                        .2
                        .extend(found.map(|violation| format!("world {seed}: {violation}")));
                }
                of_all
            })
        })
        .collect();
    let (mut calls, mut refusals, mut violations) = (0, 0, Vec::new());
    for worker in workers {
        let of_worker = worker.join().expect("no panic");
        calls += of_worker.0;
        refusals += of_worker.1;
        violations.extend(of_worker.2);
    }
    println!(
        "{count} worlds, {calls} calls, {refusals} refusals, {} violations",
        violations.len()
    );
    let first: Vec<_> = violations.iter().take(20).collect();
    assert!(violations.is_empty(), "{first:#?}");
}
