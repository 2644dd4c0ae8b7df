//! The demo keeps what it promises, and its providers notice requests that are early.

use std::sync::Arc;

use tokio::time::{Duration, sleep};

use crate::clock::Wall;
use crate::desk::Desk;
use crate::options::Options;
use crate::providers::ALL;
use crate::tally::Tally;

#[test]
fn every_job_is_answered_and_nobody_comes_too_early() {
    let quick = Options {
        real: false,
        quick: true,
    };
    let mut trouble = 0;
    for run in crate::play(quick).expect("a demo") {
        let (name, tally) = (run.provider.name, &run.tally);
        assert!(run.went_well(), "{name}: {tally:?}");
        assert!(tally.took.get() >= Some(&run.at_best()), "{name}");
        trouble += tally.refused.get() + tally.failed.get();
        assert_eq!(
            tally.sent.get(),
            tally.answered.get() + tally.refused.get() + tally.failed.get(),
            "{name}"
        );
    }
    assert!(trouble > 0, "a demo without any trouble shows nothing");
}

/// Refused calls that come back at once, and once more when their time is up.
#[tokio::test(start_paused = true)]
async fn a_provider_notices_a_request_that_comes_too_early() {
    for provider in &ALL {
        let tally = Arc::<Tally>::default();
        let (limit, window) = provider.windows[0];
        let desk = Desk::open(provider, limit + 1, Wall::start(false), &tally);
        for job in 0..limit {
            assert_ne!(status(&desk, job).await, 429, "{}", provider.name);
        }
        assert_eq!(status(&desk, limit).await, 429, "{}", provider.name);
        assert_eq!(tally.early.get(), 0, "{}", provider.name);
        assert_eq!(status(&desk, limit).await, 429, "{}", provider.name);
        assert_eq!(tally.early.get(), 1, "{}", provider.name);
        sleep(window + Duration::from_secs(1)).await;
        assert_ne!(status(&desk, limit).await, 429, "{}", provider.name);
        assert_eq!(tally.early.get(), 1, "{}", provider.name);
    }
}

async fn status(desk: &Desk, job: u32) -> u16 {
    let answer = desk.serve(&format!("/jobs/{job}")).await;
    answer.status().as_u16()
}
