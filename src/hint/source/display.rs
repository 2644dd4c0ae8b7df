//! A place in words.

use super::field::{Field, Location};
use std::fmt;

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Location::Header(name) => write!(f, "`{name}`")?,
            Location::HeaderList(name) => write!(f, "the items of `{name}`")?,
            Location::HeaderParams {
                name,
                counter,
                wait,
            } => write!(f, "`{wait}` of `{name}` whose `{counter}` is 0")?,
            Location::HeaderJson { name, path } => write!(f, "`{path}` in `{name}`")?,
            Location::UsedUp { usage, limit, .. } => {
                write!(f, "the next window when `{usage}` is up to `{limit}`")?;
            }
            Location::Json(path) => write!(f, "`{path}` in the body")?,
            Location::JsonDeficit {
                need,
                have,
                per_second,
            } => write!(f, "(`{need}` - `{have}`) / `{per_second}` in the body")?,
            Location::Midnight { phrase, midnight } => {
                write!(
                    f,
                    "midnight in `{}` when `{phrase}` is in the body",
                    midnight.rule
                )?;
            }
            Location::After(phrase) => write!(f, "after `{}` in the body", phrase.trim())?,
        }
        match self.default {
            Some(wait) => write!(f, ", else {wait:?}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[track_caller]
    fn says(field: Field, expected: &str) {
        assert_eq!(field.to_string(), expected);
    }

    #[test]
    fn every_place_has_its_words() {
        says(Field::header("x-wait"), "`x-wait`");
        says(Field::header_list("x-limits"), "the items of `x-limits`");
        says(
            Field::header_params("x-tickets", "remaining", "resets"),
            "`resets` of `x-tickets` whose `remaining` is 0",
        );
        says(Field::header_json("x-use", "*.wait"), "`*.wait` in `x-use`");
        says(
            Field::used_up("x-usage", "x-limit", [Duration::from_secs(900)]),
            "the next window when `x-usage` is up to `x-limit`",
        );
        says(
            Field::json("wait").default_wait(Duration::from_secs(1)),
            "`wait` in the body, else 1s",
        );
        says(
            Field::json_deficit("need", "have", "rate"),
            "(`need` - `have`) / `rate` in the body",
        );
        says(
            Field::midnight("PerDay", "PST8"),
            "midnight in `PST8` when `PerDay` is in the body",
        );
        says(Field::after("retry in "), "after `retry in` in the body");
    }
}
