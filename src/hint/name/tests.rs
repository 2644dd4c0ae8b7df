//! Names as they come.

use super::*;
use proptest::prelude::*;

#[track_caller]
fn is(name: &str, role: Role, unit: Unit) {
    let read = Name::read(name).expect("a role");
    assert_eq!((read.role, read.unit), (role, unit), "{name}");
}

#[track_caller]
fn related(one: &str, other: &str, expected: Option<NameMatch>) {
    let [one, other] = [one, other].map(|name| Name::read(name).expect("a role").stem);
    assert_eq!(one.name_match(other), expected);
    assert_eq!(other.name_match(one), expected);
}

const DELTA: Role = Role::Reset {
    delta: true,
    sure: true,
};
const MOMENT: Role = Role::Reset {
    delta: false,
    sure: true,
};
const CALLS_LEFT: Role = Role::Remaining {
    sure: true,
    of_calls: true,
};
const LEFT: Role = Role::Remaining {
    sure: true,
    of_calls: false,
};
const PERHAPS_LEFT: Role = Role::Remaining {
    sure: false,
    of_calls: false,
};

#[test]
fn spellings_of_retry_after_are_known() {
    is("retry-after", Role::Wait, Unit::Auto);
    is("x-retry-after", Role::Wait, Unit::Auto);
    is("x-retry-in", Role::Wait, Unit::Auto);
    is("x-ratelimit-retryafter", Role::Wait, Unit::Auto);
    is("x-ratelimit-retry-at", Role::Wait, Unit::Auto);
    is("retry-after-ms", Role::Wait, Unit::Millis);
    is("x-ms-retry-after-ms", Role::Wait, Unit::Millis);
    is("x-rate-limit-retry-after-seconds", Role::Wait, Unit::Auto);
    is(
        "x-rate-limit-retry-after-milliseconds",
        Role::Wait,
        Unit::Millis,
    );
    is("x-throttle-wait-seconds", Role::Wait, Unit::Auto);
    is("x-amz-retry-after", Role::Wait, Unit::Millis);
}

#[test]
fn spellings_of_reset_are_known() {
    is("x-ratelimit-reset", MOMENT, Unit::Auto);
    is("x-ratelimit-reset-at", MOMENT, Unit::Auto);
    is("x-ratelimit-resetat", MOMENT, Unit::Auto);
    is("ratelimit-resettime", MOMENT, Unit::Auto);
    is("x-ratelimit-next", MOMENT, Unit::Auto);
    is("x-ratelimit-reset-ms", MOMENT, Unit::Millis);
    is("x-ratelimit-reset-tokens-ms", MOMENT, Unit::Millis);
    is("x-bapi-limit-reset-timestamp", MOMENT, Unit::Auto);
    is("x-ratelimit-reset-after", DELTA, Unit::Auto);
    is("x-ratelimit-resetafter", DELTA, Unit::Auto);
    is("x-ratelimit-reset-after-ms", DELTA, Unit::Millis);
    is("x-toggl-quota-resets-in", DELTA, Unit::Auto);
    is("x-ratelimit-reset-in-minutes", DELTA, Unit::Minutes);
    is("x-ratelimit-seconds-until-reset", DELTA, Unit::Auto);
    is("x-ratelimit-time-to-reset", DELTA, Unit::Auto);
}

#[test]
fn a_reset_whose_name_speaks_of_no_limit_is_not_sure() {
    let perhaps = Role::Reset {
        delta: false,
        sure: false,
    };
    is("x-aircallapi-reset", perhaps, Unit::Auto);
    is("x-password-reset", perhaps, Unit::Auto);
}

#[test]
fn spellings_of_remaining_are_known() {
    is("x-ratelimit-remaining", CALLS_LEFT, Unit::Auto);
    is("x-ratelimit-userremaining", CALLS_LEFT, Unit::Auto);
    is("x-ratelimit-remaining-requests", CALLS_LEFT, Unit::Auto);
    is("rate-limit-available", LEFT, Unit::Auto);
    is("x-ratelimit-left", LEFT, Unit::Auto);
    is("x-bapi-limit-status", LEFT, Unit::Auto);
    is("x-gate-ratelimit-requests-remain", LEFT, Unit::Auto);
    is("x-remaining-calls", PERHAPS_LEFT, Unit::Auto);
    is("x-daily-requests-left", PERHAPS_LEFT, Unit::Auto);
}

#[test]
fn everything_else_has_no_role() {
    for name in [
        "",
        "-",
        "x-should-retry",
        "x-retry-interval",
        "retry",
        "x-ratelimit-used",
        "x-ratelimit-resource",
        "x-ratelimit-window",
        "x-rate-limit-interval",
        "x-hubspot-ratelimit-interval-milliseconds",
        "ratelimit-policy",
        "beta-retry-after",
        "x-beta-ratelimit-remaining",
        "x-ms-ratelimit-time-remaining-xrm-requests",
        "x-ratelimit-remaining-seconds",
        "x-availability",
        "content-type",
        "x-lefty",
    ] {
        assert!(Name::read(name).is_none(), "{name}");
    }
}

#[test]
fn a_reset_finds_its_counter() {
    related(
        "x-ratelimit-reset",
        "x-ratelimit-remaining",
        Some(NameMatch::Exact),
    );
    related(
        "x-ratelimit-reset-requests",
        "x-ratelimit-remaining-requests",
        Some(NameMatch::Exact),
    );
    related(
        "x-ratelimit-userreset",
        "x-ratelimit-userremaining",
        Some(NameMatch::Exact),
    );
    related(
        "x-quota-resets-in",
        "x-quota-remaining",
        Some(NameMatch::Exact),
    );
    related(
        "x-rate-limit-reset",
        "ratelimit-remaining",
        Some(NameMatch::SameWords),
    );
    related(
        "x-ratelimit-requests-reset",
        "x-ratelimit-remaining-requests",
        Some(NameMatch::SameWords),
    );
    related(
        "x-bapi-limit-reset-timestamp",
        "x-bapi-limit-status",
        Some(NameMatch::SameWords),
    );
    related(
        "x-a-ratelimit-reset",
        "x-a-ratelimit-second-remaining",
        Some(NameMatch::Prefix),
    );
    related(
        "x-ratelimit-reset-requests",
        "x-ratelimit-remaining-tokens",
        None,
    );
    related(
        "x-ratelimit-hourly-reset",
        "x-ratelimit-daily-remaining",
        None,
    );
}

#[test]
fn spellings_of_limit_are_known() {
    is("x-ratelimit-limit", Role::Limit, Unit::Auto);
    is("x-ratelimit-limit-requests", Role::Limit, Unit::Auto);
    is("x-ratelimit-userlimit", Role::Limit, Unit::Auto);
    related(
        "x-rate-limit-limit-user",
        "x-rate-limit-remaining-user",
        Some(NameMatch::Exact),
    );
}

#[test]
fn the_field_of_the_draft_is_known() {
    is("ratelimit", Role::Items, Unit::Auto);
    is("x-ratelimit", Role::Items, Unit::Auto);
}

#[test]
fn what_is_left_of_another_measure_than_calls_is_known() {
    let of_calls = |name| match Name::read(name).expect("a role").role {
        Role::Remaining { of_calls, .. } => of_calls,
        role => panic!("{name} is {role:?}"),
    };
    for name in [
        "x-ratelimit-remaining",
        "x-rate-limit-remaining-requests",
        "x-remaining-limit",
    ] {
        assert!(of_calls(name), "{name}");
    }
    for name in [
        "x-ratelimit-remaining-tokens",
        "x-ratelimit-cost-remaining",
        "x-ratelimit-remaining-percent",
        "x-quota-remaining",
        "x-remaining-calls",
    ] {
        assert!(!of_calls(name), "{name}");
    }
}

/// Names made of the words that the grammar knows, and of others.
fn some_name() -> impl Strategy<Value = String> {
    const WORDS: [&str; 32] = [
        "x",
        "ratelimit",
        "rate",
        "limit",
        "remaining",
        "remain",
        "reset",
        "resets",
        "retry",
        "after",
        "in",
        "ms",
        "seconds",
        "until",
        "to",
        "quota",
        "throttle",
        "wait",
        "next",
        "available",
        "left",
        "status",
        "tokens",
        "time",
        "beta",
        "content",
        "request",
        "user",
        "age",
        "cost",
        "policy",
        "minutes",
    ];
    let word = prop::sample::select(&WORDS[..]);
    let separator = prop::sample::select(&["-", "-", "-", "_", ""][..]);
    prop::collection::vec((separator, word), 1..6).prop_map(|parts| {
        let name: String = parts
            .into_iter()
            .flat_map(|(separator, word)| [separator, word])
            .collect();
        name.trim_start_matches(SEPARATORS).to_owned()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn the_quick_look_rejects_no_name_that_has_a_role(name in some_name()) {
        if general(&name).is_some() {
            let is_content = name.starts_with("content-");
            prop_assert!(name.len() >= SHORTEST);
            prop_assert!(may_have_role(&name) || is_content, "{name}");
        }
    }

    #[test]
    fn a_common_spelling_is_what_the_grammar_says(name in some_name()) {
        if let Some(common) = common(&name).filter(|name| name.role != Role::Items) {
            let read = general(&name).expect("a role");
            prop_assert_eq!(
                (common.role, common.stem, common.unit),
                (read.role, read.stem, read.unit)
            );
        }
    }
}
