//! Names as they come.

use super::*;

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
const LEFT: Role = Role::Remaining { sure: true };
const PERHAPS_LEFT: Role = Role::Remaining { sure: false };

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
fn a_reset_of_nobody_knows_what_is_only_perhaps_one() {
    let perhaps = Role::Reset {
        delta: false,
        sure: false,
    };
    is("x-aircallapi-reset", perhaps, Unit::Auto);
    is("x-password-reset", perhaps, Unit::Auto);
}

#[test]
fn spellings_of_remaining_are_known() {
    is("x-ratelimit-remaining", LEFT, Unit::Auto);
    is("x-ratelimit-userremaining", LEFT, Unit::Auto);
    is("x-ratelimit-remaining-requests", LEFT, Unit::Auto);
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
        "x-ratelimit-limit",
        "x-ratelimit-used",
        "x-ratelimit-resource",
        "x-ratelimit-window",
        "x-rate-limit-interval",
        "x-hubspot-ratelimit-interval-milliseconds",
        "ratelimit",
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
fn the_unit_alone_is_the_same_unit() {
    for name in [
        "x-ratelimit-reset",
        "x-ratelimit-reset-ms",
        "x-ratelimit-reset-tokens-ms",
        "x-ratelimit-reset-msec",
        "x-ratelimit-reset-after-milliseconds",
        "x-ratelimit-minutes-until-reset",
        "x-rate-limit-reset-mins",
        "x-forms-limit-reset",
        "beta-ratelimit-reset-ms",
        "server",
    ] {
        let unit = Name::read(name).map_or(Unit::Auto, |name| name.unit);
        assert_eq!(Name::unit(name), unit, "{name}");
    }
}
