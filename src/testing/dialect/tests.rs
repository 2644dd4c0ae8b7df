use super::*;

const MINUTE: Duration = Duration::from_secs(60);

/// Sixty calls a minute, half a second into 2026-03-02 12:00:10 UTC, with 48.25 s left of the window.
fn states(remaining: u32) -> [LimitState; 2] {
    let now = Moment::START;
    let minute = LimitState {
        limit: 60,
        remaining,
        window: MINUTE,
        resets_at: now + Duration::from_millis(48_250),
    };
    let hour = LimitState {
        limit: 1_000,
        remaining: 700,
        window: MINUTE * 60,
        resets_at: now + Duration::from_secs(3_000),
    };
    [minute, hour]
}

fn wall() -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(1_772_452_810_500)
}

fn told(dialect: Dialect, is_admitted: bool) -> String {
    let states = states(if is_admitted { 17 } else { 0 });
    let call = CountedCall {
        is_admitted,
        limit: states[0],
        limits: &states,
        now: Moment::START,
        wall: wall(),
    };
    let headers = dialect.headers(&call).into_iter();
    let lines: Vec<_> = headers
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    lines.join("\n")
}

/// What each dialect says on served answers and refusals, and the milliseconds that a refusal names.
const TABLE: [(Dialect, &str, &str, Option<u64>); 20] = [
    (Dialect::Bare, "", "", None),
    (Dialect::RetryAfter, "", "retry-after: 49", Some(49_000)),
    (
        Dialect::RetryAfterRoundedDown,
        "",
        "retry-after: 48",
        Some(48_000),
    ),
    (
        Dialect::RetryAfterDate,
        "",
        "retry-after: Mon, 02 Mar 2026 12:00:59 GMT",
        Some(48_500),
    ),
    (
        Dialect::RetryAfterFixed(Duration::from_secs(5)),
        "",
        "retry-after: 5",
        Some(5_000),
    ),
    (
        Dialect::RetryAfterFraction,
        "x-ratelimit-limit: 60\nx-ratelimit-remaining: 17\nx-ratelimit-reset: 1772452859",
        "x-ratelimit-limit: 60\nx-ratelimit-remaining: 0\nx-ratelimit-reset: 1772452859\nretry-after: 48.250",
        Some(48_250),
    ),
    (
        Dialect::RetryAfterMillis,
        "x-ratelimit-limit: 60\nx-ratelimit-remaining: 17\nx-ratelimit-reset: 1772452859",
        "x-ratelimit-limit: 60\nx-ratelimit-remaining: 0\nx-ratelimit-reset: 1772452859\nretry-after: 48250",
        Some(48_250),
    ),
    (
        Dialect::LegacyEpoch,
        "x-ratelimit-limit: 60\nx-ratelimit-remaining: 17\nx-ratelimit-reset: 1772452859",
        "x-ratelimit-limit: 60\nx-ratelimit-remaining: 0\nx-ratelimit-reset: 1772452859\nretry-after: 49",
        Some(49_000),
    ),
    (
        Dialect::LegacyDelta,
        "x-ratelimit-limit: 60\nx-ratelimit-remaining: 17\nx-ratelimit-reset: 49",
        "x-ratelimit-limit: 60\nx-ratelimit-remaining: 0\nx-ratelimit-reset: 49\nretry-after: 49",
        Some(49_000),
    ),
    (
        Dialect::LegacyFraction,
        "x-ratelimit-limit: 60\nx-ratelimit-remaining: 17\nx-ratelimit-reset: 1772452858.750",
        "x-ratelimit-limit: 60\nx-ratelimit-remaining: 0\nx-ratelimit-reset: 1772452858.750\nretry-after: 48",
        Some(48_250),
    ),
    (
        Dialect::Counters,
        "x-ratelimit-limit: 60\nx-ratelimit-remaining: 17",
        "x-ratelimit-limit: 60\nx-ratelimit-remaining: 0\nretry-after: 49",
        Some(49_000),
    ),
    (
        Dialect::Laravel,
        "x-ratelimit-limit: 60\nx-ratelimit-remaining: 17",
        "x-ratelimit-limit: 60\nx-ratelimit-remaining: 0\nx-ratelimit-reset: 1772452859\nretry-after: 49",
        Some(49_000),
    ),
    (
        Dialect::RackAttack,
        "",
        "ratelimit-limit: 60\nratelimit-remaining: 0\nratelimit-reset: 1772452859",
        Some(48_500),
    ),
    (
        Dialect::Draft6,
        "ratelimit-policy: 60;w=60\nratelimit-limit: 60\nratelimit-remaining: 17\nratelimit-reset: 49",
        "ratelimit-policy: 60;w=60\nratelimit-limit: 60\nratelimit-remaining: 0\nratelimit-reset: 49\nretry-after: 49",
        Some(49_000),
    ),
    (
        Dialect::Draft7,
        "ratelimit-policy: 60;w=60\nratelimit: limit=60, remaining=17, reset=49",
        "ratelimit-policy: 60;w=60\nratelimit: limit=60, remaining=0, reset=49\nretry-after: 49",
        Some(49_000),
    ),
    (
        Dialect::Draft8,
        "ratelimit-policy: \"60-in-1min\"; q=60; w=60; pk=:MTJjYTE3YjQ5YWYy:\nratelimit: \"60-in-1min\"; r=17; t=49",
        "ratelimit-policy: \"60-in-1min\"; q=60; w=60; pk=:MTJjYTE3YjQ5YWYy:\nratelimit: \"60-in-1min\"; r=0; t=49\nretry-after: 49",
        Some(49_000),
    ),
    (
        Dialect::Named,
        "x-ratelimit-limit-short: 60\nx-ratelimit-remaining-short: 17\nx-ratelimit-reset-short: 49\n\
         x-ratelimit-limit-long: 1000\nx-ratelimit-remaining-long: 700\nx-ratelimit-reset-long: 3000",
        "retry-after-short: 49",
        Some(49_000),
    ),
    (
        Dialect::Governor,
        "",
        "x-ratelimit-after: 48\nretry-after: 48",
        Some(48_000),
    ),
    (Dialect::DjangoRest, "", "retry-after: 48", Some(48_000)),
    (Dialect::Words, "", "", None),
];

#[test]
fn each_dialect_says_what_its_products_say() {
    for (dialect, served, refused, wait) in TABLE {
        assert_eq!(
            told(dialect, true),
            served,
            "{dialect:?} on a served answer"
        );
        assert_eq!(told(dialect, false), refused, "{dialect:?} on a refusal");
        let states = states(0);
        let call = CountedCall {
            is_admitted: false,
            limit: states[0],
            limits: &states,
            now: Moment::START,
            wall: wall(),
        };
        let named = dialect.named_wait(&call);
        assert_eq!(named, wait.map(Duration::from_millis), "{dialect:?}");
    }
}

#[test]
fn a_refusal_is_explained_in_the_words_of_its_product() {
    let states = states(0);
    let call = |limit| CountedCall {
        is_admitted: false,
        limit,
        limits: &states,
        now: Moment::START,
        wall: wall(),
    };
    let at_once = LimitState {
        limit: 8,
        window: Duration::ZERO,
        ..states[0]
    };
    for (dialect, limit, words) in [
        (
            Dialect::Laravel,
            states[0],
            r#"{"message":"Too Many Attempts."}"#,
        ),
        (
            Dialect::Governor,
            states[0],
            "Too Many Requests! Wait for 48s",
        ),
        (
            Dialect::DjangoRest,
            states[0],
            r#"{"detail":"Request was throttled. Expected available in 49 seconds."}"#,
        ),
        (
            Dialect::Words,
            states[0],
            "You have exceeded 60 request(s) per 60 seconds",
        ),
        (
            Dialect::Words,
            at_once,
            "You have exceeded 8 request(s) at once",
        ),
        (
            Dialect::Bare,
            states[0],
            "Too many requests, please try again later.",
        ),
    ] {
        assert_eq!(dialect.refusal_body(&call(limit)), words, "{dialect:?}");
    }
}

#[test]
fn a_limit_of_concurrent_calls_has_no_window_to_tell_of() {
    let at_once = LimitState {
        limit: 8,
        remaining: 3,
        window: Duration::ZERO,
        resets_at: Moment::START,
    };
    let call = CountedCall {
        is_admitted: true,
        limit: at_once,
        limits: &[at_once],
        now: Moment::START,
        wall: wall(),
    };
    let policy = |dialect: Dialect| dialect.headers(&call)[0].1.clone();
    assert_eq!(policy(Dialect::Draft7), "8");
    assert_eq!(
        policy(Dialect::Draft8),
        "\"8-at-once\"; q=8; pk=:MTJjYTE3YjQ5YWYy:"
    );
}
