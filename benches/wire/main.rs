//! Measures the CPU time per request over loopback HTTP/1.1 keep-alive, beside the bare client.
//!
//! ```sh
//! cargo bench --bench wire
//! cargo bench --bench wire -- --json
//! ```
//!
//! Two figures: the client's thread alone, with its system calls, and the whole process, in which a small server
//! has a thread of its own. All contenders share one pool of connections and take turns in rotating order, so that
//! a change of load hits all of them alike. The bare client takes part twice: the difference of its rows is the
//! noise. What has counters in its responses is compared with a bare client that gets the same ones.

mod client;
mod contender;
#[path = "../overhead/mock.rs"]
#[allow(dead_code)] // The overhead bench uses all of it.
mod mock;
mod server;
#[path = "../overhead/tower_policy.rs"]
#[allow(dead_code)]
mod tower_policy;

use std::time::Duration;

use contender::Contender;
use cpu_time::{ProcessTime, ThreadTime};
use serde::Serialize;
use server::Server;
use tower::Layer;
use tower::retry::Retry;
use tower_backoff::policy::Provider;
use tower_backoff::{Quota, RetryLayer};
use tower_policy::Standard;

/// The number of measurements per contender, of which the median counts.
const ROUNDS: usize = 41;
/// Each round is cut into turns, so that all contenders see the same load of the machine.
const TURNS: usize = 24;
/// Requests per turn, over all tasks.
const REQUESTS: usize = 320;
const TASKS: [usize; 2] = [1, 16];

/// The figures of one contender at one number of tasks.
#[derive(Debug, Serialize)]
struct Row {
    tasks: usize,
    contender: &'static str,
    /// CPU time of the client's thread per request.
    microseconds: f64,
    /// The median over the rounds of the ratio to the bare client in the same round.
    ratio: f64,
    /// The same ratio for the whole process.
    process_ratio: f64,
}

/// CPU time of some requests.
#[derive(Clone, Copy, Debug, Default)]
struct CpuTime {
    thread: Duration,
    process: Duration,
}

fn main() {
    let json = std::env::args().any(|argument| argument == "--json");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let contenders = contenders(Server::start());
    let rows: Vec<Row> = TASKS
        .iter()
        .flat_map(|tasks| runtime.block_on(measure(&contenders, *tasks)))
        .collect();
    if json {
        rows.iter().for_each(print_json);
    } else {
        print_table(&rows);
    }
}

/// All contenders, in the order of the table.
fn contenders(server: Server) -> Vec<Contender> {
    let bare = client::bare();
    // Each row has its own layer, so that published counters reach only one of the gates.
    let ours = || {
        let policy = Provider::new("bench").quota(Quota::per_second(1_000_000));
        RetryLayer::new(policy).layer(bare.clone())
    };
    let tower = Retry::new(Standard::default(), bare.clone());
    let silent = client::request(server.without_counters());
    let counters = client::request(server.with_counters());
    vec![
        Contender::new("bare", bare.clone(), silent.clone()),
        Contender::new("bare again", bare.clone(), silent.clone()),
        Contender::new("tower::retry", tower, silent.clone()),
        Contender::new("ours", ours(), silent),
        Contender::new("bare, counters published", bare.clone(), counters.clone()).compared_with(4),
        Contender::new("ours, counters published", ours(), counters).compared_with(4),
    ]
}

async fn measure(contenders: &[Contender], tasks: usize) -> Vec<Row> {
    // Opens the connections and warms the caches.
    for contender in contenders {
        cpu_time(contender, tasks).await;
    }
    let mut rounds = vec![Vec::with_capacity(ROUNDS); contenders.len()];
    for round in 0..ROUNDS {
        let mut times = vec![CpuTime::default(); contenders.len()];
        for turn in 0..TURNS {
            for place in 0..contenders.len() {
                let number = (round + turn + place) % contenders.len();
                let time = cpu_time(&contenders[number], tasks).await;
                times[number].thread += time.thread;
                times[number].process += time.process;
            }
        }
        for (rounds, time) in rounds.iter_mut().zip(times) {
            rounds.push(time);
        }
    }
    let seconds = |number: usize, figure: fn(&CpuTime) -> Duration| {
        let rounds = rounds[number].iter();
        rounds.map(move |time| figure(time).as_secs_f64())
    };
    let ratio = |number: usize, bare: usize, figure| {
        let pairs = seconds(number, figure).zip(seconds(bare, figure));
        median(pairs.map(|(ours, bare)| ours / bare).collect())
    };
    let row = |(number, contender): (usize, &Contender)| {
        let times = seconds(number, |time| time.thread);
        Row {
            tasks,
            contender: contender.name,
            microseconds: median(times.collect()) * 1e6 / (TURNS * REQUESTS) as f64,
            ratio: ratio(number, contender.bare, |time| time.thread),
            process_ratio: ratio(number, contender.bare, |time| time.process),
        }
    };
    contenders.iter().enumerate().map(row).collect()
}

/// The CPU time of one turn.
async fn cpu_time(contender: &Contender, tasks: usize) -> CpuTime {
    let (thread, process) = (ThreadTime::now(), ProcessTime::now());
    (contender.send)(tasks, REQUESTS / tasks).await;
    CpuTime {
        thread: thread.elapsed(),
        process: process.elapsed(),
    }
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_unstable_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn print_json(row: &Row) {
    println!("{}", serde_json::to_string(row).expect("figures are JSON"));
}

fn print_table(rows: &[Row]) {
    println!("CPU time per request over HTTP/1.1 on loopback");
    for rows in rows.chunk_by(|one, other| one.tasks == other.tasks) {
        let head = match rows[0].tasks {
            1 => "1 task".to_owned(),
            tasks => format!("{tasks} tasks"),
        };
        let columns = ["client, µs", "times bare", "process"].map(|name| format!("{name:>14}"));
        println!("\n{head:<30}{}", columns.concat());
        for row in rows {
            let (contender, microseconds) = (row.contender, row.microseconds);
            let (client, process) = (row.ratio, row.process_ratio);
            println!("{contender:<30}{microseconds:>14.2}{client:>14.3}{process:>14.3}");
        }
    }
}
