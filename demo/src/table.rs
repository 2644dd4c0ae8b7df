//! The table at the end of the demo, with an explanation.

use std::time::Duration;

use super::run::Run;

/// Prints the table, the explanation, and the jobs that were lost.
pub(crate) fn print(runs: &[Run]) {
    println!();
    rows(runs).for_each(|row| println!("{row}"));
    println!();
    println!("{}", explain(runs));
    for run in runs {
        for why in run.tally.lost() {
            eprintln!("lost at {}: {why}", run.provider.name);
        }
    }
}

fn rows(runs: &[Run]) -> impl Iterator<Item = String> + '_ {
    let titles = [
        "provider",
        "its limit",
        "jobs",
        "answered",
        "sent",
        "refused",
        "failed",
        "took",
        "at best",
        "lost",
    ];
    std::iter::once(row(titles.map(str::to_owned))).chain(runs.iter().map(|run| row(cells(run))))
}

fn cells(run: &Run) -> [String; 10] {
    let tally = &run.tally;
    [
        run.provider.short.to_owned(),
        run.provider.limit.to_owned(),
        run.jobs.to_string(),
        tally.answered.get().to_string(),
        tally.sent.get().to_string(),
        tally.refused.get().to_string(),
        tally.failed.get().to_string(),
        tally.took.get().copied().map_or_else(String::new, seconds),
        seconds(run.at_best()),
        tally.lost().len().to_string(),
    ]
}

/// Formats a row in 80 columns.
fn row(cells: [String; 10]) -> String {
    let [
        name,
        limit,
        jobs,
        answered,
        sent,
        refused,
        failed,
        took,
        best,
        lost,
    ] = cells;
    format!(
        "{name:<12}  {limit:<12}  {jobs:>4} {answered:>8} {sent:>4} {refused:>7} {failed:>6} \
         {took:>5} {best:>7} {lost:>4}"
    )
}

fn seconds(time: Duration) -> String {
    format!("{:.0} s", time.as_secs_f64())
}

fn explain(runs: &[Run]) -> String {
    let sum = |figure: fn(&Run) -> u32| runs.iter().map(figure).sum::<u32>();
    let [sent, refused, failed, early] = [
        sum(|run| run.tally.sent.get()),
        sum(|run| run.tally.refused.get()),
        sum(|run| run.tally.failed.get()),
        sum(|run| run.tally.early.get()),
    ];
    if !runs.iter().all(Run::went_well) {
        let lost = sum(|run| run.jobs - run.tally.answered.get());
        return format!(
            "This went wrong: {lost} jobs were lost, and {early} requests came before the moment\n\
             that the provider had named."
        );
    }
    format!(
        "Look at \"lost\" first: every job was answered, although {refused} of {sent} requests\n\
         were refused (too many calls) and {failed} failed, and no refused one was sent again\n\
         before the moment that the provider had named.\n\
         Then compare \"took\" with \"at best\", the time of a caller who knew every limit\n\
         and every failure in advance."
    )
}
