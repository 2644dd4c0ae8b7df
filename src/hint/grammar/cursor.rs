//! A cursor over bytes, just clever enough for dates and clocks.

/// What is left to read.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'t>(pub(super) &'t [u8]);

impl<'t> Cursor<'t> {
    pub(super) fn is_done(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// Takes `byte` if it comes next, letters in either case.
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let found = self
            .peek()
            .is_some_and(|next| next.eq_ignore_ascii_case(&byte));
        if found {
            self.0 = &self.0[1..];
        }
        found
    }

    /// Skips blanks; `None` if there were none.
    pub(super) fn blanks(&mut self) -> Option<()> {
        (!self.take(|byte| byte == b' ' || byte == b'\t').is_empty()).then_some(())
    }

    pub(super) fn word(&mut self) -> &'t [u8] {
        self.take(|byte| byte.is_ascii_alphabetic())
    }

    pub(super) fn digits(&mut self) -> &'t [u8] {
        self.take(|byte| byte.is_ascii_digit())
    }

    /// A number of at least `least` and at most `most` digits; four fit every caller.
    pub(super) fn number(&mut self, least: usize, most: usize) -> Option<i16> {
        let digits = self.digits();
        if !(least..=most.min(4)).contains(&digits.len()) {
            return None;
        }
        Some(
            digits
                .iter()
                .fold(0, |sum, digit| sum * 10 + i16::from(digit - b'0')),
        )
    }

    /// Digits after a point, if there is a point, as nanoseconds rounded up.
    pub(super) fn fraction(&mut self) -> Option<u32> {
        if !self.eat(b'.') {
            return Some(0);
        }
        super::number::nanos(self.digits())
    }

    fn take(&mut self, wanted: impl Fn(u8) -> bool) -> &'t [u8] {
        let end = self
            .0
            .iter()
            .position(|byte| !wanted(*byte))
            .unwrap_or(self.0.len());
        let (taken, rest) = self.0.split_at(end);
        self.0 = rest;
        taken
    }
}
