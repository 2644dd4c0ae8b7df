//! Which answers are worth a look at what they say is left of a quota.

use std::time::Duration;

use super::words::Ahead;
use crate::moment::Moment;

/// Every answer, to begin with. Later, one in a second and one in so many of those that are like the ones before:
/// plenty is left, as far as is known, or nobody says what is. A silent server may begin to speak with a zero, but
/// then it has more to say: so an answer counts as silent by the number of its headers.
#[derive(Debug, Default)]
pub(crate) struct Looks {
    /// So many more calls are sent before the next look.
    skips: u32,
    /// A look is due then, however few the calls are.
    due: Moment,
    /// How many answers in a row were like the ones before.
    alike: u8,
    /// Whether the last one said what is left.
    telling: bool,
    /// The numbers of headers that silent answers had.
    silent: Unread,
    /// Those that telling ones had.
    spoken: Unread,
}

/// The answers that need not be read, by the number of their headers: a bit for each below 32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unread(u32);

impl Unread {
    const NONE: Self = Self(0);
    const ALL: Self = Self(u32::MAX);

    #[inline]
    pub(crate) fn contains(self, headers: usize) -> bool {
        headers < 32 && self.0 >> headers & 1 == 1
    }

    fn add(&mut self, headers: usize) {
        if headers < 32 {
            self.0 |= 1 << headers;
        }
    }

    fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }
}

impl Looks {
    const ENOUGH: u8 = 16;
    const LEAST: i64 = 8;
    const MOST: i64 = 64;
    const SECOND: Duration = Duration::from_secs(1);

    /// Which answers to the call that is sent now need not be looked at, if so much is left.
    #[inline]
    pub(crate) fn next(&mut self, left: i64, now: Moment) -> Unread {
        if self.alike < Self::ENOUGH || now >= self.due || self.skips == 0 {
            self.due = now + Self::SECOND;
            self.skips = (left / 16).clamp(Self::LEAST, Self::MOST) as u32 - 1;
            return Unread::NONE;
        }
        self.skips -= 1;
        self.unread()
    }

    /// How many of the next calls are like each other, and which of their answers need not be looked at.
    pub(super) fn ahead(&self) -> Option<Ahead> {
        let enough = self.alike >= Self::ENOUGH;
        enough.then(|| Ahead {
            calls: self.skips,
            until: self.due,
            unread: self.unread(),
        })
    }

    /// So many more calls were sent ahead.
    pub(super) fn skipped(&mut self, calls: u32) {
        self.skips = self.skips.saturating_sub(calls);
    }

    #[inline]
    fn unread(&self) -> Unread {
        if self.telling {
            Unread::ALL
        } else {
            self.silent
        }
    }

    /// An answer with so many headers was looked at.
    pub(crate) fn looked(&mut self, headers: usize, telling: bool) {
        let alike = telling == self.telling;
        self.alike = if alike {
            self.alike.saturating_add(1)
        } else {
            0
        };
        self.telling = telling;
        let of_kind = if telling {
            &mut self.spoken
        } else {
            &mut self.silent
        };
        of_kind.add(headers);
        self.silent = self.silent.without(self.spoken);
    }

    /// Whether much less is left than was thought: others spend of it, or calls cost more than one.
    pub(crate) fn are_apart(left: Option<i64>, thought: Option<i64>) -> bool {
        let both = left.zip(thought);
        both.is_some_and(|(left, thought)| left < thought - thought / 16)
    }

    /// Something has happened that was not foreseen.
    pub(crate) fn all_again(&mut self) {
        self.alike = 0;
        self.silent = Unread::NONE;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLENTY: i64 = 1_000_000;

    fn looked_at(looks: &mut Looks, calls: u32, headers: usize, telling: bool) -> u32 {
        looked_at_with(looks, PLENTY, calls, headers, telling)
    }

    fn looked_at_with(
        looks: &mut Looks,
        left: i64,
        calls: u32,
        headers: usize,
        telling: bool,
    ) -> u32 {
        let mut count = 0;
        for _ in 0..calls {
            if !looks.next(left, Moment::START).contains(headers) {
                looks.looked(headers, telling);
                count += 1;
            }
        }
        count
    }

    #[test]
    fn of_a_silent_server_one_in_sixty_four_answers_is_looked_at() {
        let mut looks = Looks::default();
        assert_eq!(looked_at(&mut looks, 16, 12, false), 16);
        assert_eq!(looked_at(&mut looks, 6_400, 12, false), 100);
        looks.all_again();
        assert_eq!(looked_at(&mut looks, 16, 12, false), 16);
    }

    #[test]
    fn however_few_the_calls_are_one_answer_in_a_second_is_looked_at() {
        let mut looks = Looks::default();
        looked_at(&mut looks, 20, 12, false);
        let second = Moment::START + Looks::SECOND;
        assert!(looks.next(PLENTY, Moment::START).contains(12));
        assert!(!looks.next(PLENTY, second).contains(12));
        assert!(looks.next(PLENTY, second).contains(12));
    }

    #[test]
    fn an_answer_with_one_header_more_than_the_silent_ones_is_looked_at_at_once() {
        let mut looks = Looks::default();
        looked_at(&mut looks, 1_000, 12, false);
        for _ in 0..32 {
            assert!(!looks.next(PLENTY, Moment::START).contains(13));
        }
    }

    #[test]
    fn where_a_telling_answer_had_as_many_headers_as_a_silent_one_all_are_looked_at() {
        let mut looks = Looks::default();
        looked_at(&mut looks, 20, 12, false);
        looks.looked(12, true);
        looked_at(&mut looks, 20, 11, false);
        assert_eq!(looked_at(&mut looks, 100, 12, false), 100);
    }

    #[test]
    fn answers_with_dozens_of_headers_are_all_looked_at() {
        let mut looks = Looks::default();
        assert_eq!(looked_at(&mut looks, 100, 32, false), 100);
        assert_eq!(looked_at(&mut looks, 100, 5_000, false), 100);
    }

    #[test]
    fn the_less_is_left_the_more_often_a_telling_server_is_listened_to() {
        for (left, one_in) in [(PLENTY, 64), (320, 20), (70, 8)] {
            let mut looks = Looks::default();
            looked_at_with(&mut looks, left, 16, 15, true);
            looked_at_with(&mut looks, left, one_in - 1, 15, true);
            assert_eq!(
                looked_at_with(&mut looks, left, 100 * one_in, 15, true),
                100
            );
            looks.all_again();
            assert_eq!(looked_at_with(&mut looks, left, 16, 15, true), 16);
        }
    }
}
