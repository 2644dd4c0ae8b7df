//! The options on the command line.

use crate::scenario::Scenario;

/// What to simulate, and how to print it.
#[derive(Clone, Debug)]
pub struct Options {
    pub json: bool,
    /// The path of the picture, relative to the root of the repository.
    pub svg: Option<String>,
    /// The path of the picture of learning.
    pub svg_learning: Option<String>,
    /// The seeds of each cell; 5, and 3 in the zoo, if nothing is said.
    seeds: Option<u64>,
    /// Whether the zoo plays all species in every regime, and pairs of factors.
    pub plays_whole_zoo: bool,
    /// Only these scenarios; all if empty. `eight` names the eight, `zoo` all of the zoo.
    pub only: Vec<String>,
    /// Only these contenders; all if empty.
    pub contenders: Vec<String>,
}

const USAGE: &str = "\
cargo bench --bench quota -- [--json] [--only eight|zoo|wolfeo,lemlist,lemlist/] [--contender ours,ours+preset] [--seeds 5] [--zoo] [--svg docs/quota.svg] [--svg-learning docs/learning.svg]";

impl Options {
    /// Whether the options select this scenario.
    pub fn selects(&self, scenario: &Scenario) -> bool {
        let has = |word: &str| self.only.iter().any(|each| each == word);
        names(&self.only, &scenario.name)
            || (has("eight") && scenario.is_one_of_eight)
            || (has("zoo") && scenario.specimen.is_some())
    }

    /// The number of seeds of a scenario.
    pub fn seeds(&self, scenario: &Scenario) -> u64 {
        let usual = if scenario.specimen.is_some() { 3 } else { 5 };
        self.seeds.unwrap_or(usual)
    }

    /// Whether to print a table for a scenario: for a cell of the zoo only if it is named.
    pub fn has_table(&self, scenario: &Scenario) -> bool {
        let is_named = !self.only.is_empty() && names(&self.only, &scenario.name);
        scenario.specimen.is_none() || is_named
    }

    pub fn read() -> Self {
        let mut options = Self {
            json: false,
            svg: None,
            svg_learning: None,
            seeds: None,
            plays_whole_zoo: false,
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
                "--svg-learning" => options.svg_learning = Some(value()),
                "--zoo" => options.plays_whole_zoo = true,
                "--seeds" => options.seeds = Some(value().parse().unwrap_or_else(|_| usage(&word))),
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
