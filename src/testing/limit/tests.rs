use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// Where the wall clock begins: in the middle of a window, whatever its length.
const WALL: Duration = Duration::from_millis(1_772_452_800_357);

/// A limit and its clocks, with the arrivals that it has admitted.
struct Asked {
    limit: Limit,
    start: Moment,
    admitted: Vec<Moment>,
}

impl Asked {
    fn new(limit: Limit) -> Self {
        Self {
            limit,
            start: Moment::now(),
            admitted: Vec::new(),
        }
    }

    fn wall(&self, now: Moment) -> Duration {
        WALL + now.since(self.start)
    }

    /// Whether a call at this moment is admitted.
    fn arrive(&mut self, now: Moment) -> bool {
        self.limit.advance(now, UNIX_EPOCH + self.wall(now));
        let has_room = self.limit.has_room(now);
        if has_room {
            self.limit.take(now);
            self.admitted.push(now);
        } else {
            self.limit.on_refusal(now);
        }
        has_room
    }

    fn resets_at(&self, now: Moment) -> Moment {
        self.limit.state(now, SECOND).resets_at
    }

    /// How many calls were admitted from a moment on, for this long.
    fn within(&self, from: Moment, length: Duration) -> u32 {
        let within = |at: &&Moment| **at >= from && at.since(from) < length;
        self.admitted.iter().filter(within).count() as u32
    }

    /// The most calls that were admitted in any window of this length.
    fn most_within(&self, length: Duration) -> u32 {
        let starts = self.admitted.iter();
        starts
            .map(|from| self.within(*from, length))
            .max()
            .unwrap_or(0)
    }
}

/// The number of calls, the milliseconds of a window, and the milliseconds between arrivals.
fn traffic() -> impl Strategy<Value = (u32, Duration, Vec<u64>)> {
    let window = (1u64..4_000).prop_map(Duration::from_millis);
    let gaps = prop_oneof![4 => Just(0u64), 4 => 1u64..40, 1 => 40u64..3_000];
    (1u32..12, window, prop::collection::vec(gaps, 1..200))
}

/// Plays arrivals. Each refused call is followed by one when the limit has said that it admits again.
fn play(limit: Limit, gaps: &[u64]) -> Result<Asked, TestCaseError> {
    let mut asked = Asked::new(limit);
    let mut now = asked.start;
    for (number, gap) in gaps.iter().enumerate() {
        now += Duration::from_millis(*gap);
        if asked.arrive(now) {
            continue;
        }
        // Only now and then, so that it is also refused several times in a row.
        if number % 3 == 0 {
            let opens = asked.resets_at(now);
            prop_assert!(opens > now, "a refusal names a moment to come");
            prop_assert!(
                !asked.arrive(opens.just_before()),
                "not a nanosecond earlier"
            );
            prop_assert!(asked.arrive(opens), "admitted at the moment that was named");
            now = opens;
        }
    }
    Ok(asked)
}

proptest! {
    #[test]
    fn a_fixed_window_admits_no_more_than_its_limit((calls, window, gaps) in traffic()) {
        let asked = play(Limit::fixed_window(calls, window), &gaps)?;
        let mut rest = &asked.admitted[..];
        while let Some(first) = rest.first() {
            let count = asked.within(*first, window);
            prop_assert!(count <= calls, "{count} from {first:?}");
            rest = &rest[count as usize..];
        }
    }

    #[test]
    fn an_aligned_window_admits_no_more_than_its_limit((calls, window, gaps) in traffic()) {
        let asked = play(Limit::aligned_window(calls, window), &gaps)?;
        let number = |at: &Moment| asked.wall(*at).as_nanos() / window.as_nanos();
        let numbers: Vec<_> = asked.admitted.iter().map(number).collect();
        for current in &numbers {
            let count = numbers.iter().filter(|number| *number == current).count();
            prop_assert!(count <= calls as usize, "{count} in window {current}");
        }
    }

    #[test]
    fn a_sliding_log_admits_no_more_than_its_limit_in_any_window((calls, window, gaps) in traffic()) {
        let asked = play(Limit::sliding_log(calls, window), &gaps)?;
        prop_assert!(asked.most_within(window) <= calls);
    }

    #[test]
    fn a_sliding_counter_weighs_in_the_last_window((calls, window, gaps) in traffic()) {
        let asked = play(Limit::sliding_counter(calls, window), &gaps)?;
        let length = window.as_nanos();
        let mut in_window = std::collections::BTreeMap::<u128, u32>::new();
        for at in &asked.admitted {
            let since = at.since(asked.admitted[0]).as_nanos();
            let number = since / length;
            let last = number.checked_sub(1).and_then(|last| in_window.get(&last));
            let last = u128::from(last.copied().unwrap_or(0)) * (length - since % length);
            let count = in_window.entry(number).or_default();
            *count += 1;
            let weighed = last + u128::from(*count) * length;
            prop_assert!(weighed <= u128::from(calls) * length, "{weighed}");
        }
    }

    #[test]
    fn a_token_bucket_admits_its_burst_and_its_rate(
        (calls, window, gaps) in traffic(),
        burst in 1u32..12,
    ) {
        let asked = play(Limit::token_bucket(calls, window, burst), &gaps)?;
        for from in &asked.admitted {
            for to in asked.admitted.iter().filter(|to| *to >= from) {
                let length = to.since(*from);
                let count = asked.within(*from, length) + 1;
                let rate = f64::from(calls) / window.as_secs_f64();
                let most = f64::from(burst) + length.as_secs_f64() * rate;
                prop_assert!(f64::from(count) <= most + 1e-6, "{count} in {length:?}, {most}");
            }
        }
    }

    #[test]
    fn no_more_calls_than_the_limit_are_in_flight(
        calls in 1u32..12,
        ends in prop::collection::vec(any::<bool>(), 1..200),
    ) {
        let mut asked = Asked::new(Limit::concurrent(calls));
        let (mut now, mut in_flight) = (asked.start, Vec::new());
        for ends in ends {
            now += Duration::from_millis(1);
            if ends && !in_flight.is_empty() {
                asked.limit.release(in_flight.remove(0));
                continue;
            }
            let has_room = in_flight.len() < calls as usize;
            prop_assert_eq!(asked.arrive(now), has_room);
            if has_room {
                in_flight.push(now);
            }
            let state = asked.limit.state(now, SECOND);
            prop_assert_eq!(state.remaining as usize, calls as usize - in_flight.len());
            prop_assert_eq!(state.resets_at, in_flight[0] + SECOND);
        }
    }
}

#[test]
fn a_limit_counts_down_to_what_it_admits_and_begins_again() {
    let window = 10 * SECOND;
    for limit in [
        Limit::fixed_window(3, window),
        Limit::aligned_window(3, window),
        Limit::sliding_log(3, window),
        Limit::sliding_counter(3, window),
        Limit::token_bucket(3, window, 3),
        Limit::concurrent(3),
    ] {
        let mut asked = Asked::new(limit);
        let now = asked.start;
        for left in [2, 1, 0] {
            assert!(asked.arrive(now), "{:?}", asked.limit);
            let state = asked.limit.state(now, SECOND);
            assert_eq!((state.limit, state.remaining), (3, left), "{state:?}");
        }
        assert!(!asked.arrive(now), "{:?}", asked.limit);
        for arrived in [now; 3] {
            asked.limit.release(arrived);
        }
        // Two windows later nothing of it is left.
        let later = now + window * 2;
        for _ in 0..3 {
            assert!(asked.arrive(later), "{:?}", asked.limit);
        }
        assert!(!asked.arrive(later), "{:?}", asked.limit);
    }
}

#[test]
fn a_refused_call_lengthens_the_block_where_refusals_count() {
    let window = 10 * SECOND;
    let (fixed, log, counter) = (
        Limit::fixed_window(2, window),
        Limit::sliding_log(2, window),
        Limit::sliding_counter(2, window),
    );
    for (limit, opens_after, lengthened) in [
        (fixed, 10_000, 17_000),
        // The first of the two refused calls takes the place of the first that was admitted.
        (log, 10_000, 15_000),
        // The next window begins with two of two, or with four of two, of which one may weigh in.
        (counter, 15_000, 17_500),
        // The wall clock is 357 ms past the beginning of a window.
        (Limit::aligned_window(2, window), 9_643, 9_643),
    ] {
        for (limit, expected) in [
            (limit.clone(), opens_after),
            (limit.lengthened_by_refusals(), lengthened),
        ] {
            let mut asked = Asked::new(limit);
            let start = asked.start;
            let at = |millis| start + Duration::from_millis(millis);
            for (millis, is_admitted) in [(0, true), (0, true), (5_000, false), (7_000, false)] {
                assert_eq!(asked.arrive(at(millis)), is_admitted, "{:?}", asked.limit);
            }
            let opens = asked.resets_at(at(7_000));
            assert_eq!(opens, at(expected), "{:?}", asked.limit);
        }
    }
}

#[test]
fn a_sliding_counter_with_room_admits_at_once() {
    let mut asked = Asked::new(Limit::sliding_counter(3, 10 * SECOND));
    let start = asked.start;
    assert!(asked.arrive(start) && asked.arrive(start));
    assert_eq!(asked.resets_at(start), start);
    assert!(asked.arrive(start));
    // The next window begins with three of three; a third of it later there is room for one.
    let opens = asked.resets_at(start).since(start);
    assert_eq!(opens.as_millis(), 13_333);
}

#[test]
fn a_bucket_tells_its_burst_and_the_time_in_which_it_fills() {
    let mut asked = Asked::new(Limit::token_bucket(60, 60 * SECOND, 5));
    let now = asked.start;
    assert!(asked.arrive(now));
    let state = asked.limit.state(now, SECOND);
    assert_eq!((state.limit, state.remaining), (5, 4));
    assert_eq!(state.window, 5 * SECOND);
}

#[test]
fn windows_of_centuries_are_no_panic() {
    for length in [Duration::MAX, Duration::from_nanos(1)] {
        for limit in [
            Limit::fixed_window(u32::MAX, length),
            Limit::aligned_window(u32::MAX, length),
            Limit::sliding_log(u32::MAX, length),
            Limit::sliding_counter(1, length),
            Limit::token_bucket(u32::MAX, length, u32::MAX),
        ] {
            let mut asked = Asked::new(limit);
            let start = asked.start;
            for now in [start, start, start + SECOND, start + Duration::MAX] {
                asked.arrive(now);
                assert!(asked.resets_at(now) >= now);
            }
        }
    }
}
