//! The five providers, as their pages describe them.

use std::time::Duration;

use tower_backoff::policy::Provider as Preset;
use tower_backoff::providers;

use super::wording::{ResetFormat, Telling, Wording};

/// One provider and the jobs for it.
#[derive(Debug)]
pub(crate) struct Provider {
    /// Its name.
    pub name: &'static str,
    /// A short name.
    pub short: &'static str,
    /// Its tightest limit, in words.
    pub limit: &'static str,
    /// The preset that the client uses.
    pub preset: fn() -> Preset,
    /// Its windows, as calls and length, the tightest first.
    pub windows: &'static [(u32, Duration)],
    /// How its responses tell the limit.
    pub wording: Wording,
    /// The number of jobs: enough for three minutes and more.
    pub jobs: u32,
    /// The number of jobs of a quick run: enough to be refused once.
    pub quick_jobs: u32,
}

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// All five providers.
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
