//! Draws an SVG of the requests that each contender sent, served and refused.
//!
//! It consists of rectangles and text only, so it needs no plotting crate and its diffs are readable.

use std::fmt::Write as _;
use std::time::Duration;

use http::StatusCode;

use crate::contender::Contender;
use crate::lineup;
use crate::run::{self, Run};
use crate::scenario;

/// The scenario that is drawn, from its start for [`SHOWN`].
const SCENARIO: &str = "snippets";
const SHOWN: Duration = Duration::from_secs(6 * 60);
const SEED: u64 = 1;

/// The contenders that are drawn, each with a title and a subtitle.
const LANES: [(&str, &str, &str); 7] = [
    ("ours+preset", "tower-backoff", "with the provider's preset"),
    ("ours", "tower-backoff", "no preset, nothing declared"),
    (
        "tower-retry+retry-after+patient",
        "tower::retry",
        "Retry-After read by hand",
    ),
    (
        "tower-retry+patient",
        "tower::retry",
        "exponential backoff, jitter",
    ),
    (
        "tower-resilience-retry+patient",
        "tower-resilience-retry",
        "exponential backoff, jitter",
    ),
    ("backon+patient", "backon", "exponential backoff, jitter"),
    (
        "reqwest-retry+patient",
        "reqwest-retry",
        "exponential backoff, full jitter",
    ),
];

const WIDTH: usize = 1_000;
const LEFT: usize = 225;
const RIGHT: usize = 140;
const TOP: usize = 106;
const LANE: usize = 72;
const BAR: f64 = 54.0;
/// Calls per second in a bar of full height: as many as there are workers.
const FULL: f64 = 64.0;

pub const SERVED: &str = "#2b6cb0";
pub const REFUSED: &str = "#d62728";

/// Returns the whole file.
pub fn draw() -> String {
    let contenders = lineup::all();
    let mut svg = String::new();
    head(&mut svg);
    for (number, (name, title, how)) in LANES.iter().enumerate() {
        let contender = contenders.iter().find(|each| each.name == *name);
        let run = simulate(contender.expect("a lane names a contender"));
        lane(&mut svg, TOP + number * LANE, title, how, &run);
    }
    axis(&mut svg, TOP + LANES.len() * LANE);
    svg.push_str("</svg>\n");
    svg
}

fn simulate(contender: &Contender) -> Run {
    let scenario = scenario::eight()
        .into_iter()
        .find(|each| each.name == SCENARIO);
    run::simulate(&scenario.expect("one of the eight"), contender, SEED)
}

fn head(svg: &mut String) {
    let height = TOP + LANES.len() * LANE + 78;
    line(
        svg,
        &format!(
            r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="Helvetica, Arial, sans-serif" font-size="13" fill="#222">
<title>Seven clients drain a queue against an API that takes 20 calls a minute</title>
<rect width="{WIDTH}" height="{height}" fill="#fff"/>"##
        ),
    );
    text(
        svg,
        20,
        30,
        "font-size=\"18\" font-weight=\"bold\"",
        "One queue, one API that takes 20 calls a minute, seven clients",
    );
    text(
        svg,
        20,
        52,
        "fill=\"#555\"",
        "64 workers drain 3,000 jobs. Over the limit the server answers 429 with Retry-After. Each bar is one second of requests.",
    );
    let legend = [(SERVED, "served"), (REFUSED, "refused (429)")];
    for (number, (colour, word)) in legend.iter().enumerate() {
        let x = 20 + number * 90;
        line(
            svg,
            &format!(r#"<rect x="{x}" y="67" width="12" height="12" fill="{colour}"/>"#),
        );
        text(svg, x + 18, 78, "", word);
    }
    let right = format!("x=\"{}\" text-anchor=\"end\" fill=\"#555\"", WIDTH - 20);
    line(
        svg,
        &format!(r#"<text y="78" {right}>refused, whole queue</text>"#),
    );
}

/// Draws one contender: its title, its bars and the sum of its refusals.
fn lane(svg: &mut String, top: usize, title: &str, how: &str, run: &Run) {
    let base = top + 62;
    text(svg, 20, top + 32, "font-weight=\"bold\"", title);
    text(svg, 20, top + 50, "font-size=\"12\" fill=\"#555\"", how);
    let end = WIDTH - RIGHT;
    line(
        svg,
        &format!(r##"<path d="M{LEFT} {base}H{end}" stroke="#bbb"/>"##),
    );
    for (second, (served, refused)) in seconds(run).into_iter().enumerate() {
        let low = bar(svg, second, base as f64, served, SERVED);
        bar(svg, second, low, refused, REFUSED);
    }
    let colour = if run.record.refusals == 0 {
        SERVED
    } else {
        REFUSED
    };
    let style =
        format!("font-size=\"20\" font-weight=\"bold\" text-anchor=\"end\" fill=\"{colour}\"");
    text(
        svg,
        WIDTH - 20,
        top + 38,
        &style,
        &thousands(run.record.refusals),
    );
    let style = "font-size=\"12\" text-anchor=\"end\" fill=\"#555\"";
    let lost = match run.lost() {
        0 => "no job lost".to_owned(),
        lost => format!("{} jobs lost", thousands(lost)),
    };
    text(svg, WIDTH - 20, top + 56, style, &lost);
}

/// Draws a bar that stands on `base`, cut off at full height, and returns its top.
fn bar(svg: &mut String, second: usize, base: f64, calls: u32, colour: &str) -> f64 {
    let height = f64::from(calls) * BAR / FULL;
    let top = (base - height).max(base.floor() - BAR).max(0.0);
    if calls > 0 {
        let (x, width) = (x(second as f64), x(1.0) - x(0.0));
        let height = base - top;
        line(
            svg,
            &format!(
                r#"<rect x="{x:.1}" y="{top:.1}" width="{width:.1}" height="{height:.1}" fill="{colour}"/>"#
            ),
        );
    }
    top
}

/// Counts the served and the refused calls of each second that is shown.
fn seconds(run: &Run) -> Vec<(u32, u32)> {
    let mut seconds = vec![(0, 0); SHOWN.as_secs() as usize];
    for (at, status) in &run.record.arrivals {
        if let Some((served, refused)) = seconds.get_mut(at.as_secs() as usize) {
            let is_served = *status == StatusCode::OK;
            *(if is_served { served } else { refused }) += 1;
        }
    }
    seconds
}

fn axis(svg: &mut String, top: usize) {
    for minute in 0..=SHOWN.as_secs() / 60 {
        let x = x(minute as f64 * 60.0);
        line(
            svg,
            &format!(r##"<path d="M{x:.1} {TOP}V{top}" stroke="#999" stroke-dasharray="2 4"/>"##),
        );
        line(
            svg,
            &format!(
                r##"<text x="{x:.1}" y="{}" text-anchor="middle" fill="#555">{minute} min</text>"##,
                top + 18
            ),
        );
    }
    let note = "The first six minutes, in virtual time; bars are cut off at 64 a second. The peers are allowed 50 attempts per job.";
    text(svg, 20, top + 44, "font-size=\"12\" fill=\"#555\"", note);
    let command = "Drawn by: cargo bench --bench quota -- --svg docs/quota.svg";
    text(svg, 20, top + 62, "font-size=\"12\" fill=\"#555\"", command);
}

fn x(second: f64) -> f64 {
    let width = (WIDTH - LEFT - RIGHT) as f64;
    LEFT as f64 + second * width / SHOWN.as_secs_f64()
}

/// Writes words at a point.
pub fn text(svg: &mut String, x: usize, y: usize, style: &str, words: &str) {
    line(
        svg,
        &format!(r#"<text x="{x}" y="{y}" {style}>{words}</text>"#),
    );
}

/// Adds an element.
pub fn line(svg: &mut String, line: &str) {
    writeln!(svg, "{line}").expect("a string takes everything");
}

fn thousands(number: u32) -> String {
    match number {
        0..1_000 => number.to_string(),
        _ => format!("{},{:03}", number / 1_000, number % 1_000),
    }
}
