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
