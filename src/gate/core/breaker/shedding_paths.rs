//! Paths that serve some calls and answer others with a bare 503: a limiter is at work, and the server is not out.

use super::PathHash;
use crate::time::Moment;
use std::time::Duration;

/// What came of the calls to the paths that answered a bare 503 lately; usually nothing.
///
/// nginx refuses with a bare 503 unless it is told otherwise, and so do `limit_conn` and many load shedders. A server
/// that is out says the same. What tells them apart is that the same path is served meanwhile.
#[derive(Clone, Debug, Default)]
pub(crate) struct SheddingPaths {
    paths: Vec<SheddingPath>,
    /// The latest served calls that were told while no path was watched: the first refusals are understood by them.
    samples: [Option<(PathHash, Moment)>; 4],
    next_sample: u8,
}

#[derive(Clone, Debug)]
struct SheddingPath {
    path: PathHash,
    /// What came of the calls of this period, and of the one before.
    now: Tally,
    before: Tally,
    since: Moment,
    served_at: Moment,
    refused_at: Moment,
    /// Whether one of its bare 503s was a refusal by a limit: the next is one, too.
    is_limited: bool,
    /// Whether it was served after a bare 503.
    is_proven: bool,
}

/// How many calls were served, and how many answered with a bare 503.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    served: u32,
    refused: u32,
}

impl SheddingPaths {
    /// Of more paths than this the one that was refused least recently is forgotten.
    const MOST: usize = 16;
    /// Two of these are the ten seconds in which a path must have been served and refused.
    const PERIOD: Duration = Duration::from_secs(5);
    /// One of each may be chance.
    const ENOUGH: u32 = 2;
    /// A limiter refuses more than one call in 50 of a client that does not know of it; a stray 503 is rarer.
    const MOST_SERVED: u32 = 50;
    /// Not served for so long, the server is out. The closings from 1 s to 30 s take 61 s, a window often a minute.
    const OUT_AFTER: Duration = Duration::from_secs(120);
    /// Watched for so long after a refusal, so that the next one is understood at once: some windows of a few minutes.
    const FORGOTTEN_AFTER: Duration = Duration::from_secs(300);

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// Whether a bare 503 that this path answers now is a refusal by a limit.
    pub(crate) fn is_limit(&self, path: PathHash, now: Moment) -> bool {
        let mut same = self.paths.iter().filter(|known| known.path == path);
        same.next().is_some_and(|known| known.is_limit(now))
    }

    /// Whether this path was served after it had answered a bare 503. An outage that begins looks like a limit until then.
    pub(crate) fn is_proven(&self, path: PathHash) -> bool {
        let mut same = self.paths.iter().filter(|known| known.path == path);
        same.next().is_some_and(|known| known.is_proven)
    }

    /// Notes that this path has answered a bare 503, and whether that was a refusal by a limit.
    pub(crate) fn on_bare_503(&mut self, path: PathHash, is_limit: bool, now: Moment) {
        self.forget_old(now);
        let known = self.paths.iter().position(|known| known.path == path);
        let mut known = match known {
            Some(at) => self.paths.remove(at),
            None => self.first_seen(path, now),
        };
        known.turn(now);
        known.now.refused = known.now.refused.saturating_add(1);
        (known.refused_at, known.is_limited) = (now, is_limit);
        if self.paths.len() == Self::MOST {
            self.paths.remove(0);
        }
        self.paths.push(known);
    }

    /// Notes that a call to this path was served.
    pub(crate) fn on_success(&mut self, path: PathHash, now: Moment) {
        self.forget_old(now);
        let mut same = self.paths.iter_mut().filter(|known| known.path == path);
        let Some(known) = same.next() else {
            return self.sample(path, now);
        };
        known.turn(now);
        known.now.served = known.now.served.saturating_add(1);
        (known.served_at, known.is_proven) = (now, true);
    }

    fn sample(&mut self, path: PathHash, now: Moment) {
        let at = usize::from(self.next_sample) % self.samples.len();
        self.samples[at] = Some((path, now));
        self.next_sample = self.next_sample.wrapping_add(1);
    }

    /// What is known of a path that answers its first bare 503.
    fn first_seen(&self, path: PathHash, now: Moment) -> SheddingPath {
        let mut seen = SheddingPath::new(path, now);
        let lately = |at: &Moment| now < *at + 2 * Self::PERIOD;
        let samples = self.samples.iter().flatten();
        let served = samples.filter(|(sample, at)| *sample == path && lately(at));
        for (_, at) in served {
            seen.now.served += 1;
            seen.served_at = seen.served_at.max(*at);
        }
        seen
    }

    fn forget_old(&mut self, now: Moment) {
        self.paths
            .retain(|known| now < known.refused_at + Self::FORGOTTEN_AFTER);
    }
}

impl SheddingPath {
    fn new(path: PathHash, now: Moment) -> Self {
        Self {
            path,
            now: Tally::default(),
            before: Tally::default(),
            since: now,
            served_at: Moment::START,
            refused_at: now,
            is_limited: false,
            is_proven: false,
        }
    }

    /// Begins another period if this one is over.
    fn turn(&mut self, now: Moment) {
        (self.now, self.before, self.since) = self.periods(now);
    }

    /// This period, the one before, and when this one began.
    fn periods(&self, now: Moment) -> (Tally, Tally, Moment) {
        let next = self.since + SheddingPaths::PERIOD;
        if now < next {
            (self.now, self.before, self.since)
        } else if now < next + SheddingPaths::PERIOD {
            (Tally::default(), self.now, next)
        } else {
            (Tally::default(), Tally::default(), now)
        }
    }

    fn is_limit(&self, now: Moment) -> bool {
        if self.is_limited {
            return now < self.served_at + SheddingPaths::OUT_AFTER;
        }
        let (period, before, _) = self.periods(now);
        let served = period.served.saturating_add(before.served);
        let refused = period.refused.saturating_add(before.refused);
        // The refusal that is asked about counts, too.
        served.min(refused.saturating_add(1)) >= SheddingPaths::ENOUGH
            && served <= refused.saturating_mul(SheddingPaths::MOST_SERVED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: PathHash = PathHash(1);
    const OTHER: PathHash = PathHash(2);
    const SECOND: Duration = Duration::from_secs(1);

    /// The path has answered a bare 503 once, and was served twice since.
    fn served_twice_since_one_503(now: Moment) -> SheddingPaths {
        let mut paths = SheddingPaths::default();
        paths.on_bare_503(PATH, false, now);
        paths.on_success(PATH, now);
        paths.on_success(PATH, now);
        paths
    }

    #[test]
    fn a_bare_503_is_a_limit_if_its_path_was_served_twice_and_refused_twice() {
        let now = Moment::now();
        let mut paths = SheddingPaths::default();
        assert!(!paths.is_limit(PATH, now));
        paths.on_bare_503(PATH, false, now);
        paths.on_success(PATH, now);
        assert!(!paths.is_limit(PATH, now), "served once");
        paths.on_success(PATH, now);
        assert!(paths.is_limit(PATH, now));
        assert!(!paths.is_limit(OTHER, now));
    }

    #[test]
    fn what_was_served_before_the_first_bare_503_counts_for_ten_seconds() {
        let now = Moment::now();
        for (later, is_limit) in [(9 * SECOND, true), (10 * SECOND, false)] {
            let mut paths = SheddingPaths::default();
            (0..10).for_each(|_| paths.on_success(PATH, now));
            assert!(paths.is_empty());
            paths.on_bare_503(PATH, false, now + later);
            assert_eq!(paths.is_limit(PATH, now + later), is_limit);
            paths.on_bare_503(OTHER, false, now + later);
            assert!(!paths.is_limit(OTHER, now + later));
        }
    }

    #[test]
    fn a_path_that_only_fails_is_broken_however_much_others_are_served() {
        let now = Moment::now();
        let mut paths = SheddingPaths::default();
        for _ in 0..100 {
            assert!(!paths.is_limit(PATH, now));
            paths.on_bare_503(PATH, false, now);
            paths.on_success(OTHER, now);
        }
    }

    #[test]
    fn what_was_served_and_refused_counts_for_ten_seconds() {
        let now = Moment::now();
        let paths = served_twice_since_one_503(now);
        assert!(paths.is_limit(PATH, now + 9 * SECOND));
        assert!(!paths.is_limit(PATH, now + 10 * SECOND));
    }

    #[test]
    fn a_stray_503_in_a_stream_of_successes_is_no_limit() {
        let now = Moment::now();
        let mut paths = SheddingPaths::default();
        for _ in 0..10 {
            assert!(!paths.is_limit(PATH, now));
            paths.on_bare_503(PATH, false, now);
            (0..60).for_each(|_| paths.on_success(PATH, now));
        }
    }

    #[test]
    fn a_server_that_is_not_served_for_two_minutes_is_out_and_no_longer_limited() {
        let mut now = Moment::now();
        let mut paths = served_twice_since_one_503(now);
        for wait in [1, 2, 4, 8, 16, 30, 30, 28] {
            assert!(paths.is_limit(PATH, now));
            paths.on_bare_503(PATH, true, now);
            now += wait * SECOND;
        }
        assert!(paths.is_limit(PATH, now), "119 s");
        paths.on_bare_503(PATH, true, now);
        now += SECOND;
        assert!(!paths.is_limit(PATH, now), "120 s");
        paths.on_bare_503(PATH, false, now);
        paths.on_success(PATH, now);
        assert!(!paths.is_limit(PATH, now), "served once since");
    }

    #[test]
    fn a_limit_is_proven_once_its_path_is_served_again() {
        let now = Moment::now();
        let mut paths = SheddingPaths::default();
        (0..2).for_each(|_| paths.on_success(PATH, now));
        (0..9).for_each(|_| paths.on_bare_503(PATH, true, now));
        assert!(!paths.is_proven(PATH));
        paths.on_success(OTHER, now);
        assert!(!paths.is_proven(PATH));
        paths.on_success(PATH, now);
        assert!(paths.is_proven(PATH) && !paths.is_proven(OTHER));
    }

    #[test]
    fn a_limit_that_was_seen_is_known_again_at_its_next_refusal() {
        let now = Moment::now();
        let mut paths = served_twice_since_one_503(now);
        paths.on_bare_503(PATH, true, now);
        (0..1_000).for_each(|_| paths.on_success(PATH, now + 200 * SECOND));
        assert!(paths.is_limit(PATH, now + 250 * SECOND));
        paths.on_success(PATH, now + SheddingPaths::FORGOTTEN_AFTER);
        assert!(
            !paths.is_limit(PATH, now + SheddingPaths::FORGOTTEN_AFTER),
            "forgotten"
        );
    }

    #[test]
    fn shedding_paths_are_bounded_and_forgotten() {
        let now = Moment::now();
        let mut paths = SheddingPaths::default();
        (0..1_000).for_each(|path| paths.on_bare_503(PathHash(path), false, now));
        assert_eq!(paths.paths.len(), 16);
        paths.on_success(OTHER, now + SheddingPaths::FORGOTTEN_AFTER);
        assert!(paths.is_empty());
    }
}
