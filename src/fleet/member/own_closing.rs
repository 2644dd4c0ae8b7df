//! A closing of this member, and how old it is.

use crate::fleet::ledger::ScopeClosing;
use crate::time::Moment;

/// The longest closing that responses of this member began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OwnClosing {
    longest: DatedClosing,
    /// A shorter one that was heard after it: it stands where the longest is older than an opening by a user.
    younger: Option<DatedClosing>,
}

/// Its moments count the time that the machine was suspended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct DatedClosing {
    until: Moment,
    heard: Moment,
    is_refusal: bool,
}

impl DatedClosing {
    /// The longer of both, as old as the younger of them.
    fn and(self, other: Self) -> Self {
        Self {
            until: self.until.max(other.until),
            heard: self.heard.max(other.heard),
            is_refusal: self.is_refusal || other.is_refusal,
        }
    }
}

impl OwnClosing {
    pub(super) fn new(until: Moment, heard: Moment, is_refusal: bool) -> Self {
        Self {
            longest: DatedClosing {
                until,
                heard,
                is_refusal,
            },
            younger: None,
        }
    }

    pub(super) fn until(self) -> Moment {
        self.longest.until
    }

    /// The later one of both, with its age: a shorter closing does not make an old one younger.
    pub(super) fn and(self, other: Self) -> Self {
        let (longer, shorter) = match self.until() > other.until() {
            true => (self, other),
            false => (other, self),
        };
        let others = [Some(shorter.longest), shorter.younger, longer.younger];
        let is_younger = |closing: &DatedClosing| closing.heard > longer.longest.heard;
        Self {
            longest: DatedClosing {
                is_refusal: longer.longest.is_refusal || shorter.longest.is_refusal,
                ..longer.longest
            },
            younger: others
                .into_iter()
                .flatten()
                .filter(is_younger)
                .reduce(DatedClosing::and),
        }
    }

    /// What is left of it if the longest one does not count.
    pub(super) fn younger(self) -> Option<Self> {
        self.younger.map(|longest| Self {
            longest,
            younger: None,
        })
    }

    /// What the ledger is told of it.
    pub(super) fn at(self, now: Moment) -> ScopeClosing {
        ScopeClosing {
            remaining: self.until().since(now),
            is_refusal: self.longest.is_refusal,
            age: now.since(self.longest.heard),
        }
    }
}
