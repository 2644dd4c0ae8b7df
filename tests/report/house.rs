//! The rules of the house that a program can check: words, names and imports.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All files with this extension under a folder of the repository.
fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{path:?}: {error}"))
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().display().to_string()
}

#[test]
fn no_phrase_stands_in_the_way_of_a_reader() {
    const PHRASES: [&str; 7] = [
        "so many",
        "nobody",
        "somebody",
        "whoever",
        "made out",
        "come one upon",
        ", say",
    ];
    let is_letter = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphabetic);
    let stands_in = |line: &str, phrase: &str| {
        let ends = line.match_indices(phrase).map(|(at, _)| at + phrase.len());
        ends.into_iter()
            .any(|end| !is_letter(line.as_bytes().get(end)))
    };
    let mut texts = files("src", "rs");
    texts.extend(files("docs", "md"));
    texts.push(root().join("README.md"));
    let mut found = Vec::new();
    for path in &texts {
        // The variant of `Away` is a name, and no word of a sentence.
        let text = read(path)
            .replace("Away::Nobody", "")
            .replace(" Nobody,", "");
        for (number, line) in text.to_lowercase().lines().enumerate() {
            let phrase = PHRASES.iter().find(|phrase| stands_in(line, phrase));
            if let Some(phrase) = phrase {
                found.push(format!("{}:{}: {phrase:?}", shown(path), number + 1));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// The name that a line defines, if it defines a type.
fn type_defined_in(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace();
    let mut word = words.next()?;
    if word.starts_with("pub") {
        word = words.next()?;
        // `pub(in crate::policy)` is two words.
        if word.ends_with(')') {
            word = words.next()?;
        }
    }
    // An associated type is indented, a type alias is not.
    let is_type = matches!(word, "struct" | "enum" | "trait" | "union")
        || word == "type" && !line.starts_with(' ');
    let name = words.next().filter(|_| is_type)?;
    let end = name.find(|letter: char| !letter.is_alphanumeric());
    let name = &name[..end.unwrap_or(name.len())];
    name.starts_with(char::is_uppercase).then_some(name)
}

#[test]
fn every_type_name_has_one_meaning() {
    /// One of each client; and twins, of which a feature or a platform chooses one.
    const ALLOWED: [&str; 3] = ["ResponseFuture", "Sleep", "Span"];
    let mut defined: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for path in files("src", "rs") {
        for line in read(&path).lines() {
            if let Some(name) = type_defined_in(line) {
                defined
                    .entry(name.to_owned())
                    .or_default()
                    .push(shown(&path));
            }
        }
    }
    let twice = |(name, files): &(&String, &Vec<String>)| {
        files.len() > 1 && !ALLOWED.contains(&name.as_str())
    };
    let twice: Vec<_> = defined.iter().filter(twice).collect();
    assert!(twice.is_empty(), "{twice:#?}");
}

/// The files of one crate by the path of their modules.
struct Crate {
    files: BTreeMap<Vec<String>, PathBuf>,
}

impl Crate {
    /// All modules under a folder, of which `main` is the root.
    fn under(folder: &str, main: &str) -> Self {
        let base = root().join(folder);
        let module = |path: &PathBuf| {
            let inner = path.strip_prefix(&base).unwrap().with_extension("");
            let mut names: Vec<_> = inner
                .iter()
                .map(|name| name.to_str().unwrap().to_owned())
                .collect();
            let last = names.last().map(String::as_str);
            if last == Some("mod") || names.len() == 1 && last == Some(main) {
                names.pop();
            }
            names
        };
        let files = files(folder, "rs").into_iter();
        let no_tests = |path: &PathBuf| !path.ends_with("tests.rs");
        Self {
            files: files
                .filter(no_tests)
                .map(|path| (module(&path), path))
                .collect(),
        }
    }

    /// The module that a path of names leads to, if it is not the root.
    fn target(&self, names: &[String]) -> Option<Vec<String>> {
        let prefixes = (1..=names.len()).rev().map(|end| &names[..end]);
        let mut known = prefixes.filter(|prefix| self.files.contains_key(*prefix));
        known.next().map(<[String]>::to_vec)
    }

    /// The modules that a module imports from, its own parents and children apart.
    fn imports(&self, module: &[String]) -> BTreeSet<Vec<String>> {
        let text = read(&self.files[module]);
        let code = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        let code = code.collect::<Vec<_>>().join(" ");
        let mut found = BTreeSet::new();
        for (start, keyword) in ["crate::", "super::", "self::"]
            .into_iter()
            .flat_map(|keyword| code.match_indices(keyword))
        {
            let before = code[..start].chars().next_back();
            if before.is_some_and(|before| before.is_alphanumeric() || before == ':') {
                continue;
            }
            let mut base = match keyword {
                "crate::" => Vec::new(),
                "super::" => module[..module.len().saturating_sub(1)].to_vec(),
                _ => module.to_vec(),
            };
            let mut rest = &code[start + keyword.len()..];
            while let Some(more) = rest.strip_prefix("super::") {
                base.pop();
                rest = more;
            }
            for names in paths(rest) {
                let path = [base.clone(), names].concat();
                found.extend(self.target(&path));
            }
        }
        found.retain(|other| !other.starts_with(module) && !module.starts_with(other));
        found
    }
}

/// The paths that an import names: `a::b`, or `a::{b, c::D}` as far as the first level.
fn paths(text: &str) -> Vec<Vec<String>> {
    let name = |letter: char| letter.is_alphanumeric() || letter == '_';
    let split = |text: &str| -> Vec<String> {
        let names = text.split("::").map(str::trim);
        names
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let end = text.find(|letter: char| !name(letter) && letter != ':');
    let plain = &text[..end.unwrap_or(text.len())];
    let first = split(plain);
    let group = text[plain.len()..].strip_prefix('{');
    match group.and_then(|group| group.split_once('}')) {
        Some((inside, _)) => inside
            .split(',')
            .map(|item| [first.clone(), split(item)].concat())
            .collect(),
        None => vec![first],
    }
}

/// A chain of modules in which each imports the next one and the last the first.
fn circle(imports: &BTreeMap<Vec<String>, BTreeSet<Vec<String>>>) -> Option<Vec<Vec<String>>> {
    fn visit<'a>(
        module: &'a Vec<String>,
        imports: &'a BTreeMap<Vec<String>, BTreeSet<Vec<String>>>,
        path: &mut Vec<&'a Vec<String>>,
        done: &mut BTreeSet<&'a Vec<String>>,
    ) -> Option<Vec<Vec<String>>> {
        if let Some(at) = path.iter().position(|known| *known == module) {
            return Some(path[at..].iter().map(|module| (*module).clone()).collect());
        }
        if !done.insert(module) {
            return None;
        }
        path.push(module);
        let next = imports.get(module).into_iter().flatten();
        let found = next
            .into_iter()
            .find_map(|other| visit(other, imports, path, done));
        path.pop();
        found
    }
    let mut done = BTreeSet::new();
    imports
        .keys()
        .find_map(|module| visit(module, imports, &mut Vec::new(), &mut done))
}

#[test]
fn no_two_files_import_from_each_other() {
    if !crate::is_repository() {
        return;
    }
    let crates = [
        ("src", "lib"),
        ("benches/quota", "main"),
        ("benches/overhead", "main"),
        ("benches/scale", "main"),
        ("benches/wire", "main"),
    ];
    for (folder, main) in crates {
        let modules = Crate::under(folder, main);
        assert!(modules.files.len() > 2, "{folder} holds a crate");
        let imports = modules.files.keys();
        let imports = imports.map(|module| (module.clone(), modules.imports(module)));
        let found = circle(&imports.collect());
        assert_eq!(found, None, "in {folder}");
    }
}

#[test]
fn a_circle_is_found_and_a_chain_is_none() {
    let module = |name: &str| vec![name.to_owned()];
    let imports = |pairs: &[(&str, &str)]| {
        let mut all: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for (from, to) in pairs {
            all.entry(module(from)).or_default().insert(module(to));
        }
        all
    };
    assert_eq!(
        circle(&imports(&[("a", "b"), ("b", "c"), ("a", "c")])),
        None
    );
    let found = circle(&imports(&[("a", "b"), ("b", "c"), ("c", "b")]));
    assert_eq!(found, Some(vec![module("b"), module("c")]));
}

#[test]
fn names_and_paths_are_read_as_they_are_written() {
    let defined = [
        ("pub(crate) struct Core {", Some("Core")),
        ("pub(in crate::policy) enum Kind<T> {", Some("Kind")),
        ("type Codes = [u8];", Some("Codes")),
        ("    type Error = BoxError;", None),
        ("    struct Inner;", Some("Inner")),
        ("/// struct Doc", None),
    ];
    for (line, name) in defined {
        assert_eq!(type_defined_in(line), name, "{line}");
    }
    let read: Vec<_> = paths("gate::{Gate, core::Core};")
        .into_iter()
        .map(|names| names.join("/"))
        .collect();
    assert_eq!(read, ["gate/Gate", "gate/core/Core"]);
    assert_eq!(paths("time::Moment;"), [["time", "Moment"]]);
}
