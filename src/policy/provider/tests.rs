//! One rule for all setters: the last word counts, `add_x` adds, `without_x` takes back.

use std::time::Duration;

use http::{HeaderMap, Request};

use super::*;
use crate::gate::Quota;
use crate::hint::{Field, Unit};
use crate::policy::{PartialQuota, Policy, RequestHead};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

fn test() -> Provider {
    Provider::new("test")
}

fn writes(limit: u32) -> PartialQuota {
    PartialQuota::of_writes(Quota::per_second(limit))
}

/// What is said in the line about peculiarities.
fn peculiarities(provider: &Provider) -> String {
    let facts = provider.facts();
    let line = facts.into_iter().find(|(kind, _)| *kind == "peculiarities");
    line.expect("a line").1
}

/// A setter said with one word, then with another, which counts alone.
macro_rules! the_last_counts {
    ($($setter:ident($($one:expr),*) then ($($other:expr),*);)*) => {$(
        let last = test().$setter($($other),*);
        assert_eq!(test().$setter($($one),*).$setter($($other),*), last, stringify!($setter));
        assert_ne!(test().$setter($($one),*), last, stringify!($setter));
    )*};
}

#[test]
fn every_setter_replaces_what_it_said_before() {
    the_last_counts! {
        named("one") then ("other");
        page("one") then ("other");
        retry_on([500]) then ([502]);
        idempotent_paths(["one"]) then (["other"]);
        retry_any_method([500]) then ([502]);
        unprocessed_on([503]) then ([529]);
        final_on([400]) then ([403]);
        throttled_on([418], MINUTE) then ([403], HOUR);
        should_retry_header("x-one") then ("x-other");
        final_codes(["ONE"]) then (["OTHER"]);
        throttled_codes(["ONE"]) then (["OTHER"]);
        retried_codes(["ONE"]) then (["OTHER"]);
        final_codes_on([403], ["ONE"]) then ([404], ["ONE"]);
        throttled_codes_on([403], ["ONE"]) then ([404], ["ONE"]);
        retried_codes_on([403], ["ONE"]) then ([404], ["ONE"]);
        codes_at(["one"]) then (["other"]);
        code_headers(["x-one"]) then (["x-other"]);
        inspect_bodies_of([200]) then ([201]);
        final_when_body_contains("one") then ("other");
        throttled_when_body_contains("one") then ("other");
        throttled_for_when_body_contains("one", MINUTE) then ("other", HOUR);
        quota(Quota::per_minute(1)) then (Quota::per_hour(1));
        quotas([Quota::per_minute(1)]) then ([Quota::per_hour(1)]);
        plan(Quota::per_minute(1)) then (Quota::per_hour(1));
        plans([Quota::per_minute(1)]) then ([Quota::per_hour(1)]);
        partial_quota(writes(1)) then (writes(2));
        cold_start(1) then (2);
        per_credential(["x-one"]) then (["x-other"]);
        per_path_segment(1) then (2);
        per_path_part(["/one/"]) then (["/other/"]);
        buckets_in("x-one") then ("x-other");
        bare_429_wait(MINUTE * 2) then (HOUR);
        wait_from(Field::json("one")) then (Field::json("other"));
        pause_from(Field::json("one")) then (Field::json("other"));
        usage_from("x-used", "x-limit", [MINUTE]) then ("x-other", "x-limit", [HOUR]);
        attempt_header("x-one") then ("x-other");
        header_unit("x-one", Unit::Millis) then ("x-one", Unit::Minutes);
    }
    let [one, other] = ["x-one", "x-other"];
    let buckets = || test().buckets_in("x-bucket");
    let last = buckets().global_limit_header(other);
    assert_eq!(
        buckets()
            .global_limit_header(one)
            .global_limit_header(other),
        last
    );
    assert_eq!(
        last.buckets_per_resource().buckets_in("x-bucket"),
        buckets()
    );
    let asked = test().should_retry_header("x-a");
    let any_method = asked.clone().should_retry_any_method();
    assert_ne!(any_method, asked);
    assert_eq!(any_method.should_retry_header("x-a"), asked);
    let added = test().add_retry_on([409]).retry_on([500]);
    assert_eq!(added, test().retry_on([500]));
    let phrase = test().throttled_for_when_body_contains("blocked", HOUR);
    let other = test().throttled_when_body_contains("slow down");
    assert_eq!(phrase.throttled_when_body_contains("slow down"), other);
    let plan = test().plan(Quota::per_hour(1));
    assert_eq!(
        test().quota(Quota::per_minute(1)).plan(Quota::per_hour(1)),
        plan
    );
    let cap = test().quota(Quota::per_minute(1));
    assert_eq!(plan.quota(Quota::per_minute(1)), cap);
}

/// A setter, and what is added to it: the same as both said at once.
macro_rules! both_count {
    ($($setter:ident, $add:ident: $one:expr, $other:expr, $both:expr $(, $lasting:expr)?;)*) => {$(
        let both = test().$setter($both $(, $lasting)?);
        assert_eq!(test().$setter($one $(, $lasting)?).$add($other $(, $lasting)?), both);
        assert_eq!(test().$add($both $(, $lasting)?), both, "nothing was there to add to");
    )*};
}

#[test]
fn what_is_added_stands_beside_what_was_there() {
    both_count! {
        retry_any_method, add_retry_any_method: [500], [502], [500, 502];
        idempotent_paths, add_idempotent_paths: ["a"], ["b"], ["a", "b"];
        unprocessed_on, add_unprocessed_on: [503], [529], [503, 529];
        final_on, add_final_on: [400], [403], [400, 403];
        throttled_on, add_throttled_on: [418], [403], [418, 403], MINUTE;
        final_codes, add_final_codes: ["A"], ["B"], ["A", "B"];
        throttled_codes, add_throttled_codes: ["A"], ["B"], ["A", "B"];
        retried_codes, add_retried_codes: ["A"], ["B"], ["A", "B"];
        inspect_bodies_of, add_inspect_bodies_of: [200], [201], [200, 201];
    }
    let statuses = test().retry_on([500]).add_retry_on([502]);
    assert_eq!(statuses, test().retry_on([500, 502]));
    let statuses = test().add_retry_on([409]).add_retry_on([423]);
    assert_eq!(statuses, test().add_retry_on([409, 423]));
    assert_ne!(
        statuses,
        test().retry_on([409, 423]),
        "the standard ones stay"
    );
    let waits = test().wait_from(Field::json("a"));
    let waits = waits.add_wait_from(Field::json("b"));
    let expected = "wait: `a` in the body, `b` in the body";
    assert_eq!(peculiarities(&waits), expected);
    let pauses = test().pause_from(Field::json("a"));
    let pauses = pauses.add_pause_from(Field::json("b"));
    let expected = "pause: `a` in the body, `b` in the body";
    assert_eq!(peculiarities(&pauses), expected);
    let used = test().usage_from("x-a", "x-limit", [MINUTE]);
    let used = used.add_usage_from("x-b", "x-limit", [MINUTE]);
    let said = peculiarities(&used);
    assert!(said.contains("`x-a`") && said.contains("`x-b`"), "{said}");
    let phrases = test()
        .throttled_when_body_contains("a")
        .add_throttled_for_when_body_contains("b", MINUTE)
        .add_throttled_when_body_contains("c");
    let expected = "limit: text `a`; limit: text `b`, 1 min; limit: text `c`";
    assert_eq!(peculiarities(&phrases), expected);
    let phrases = test()
        .final_when_body_contains("a")
        .add_final_when_body_contains("b");
    assert_ne!(phrases, test().final_when_body_contains("b"));
    assert!(
        phrases
            .facts()
            .contains(&("final", "text: `a`, `b`".into()))
    );
    let units = test().header_unit("x-a", Unit::Millis);
    let units = units.header_unit("x-b", Unit::Minutes);
    assert_eq!(peculiarities(&units), "`x-a` in Millis; `x-b` in Minutes");
}

#[test]
fn what_is_taken_back_was_never_said() {
    let waits = || test().wait_from(Field::json("a"));
    let phrases = || test().throttled_when_body_contains("a");
    for (taken_back, said) in [
        (test().retry_on([500]).without_retry_on(), "retry_on"),
        (
            test().add_retry_on([409]).without_retry_on(),
            "add_retry_on",
        ),
        (
            test().idempotent_paths(["a"]).without_idempotent_paths(),
            "idempotent_paths",
        ),
        (
            test().retry_any_method([500]).without_retry_any_method(),
            "retry_any_method",
        ),
        (
            test().unprocessed_on([500]).without_unprocessed_on(),
            "unprocessed_on",
        ),
        (test().final_on([500]).without_final_on(), "final_on"),
        (
            test().throttled_on([418], HOUR).without_throttled_on(),
            "throttled_on",
        ),
        (
            test()
                .should_retry_header("x-a")
                .should_retry_any_method()
                .without_should_retry_header(),
            "should_retry_header",
        ),
        (
            test().final_codes(["A"]).without_final_codes(),
            "final_codes",
        ),
        (
            test().throttled_codes(["A"]).without_throttled_codes(),
            "throttled_codes",
        ),
        (
            test().retried_codes(["A"]).without_retried_codes(),
            "retried_codes",
        ),
        (test().codes_at(["a"]).without_codes_at(), "codes_at"),
        (
            test().code_headers(["a"]).without_code_headers(),
            "code_headers",
        ),
        (
            test().inspect_bodies_of([200]).without_inspect_bodies_of(),
            "inspect_bodies_of",
        ),
        (
            test()
                .final_when_body_contains("a")
                .without_final_when_body_contains(),
            "final_when_body_contains",
        ),
        (
            phrases()
                .add_throttled_for_when_body_contains("b", HOUR)
                .without_throttled_when_body_contains(),
            "throttled_when_body_contains",
        ),
        (test().plan(Quota::per_hour(1)).without_quotas(), "the plan"),
        (
            test().quota(Quota::per_hour(1)).without_quotas(),
            "the quota",
        ),
        (
            test().partial_quota(writes(1)).without_partial_quotas(),
            "partial_quota",
        ),
        (test().cold_start(1).without_cold_start(), "cold_start"),
        (
            test().per_credential(["x-a"]).without_per_credential(),
            "per_credential",
        ),
        (
            test().shared_across_hosts().without_shared_across_hosts(),
            "shared_across_hosts",
        ),
        (
            test().per_path_segment(1).without_per_path_segment(),
            "per_path_segment",
        ),
        (
            test().per_path_part(["/a/"]).without_per_path_part(),
            "per_path_part",
        ),
        (
            test()
                .buckets_in("x-a")
                .buckets_per_resource()
                .without_buckets(),
            "buckets_in",
        ),
        (
            waits().add_wait_from(Field::json("b")).without_wait_from(),
            "wait_from",
        ),
        (
            test().pause_from(Field::json("a")).without_pause_from(),
            "pause_from",
        ),
        (
            test()
                .usage_from("x-used", "x-limit", [HOUR])
                .without_usage_from(),
            "usage_from",
        ),
        (
            test().attempt_header("x-a").without_attempt_header(),
            "attempt_header",
        ),
        (
            test()
                .header_unit("x-a", Unit::Millis)
                .without_header_unit("X-A"),
            "header_unit",
        ),
        (
            test()
                .retry_after_rounded_down()
                .without_retry_after_rounded_down(),
            "retry_after_rounded_down",
        ),
    ] {
        assert_eq!(taken_back, test(), "{said}");
    }
    let units = test().header_unit("x-a", Unit::Millis);
    let other = units.clone().header_unit("x-b", Unit::Millis);
    assert_eq!(other.without_header_unit("x-b"), units);
}

#[test]
fn a_success_is_accepted_at_once_unless_something_said_is_about_it() {
    let request = Request::get("https://api.test/").body(()).unwrap();
    let at_once = |provider: &Provider| {
        provider.accepts_success(&RequestHead::new(&request), &HeaderMap::new())
    };
    assert!(at_once(
        &test().final_on([400]).pause_from(Field::json("a"))
    ));
    for (judged, taken_back) in [
        (
            test().final_on([204]),
            test().final_on([204]).final_on([400]),
        ),
        (
            test().unprocessed_on([202]),
            test().unprocessed_on([202]).without_unprocessed_on(),
        ),
        (
            test().retry_on([301]),
            test().retry_on([301]).retry_on([500]),
        ),
        (
            test().throttled_on([200], HOUR),
            test().throttled_on([200], HOUR).without_throttled_on(),
        ),
        (
            test().inspect_bodies_of([200]),
            test().inspect_bodies_of([200]).inspect_bodies_of([404]),
        ),
        (
            test().pause_from(Field::header("x-pause")),
            test()
                .pause_from(Field::header("x-pause"))
                .pause_from(Field::json("pause")),
        ),
        (
            test().usage_from("x-used", "x-limit", [HOUR]),
            test()
                .usage_from("x-used", "x-limit", [HOUR])
                .without_usage_from(),
        ),
        (
            test().buckets_in("x-bucket"),
            test().buckets_in("x-bucket").without_buckets(),
        ),
    ] {
        assert!(!at_once(&judged), "{judged:?}");
        assert!(at_once(&taken_back), "{taken_back:?}");
    }
}
