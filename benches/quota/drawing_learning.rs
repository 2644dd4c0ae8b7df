//! Draws an SVG of how a gate that was told nothing learns two limiters.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use tokio::time::Instant;
use tower_backoff::policy::Provider;
use tower_backoff::{Gates, LearnedLimit};

use crate::contender::{Client, Contender, Setup};
use crate::drawing::{REFUSED, SERVED, line, text};
use crate::scenario::Scenario;
use crate::{ours, run, zoo};

/// The cells that are drawn, each with a title.
const LANES: [(&str, &str); 2] = [
    ("zoo/retry-after/2s", "A window of 20 calls per 2 s"),
    ("zoo/bucket-2/2s", "A bucket of 10 per second, burst 2"),
];
const SHOWN: Duration = Duration::from_secs(60);
const SEED: u64 = 1;
const BELIEVED: &str = "#e08a00";

const LEFT: usize = 20;
const RIGHT: usize = 980;
const TOP: usize = 70;
const LANE: usize = 150;
const HEIGHT: f64 = 96.0;
/// Calls per second at full height.
const FULL: f64 = 32.0;

thread_local! {
    /// What was believed at the end of each call of the run of this thread.
    static BELIEFS: RefCell<Vec<(Duration, LearnedLimit)>> = const { RefCell::new(Vec::new()) };
}

/// Returns the whole file.
pub fn draw() -> String {
    let height = TOP + LANES.len() * LANE + 40;
    let mut svg = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1000 {height}" font-family="Helvetica, Arial, sans-serif" font-size="13" fill="#222">
<title>A gate that was told nothing learns a window and a bucket</title>
<rect width="1000" height="{height}" fill="#fff"/>
"##
    );
    let bold = "font-size=\"18\" font-weight=\"bold\"";
    let title = "Told nothing: what is sent, and what is believed";
    text(&mut svg, LEFT, 30, bold, title);
    let legend = format!(
        r#"Each bar is a second of <tspan fill="{SERVED}">served</tspan> and <tspan fill="{REFUSED}">refused</tspan> calls, cut off at 32; the line is what is <tspan fill="{BELIEVED}">believed</tspan>. 64 workers; waits are named in whole seconds."#
    );
    text(&mut svg, LEFT, 50, "", &legend);
    for (number, (name, title)) in LANES.iter().enumerate() {
        let mut scenarios = zoo::small().into_iter().map(Scenario::of_specimen);
        let scenario = scenarios.find(|each| each.name == *name);
        lane(&mut svg, TOP + number * LANE, title, &scenario.expect(name));
    }
    let command = "Drawn by: cargo bench --bench quota -- --svg-learning docs/learning.svg";
    text(&mut svg, LEFT, height - 14, "fill=\"#555\"", command);
    svg + "</svg>\n"
}

/// The defaults, and a note of what the gate believes when a call has ended.
fn client(setup: &Setup) -> Client {
    let (gates, begun) = (Gates::new(), Instant::now());
    let layer = ours::layer(setup, Provider::new("plain")).gates(&gates);
    let inner = ours::through(setup, layer);
    Arc::new(move |job| {
        let (call, gates) = (inner(job), gates.clone());
        Box::pin(async move {
            let outcome = call.await;
            let learned = gates.snapshot().first().and_then(|gate| gate.learned);
            let noted = learned.map(|learned| (begun.elapsed(), learned));
            BELIEFS.with_borrow_mut(|beliefs| beliefs.extend(noted));
            outcome
        })
    })
}

/// Draws one limiter: its title, its bars and what is believed.
fn lane(svg: &mut String, top: usize, title: &str, scenario: &Scenario) {
    let run = run::simulate(scenario, &Contender::peer("ours", client), SEED);
    let beliefs = BELIEFS.take();
    let base = top as f64 + 30.0 + HEIGHT;
    text(svg, LEFT, top + 20, "font-weight=\"bold\"", title);
    let axis = format!(r##"<path d="M{LEFT} {base}H{RIGHT}" stroke="#bbb"/>"##);
    line(svg, &axis);
    for second in (0..=SHOWN.as_secs()).step_by(10) {
        let at = x(Duration::from_secs(second)) as usize;
        let style = "text-anchor=\"middle\" fill=\"#555\"";
        text(svg, at, base as usize + 16, style, &format!("{second} s"));
    }
    for second in 0..SHOWN.as_secs() {
        let arrivals = run.record.arrivals.iter();
        let now: Vec<_> = arrivals.filter(|(at, _)| at.as_secs() == second).collect();
        let served = now.iter().filter(|call| call.1 == StatusCode::OK).count();
        let (x, all) = (x(Duration::from_secs(second)), y(base, now.len() as f64));
        for (colour, y) in [(REFUSED, all), (SERVED, y(base, served as f64))] {
            let height = base - y;
            let bar = format!(
                r#"<rect x="{x:.1}" y="{y:.1}" width="15" height="{height:.1}" fill="{colour}"/>"#
            );
            line(svg, &bar);
        }
    }
    believed(svg, base, &beliefs);
    let last = beliefs.last().expect("a limit is learned").1;
    let (refusals, jobs) = (run.record.refusals, scenario.jobs());
    let sum = format!("{refusals} refusals in {jobs} jobs; at the end: {last}");
    text(svg, RIGHT, top + 20, "text-anchor=\"end\"", &sum);
}

/// Draws the believed rate as steps.
fn believed(svg: &mut String, base: f64, beliefs: &[(Duration, LearnedLimit)]) {
    let (mut path, mut last) = (String::new(), 0.0);
    for (at, learned) in beliefs.iter().filter(|(at, _)| *at <= SHOWN) {
        let window = learned.window.unwrap_or_default().as_secs_f64();
        let (x, y) = (x(*at), y(base, f64::from(learned.calls) / window));
        let (along, up) = if path.is_empty() {
            ('M', ' ')
        } else {
            ('H', 'V')
        };
        if (y - last).abs() > 0.1 {
            let _ = write!(path, "{along}{x:.1}{up}{y:.1}");
            last = y;
        }
    }
    let end =
        format!(r#"<path d="{path}H{RIGHT}" fill="none" stroke="{BELIEVED}" stroke-width="2"/>"#);
    line(svg, &end);
}

fn x(at: Duration) -> f64 {
    LEFT as f64 + at.as_secs_f64() * (RIGHT - LEFT) as f64 / SHOWN.as_secs_f64()
}

/// The height of a rate above the base; cut off at full height.
fn y(base: f64, rate: f64) -> f64 {
    base - rate.min(FULL) * HEIGHT / FULL
}
