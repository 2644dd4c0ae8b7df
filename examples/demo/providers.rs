//! The five providers, as their pages describe them.

use std::time::Duration;

use tower_backoff::policy::Provider as Preset;
use tower_backoff::providers;

use super::wording::{ResetFormat, Telling, Wording};

/// One provider and the work that waits for it.
#[derive(Debug)]
pub(crate) struct Provider {
    /// As it calls itself.
    pub name: &'static str,
    /// The same, where there is little room.
    pub short: &'static str,
    /// Its tightest limit, in words.
    pub limit: &'static str,
    /// What the client knows about it.
    pub preset: fn() -> Preset,
    /// How many calls in how long; the tightest first.
    pub windows: &'static [(u32, Duration)],
    /// How it tells its limit.
    pub wording: Wording,
    /// How many jobs there are: enough for three minutes and more.
    pub jobs: u32,
    /// How many there are in a hurry: enough to be refused once.
    pub quick_jobs: u32,
}

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// All five.
pub(crate) static ALL: [Provider; 5] = [
    Provider {
        name: "lemlist",
        short: "lemlist",
        limit: "20 per 2 s",
        preset: providers::lemlist,
        windows: &[(20, Duration::from_secs(2))],
        wording: Wording {
            retry_after: Telling::Always,
            counters: Some(ResetFormat::JavaScript),
            refusal: r#"{"error":"Too Many Requests"}"#,
        },
        jobs: 2_000,
        quick_jobs: 500,
    },
    Provider {
        name: "Wolfeo",
        short: "Wolfeo",
        limit: "600 a minute",
        preset: providers::wolfeo,
        windows: &[(600, MINUTE)],
        wording: Wording {
            retry_after: Telling::Never,
            counters: None,
            refusal: r#"{"message":"Too Many Attempts."}"#,
        },
        jobs: 2_000,
        quick_jobs: 900,
    },
    Provider {
        name: "Daily Event Insurance",
        short: "Daily Event",
        limit: "50 a minute",
        preset: providers::daily_event_insurance,
        windows: &[(50, MINUTE), (1_000, HOUR)],
        wording: Wording {
            retry_after: Telling::Never,
            counters: Some(ResetFormat::Delta),
            refusal: r#"{"error":{"code":"rate_limit_exceeded","message":"Rate limit exceeded"}}"#,
        },
        jobs: 190,
        quick_jobs: 80,
    },
    Provider {
        name: "Snippets AI",
        short: "Snippets AI",
        limit: "20 a minute",
        preset: providers::snippets_ai,
        windows: &[(20, MINUTE)],
        wording: Wording {
            retry_after: Telling::OnRefusals,
            counters: None,
            refusal: r#"{"error":"Rate limit exceeded"}"#,
        },
        jobs: 75,
        quick_jobs: 30,
    },
    Provider {
        name: "EnrichEngine",
        short: "EnrichEngine",
        limit: "100 a minute",
        preset: providers::enrich_engine,
        windows: &[(100, MINUTE)],
        wording: Wording {
            retry_after: Telling::Never,
            counters: Some(ResetFormat::Epoch),
            refusal: r#"{"error":"Rate limit exceeded","code":"RATE_LIMIT_EXCEEDED","details":{}}"#,
        },
        jobs: 380,
        quick_jobs: 150,
    },
];
