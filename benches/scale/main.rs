//! Measures a call while 100,000 others wait, among 10,000 hosts, and from two threads at once.
//!
//! ```sh
//! cargo bench --bench scale
//! cargo bench --bench scale -- --json
//! ```
//!
//! Bytes and instructions are exact. Nanoseconds depend on the machine and its load: only the ratio
//! counts.

mod contender;
#[path = "../overhead/copy.rs"]
mod copy;
mod decision;
mod figure;
mod gate;
mod heap;
mod heap_bytes;
mod hosts;
mod instructions;
#[path = "../overhead/mock.rs"]
#[allow(dead_code)] // The overhead bench uses all of it.
mod mock;
mod never_answers;
#[path = "../overhead/peers.rs"]
#[allow(dead_code)]
mod peers;
mod refused;
mod threads;
#[path = "../overhead/tower_policy.rs"]
#[allow(dead_code)]
mod tower_policy;
mod workload;

use figure::{Figure, print_tables};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    // A waiting call creates a timer, which needs a runtime, even one that is never run.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    let _entered = runtime.enter();
    if let [instructions::OPTION, word, among] =
        words.iter().map(String::as_str).collect::<Vec<_>>()[..]
    {
        return instructions::run(word, among);
    }
    let measure = [
        heap::measure,
        refused::measure,
        decision::measure,
        threads::measure,
    ];
    let figures: Vec<Figure> = measure.iter().flat_map(|measure| measure()).collect();
    if words.iter().any(|word| word == "--json") {
        figures.iter().for_each(Figure::print_json);
    } else {
        print_tables(&figures);
    }
}
