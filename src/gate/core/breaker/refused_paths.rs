//! Paths that are refused again and again while others are served: their limits are their own.

use super::PathHash;
use crate::time::Moment;
use std::time::Duration;

/// What is known of the paths that were refused lately; usually nothing.
///
/// A refusal closes the gate for all, since it may speak of a limit on the whole scope. But what it teaches of that
/// limit would hold all calls back for the sake of one endpoint that is always refused.
#[derive(Clone, Debug, Default)]
pub(crate) struct RefusedPaths {
    paths: Vec<RefusedPath>,
}

#[derive(Clone, Debug)]
struct RefusedPath {
    path: PathHash,
    /// Closings in a row that began with a refusal of this path, with none of its calls served between.
    closings: u32,
    /// The generation of the last call that was refused: all refusals of one generation are one.
    under: u16,
    others_served: bool,
    at: Moment,
    /// How often its calls have let others go first since it was refused last.
    steps_back: u32,
}

impl RefusedPaths {
    /// Of more paths than this the oldest is forgotten.
    const MOST: usize = 16;
    /// A refusal this much later has nothing to do with the last one.
    const FORGOTTEN_AFTER: Duration = Duration::from_secs(60);
    /// Its calls let others go first this often between two refusals: it must not starve either.
    const MOST_STEPS_BACK: u32 = 64;
    /// One refusal may be bad luck.
    const ENOUGH: u32 = 2;

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// Notes that a limit refused a call to this path.
    /// Returns whether that limit seems to be the path's own.
    pub(crate) fn on_refusal(&mut self, path: PathHash, under: u16, now: Moment) -> bool {
        self.forget_old(now);
        let paths = &mut self.paths;
        let Some(known) = paths.iter_mut().find(|known| known.path == path) else {
            if paths.len() == Self::MOST {
                paths.remove(0);
            }
            paths.push(RefusedPath {
                path,
                closings: 1,
                under,
                others_served: false,
                at: now,
                steps_back: 0,
            });
            return false;
        };
        known.closings += u32::from(known.under != under);
        (known.under, known.at, known.steps_back) = (under, now, 0);
        known.is_limited_itself()
    }

    /// Whether a call to this path lets the others go first.
    pub(crate) fn should_yield(&mut self, path: PathHash) -> bool {
        let paths = self.paths.iter_mut();
        let mut limited = paths.filter(|known| known.path == path && known.is_limited_itself());
        limited.next().is_some_and(|known| {
            known.steps_back += 1;
            known.steps_back <= Self::MOST_STEPS_BACK
        })
    }

    /// Notes that a call to this path was served.
    pub(crate) fn on_success(&mut self, path: PathHash, now: Moment) {
        let paths = &mut self.paths;
        paths.retain(|known| known.path != path);
        paths
            .iter_mut()
            .for_each(|known| known.others_served = true);
        self.forget_old(now);
    }

    fn forget_old(&mut self, now: Moment) {
        self.paths
            .retain(|known| now < known.at + Self::FORGOTTEN_AFTER);
    }
}

impl RefusedPath {
    fn is_limited_itself(&self) -> bool {
        self.closings >= RefusedPaths::ENOUGH && self.others_served
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BAD: PathHash = PathHash(1);
    const GOOD: PathHash = PathHash(2);

    #[test]
    fn a_path_that_is_refused_twice_while_others_are_served_is_limited_itself() {
        let now = Moment::now();
        let mut paths = RefusedPaths::default();
        assert!(!paths.on_refusal(BAD, 0, now));
        paths.on_success(GOOD, now);
        assert!(!paths.on_refusal(BAD, 0, now), "of the same salvo");
        assert!(paths.on_refusal(BAD, 1, now));
        paths.on_success(BAD, now);
        assert!(paths.is_empty());
    }

    #[test]
    fn where_no_other_path_is_served_the_limit_is_one_of_all() {
        let now = Moment::now();
        let mut paths = RefusedPaths::default();
        assert!((0..10).all(|under| !paths.on_refusal(BAD, under, now)));
    }

    #[test]
    fn a_path_that_is_limited_itself_lets_others_go_first_and_does_not_starve() {
        let now = Moment::now();
        let mut paths = RefusedPaths::default();
        paths.on_refusal(BAD, 0, now);
        paths.on_success(GOOD, now);
        assert!(!paths.should_yield(BAD), "once is bad luck");
        paths.on_refusal(BAD, 1, now);
        assert!(!paths.should_yield(GOOD));
        let steps = (0..1_000).filter(|_| paths.should_yield(BAD)).count();
        assert_eq!(steps, 64);
    }

    #[test]
    fn refused_paths_are_bounded_and_forgotten() {
        let now = Moment::now();
        let mut paths = RefusedPaths::default();
        (0..1_000).for_each(|path| assert!(!paths.on_refusal(PathHash(path), 0, now)));
        assert_eq!(paths.paths.len(), 16);
        paths.on_success(GOOD, now + RefusedPaths::FORGOTTEN_AFTER);
        assert!(paths.is_empty());
    }
}
