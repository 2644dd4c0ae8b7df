//! Prints how far the cells of the zoo are from their goals.

use crate::cell::Cell;
use crate::zoo::{Class, Figures};

/// The rows of the table: a contender whose goals are listed.
const JUDGED: [&str; 2] = ["ours", "ours+quota"];
/// The contender that no cell may be slower than.
const BY_HAND: &str = "tower-retry+retry-after+patient";
/// By how much a cell may miss its goal: the figures are printed with three digits.
const ROUNDING: f64 = 0.0005;
/// The workers of the cells whose first salvo is judged.
const SALVO: &str = "/workers-1000";
const WORST: usize = 10;

/// A cell of the zoo, with what is measured there only.
type Judged<'a> = (&'a Cell, Figures);

/// Prints each class, then the worst cells.
pub fn print(cells: &[Cell]) {
    let zoo = cells.iter().filter_map(|cell| Some((cell, cell.zoo?)));
    let zoo: Vec<Judged<'_>> = zoo.collect();
    if zoo.is_empty() {
        return;
    }
    println!(
        "\nzoo: time / requests over those of an oracle, without the refusals of the first salvo"
    );
    println!(
        "  {:<26}{:<12}{:>15}{:>16}{:>16}{:>7}{:>7}",
        "class", "contender", "goal", "worst", "median", "cells", "miss"
    );
    for class in Class::ALL {
        for name in JUDGED {
            print_class(class, name, &zoo);
        }
    }
    print_salvos(&zoo);
    print_slower(&zoo);
    print_worst(&zoo);
}

fn print_class(class: Class, name: &str, zoo: &[Judged<'_>]) {
    let cells = zoo
        .iter()
        .filter(|(cell, figures)| figures.class == class && cell.contender == name);
    let cells: Vec<_> = cells.collect();
    if cells.is_empty() {
        return;
    }
    let pair = |rank: fn(usize) -> usize| {
        let time = ranked(&cells, rank, |(cell, _)| cell.time_ratio);
        let requests = ranked(&cells, rank, |(_, figures)| figures.requests_less_salvo);
        format!("{time:.3} / {requests:.3}")
    };
    println!(
        "  {:<26}{:<12}{:>15}{:>16}{:>16}{:>7}{:>7}",
        class.name(),
        name,
        goals(&cells),
        pair(|count| count - 1),
        pair(|count| count / 2),
        cells.len(),
        cells.iter().filter(|cell| misses(cell)).count(),
    );
}

fn ranked(cells: &[&Judged<'_>], rank: fn(usize) -> usize, figure: fn(&Judged<'_>) -> f64) -> f64 {
    let mut figures: Vec<_> = cells.iter().map(|cell| figure(cell)).collect();
    figures.sort_unstable_by(f64::total_cmp);
    figures[rank(figures.len())]
}

/// The loosest goal of a class, with a mark if some are stricter.
fn goals(cells: &[&Judged<'_>]) -> String {
    let goal = |figure: fn(&Judged<'_>) -> Option<f64>| {
        let all = cells.iter().filter_map(|cell| figure(cell));
        let loosest = all.clone().fold(0.0, f64::max);
        let is_one = all.clone().all(|goal| goal == loosest) && all.clone().count() == cells.len();
        match loosest {
            0.0 => "done".to_owned(),
            _ if is_one => format!("{loosest:.2}"),
            _ => format!("<{loosest:.2}"),
        }
    };
    let time = goal(|(_, figures)| figures.goal.time);
    let requests = goal(|(_, figures)| figures.goal.requests);
    format!("{time} / {requests}")
}

fn keeps_promises(cell: &Cell) -> bool {
    cell.lost == 0.0 && cell.early == 0.0 && cell.bare_early == 0.0
}

fn misses(judged: &Judged<'_>) -> bool {
    !keeps_promises(judged.0) || excess(judged) > 1.0 + ROUNDING
}

/// The larger of both figures over its goal.
fn excess((cell, figures): &Judged<'_>) -> f64 {
    let over = |figure: f64, goal: Option<f64>| goal.map_or(0.0, |goal| figure / goal);
    let time = over(cell.time_ratio, figures.goal.time);
    time.max(over(figures.requests_less_salvo, figures.goal.requests))
}

fn print_salvos(zoo: &[Judged<'_>]) {
    for (name, goal) in JUDGED.into_iter().zip([256.0, 0.0]) {
        let cells = zoo
            .iter()
            .filter(|(cell, _)| cell.contender == name && cell.scenario.ends_with(SALVO));
        let refusals: Vec<_> = cells.map(|(_, figures)| figures.salvo_refusals).collect();
        let most = refusals.iter().copied().fold(0.0, f64::max);
        let misses = refusals.iter().filter(|refused| **refused > goal).count();
        if !refusals.is_empty() {
            println!(
                "  {:<26}{name:<12}{goal:>15}{most:>16}{:>16}{:>7}{misses:>7}",
                "first salvo of 1,000",
                "",
                refusals.len(),
            );
        }
    }
}

/// Prints the cells that are slower than the client by hand, unless that one breaks a promise.
fn print_slower(zoo: &[Judged<'_>]) {
    let by_hand = |scenario: &str| {
        let mut cells = zoo.iter();
        cells.find(|(cell, _)| cell.contender == BY_HAND && cell.scenario == scenario)
    };
    let mut slower = Vec::new();
    for (cell, _) in zoo
        .iter()
        .filter(|(cell, _)| JUDGED.contains(&cell.contender))
    {
        let Some((other, figures)) = by_hand(&cell.scenario) else {
            continue;
        };
        let is_fair = keeps_promises(other) && other.in_block == 0.0;
        if is_fair && figures.requests_less_salvo <= 1.5 {
            let behind = cell.time_ratio - other.time_ratio;
            if behind > 0.02 {
                slower.push((behind, cell));
            }
        }
    }
    slower.sort_by(|(first, _), (second, _)| second.total_cmp(first));
    println!(
        "\nslower by more than 0.02 than {BY_HAND}: {}",
        slower.len()
    );
    for (behind, cell) in slower.iter().take(WORST) {
        println!("  {:<44}{:<12}{behind:>9.3}", cell.scenario, cell.contender);
    }
}

fn print_worst(zoo: &[Judged<'_>]) {
    for name in JUDGED {
        let cells = zoo.iter().filter(|(cell, _)| cell.contender == name);
        let mut cells: Vec<_> = cells.filter(|cell| misses(cell)).collect();
        cells.sort_by(|first, second| rank(second).total_cmp(&rank(first)));
        println!("\nworst cells of {name}");
        for judged in cells.iter().take(WORST) {
            print_cell(judged);
        }
    }
}

/// Unfinished cells come first, by the number of jobs that were lost.
fn rank(judged: &Judged<'_>) -> f64 {
    1_000.0 * judged.0.lost + excess(judged)
}

fn print_cell((cell, figures): &Judged<'_>) {
    let goal =
        |goal: Option<f64>| goal.map_or_else(|| "done".to_owned(), |goal| format!("{goal:.3}"));
    println!(
        "  {:<44}{:>8.3} / {:<7.3} goal {} / {}, lost {}, early {}, bare {}",
        cell.scenario,
        cell.time_ratio,
        figures.requests_less_salvo,
        goal(figures.goal.time),
        goal(figures.goal.requests),
        cell.lost,
        cell.early,
        cell.bare_early,
    );
}
