//! Random bits: a thread's generator, or a seeded one for tests.
//!
//! Decisions take 64 random bits as an argument; only futures draw them. No two calls share a sequence: all use the
//! generator of their thread, or a seeded one that returns each number once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A source of random bits.
#[derive(Clone, Debug, Default)]
pub(crate) enum Rng {
    /// The generator of the current thread.
    #[default]
    Thread,
    /// A reproducible sequence that all clones share.
    #[cfg_attr(not(feature = "test-util"), allow(dead_code))]
    Seeded(Arc<AtomicU64>),
}

impl Rng {
    #[cfg(feature = "test-util")]
    pub(crate) fn from_seed(seed: u64) -> Self {
        Self::Seeded(Arc::new(AtomicU64::new(seed)))
    }

    pub(crate) fn bits(&self) -> u64 {
        match self {
            Self::Thread => rand::random(),
            Self::Seeded(next) => mix(next.fetch_add(GOLDEN, Ordering::Relaxed)),
        }
    }
}

impl Rng {
    /// Returns a random UUID (RFC 9562, version 4).
    pub(crate) fn uuid(&self) -> String {
        let (high, low) = (self.bits(), self.bits());
        let version = (high & !0xf000) | 0x4000;
        let variant = (low & !(0b11 << 62)) | (0b10 << 62);
        format!(
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            version >> 32,
            (version >> 16) & 0xffff,
            version & 0xffff,
            variant >> 48,
            variant & 0xffff_ffff_ffff,
        )
    }
}

/// The increment and the finisher of SplitMix64 (Steele, Lea and Flood, 2014).
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Maps random bits to a number from 0 to `most`, both included, evenly.
pub(crate) fn up_to(most: u64, bits: u64) -> u64 {
    ((u128::from(bits) * (u128::from(most) + 1)) >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_says_that_it_is_random() {
        let (one, other) = (Rng::Thread.uuid(), Rng::Thread.uuid());
        assert_ne!(one, other);
        let parts: Vec<&str> = one.split('-').collect();
        assert_eq!(
            parts.iter().map(|part| part.len()).collect::<Vec<_>>(),
            [8, 4, 4, 4, 12]
        );
        assert!(
            parts[2].starts_with('4') && "89ab".contains(&parts[3][..1]),
            "{one}"
        );
    }

    #[test]
    fn random_bits_reach_both_ends_and_nothing_beyond() {
        assert_eq!(up_to(9, 0), 0);
        assert_eq!(up_to(9, u64::MAX), 9);
        assert_eq!(up_to(u64::MAX, u64::MAX), u64::MAX);
        assert_eq!(up_to(0, u64::MAX), 0);
    }

    #[test]
    fn clones_of_a_seeded_rng_never_repeat_each_other() {
        let rng = Rng::Seeded(Arc::new(AtomicU64::new(7)));
        let other = rng.clone();
        let drawn: std::collections::HashSet<u64> = (0..1_000)
            .flat_map(|_| [rng.bits(), other.bits()])
            .collect();
        assert_eq!(drawn.len(), 2_000);
    }
}
