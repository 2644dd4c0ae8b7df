//! Random numbers that are the same for all contenders: a hash of seed, job and attempt.
//!
//! The order of arrival is no input, so all contenders meet the same latencies and the same failures.

use std::time::Duration;

/// The one-way latency, 25 to 35 ms in whole milliseconds, which is what timers of tokio resolve.
pub fn half_latency(seed: u64, job: u32, attempt: u32) -> Duration {
    Duration::from_millis(25 + hash(0, seed, job, attempt) % 11)
}

/// Whether this attempt is among `percent` % of all attempts.
pub fn is_hit(salt: u64, seed: u64, job: u32, attempt: u32, percent: u64) -> bool {
    hash(salt, seed, job, attempt) % 100 < percent
}

/// A number from 0 to 1 that depends on all three arguments and on nothing else.
pub fn uniform(salt: u64, seed: u64, draw: u64) -> f64 {
    let bits = mix(mix(mix(salt) ^ seed) ^ draw) >> 11;
    bits as f64 / (1_u64 << 53) as f64
}

/// Applies the finalizer of SplitMix64 once per word, so that each input bit moves all output bits.
pub fn hash(salt: u64, seed: u64, job: u32, attempt: u32) -> u64 {
    let attempt = u64::from(job) << 32 | u64::from(attempt);
    mix(mix(mix(salt) ^ seed) ^ attempt)
}

fn mix(word: u64) -> u64 {
    let mut z = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
