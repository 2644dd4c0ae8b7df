//! Until when a gate is shut, and how the wait grows when it shuts again and again.

use std::borrow::Cow;
use std::time::Duration;

use crate::backoff::upward;
use crate::clock::later;
use crate::moment::Moment;

/// The bare floor grows up to this.
const LONGEST_BARE: Duration = Duration::from_secs(15 * 60);

/// A closing, as a response asks for it.
#[derive(Clone, Debug)]
pub(crate) struct Closing {
    pub(crate) wait: Wait,
    /// When the head of the response arrived: the wait starts there.
    pub(crate) heard: Moment,
    /// Was it a refusal, or a served answer that spent the last of a quota?
    pub(crate) refused: bool,
    pub(crate) decided_by: Cow<'static, str>,
    /// A probe is sent after this long, whatever wait was named.
    pub(crate) at_most: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    Named(Duration),
    Bare(Duration),
}

/// The moment from which the scope may be called, and who said so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shut {
    pub(crate) until: Moment,
    pub(crate) decided_by: Cow<'static, str>,
}

#[derive(Debug, Default)]
pub(crate) struct Cooldown {
    shut: Option<Box<Shut>>,
    /// Counts closings. A call remembers the number it was sent under: a refusal of a call from
    /// before the last closing belongs to that closing and is not another one.
    epoch: u16,
    /// Closings in a row without an accepted answer between.
    streak: u32,
    /// The dice of this closing, thrown once.
    roll: u64,
    /// When the response came that began this epoch.
    since: Moment,
}

impl Cooldown {
    #[inline]
    pub(crate) fn epoch(&self) -> u16 {
        self.epoch
    }

    /// The number of closings when a call was sent, of which it is known only now.
    pub(crate) fn epoch_at(&self, sent: Moment) -> u16 {
        let before = u16::from(sent < self.since);
        self.epoch.wrapping_sub(before)
    }

    /// The closing that still holds.
    #[inline]
    pub(crate) fn shut(&self, now: Moment) -> Option<&Shut> {
        self.shut.as_deref().filter(|shut| shut.until > now)
    }

    /// Shuts, or stays shut for longer; never for shorter. Returns the moment of opening.
    ///
    /// A call from before the last closing tells nothing new, so the streak does not grow; but if
    /// the gate has opened since, it shuts again, and that is another closing.
    pub(crate) fn close(&mut self, sent_under: u16, closing: Closing, roll: u64) -> Moment {
        let news = sent_under == self.epoch;
        if news || self.shut(closing.heard).is_none() {
            self.epoch = self.epoch.wrapping_add(1);
            self.since = closing.heard;
            self.roll = roll;
        }
        if news {
            self.streak = self.streak.saturating_add(u32::from(closing.refused));
        }
        let until = later(closing.heard, self.length(&closing));
        match &mut self.shut {
            Some(shut) if shut.until >= until => shut.until,
            shut => {
                let decided_by = closing.decided_by;
                *shut = Some(Box::new(Shut { until, decided_by }));
                until
            }
        }
    }

    fn length(&self, closing: &Closing) -> Duration {
        let wait = match closing.wait {
            Wait::Named(wait) => closing.at_most.map_or(wait, |most| wait.min(most)),
            Wait::Bare(least) => self.grown(least),
        };
        // A quota that was spent as planned is no refusal: nobody is to be spread.
        let spread = if closing.refused { self.roll } else { 0 };
        wait.saturating_add(upward(wait, spread))
    }

    fn grown(&self, least: Duration) -> Duration {
        let doublings = self.streak.saturating_sub(1).min(31);
        let longest = LONGEST_BARE.max(least);
        least.saturating_mul(1 << doublings).min(longest)
    }

    /// An answer was accepted: if the call was sent since the last closing, the limit is lifted.
    #[inline]
    pub(crate) fn accepted(&mut self, sent_under: u16) {
        if sent_under == self.epoch {
            self.streak = 0;
        }
    }

    /// Somebody knows better: open now.
    pub(crate) fn reopen(&mut self) {
        self.shut = None;
        self.streak = 0;
    }

    /// Whether it can be forgotten: it is open, and no wait would still grow from here.
    pub(crate) fn is_idle(&self, now: Moment) -> bool {
        let grows = if self.streak > 0 {
            LONGEST_BARE
        } else {
            Duration::ZERO
        };
        let opened = self.shut.as_ref().map(|shut| shut.until + grows);
        opened.is_none_or(|forgotten| forgotten <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bare(heard: Moment) -> Closing {
        closing(heard, Wait::Bare(Duration::from_secs(60)))
    }

    fn closing(heard: Moment, wait: Wait) -> Closing {
        Closing {
            wait,
            heard,
            refused: true,
            decided_by: "retry-after".into(),
            at_most: None,
        }
    }

    #[test]
    fn sixty_four_refusals_at_once_shut_for_60_to_61_seconds() {
        let start = Moment::now();
        let mut cooldown = Cooldown::default();
        let sent_under = cooldown.epoch();
        let mut opens = start;
        for n in 0..64 {
            let heard = start + Duration::from_millis(n);
            opens = cooldown.close(sent_under, bare(heard), u64::MAX);
        }
        assert!(opens >= start + Duration::from_secs(60));
        assert!(opens <= start + Duration::from_secs(61));
    }

    #[test]
    fn a_bare_wait_doubles_with_every_closing_up_to_15_minutes() {
        let mut now = Moment::now();
        let mut cooldown = Cooldown::default();
        let mut minutes = Vec::new();
        for _ in 0..6 {
            let opens = cooldown.close(cooldown.epoch(), bare(now), 0);
            minutes.push((opens - now).as_secs() / 60);
            now = opens;
        }
        assert_eq!(minutes, [1, 2, 4, 8, 15, 15]);
    }

    #[test]
    fn an_accepted_answer_between_closings_ends_the_growth() {
        let now = Moment::now();
        let mut cooldown = Cooldown::default();
        let before = cooldown.epoch();
        let first = cooldown.close(before, bare(now), 0);
        cooldown.accepted(before);
        let second = cooldown.close(cooldown.epoch(), bare(first), 0);
        assert_eq!(
            second - first,
            Duration::from_secs(120),
            "a late answer proves nothing"
        );
        cooldown.accepted(cooldown.epoch());
        let third = cooldown.close(cooldown.epoch(), bare(second), 0);
        assert_eq!(third - second, Duration::from_secs(60));
    }

    #[test]
    fn a_shorter_hint_never_shortens_a_closing() {
        let now = Moment::now();
        let mut cooldown = Cooldown::default();
        let long = cooldown.close(0, closing(now, Wait::Named(Duration::from_secs(90))), 0);
        let same = cooldown.close(0, closing(now, Wait::Named(Duration::from_secs(5))), 0);
        assert_eq!(long, same);
    }

    #[test]
    fn a_cap_on_cooldowns_sends_a_probe_early() {
        let now = Moment::now();
        let mut closing = closing(now, Wait::Named(Duration::from_secs(86_400)));
        closing.at_most = Some(Duration::from_secs(600));
        let opens = Cooldown::default().close(0, closing, 0);
        assert_eq!(opens, now + Duration::from_secs(600));
    }

    #[test]
    fn what_does_not_grow_is_forgotten_when_it_is_over() {
        let now = Moment::now();
        let mut cooldown = Cooldown::default();
        let refused = cooldown.close(0, closing(now, Wait::Named(Duration::from_secs(5))), 0);
        assert!(!cooldown.is_idle(refused));
        assert!(cooldown.is_idle(refused + LONGEST_BARE));
        cooldown.accepted(cooldown.epoch());
        assert!(cooldown.is_idle(refused));
        assert!(!cooldown.is_idle(refused.just_before()));
    }

    proptest! {
        #[test]
        fn a_gate_never_opens_before_any_named_wait_is_over(
            hints in prop::collection::vec((0u64..400_000, 0u64..90_000, any::<u64>(), 0u16..4), 1..40)
        ) {
            let start = Moment::now();
            let mut cooldown = Cooldown::default();
            let mut told = start;
            for (heard, wait, roll, sent_under) in hints {
                let heard = start + Duration::from_millis(heard);
                let wait = Duration::from_millis(wait);
                told = told.max(heard + wait);
                cooldown.close(sent_under, closing(heard, Wait::Named(wait)), roll);
            }
            let just_before = start + (told - start).saturating_sub(Duration::from_millis(1));
            prop_assert!(told == start || cooldown.shut(just_before).is_some());
        }
    }
}
