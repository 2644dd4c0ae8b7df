//! Presets of known providers: what their pages say, as values.
//!
//! Each is a function that returns a [`Provider`], in a file of its own that cites the provider's page. Change what
//! is different for you:
//!
//! ```
//! use tower_backoff::{Quota, providers};
//!
//! let ours = providers::wolfeo().plan(Quota::per_minute(1_200)); // a key with a bigger plan
//! # let _ = ours;
//! ```
//!
//! [`frameworks`] has presets for APIs whose server is known: Laravel, nginx, Django and others.
//!
//! [`by_name`] finds a preset by its name, for tools and configuration, and [`facts`](Provider::facts) lists in words
//! what a preset states. The file `docs/providers.md` of the repository shows them all side by side.

mod airtable;
mod algolia;
mod anthropic;
mod asana;
mod aws;
mod azure_openai;
mod azure_resource_manager;
mod binance;
mod bitbucket;
mod clickup;
mod cloudflare;
mod cohere;
mod crates_io;
pub mod daily_event_insurance;
mod datadog;
mod deepseek;
mod digitalocean;
mod discord;
mod discourse;
mod docker_hub;
mod enrich_engine;
pub mod frameworks;
mod gemini;
mod github;
mod github_graphql;
mod gitlab;
mod google_apis;
mod groq;
mod heroku;
mod hubspot;
mod hugging_face;
mod intercom;
mod jira;
mod klaviyo;
mod lemlist;
mod linear;
mod mailchimp;
mod matrix;
mod microsoft_graph;
mod mistral;
mod monday;
mod notion;
mod npm;
mod okta;
mod openai;
mod openrouter;
mod pagerduty;
mod plaid;
mod reddit;
mod salesforce;
mod sendgrid;
mod sentry;
mod shopify;
mod shopify_graphql;
mod slack;
mod snippets_ai;
mod spotify;
mod square;
mod stack_exchange;
mod strava;
mod stripe;
mod telegram;
mod trello;
mod twilio;
mod vercel;
mod wolfeo;
mod x;
mod zendesk;
mod zoom;

pub use airtable::airtable;
pub use algolia::algolia;
pub use anthropic::anthropic;
pub use asana::asana;
pub use aws::aws;
pub use azure_openai::azure_openai;
pub use azure_resource_manager::azure_resource_manager;
pub use binance::binance;
pub use bitbucket::bitbucket;
pub use clickup::clickup;
pub use cloudflare::cloudflare;
pub use cohere::cohere;
pub use crates_io::crates_io;
pub use daily_event_insurance::daily_event_insurance;
pub use datadog::datadog;
pub use deepseek::deepseek;
pub use digitalocean::digitalocean;
pub use discord::discord;
pub use discourse::discourse;
pub use docker_hub::docker_hub;
pub use enrich_engine::enrich_engine;
pub use gemini::gemini;
pub use github::github;
pub use github_graphql::github_graphql;
pub use gitlab::gitlab;
pub use google_apis::google_apis;
pub use groq::groq;
pub use heroku::heroku;
pub use hubspot::hubspot;
pub use hugging_face::hugging_face;
pub use intercom::intercom;
pub use jira::jira;
pub use klaviyo::klaviyo;
pub use lemlist::lemlist;
pub use linear::linear;
pub use mailchimp::mailchimp;
pub use matrix::matrix;
pub use microsoft_graph::microsoft_graph;
pub use mistral::mistral;
pub use monday::monday;
pub use notion::notion;
pub use npm::npm;
pub use okta::okta;
pub use openai::openai;
pub use openrouter::openrouter;
pub use pagerduty::pagerduty;
pub use plaid::plaid;
pub use reddit::reddit;
pub use salesforce::salesforce;
pub use sendgrid::sendgrid;
pub use sentry::sentry;
pub use shopify::shopify;
pub use shopify_graphql::shopify_graphql;
pub use slack::slack;
pub use snippets_ai::snippets_ai;
pub use spotify::spotify;
pub use square::square;
pub use stack_exchange::stack_exchange;
pub use strava::strava;
pub use stripe::stripe;
pub use telegram::telegram;
pub use trello::trello;
pub use twilio::twilio;
pub use vercel::vercel;
pub use wolfeo::wolfeo;
pub use x::x;
pub use zendesk::zendesk;
pub use zoom::zoom;

use crate::policy::{Policy, Provider};

/// Returns all presets.
pub fn all() -> Vec<Provider> {
    vec![
        lemlist(),
        wolfeo(),
        daily_event_insurance(),
        snippets_ai(),
        enrich_engine(),
        airtable(),
        algolia(),
        anthropic(),
        asana(),
        aws(),
        azure_openai(),
        azure_resource_manager(),
        binance(),
        bitbucket(),
        clickup(),
        cloudflare(),
        cohere(),
        crates_io(),
        datadog(),
        deepseek(),
        digitalocean(),
        discord(),
        discourse(),
        docker_hub(),
        gemini(),
        github(),
        github_graphql(),
        gitlab(),
        google_apis(),
        groq(),
        heroku(),
        hubspot(),
        hugging_face(),
        intercom(),
        jira(),
        klaviyo(),
        linear(),
        mailchimp(),
        matrix(),
        microsoft_graph(),
        mistral(),
        monday(),
        notion(),
        npm(),
        okta(),
        openai(),
        openrouter(),
        pagerduty(),
        plaid(),
        reddit(),
        salesforce(),
        sendgrid(),
        sentry(),
        shopify(),
        shopify_graphql(),
        slack(),
        spotify(),
        square(),
        stack_exchange(),
        strava(),
        stripe(),
        telegram(),
        trello(),
        twilio(),
        vercel(),
        x(),
        zendesk(),
        zoom(),
    ]
}

/// Returns the preset with this name, ignoring case, blanks, hyphens and underscores.
///
/// ```
/// use tower_backoff::providers;
///
/// assert!(providers::by_name("Daily Event Insurance").is_some());
/// assert!(providers::by_name("EnrichEngine").is_some());
/// assert!(providers::by_name("unknown").is_none());
/// ```
pub fn by_name(name: &str) -> Option<Provider> {
    all()
        .into_iter()
        .find(|preset| letters(preset.name()).eq(letters(name)))
}

fn letters(name: &str) -> impl Iterator<Item = char> + '_ {
    name.chars()
        .filter(|c| c.is_alphanumeric())
        .map(|c| c.to_ascii_lowercase())
}
