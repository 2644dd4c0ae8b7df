//! The options on the command line.

use crate::scenario::Scenario;

/// What to simulate, and how to print it.
#[derive(Clone, Debug)]
pub struct Options {
    pub json: bool,
    /// The path of the picture, relative to the root of the repository.
    pub svg: Option<String>,
    pub seeds: u64,
    /// Only these scenarios; all if empty. `eight` names the eight.
    pub only: Vec<String>,
    /// Only these contenders; all if empty.
    pub contenders: Vec<String>,
}

const USAGE: &str = "\
cargo bench --bench quota -- [--json] [--only eight|wolfeo,lemlist,lemlist/] [--contender ours,ours+preset] [--seeds 5] [--svg docs/quota.svg]";

impl Options {
    /// Whether the options select this scenario.
    pub fn selects(&self, scenario: &Scenario) -> bool {
        let all_eight = self.only.iter().any(|each| each == "eight");
        names(&self.only, &scenario.name) || (all_eight && scenario.is_one_of_eight)
    }

    pub fn read() -> Self {
        let mut options = Self {
            json: false,
            svg: None,
            seeds: 5,
            only: Vec::new(),
            contenders: Vec::new(),
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || words.next().unwrap_or_else(|| usage(&word));
            match word.as_str() {
                // Cargo adds this one.
                "--bench" => {}
                "--json" => options.json = true,
                "--svg" => options.svg = Some(value()),
                "--seeds" => options.seeds = value().parse().unwrap_or_else(|_| usage(&word)),
                "--only" => options.only = list(&value()),
                "--contender" => options.contenders = list(&value()),
                _ => usage(&word),
            }
        }
        options
    }
}

/// Whether a list contains a name or is empty. `lemlist/` stands for all names with this prefix.
pub fn names(list: &[String], name: &str) -> bool {
    let is = |each: &String| each == name || (each.ends_with('/') && name.starts_with(each));
    list.is_empty() || list.iter().any(is)
}

fn list(words: &str) -> Vec<String> {
    words.split(',').map(str::to_owned).collect()
}

fn usage(word: &str) -> ! {
    eprintln!("unknown option or value: {word}\n{USAGE}");
    std::process::exit(2)
}
