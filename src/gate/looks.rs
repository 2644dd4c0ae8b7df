//! Which answers are worth a look at what they say is left of a quota.

/// Every answer; but of a server that says each time how much is left, every eighth as long as that is
/// plenty. One that says nothing may begin to with a zero.
#[derive(Debug, Default)]
pub(crate) struct Looks {
    calls: u32,
    /// How many answers in a row were like the ones before.
    alike: u8,
    /// Whether the last one said what is left.
    telling: bool,
}

impl Looks {
    const ENOUGH: u8 = 16;
    const EVERY: u32 = 8;

    /// Whether to look at the answer of the call that is sent now.
    #[inline]
    pub(crate) fn next(&mut self) -> bool {
        self.calls = self.calls.wrapping_add(1);
        !self.telling || self.alike < Self::ENOUGH || self.calls % Self::EVERY == 0
    }

    /// An answer was looked at.
    pub(crate) fn looked(&mut self, telling: bool) {
        let alike = telling == self.telling;
        self.alike = if alike {
            self.alike.saturating_add(1)
        } else {
            0
        };
        self.telling = telling;
    }

    /// Something has happened that was not foreseen.
    pub(crate) fn all_again(&mut self) {
        self.alike = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looked_at(looks: &mut Looks, calls: u32, telling: bool) -> u32 {
        let mut count = 0;
        for _ in 0..calls {
            if looks.next() {
                looks.looked(telling);
                count += 1;
            }
        }
        count
    }

    #[test]
    fn all_answers_of_a_silent_server_are_looked_at() {
        let mut looks = Looks::default();
        assert_eq!(looked_at(&mut looks, 800, false), 800);
    }

    #[test]
    fn of_a_server_that_tells_every_eighth_is_looked_at() {
        let mut looks = Looks::default();
        looked_at(&mut looks, 100, false);
        assert!(looked_at(&mut looks, 24, true) >= 16);
        assert_eq!(looked_at(&mut looks, 800, true), 100);
        looks.all_again();
        assert_eq!(looked_at(&mut looks, 16, true), 16);
    }
}
