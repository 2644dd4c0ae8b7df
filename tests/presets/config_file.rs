//! Providers in a config file: what is written is read again, and what makes no sense is an error.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};
use tower::{Layer, ServiceExt};
use tower_backoff::hint::{Field, Unit};
use tower_backoff::policy::{PartialQuota, Provider};
use tower_backoff::providers::{self, frameworks};
use tower_backoff::{Cost, Quota, RetryLayer};

const MINUTE: Duration = Duration::from_secs(60);

/// All presets, those of frameworks among them.
fn presets() -> Vec<Provider> {
    let limit = Quota::per_minute(90);
    let mut presets = providers::all();
    presets.extend([
        frameworks::nginx(),
        frameworks::nginx_limit_req(limit, 20),
        frameworks::nginx_limit_conn(8),
        frameworks::haproxy(limit),
        frameworks::varnish(limit),
        frameworks::mod_evasive(MINUTE),
        frameworks::laravel(),
        frameworks::laravel_throttle(limit),
        frameworks::symfony(limit),
        frameworks::rack_attack(limit),
        frameworks::django_rest(),
        frameworks::django_rest_throttle(limit),
        frameworks::django_ratelimit(limit),
        frameworks::flask_limiter(limit),
        frameworks::express_rate_limit(),
        frameworks::koa_ratelimit(),
        frameworks::rate_limiter_flexible_millis(),
        frameworks::fastify(),
        frameworks::fastify_continue_exceeding(),
        frameworks::governor(),
        frameworks::governor_limit(MINUTE, 5),
        frameworks::load_shed(9),
    ]);
    presets
}

/// A provider that says something with every setter.
fn full() -> Provider {
    Provider::new("full")
        .page("https://full.example/limits")
        .retry_on([429, 500])
        .retry_any_method([502])
        .unprocessed_on([503])
        .final_on([410, 404])
        .throttled_on([418, 419], MINUTE)
        .add_throttled_on([420], 2 * MINUTE)
        .should_retry_header("x-should-retry")
        .should_retry_any_method()
        .idempotent_paths(["search"])
        .never_after_broken_connection()
        .final_codes(["A"])
        .add_final_codes_on([400], ["B"])
        .throttled_codes(["C"])
        .add_throttled_codes_on([401, 403], ["D", "E"])
        .retried_codes(["F"])
        .add_retried_codes_on([409], ["G"])
        .codes_at(["error.code"])
        .code_headers(["x-code"])
        .final_when_body_contains("no seats")
        .throttled_when_body_contains("slow down")
        .add_throttled_for_when_body_contains("banned", 5 * MINUTE)
        .inspect_bodies_of([200, 400])
        .plans([Quota::per_second(5).burst(2), Quota::concurrent(3)])
        .partial_quota(PartialQuota::of_writes(Quota::per_minute(9)))
        .add_partial_quota(PartialQuota::of_published_costs("tokens"))
        .cold_start(1)
        .per_credential(["authorization", "x-key"])
        .shared_across_hosts()
        .per_path_segment(1)
        .per_path_part(["/files/"])
        .buckets_in("x-bucket")
        .buckets_per_resource()
        .global_limit_header("x-global")
        .bare_429_wait(2 * MINUTE)
        .header_unit("x-reset", Unit::EpochMillis)
        .header_unit("retry-after", Unit::Minutes)
        .wait_from(Field::json("wait").default_wait(MINUTE))
        .retry_after_rounded_down()
        .usage_from("x-usage", "x-limit", [15 * MINUTE])
        .pause_from(Field::after("retry in "))
        .attempt_header("x-attempt")
}

#[test]
fn every_preset_is_read_as_it_was_written() {
    let presets = presets();
    assert!(presets.len() >= 90, "{}", presets.len());
    for preset in presets.into_iter().chain([full(), Provider::new("plain")]) {
        let json = serde_json::to_string(&preset).unwrap();
        assert_eq!(
            serde_json::from_str::<Provider>(&json).unwrap(),
            preset,
            "{json}"
        );
        let value = serde_json::to_value(&preset).unwrap();
        assert_eq!(
            serde_json::from_value::<Provider>(value).unwrap(),
            preset,
            "{json}"
        );
        let toml = toml::to_string(&preset).unwrap();
        assert_eq!(toml::from_str::<Provider>(&toml).unwrap(), preset, "{toml}");
    }
}

#[test]
fn only_what_is_not_usual_is_written() {
    let plain = toml::to_string(&Provider::new("plain")).unwrap();
    assert_eq!(plain, "name = \"plain\"\n");
}

#[test]
fn the_page_about_config_files_lists_every_key() {
    let page = include_str!("../../docs/config.md");
    let written = serde_json::to_value(full()).unwrap();
    let mut keys: Vec<_> = written.as_object().unwrap().keys().collect();
    assert!(keys.len() >= 38, "{keys:?}");
    let others = ["add_retry_on", "quotas"].map(str::to_owned);
    keys.extend(&others);
    for key in keys {
        assert!(page.contains(&format!("`{key}`")), "{key} is not listed");
    }
}

#[test]
fn an_empty_list_of_retried_statuses_is_no_missing_one() {
    let none: Provider = toml::from_str("name = \"a\"\nretry_on = []").unwrap();
    assert_eq!(none, Provider::new("a").retry_on::<u16>([]));
    assert_ne!(none, Provider::new("a"));
}

#[test]
fn costs_of_a_config_file_are_those_that_the_code_names() {
    let acme: Provider = toml::from_str(
        r#"
        name = "acme"
        partial_quotas = [{ costs = "tokens", quotas = [{ limit = 9000, window = "1m" }] }]
        "#,
    )
    .unwrap();
    let tokens = PartialQuota::of_costs("tokens", Quota::per_minute(9_000));
    assert_eq!(acme, Provider::new("acme").partial_quota(tokens));
    assert_eq!(Cost::of("tokens", 5).get_of("tokens"), Some(5));
}

#[test]
fn what_makes_no_sense_is_an_error_and_says_why() {
    for (toml, words) in [
        ("", "missing field `name`"),
        ("name = 1", "invalid type"),
        ("retry = [429]", "unknown field `retry`"),
        ("retry_on = [42]", "a status of three digits"),
        ("retry_on = [\"many\"]", "invalid type"),
        ("attempt_header = \"x attempt\"", "the name of a header"),
        ("per_credential = [\"\"]", "the name of a header"),
        ("bare_429_wait = \"0s\"", "bare_429_wait is above zero"),
        ("bare_429_wait = \"soon\"", "a duration, such as"),
        ("bare_429_wait = -1", "a duration, such as"),
        ("cold_start = 0", "a cold start of zero"),
        ("cold_start = -1", "invalid value"),
        (
            "quotas = [{ limit = 0, window = \"1m\" }]",
            "a quota of zero",
        ),
        ("quotas = [{ limit = 5 }]", "a limit and a window"),
        (
            "quotas = [{ limit = 5, window = 1 }]\nplans = [{ concurrent = 1 }]",
            "not both",
        ),
        (
            "throttled_on = [{ statuses = [418], lasting = 0 }]",
            "a block lasts longer",
        ),
        (
            "throttled_when_body_contains = [{ phrase = \"a\", lasting = 0 }]",
            "a block lasts longer",
        ),
        (
            "should_retry_any_method = true",
            "needs a should_retry_header",
        ),
        ("buckets_per_resource = true", "need buckets_in"),
        ("global_limit_header = \"x-global\"", "need buckets_in"),
        (
            "header_units = [{ header = \"x\", unit = \"weeks\" }]",
            "unknown variant `weeks`",
        ),
        (
            "wait_from = [{ midnight = { phrase = \"a\", zone = \"Paris\" } }]",
            "the rule of a zone",
        ),
        (
            "final_codes_on = [{ statuses = [1], codes = [] }]",
            "a status of three digits",
        ),
        ("per_path_segment = -1", "invalid value"),
    ] {
        let named = match toml.starts_with("name") || toml.is_empty() {
            true => toml.to_owned(),
            false => format!("name = \"acme\"\n{toml}"),
        };
        let error = toml::from_str::<Provider>(&named).expect_err(toml);
        assert!(error.to_string().contains(words), "{toml}: {error}");
    }
}

/// A value that a config file may have at any key: right for some, odd for most.
fn any_value() -> impl Strategy<Value = Value> {
    let text = prop_oneof![Just("x-limit".to_owned()), Just("1m".to_owned()), ".{0,8}"];
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        prop_oneof![Just(0_u64), Just(1), Just(429), Just(u64::MAX)].prop_map(Value::from),
        prop_oneof![Just(-1.0), Just(0.5), Just(1e300)].prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    let key = prop_oneof![
        Just("limit"),
        Just("window"),
        Just("concurrent"),
        Just("burst"),
        Just("statuses"),
        Just("lasting"),
        Just("header"),
        Just("json"),
        Just("unit"),
        Just("writes"),
        Just("quotas"),
    ];
    scalar.prop_recursive(3, 16, 3, move |inner| {
        let table =
            prop::collection::hash_map(key.clone().prop_map(str::to_owned), inner.clone(), 1..3);
        prop_oneof![
            prop::collection::vec(inner, 0..3).prop_map(Value::from),
            table.prop_map(|table| Value::from(serde_json::Map::from_iter(table))),
        ]
    })
}

proptest! {
    #[test]
    fn no_value_in_a_config_file_makes_it_panic(index in 0..64_usize, value in any_value()) {
        let mut config = serde_json::to_value(full()).unwrap();
        let table = config.as_object_mut().unwrap();
        let key = table.keys().nth(index % table.len()).unwrap().clone();
        table.insert(key, value);
        if let Ok(provider) = serde_json::from_value::<Provider>(config) {
            let _ = provider.facts();
            let again = serde_json::from_value(serde_json::to_value(&provider).unwrap());
            prop_assert_eq!(provider, again.unwrap());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_longest_and_the_largest_that_can_be_written_do_no_harm() {
    let acme = json!({
        "name": "acme",
        "quotas": [
            { "limit": u32::MAX, "window": u64::MAX, "burst": u32::MAX, "slack": u64::MAX },
            { "limit": 1, "window": "1ns", "paced": true },
            { "concurrent": u32::MAX, "reserved_for_urgent": u32::MAX - 1 },
        ],
        "bare_429_wait": u64::MAX,
        "cold_start": u32::MAX,
        "per_path_segment": u32::MAX,
    });
    let acme: Provider = serde_json::from_value(acme).unwrap();
    let answer = tower::service_fn(|_: http::Request<String>| async {
        http::Response::builder().status(429).body(String::new())
    });
    let client = RetryLayer::new(acme).layer(answer);
    for _ in 0..2 {
        let request = http::Request::get("https://api.test/").body(String::new());
        let _ = client.clone().oneshot(request.unwrap()).await;
    }
}
