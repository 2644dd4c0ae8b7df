//! A closing of this member, and how old it is.

use crate::fleet::ledger::ScopeClosing;
use crate::time::Moment;

/// A closing that a response of this member began. Its moments count the time that the machine was suspended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OwnClosing {
    pub(super) until: Moment,
    pub(super) heard: Moment,
    pub(super) is_refusal: bool,
}

impl OwnClosing {
    /// The later one of both, with its age: a shorter closing does not make an old one younger.
    pub(super) fn and(self, other: Self) -> Self {
        let (longer, shorter) = match self.until > other.until {
            true => (self, other),
            false => (other, self),
        };
        Self {
            is_refusal: longer.is_refusal || shorter.is_refusal,
            ..longer
        }
    }

    /// What the ledger is told of it.
    pub(super) fn at(self, now: Moment) -> ScopeClosing {
        ScopeClosing {
            remaining: self.until.since(now),
            is_refusal: self.is_refusal,
            age: now.since(self.heard),
        }
    }
}
