//! The counters of a window: as narrow as what they have counted allows.

/// How many slots there are.
pub(super) const SLOTS: usize = 512;

/// One counter for each slot.
///
/// 512 bytes for a small quota, two or four times as many once one of them needs more.
#[derive(Clone, Debug)]
pub(super) enum Ring {
    Narrow(Box<[u8; SLOTS]>),
    Middle(Box<[u16; SLOTS]>),
    Wide(Box<[u32; SLOTS]>),
}

const fn slot(slice: u64) -> usize {
    slice as usize % SLOTS
}

impl Ring {
    /// A ring whose counters rarely hold more than this.
    pub(super) fn for_limit(limit: u32) -> Self {
        match limit {
            0..=0xff => Self::Narrow(Box::new([0; SLOTS])),
            0x100..=0xffff => Self::Middle(Box::new([0; SLOTS])),
            _ => Self::Wide(Box::new([0; SLOTS])),
        }
    }

    #[inline]
    pub(super) fn get(&self, slice: u64) -> u32 {
        match self {
            Self::Narrow(ring) => ring[slot(slice)].into(),
            Self::Middle(ring) => ring[slot(slice)].into(),
            Self::Wide(ring) => ring[slot(slice)],
        }
    }

    #[inline]
    pub(super) fn add(&mut self, slice: u64, slots: u32) {
        self.set(slice, self.get(slice).saturating_add(slots));
    }

    /// Takes away no more than there is.
    #[inline]
    pub(super) fn subtract(&mut self, slice: u64, slots: u32) {
        self.set(slice, self.get(slice).saturating_sub(slots));
    }

    #[inline]
    fn set(&mut self, slice: u64, count: u32) {
        match self {
            Self::Narrow(ring) => match u8::try_from(count) {
                Ok(count) => ring[slot(slice)] = count,
                Err(_) => self.widen(slice, count),
            },
            Self::Middle(ring) => match u16::try_from(count) {
                Ok(count) => ring[slot(slice)] = count,
                Err(_) => self.widen(slice, count),
            },
            Self::Wide(ring) => ring[slot(slice)] = count,
        }
    }

    #[cold]
    fn widen(&mut self, slice: u64, count: u32) {
        *self = match self {
            Self::Narrow(ring) => Self::Middle(Box::new(ring.map(u16::from))),
            Self::Middle(ring) => Self::Wide(Box::new(ring.map(u32::from))),
            Self::Wide(_) => return,
        };
        self.set(slice, count);
    }

    /// Empties a stretch of slots and says what was in them, at once: after a while it is a long one.
    pub(super) fn empty(&mut self, first: u64, count: u64) -> u64 {
        let first = slot(first);
        let count = count.min(SLOTS as u64) as usize;
        match self {
            Self::Narrow(ring) => empty(&mut ring[..], first, count),
            Self::Middle(ring) => empty(&mut ring[..], first, count),
            Self::Wide(ring) => empty(&mut ring[..], first, count),
        }
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Narrow(ring) => size_of_val(&**ring),
            Self::Middle(ring) => size_of_val(&**ring),
            Self::Wide(ring) => size_of_val(&**ring),
        }
    }
}

fn empty<N: Copy + Default + Into<u64>>(ring: &mut [N], first: usize, count: usize) -> u64 {
    let (before, after) = ring.split_at_mut(first);
    let to_the_end = count.min(after.len());
    let (one, other) = (&mut after[..to_the_end], &mut before[..count - to_the_end]);
    let sum = |ring: &[N]| ring.iter().map(|slot| (*slot).into()).sum::<u64>();
    let emptied = sum(one) + sum(other);
    one.fill(N::default());
    other.fill(N::default());
    emptied
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_small_quota_takes_a_quarter_of_the_memory() {
        let bytes = |limit| Ring::for_limit(limit).bytes();
        assert_eq!([255, 65_535, 65_536].map(bytes), [512, 1_024, 2_048]);
    }

    proptest! {
        /// Whatever is counted, a ring for a small quota tells what one for a large quota does.
        #[test]
        fn a_narrow_ring_counts_as_a_wide_one_does(
            steps in prop::collection::vec(
                (0u64..2_000, prop_oneof![0u32..300, 0u32..70_000, any::<u32>()], 0u8..4),
                1..200,
            )
        ) {
            let (mut burst_window, mut wide) = (Ring::for_limit(10), Ring::for_limit(u32::MAX));
            for (slice, slots, what) in steps {
                for ring in [&mut burst_window, &mut wide] {
                    match what {
                        0 | 1 => ring.add(slice, slots),
                        2 => ring.subtract(slice, slots),
                        _ => {}
                    }
                }
                if what == 3 {
                    let count = u64::from(slots % 600);
                    prop_assert_eq!(burst_window.empty(slice, count), wide.empty(slice, count));
                }
                prop_assert_eq!(burst_window.get(slice), wide.get(slice));
            }
        }
    }
}
