//! What is counted together, and how much of it is allowed.

use std::time::Duration;

use http::Request;
use tower_backoff::policy::{Policy, Provider, RequestHead};
use tower_backoff::{Quota, Scope, providers};

fn scope(provider: &Provider, uri: &str, headers: &[(&str, &str)]) -> Option<Scope> {
    let mut request = Request::get(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    provider.scope(&RequestHead::new(&request.body(()).unwrap()))
}

#[track_caller]
fn together(provider: Provider, uris: [&str; 2]) {
    let [one, another] = uris.map(|uri| scope(&provider, uri, &[]));
    assert_eq!(one, another);
}

#[track_caller]
fn apart(provider: Provider, uris: [&str; 2]) {
    let [one, another] = uris.map(|uri| scope(&provider, uri, &[]));
    assert_ne!(one, another);
}

#[track_caller]
fn counts_keys(provider: Provider, header: &str) {
    let of = |key| scope(&provider, "https://api.test/v1/things/1", &[(header, key)]);
    assert_eq!(of("one"), of("one"));
    assert_ne!(of("one"), of("two"), "{header}");
}

#[track_caller]
fn counts_no_keys(provider: Provider) {
    let of = |key| scope(&provider, "https://api.test/v1", &[("authorization", key)]);
    assert_eq!(of("one"), of("two"));
}

#[test]
fn what_stands_in_the_path_is_counted_apart() {
    let airtable = "https://api.airtable.com/v0";
    let bases = [&format!("{airtable}/app1/A"), &format!("{airtable}/app2/A")];
    apart(providers::airtable(), bases.map(|uri| &uri[..]));
    let tables = [&format!("{airtable}/app1/A"), &format!("{airtable}/app1/B")];
    together(providers::airtable(), tables.map(|uri| &uri[..]));
    let slack = [
        "https://slack.com/api/chat.postMessage",
        "https://slack.com/api/users.list",
    ];
    apart(providers::slack(), slack);
    let deployments = [
        "https://me.openai.azure.com/openai/deployments/small/chat/completions",
        "https://me.openai.azure.com/openai/deployments/large/chat/completions",
    ];
    apart(providers::azure_openai(), deployments);
    let models = ["small", "large"].map(|model| {
        format!("https://generativelanguage.googleapis.com/v1beta/models/{model}:generateContent")
    });
    apart(providers::gemini(), models.each_ref().map(|uri| &uri[..]));
    let bots = ["bot1:a", "bot2:b"].map(|bot| format!("https://api.telegram.org/{bot}/getMe"));
    apart(providers::telegram(), bots.each_ref().map(|uri| &uri[..]));
    let subscriptions = ["one", "two"].map(|id| {
        format!(
            "https://management.azure.com/subscriptions/{id}/resourceGroups?api-version=2022-01-01"
        )
    });
    apart(
        providers::azure_resource_manager(),
        subscriptions.each_ref().map(|uri| &uri[..]),
    );
    let cohere = [
        "https://api.cohere.com/v2/chat",
        "https://api.cohere.com/v2/embed",
    ];
    apart(providers::cohere(), cohere);
    let klaviyo = [
        "https://a.klaviyo.com/api/profiles",
        "https://a.klaviyo.com/api/events",
    ];
    apart(providers::klaviyo(), klaviyo);
    let plaid = [
        "https://production.plaid.com/transactions/sync",
        "https://production.plaid.com/auth/get",
    ];
    apart(providers::plaid(), plaid);
    // 17 posts a day on the free plan: the reads do not wait for the next day.
    let posts = "https://api.x.com/2/tweets";
    apart(providers::x(), [posts, "https://api.x.com/2/users/me"]);
    let recent = "https://api.x.com/2/tweets/search/recent";
    together(providers::x(), [posts, recent]);
}

#[test]
fn the_kinds_of_requests_at_hugging_face_are_counted_apart() {
    let hub = |path: &str| format!("https://huggingface.co{path}");
    let file = hub("/openai-community/gpt2/resolve/main/config.json");
    let another = hub("/datasets/squad/resolve/main/api/README.md");
    let [api, page] = [hub("/api/models/gpt2"), hub("/openai-community/gpt2")];
    together(providers::hugging_face(), [&file, &another]);
    together(providers::hugging_face(), [&api, &hub("/api/datasets")]);
    apart(providers::hugging_face(), [&file, &api]);
    apart(providers::hugging_face(), [&file, &page]);
    apart(providers::hugging_face(), [&api, &page]);
}

#[test]
fn all_hosts_of_binance_are_counted_together() {
    let hosts = ["https://api.binance.com/", "https://api3.binance.com/"];
    together(providers::binance(), hosts);
}

#[test]
fn a_key_is_counted_alone_where_the_page_says_so() {
    counts_keys(providers::github(), "authorization");
    counts_keys(providers::gitlab(), "private-token");
    counts_keys(providers::anthropic(), "x-api-key");
    counts_keys(providers::azure_openai(), "api-key");
    counts_keys(providers::gemini(), "x-goog-api-key");
    counts_keys(providers::shopify(), "x-shopify-access-token");
    counts_keys(providers::datadog(), "dd-api-key");
    counts_keys(providers::discourse(), "user-api-key");
    counts_keys(providers::google_apis(), "x-goog-api-key");
    counts_keys(providers::plaid(), "plaid-client-id");
    counts_keys(providers::algolia(), "x-algolia-api-key");
    for provider in [
        providers::asana(),
        providers::azure_resource_manager(),
        providers::bitbucket(),
        providers::clickup(),
        providers::cohere(),
        providers::deepseek(),
        providers::docker_hub(),
        providers::groq(),
        providers::klaviyo(),
        providers::matrix(),
        providers::microsoft_graph(),
        providers::mistral(),
        providers::monday(),
        providers::openrouter(),
        providers::square(),
        providers::trello(),
    ] {
        counts_keys(provider, "authorization");
    }
    counts_no_keys(providers::aws()); // another one with each request
    counts_no_keys(providers::npm());
    counts_no_keys(providers::crates_io());
    counts_no_keys(providers::cloudflare());
    counts_no_keys(providers::binance());
    counts_no_keys(providers::x());
    counts_no_keys(providers::stack_exchange());
}

#[test]
fn quotas_are_what_the_pages_say() {
    #[track_caller]
    fn allows(provider: impl Policy, expected: &[Quota]) {
        let request = Request::get("https://api.test/").body(()).unwrap();
        assert_eq!(provider.plans(&RequestHead::new(&request)), expected);
    }
    let seconds = Duration::from_secs;
    let points = [Quota::concurrent(100), Quota::per_minute(900)];
    allows(providers::github(), &points);
    let points = [Quota::concurrent(100), Quota::per_minute(2_000)];
    allows(providers::github_graphql(), &points);
    allows(providers::stripe(), &[Quota::per_second(100)]);
    allows(providers::shopify(), &[Quota::new(40, seconds(20))]);
    allows(providers::discord(), &[Quota::per_second(50)]);
    allows(providers::mailchimp(), &[Quota::concurrent(10)]);
    allows(providers::hubspot(), &[Quota::new(100, seconds(10))]);
    allows(providers::intercom(), &[Quota::new(1_666, seconds(10))]);
    allows(providers::notion(), &[Quota::per_second(3)]);
    allows(providers::airtable(), &[Quota::per_second(5)]);
    allows(providers::discourse(), &[Quota::per_minute(60)]);
    allows(providers::reddit(), &[Quota::new(1_000, seconds(600))]);
    let reads = [
        Quota::new(100, seconds(900)),
        Quota::new(1_000, seconds(86_400)),
    ];
    allows(providers::strava(), &reads);
    allows(providers::stack_exchange(), &[Quota::per_second(30)]);
    let both = [Quota::new(1_200, seconds(300)), Quota::per_second(200)];
    allows(providers::cloudflare(), &both);
    let both = [Quota::per_hour(5_000), Quota::per_minute(250)];
    allows(providers::digitalocean(), &both);
    allows(providers::heroku(), &[Quota::per_hour(4_500)]);
    allows(providers::pagerduty(), &[Quota::per_minute(960)]);
    allows(providers::binance(), &[Quota::per_minute(6_000)]);
    allows(providers::bitbucket(), &[Quota::per_hour(1_000)]);
    allows(providers::crates_io(), &[Quota::per_second(1)]);
    allows(providers::telegram(), &[Quota::per_second(30)]);
    allows(providers::trello(), &[Quota::new(100, seconds(10))]);
    allows(providers::openai(), &[]);
}
