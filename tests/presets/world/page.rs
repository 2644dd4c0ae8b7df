//! The table of all providers, `docs/providers.md`: made from the presets, never by hand.

use tower_backoff::policy::{Policy, Provider};
use tower_backoff::providers;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/providers.md");

const HEAD: &str = "\
# The providers that are known

Every preset of `tower_backoff::providers`, as its words say it. This file is made from them:
`TOWER_BACKOFF_WRITE=1 cargo test --test presets` writes it anew.

\"The usual\" is sent again like this: whatever the method 429, 425, 413 that names a wait, and 408 over a
connection that closes; if that is safe any other 408, every 5xx but 501, 505 to 508, 510 and 511, and 409
to a request with an `Idempotency-Key`. A wait that a response names in the usual headers is believed
everywhere; the bare wait is for a refusal that names none. What is final here is final whatever else the
response says; other 4xx go to the caller, too.

";

fn table() -> String {
    let all = providers::all();
    let kinds: Vec<&str> = all[0].facts().iter().map(|(kind, _)| *kind).collect();
    let mut text = String::from(HEAD);
    text += &line(["provider"].into_iter().chain(kinds[1..].iter().copied()));
    text += &line(std::iter::repeat_n("---", kinds.len()));
    for provider in &all {
        text += &row(provider);
    }
    text
}

fn row(provider: &Provider) -> String {
    let facts = provider.facts();
    let name = match facts[0].1.as_str() {
        "" => provider.name().to_owned(),
        page => format!("[{}]({page})", provider.name()),
    };
    let rest = facts[1..].iter().map(|(_, words)| words.as_str());
    line([name.as_str()].into_iter().chain(rest))
}

fn line<'a>(cells: impl Iterator<Item = &'a str>) -> String {
    let cells: Vec<String> = cells.map(|cell| cell.replace('|', "\\|")).collect();
    format!("| {} |\n", cells.join(" | "))
}

#[test]
fn the_table_of_providers_is_what_the_presets_say() {
    let table = table();
    if std::env::var_os("TOWER_BACKOFF_WRITE").is_some() {
        std::fs::write(FILE, &table).expect("docs/providers.md can be written");
    }
    let written = std::fs::read_to_string(FILE).unwrap_or_default();
    assert!(
        written == table,
        "docs/providers.md is stale: TOWER_BACKOFF_WRITE=1 cargo test --test presets"
    );
}

#[test]
fn every_well_known_provider_names_its_page() {
    for provider in providers::all().iter().skip(5) {
        let facts = provider.facts();
        let (kind, page) = &facts[0];
        assert_eq!(*kind, "page");
        assert!(page.starts_with("https://"), "{}", provider.name());
    }
}
