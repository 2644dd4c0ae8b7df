//! Measures the CPU time per request over loopback HTTP/1.1 keep-alive, beside the bare client.
//!
//! ```sh
//! cargo bench --bench wire
//! cargo bench --bench wire -- --json
//! ```
//!
//! Only the client's thread is counted, with its system calls; the server has a thread of its own. All
//! contenders share one pool of connections and take turns in rotating order, so that a change of load
//! hits all of them alike. The bare client takes part twice: the difference of its rows is the noise.

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
use cpu_time::ThreadTime;
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
    /// The median over the rounds of the ratio to the first bare row in the same round.
    ratio: f64,
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

/// All contenders, in the order of the table. The others are compared with the first.
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
        Contender::new("ours, counters published", ours(), counters),
    ]
}

async fn measure(contenders: &[Contender], tasks: usize) -> Vec<Row> {
    // Opens the connections and warms the caches.
    for contender in contenders {
        cpu_time(contender, tasks).await;
    }
    let mut rounds = vec![Vec::with_capacity(ROUNDS); contenders.len()];
    for round in 0..ROUNDS {
        let mut times = vec![Duration::ZERO; contenders.len()];
        for turn in 0..TURNS {
            for place in 0..contenders.len() {
                let number = (round + turn + place) % contenders.len();
                times[number] += cpu_time(&contenders[number], tasks).await;
            }
        }
        for (rounds, time) in rounds.iter_mut().zip(times) {
            rounds.push(time.as_secs_f64() * 1e6 / (TURNS * REQUESTS) as f64);
        }
    }
    let row = |(contender, times): (&Contender, &Vec<f64>)| Row {
        tasks,
        contender: contender.name,
        microseconds: median(times.clone()),
        ratio: median(times.iter().zip(&rounds[0]).map(|(a, b)| a / b).collect()),
    };
    contenders.iter().zip(&rounds).map(row).collect()
}

/// The CPU time that this thread takes for one turn.
async fn cpu_time(contender: &Contender, tasks: usize) -> Duration {
    let start = ThreadTime::now();
    (contender.send)(tasks, REQUESTS / tasks).await;
    start.elapsed()
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_unstable_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn print_json(row: &Row) {
    println!("{}", serde_json::to_string(row).expect("figures are JSON"));
}

fn print_table(rows: &[Row]) {
    println!("CPU time of the client's thread per request over HTTP/1.1 on loopback");
    for rows in rows.chunk_by(|one, other| one.tasks == other.tasks) {
        let head = match rows[0].tasks {
            1 => "1 task".to_owned(),
            tasks => format!("{tasks} tasks"),
        };
        println!("\n{head:<30}{:>14}{:>14}", "µs", "times bare");
        for row in rows {
            let (contender, microseconds) = (row.contender, row.microseconds);
            println!("{contender:<30}{microseconds:>14.2}{:>14.3}", row.ratio);
        }
    }
}
