//! Failures and latencies that are the same in every run.
//!
//! It is a hash of the job and of how often it was tried, never of who came first: so the same jobs are
//! slow, and the same ones fail, whatever the client does.

use std::time::Duration;

/// How many responses there are per 500. All five pages call a 500 transient.
const ONE_FAILS_IN: u64 = 64;

/// The latency of a request: 50 to 70 ms in steps of 2, there and back.
pub(crate) fn latency(job: u32, attempt: u32) -> Duration {
    Duration::from_millis(50 + 2 * (hash(0, job, attempt) % 11))
}

/// Whether the provider fails at this job, after this many failures.
pub(crate) fn fails(job: u32, failures: u32) -> bool {
    hash(1, job, failures) % ONE_FAILS_IN == 0
}

/// Returns how many requests the jobs take if none is refused.
pub(crate) fn requests_needed(jobs: u32) -> u32 {
    let failures = |job| (0..).take_while(|&before| fails(job, before)).count() as u32;
    (0..jobs).map(|job| 1 + failures(job)).sum()
}

/// The finalizer of SplitMix64: each bit of the input changes all bits of the output.
fn hash(salt: u64, job: u32, attempt: u32) -> u64 {
    let mut z = salt << 60 ^ u64::from(job) << 16 ^ u64::from(attempt);
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
