//! The page about clients, `docs/recipes.md`, which is made from the programs in `recipes/`.

use std::fs::read_to_string;
use std::path::Path;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

const INTRODUCTION: &str = "\
# Recipes

How the layer gets beneath each client. Every recipe is a program that runs against a server on the loopback: it asserts
that a call that is refused waits as long as the server says and is served, that a refusal past the patience of a call
ends it with the moment at which to come back, and that a quota that the server publishes (with tonic: that is declared) is
kept without a refusal.

All of these clients take a client of one's own beneath them, or a middleware. Three things are the same with each:

* The retries of the client itself are turned off, since they would send what the layer has decided not to send.
* A client that makes an error of each refusal drops its headers, so `end_with_not_before` makes `NotBefore` the error.
* A body that is a stream needs a `ReplayLayer` outside, which keeps 64 KiB of it; a larger one is sent once, unless
  its `bound` is larger.

```sh
recipes/run            # all of them
recipes/run axum kube  # these
```

This page is made from the programs, of which it shows the lines that a user adds:
`TOWER_BACKOFF_WRITE=1 cargo test --test report recipes` writes it anew.
";

/// The names of the programs, in the order of `recipes/Cargo.toml`.
fn programs() -> Vec<(String, String)> {
    let manifest = read_to_string(format!("{ROOT}/recipes/Cargo.toml")).expect("the manifest");
    let programs = manifest.split("[[bin]]\n").skip(1);
    let value = |program: &str, key: &str| {
        let mut lines = program.lines();
        let value = lines.find_map(|line| line.strip_prefix(&format!("{key} = \"")));
        value
            .and_then(|value| value.strip_suffix('"'))
            .expect(key)
            .to_owned()
    };
    programs
        .map(|program| {
            let name = value(program, "name");
            let feature = format!("required-features = [\"{name}\"]");
            assert!(program.contains(&feature), "{name}: {feature}");
            (name, value(program, "path"))
        })
        .collect()
}

/// What stands between `// recipe: begin` and `// recipe: end`, all of it in one block.
fn marked(source: &str, path: &str) -> String {
    let mut blocks = Vec::new();
    for block in source.split("// recipe: begin\n").skip(1) {
        let end = block.find("// recipe: end");
        let end = end.unwrap_or_else(|| panic!("{path}: a recipe without an end"));
        let lines: Vec<_> = block[..end].trim_end().lines().collect();
        let is_line = |line: &&&str| !line.trim().is_empty();
        let indent = |line: &&str| line.len() - line.trim_start().len();
        let margin = lines.iter().filter(is_line).map(indent).min().unwrap_or(0);
        let lines = lines
            .iter()
            .map(|line| line.get(margin..).unwrap_or_default());
        blocks.push(lines.collect::<Vec<_>>().join("\n"));
    }
    assert!(!blocks.is_empty(), "{path}: nothing is marked");
    blocks.join("\n\n")
}

struct Recipe {
    name: String,
    path: String,
    title: String,
    words: String,
    code: String,
}

impl Recipe {
    fn of(name: String, path: String) -> Self {
        let source = read_to_string(format!("{ROOT}/recipes/{path}")).expect("a program");
        let header = source.lines().map_while(|line| line.strip_prefix("//!"));
        let header: Vec<_> = header.map(str::trim).collect();
        let [title, "", words @ ..] = &header[..] else {
            panic!("{path}: a title, an empty line and words");
        };
        Self {
            title: (*title).to_owned(),
            words: words.join("\n"),
            code: marked(&source, &path),
            name,
            path,
        }
    }

    fn lines(&self) -> usize {
        let lines = self.code.lines();
        lines.filter(|line| !line.trim().is_empty()).count()
    }

    /// The row of the contents, with a link to the chapter.
    fn row(&self) -> String {
        let title = self.title.to_lowercase().replace(' ', "-");
        let is_kept = |letter: &char| letter.is_alphanumeric() || matches!(letter, '-' | '_');
        let anchor: String = title.chars().filter(is_kept).collect();
        format!("| [{}](#{anchor}) | {} |\n", self.title, self.lines())
    }

    fn chapter(&self) -> String {
        let Self {
            name,
            path,
            title,
            words,
            code,
        } = self;
        format!(
            "\n## {title}\n\n{words}\n\n```rust,ignore\n{code}\n```\n\n\
             `recipes/run {name}` runs [the whole program](../recipes/{path}).\n"
        )
    }
}

#[test]
fn the_page_of_recipes_is_what_the_programs_say() {
    if !crate::is_repository() {
        return;
    }
    let recipes = programs().into_iter();
    let recipes: Vec<_> = recipes.map(|(name, path)| Recipe::of(name, path)).collect();
    let rows: String = recipes.iter().map(Recipe::row).collect();
    let chapters: String = recipes.iter().map(Recipe::chapter).collect();
    let page = format!("{INTRODUCTION}\n| recipe | lines |\n|---|--:|\n{rows}{chapters}");
    let file = Path::new(ROOT).join("docs/recipes.md");
    if std::env::var_os("TOWER_BACKOFF_WRITE").is_some() {
        std::fs::write(&file, &page).expect("docs/recipes.md can be written");
    }
    let written = read_to_string(&file).unwrap_or_default();
    assert!(
        written == page,
        "docs/recipes.md is stale: TOWER_BACKOFF_WRITE=1 cargo test --test report recipes"
    );
}

#[test]
fn every_recipe_is_a_program_that_is_run() {
    if !crate::is_repository() {
        return;
    }
    let folder = std::fs::read_dir(format!("{ROOT}/recipes/src/bin")).expect("the programs");
    let mut files: Vec<_> = folder
        .map(|entry| entry.unwrap().file_name())
        .map(|name| format!("src/bin/{}", name.to_string_lossy()))
        .collect();
    let mut named: Vec<_> = programs().into_iter().map(|(_, path)| path).collect();
    files.sort();
    named.sort();
    assert_eq!(files, named);
}
