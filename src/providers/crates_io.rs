//! crates.io, from these pages:
//!
//! * <https://crates.io/data-access>
//! * <https://github.com/rust-lang/crates.io/pull/1535>, where the policy for crawlers was agreed on

use crate::gate::Quota;
use crate::policy::Provider;

/// crates.io: 1 request per second.
///
/// * 403 is final: a crawler that does not name itself in `User-Agent`, or that is too fast, is blocked.
///
/// The index and the files of crates have hosts of their own, for which this is not meant.
pub fn crates_io() -> Provider {
    Provider::new("crates-io")
        .page("https://crates.io/data-access")
        .plan(Quota::per_second(1))
        .final_on([403])
}
