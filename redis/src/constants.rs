//! Puts the numbers of a script in the places of their names.
//!
//! Lua 5.1 has no constants: a name that a function uses is a variable that the two share, made anew with each run of the
//! script. Fifty of them cost a fifth of a run.

use std::collections::HashMap;

/// The script without the lines that define constants, and with their numbers wherever they are named.
///
/// Such a line is `local NAME, NAME = 1, 2` at the beginning of a line, or names a constant defined before. A name
/// between quotes stays as it is: it is a word of a command.
pub(crate) fn inline_constants(source: &str) -> String {
    let mut constants = HashMap::new();
    let mut inlined = String::with_capacity(source.len());
    for line in source.lines() {
        match definition(line) {
            // The line stays, so that an error names the line of the file.
            Some((names, values)) => {
                for (name, value) in names.split(", ").zip(values.split(", ")) {
                    let value = constants.get(value).copied().unwrap_or(value);
                    constants.insert(name, value);
                }
            }
            None => inline(line, &constants, &mut inlined),
        }
        inlined.push('\n');
    }
    inlined
}

fn definition(line: &str) -> Option<(&str, &str)> {
    let (names, values) = line.strip_prefix("local ")?.split_once(" = ")?;
    let is_name = |name: &str| name.bytes().all(is_of_constant);
    let is_constant = names.split(", ").all(is_name) && values.split(", ").all(is_name);
    is_constant.then_some((names, values))
}

/// Appends the line, without its comment.
fn inline(line: &str, constants: &HashMap<&str, &str>, inlined: &mut String) {
    let line = line.split("--").next().unwrap_or_default();
    let is_of_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let mut rest = line;
    while !rest.is_empty() {
        let word = rest.find(|letter| !is_of_word(letter));
        let (word, after) = rest.split_at(word.unwrap_or(rest.len()));
        let is_quoted = inlined.ends_with('\'');
        let value = constants.get(word).filter(|_| !is_quoted);
        inlined.push_str(value.copied().unwrap_or(word));
        let gap = after.find(is_of_word).unwrap_or(after.len());
        inlined.push_str(&after[..gap]);
        rest = &after[gap..];
    }
}

fn is_of_constant(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_is_its_number_everywhere_but_in_a_string() {
        let source = "\
local ONE, LIMIT = 1, 200 -- no constants: a comment follows
local ONE, LIMIT = 1, 200
local LAST = LIMIT
local TIME = call('TIME') -- LAST
  call('ZRANGE', 'LIMIT', LIMIT, LIMITS, LAST + ONE, A_LIMIT)
";
        let inlined = "\
local ONE, LIMIT = 1, 200 \n\n\nlocal TIME = call('TIME') \n  call('ZRANGE', 'LIMIT', 200, LIMITS, 200 + 1, A_LIMIT)\n";
        assert_eq!(inline_constants(source), inlined);
    }

    #[test]
    fn the_script_names_no_constant_that_is_not_defined() {
        let inlined = inline_constants(include_str!("exchange.lua"));
        let words = inlined.split(|letter: char| {
            !letter.is_ascii_alphanumeric() && letter != '_' && letter != '\''
        });
        let is_name = |word: &&str| {
            word.len() > 1
                && word
                    .bytes()
                    .all(|byte| byte.is_ascii_uppercase() || byte == b'_')
        };
        let names: Vec<_> = words.filter(is_name).collect();
        assert!(
            names.iter().all(|name| matches!(*name, "KEYS" | "ARGV")),
            "{names:?}"
        );
    }
}
