//! Calls that are on their way for longer than a declared window lasts.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// How long the next call is kept, after the answer to one that was on its way for so long has said that nothing is left.
/// A reset is told in whole seconds.
fn kept_after(
    quotas: &[Quota],
    took: Duration,
    limit: Option<u32>,
    resets_in: Option<Duration>,
) -> Option<Duration> {
    let mut core = Core::new(GateConfig {
        quotas,
        ..GateConfig::default()
    });
    let sent = Moment::now();
    let admitted = core.admit(1, 0, sent).unwrap();
    let counter = Remaining {
        limit,
        remaining: 0,
        resets_in,
        coarseness: SECOND,
    };
    let served = Completion::served(Some(counter), Duration::MAX);
    let now = sent + took;
    core.complete(admitted, served, true, now);
    let first = core.blocked(1, now).map(|kept| kept.until.since(now));
    // If nothing says when there is more, one call asks.
    first.or_else(|| {
        core.admit(1, 0, now).unwrap();
        core.blocked(1, now).map(|kept| kept.until.since(now))
    })
}

#[test]
fn a_published_reset_that_no_declared_window_explains_is_kept_though_all_of_its_slots_are_free() {
    let quotas = [Quota::per_second(10)];
    for limit in [None, Some(10), Some(500)] {
        let kept = kept_after(&quotas, 30 * SECOND, limit, Some(25 * SECOND));
        assert_eq!(kept, Some(25 * SECOND), "{limit:?}");
    }
    let kept = kept_after(&quotas, 30 * SECOND, Some(10), Some(2 * SECOND));
    assert_eq!(kept, None, "rounded up, it is that of the window");
}

#[test]
fn a_counter_of_a_longer_window_is_not_passed_where_a_short_one_is_over_on_the_way() {
    let quotas = [Quota::per_second(10), Quota::per_hour(100)];
    for limit in [None, Some(100)] {
        let kept = kept_after(&quotas, SECOND, limit, None);
        assert_eq!(kept, Some(2 * SECOND), "{limit:?}");
    }
    assert_eq!(kept_after(&quotas, SECOND, Some(10), None), None);
    assert_eq!(kept_after(&quotas[..1], SECOND, None, None), None);
}
