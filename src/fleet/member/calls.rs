//! The calls that were granted and are not settled, each with a number.

use std::num::NonZeroU64;

use crate::fleet::GrantId;
use crate::time::Moment;

/// A granted call.
#[derive(Clone, Copy, Debug)]
pub(super) struct GrantedCall {
    pub(super) cost: u32,
    /// When it was sent, as far as is known.
    pub(super) sent: Moment,
    /// How much all members had settled when it was granted.
    pub(super) settled_by_all: u64,
    /// Whether the ledger has granted it.
    pub(super) by_ledger: bool,
    pub(super) stage: CallStage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallStage {
    OnItsWay,
    /// It has not been answered within its slack, and counts since.
    Overdue,
    /// Only its body is still being read.
    Body,
}

/// A slab: a number is used again when its call has ended.
#[derive(Debug, Default)]
pub(super) struct Calls {
    calls: Vec<Option<GrantedCall>>,
    free: Vec<usize>,
}

impl Calls {
    pub(super) fn add(&mut self, call: GrantedCall) -> GrantId {
        let index = match self.free.pop() {
            Some(index) => {
                self.calls[index] = Some(call);
                index
            }
            None => {
                self.calls.push(Some(call));
                self.calls.len() - 1
            }
        };
        GrantId::new(NonZeroU64::MIN.saturating_add(index as u64))
    }

    pub(super) fn get_mut(&mut self, grant: GrantId) -> Option<&mut GrantedCall> {
        self.calls.get_mut(index_of(grant))?.as_mut()
    }

    pub(super) fn remove(&mut self, grant: GrantId) -> Option<GrantedCall> {
        let index = index_of(grant);
        let call = self.calls.get_mut(index)?.take()?;
        self.free.push(index);
        Some(call)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut GrantedCall> {
        self.calls.iter_mut().flatten()
    }

    #[cfg(all(test, not(model)))]
    pub(super) fn is_empty(&self) -> bool {
        self.calls.len() == self.free.len()
    }
}

fn index_of(grant: GrantId) -> usize {
    usize::try_from(grant.get() - 1).unwrap_or(usize::MAX)
}
