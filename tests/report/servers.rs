//! The table of `docs/servers.md`: each word in it is part of the example below it, which compiles.

use std::fs::read_to_string;

#[test]
fn every_word_of_the_table_of_servers_compiles() {
    let page = read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/servers.md")).unwrap();
    let (table, example) = page.split_once("```rust").expect("an example");
    let rows = table.lines().filter(|line| line.starts_with("| "));
    let mut count = 0;
    for row in rows.skip(1) {
        let cells: Vec<_> = row.trim_matches('|').split('|').collect();
        let [_, _, word, _] = cells[..] else {
            panic!("not four columns: {row}");
        };
        let word = word.trim().trim_matches('`');
        let line = format!("acme(){word},\n");
        assert!(word.is_empty() || example.contains(&line), "{row}");
        count += usize::from(!word.is_empty());
    }
    assert!(count >= 20, "{count} words");
}

#[test]
fn every_preset_by_framework_is_shown_on_the_page() {
    let root = env!("CARGO_MANIFEST_DIR");
    let page = read_to_string(format!("{root}/docs/servers.md")).unwrap();
    let source = read_to_string(format!("{root}/src/providers/frameworks.rs")).unwrap();
    let functions = source
        .lines()
        .filter_map(|line| line.strip_prefix("pub fn "));
    let mut count = 0;
    for function in functions {
        let (name, _) = function.split_once('(').expect("its arguments");
        assert!(page.contains(&format!("    frameworks::{name}(")), "{name}");
        count += 1;
    }
    assert!(count >= 20, "{count} functions");
}

#[test]
fn every_server_of_the_page_about_tests_compiles() {
    let root = env!("CARGO_MANIFEST_DIR");
    let page = read_to_string(format!("{root}/docs/testing.md")).unwrap();
    let (_, page) = page
        .split_once("## A server like yours")
        .expect("a section");
    let (table, example) = page.split_once("```rust").expect("an example");
    let rows = table.lines().filter(|line| line.starts_with("| "));
    let mut count = 0;
    for row in rows.skip(1) {
        let cells: Vec<_> = row.trim_matches('|').split('|').collect();
        let [_, limit, dialects] = cells[..] else {
            panic!("not three columns: {row}");
        };
        let limit = limit.trim().trim_matches('`');
        assert!(example.contains(&format!("    {limit},\n")), "{row}");
        for dialect in dialects.split('`').filter(|part| part.contains("::")) {
            assert!(example.contains(&format!("    {dialect},")), "{row}");
        }
        count += 1;
    }
    assert!(count >= 15, "{count} servers");
    // The page shows all that there is.
    let source = read_to_string(format!("{root}/src/testing/dialect.rs")).unwrap();
    let (_, source) = source
        .split_once("pub enum Dialect {")
        .expect("the dialects");
    let (variants, _) = source.split_once("\n}").expect("its end");
    for line in variants.lines().map(str::trim) {
        let name = line.trim_end_matches(',').split('(').next().unwrap_or("");
        if name.starts_with(char::is_uppercase) {
            assert!(example.contains(&format!("    Dialect::{name}")), "{name}");
        }
    }
}
