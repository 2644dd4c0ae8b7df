//! Looking into JSON that may be cut off anywhere.
//!
//! A peeked body ends where the peek ends, so it is read as a stream: what stood before the cut has been seen.
//! Depth is bounded by `serde_json`, and what is not asked for is skipped without a copy.

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// Shows every string and every number in `body` to `found`, until it answers `true`.
///
/// Keys are not shown. Answers whether `found` did.
pub(crate) fn codes_in(body: &[u8], found: &mut dyn FnMut(&str) -> bool) -> bool {
    walk(body, Wanted::Everything, found)
}

/// Shows every string and every number at `path` to `found`, until it answers `true`.
///
/// Segments are parted by dots and match names in either case; `*` is any name or index.
pub(crate) fn at(body: &[u8], path: &str, found: &mut dyn FnMut(&str) -> bool) -> bool {
    walk(body, Wanted::Path(path), found)
}

fn walk(body: &[u8], wanted: Wanted<'_>, found: &mut dyn FnMut(&str) -> bool) -> bool {
    let mut done = false;
    let walk = Walk {
        wanted,
        found,
        done: &mut done,
    };
    let mut json = serde_json::Deserializer::from_slice(without_mark(body));
    // An error is the cut, or our own way to stop; either way the walk is over.
    let _ = walk.deserialize(&mut json);
    done
}

/// Without the byte order mark that some servers begin with; a parser may ignore it (RFC 8259, section 8.1).
fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body)
}

/// Which values are shown.
#[derive(Clone, Copy)]
enum Wanted<'p> {
    Everything,
    /// What lies below this value by the rest of a path.
    Path(&'p str),
    /// This value itself.
    Here,
}

impl<'p> Wanted<'p> {
    /// What is wanted of a child; `None` if it can be skipped.
    fn below(self, is_named: impl FnOnce(&str) -> bool) -> Option<Wanted<'p>> {
        let path = match self {
            Wanted::Everything => return Some(self),
            Wanted::Here => return None,
            Wanted::Path(path) => path,
        };
        let (head, rest) = match path.split_once('.') {
            Some((head, rest)) => (head, Wanted::Path(rest)),
            None => (path, Wanted::Here),
        };
        (head == "*" || is_named(head)).then_some(rest)
    }
}

struct Walk<'w, 'p> {
    wanted: Wanted<'p>,
    found: &'w mut dyn FnMut(&str) -> bool,
    done: &'w mut bool,
}

impl Walk<'_, '_> {
    fn show<E: Error>(self, value: &str) -> Result<(), E> {
        if !matches!(self.wanted, Wanted::Path(_)) && (self.found)(value) {
            *self.done = true;
            return Err(E::custom("found"));
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.show(value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.show(&value.to_string())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.show(&value.to_string())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.show(&value.to_string())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key_seed(Key)? {
            match self.wanted.below(|head| head.eq_ignore_ascii_case(&name)) {
                Some(wanted) => map.next_value_seed(Walk {
                    wanted,
                    found: &mut *self.found,
                    done: &mut *self.done,
                })?,
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        for index in 0_usize.. {
            let more = match self.wanted.below(|head| head.parse() == Ok(index)) {
                Some(wanted) => list.next_element_seed(Walk {
                    wanted,
                    found: &mut *self.found,
                    done: &mut *self.done,
                })?,
                None => list.next_element::<IgnoredAny>()?.map(drop),
            };
            if more.is_none() {
                break;
            }
        }
        Ok(())
    }
}

/// A name, borrowed unless it has escapes in it.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E: Error>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn shows(body: &[u8], expected: &[&str]) {
        let mut shown = Vec::new();
        let stopped = codes_in(body, &mut |value| {
            shown.push(value.to_owned());
            false
        });
        assert!(!stopped);
        assert_eq!(shown, expected, "{}", String::from_utf8_lossy(body));
    }

    #[track_caller]
    fn finds(body: &str, path: &str, expected: &[&str]) {
        let mut found = Vec::new();
        at(body.as_bytes(), path, &mut |value| {
            found.push(value.to_owned());
            false
        });
        assert_eq!(found, expected, "{path} in {body}");
    }

    #[test]
    fn every_string_and_number_is_shown() {
        shows(
            br#"{"error":{"code":"GONE","n":[4,-2,1.5,true,null]}}"#,
            &["GONE", "4", "-2", "1.5"],
        );
        shows(br#""alone""#, &["alone"]);
        shows(br#"{"a":"\u0041\n"}"#, &["A\n"]);
    }

    #[test]
    fn a_byte_order_mark_hides_nothing() {
        shows("\u{feff}{\"code\":\"GONE\"}".as_bytes(), &["GONE"]);
        finds("\u{feff} {\"a\":7}", "a", &["7"]);
    }

    #[test]
    fn what_stood_before_a_cut_is_shown() {
        shows(
            br#"{"error":{"code":"GONE","message":"half a sen"#,
            &["GONE"],
        );
        shows(br#"[1,2,"#, &["1", "2"]);
        shows(b"{\"a\":\"x\",\"b\":\"\xff\"}", &["x"]);
        shows(b"", &[]);
        shows(b"<html>", &[]);
    }

    #[test]
    fn the_walk_stops_at_the_first_match() {
        let mut seen = 0;
        let stopped = codes_in(br#"["a","b","c"]"#, &mut |value| {
            seen += 1;
            value == "b"
        });
        assert!(stopped);
        assert_eq!(seen, 2);
    }

    #[test]
    fn depth_without_end_is_cut_like_any_other_body() {
        let deep = [b"[\"top\",".as_slice(), &b"[".repeat(1_000_000)].concat();
        shows(&deep, &["top"]);
        let named = br#"{"a":"#.repeat(100_000);
        shows(&named, &[]);
    }

    #[test]
    fn a_path_leads_to_its_values() {
        finds(
            r#"{"meta":{"expiresIn":54518}}"#,
            "meta.expiresIn",
            &["54518"],
        );
        finds(r#"{"meta":{"EXPIRESIN":"7"}}"#, "Meta.expiresin", &["7"]);
        finds(r#"{"a":[{"t":1},{"t":2},{"u":3}]}"#, "a.*.t", &["1", "2"]);
        finds(r#"{"a":[10,20]}"#, "a.1", &["20"]);
        finds(
            r#"{"x":{"1":[{"wait":19}],"2":[{"wait":3}]}}"#,
            "*.*.*.wait",
            &["19", "3"],
        );
    }

    #[test]
    fn a_path_shows_neither_more_nor_less() {
        finds(r#"{"a":{"b":1}}"#, "a", &[]);
        finds(r#"{"a":1}"#, "a.b", &[]);
        finds(r#"{"b":{"a":1}}"#, "a", &[]);
        finds(r#"{"a":1}"#, "", &[]);
        finds("5", "a", &[]);
    }
}
