//! Windows that begin by the clock.

use super::super::grammar::{Number, list};
use super::super::remaining::Remaining;
use super::super::value::ReferenceTime;
use std::time::Duration;

/// What is left of each window: the lists name them in the same order.
pub(super) fn left<'h>(
    usage: &'h [u8],
    limit: &'h [u8],
    windows: &'h [Duration],
    reference: ReferenceTime,
) -> impl Iterator<Item = Remaining> + 'h {
    let counts = list::items(usage).zip(list::items(limit)).zip(windows);
    counts.filter_map(move |((used, limit), window)| {
        let limit = u32::try_from(count(limit)?).ok()?;
        let used = u32::try_from(count(used)?).unwrap_or(u32::MAX);
        Some(Remaining {
            limit: Some(limit),
            remaining: limit.saturating_sub(used),
            resets_in: Some(reference.next(*window)?),
            coarseness: Duration::ZERO,
        })
    })
}

/// The longest time until the next window of those that are used up.
pub(super) fn wait(
    usage: &[u8],
    limit: &[u8],
    windows: &[Duration],
    reference: ReferenceTime,
) -> Option<Duration> {
    left(usage, limit, windows, reference)
        .filter(|counter| counter.remaining == 0)
        .filter_map(|counter| counter.resets_in)
        .max()
}

fn count(value: &[u8]) -> Option<u64> {
    Number::read(value).map(|number| number.whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;

    const QUARTER: Duration = Duration::from_secs(15 * 60);
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    /// 2026-01-01T10:07:30Z
    fn reference() -> ReferenceTime {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_262_050);
        ReferenceTime::of(|| now, None, false)
    }

    #[track_caller]
    fn waits(usage: &str, limit: &str, seconds: Option<u64>) {
        let found = wait(
            usage.as_bytes(),
            limit.as_bytes(),
            &[QUARTER, DAY],
            reference(),
        );
        assert_eq!(found, seconds.map(Duration::from_secs), "{usage} {limit}");
    }

    #[test]
    fn of_the_windows_that_are_used_up_the_longest_counts() {
        waits("200,643", "200,2000", Some(450));
        waits("201, 643", "200, 2000", Some(450));
        waits("12,2000", "200,2000", Some(49_950));
        waits("200,2000", "200,2000", Some(49_950));
        waits("199,1999", "200,2000", None);
    }

    #[test]
    fn what_is_no_pair_of_counts_names_no_wait() {
        waits("", "200,2000", None);
        waits("many", "200", None);
        waits("200", "few", None);
        waits("1,1,9", "2,2,9", None);
    }
}
