//! The index of the tests, `tests/README.md`: every test that it names exists.

use std::fs::read_to_string;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The word in a cell, which stands in backticks.
fn word<'a>(cell: &'a str, line: &str) -> &'a str {
    let word = cell.trim().strip_prefix('`');
    let word = word.and_then(|word| word.strip_suffix('`'));
    word.unwrap_or_else(|| panic!("not in backticks: {line}"))
}

#[test]
fn the_index_names_only_tests_that_exist() {
    if !crate::is_repository() {
        return;
    }
    let index = read_to_string(format!("{ROOT}/tests/README.md")).expect("the index");
    let rows = index.lines().filter(|line| line.starts_with("| "));
    let rows = rows.filter(|line| !line.starts_with("| rule |"));
    let mut count = 0;
    for line in rows {
        let cells: Vec<_> = line.trim_matches('|').split('|').collect();
        let [_, file, test] = cells[..] else {
            panic!("not three columns: {line}");
        };
        let (file, test) = (word(file, line), word(test, line));
        let folder = if ["src/", "cli/", "demo/"]
            .iter()
            .any(|start| file.starts_with(start))
        {
            ""
        } else {
            "tests/"
        };
        let text = read_to_string(format!("{ROOT}/{folder}{file}"));
        let text = text.unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(text.contains(&format!("fn {test}(")), "{file}: no {test}");
        count += 1;
    }
    assert!(count >= 200, "{count} rows");
}
