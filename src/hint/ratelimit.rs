//! The `RateLimit` field of `draft-ietf-httpapi-ratelimit-headers`, in all its generations.
//!
//! - up to -06: `RateLimit-Limit`, `-Remaining`, `-Reset` are three headers, read like all others of their kind
//! - -07: one dictionary, `limit=100, remaining=0, reset=30`
//! - from -08: a list, `"burst";r=12;t=3, "daily";r=0;t=5400`
//!
//! The scanner is ours because a parser of structured fields must refuse what is out there (unquoted names, a
//! second bare string, fractions, `;` where the dictionary wants `,`), and with one bad item the whole field.

use super::grammar::{Number, list};

/// One limit as the field states it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Item<'h> {
    remaining: Option<Number>,
    reset: Option<&'h [u8]>,
}

impl<'h> Item<'h> {
    /// Whether nothing is left.
    pub(super) fn is_exhausted(self) -> bool {
        self.remaining.is_some_and(Number::is_spent)
    }

    /// How many calls are left, and what is said about the reset.
    pub(super) fn budget(self) -> Option<(u32, Option<&'h [u8]>)> {
        let remaining = u32::try_from(self.remaining?.whole).ok()?;
        Some((remaining, self.reset))
    }

    pub(super) fn reset(self) -> Option<&'h [u8]> {
        self.reset
    }
}

/// The name that a hint from here carries.
pub(super) const NAME: &str = "ratelimit";

/// Whether a header is this field, or its older spelling. Lengths tell most names apart.
#[inline]
pub(super) fn is_name(name: &str) -> bool {
    matches!(name, NAME | "x-ratelimit")
}

/// Whether a line has a parameter that begins with a zero; nothing else is spent.
pub(super) fn says_zero(line: &[u8]) -> bool {
    let mut behind_equals = false;
    line.iter().any(|byte| {
        let zero = behind_equals && *byte == b'0';
        behind_equals = match byte {
            b'=' => true,
            b' ' | b'\t' | b'"' => behind_equals,
            _ => false,
        };
        zero
    })
}

/// The items of one line: a list names its parameters within a member, a dictionary across members.
pub(super) fn items(line: &[u8]) -> impl Iterator<Item = Item<'_>> {
    let dictionary =
        list::unquoted(line, b',').fold(Item::default(), |item, member| read(item, member, LONG));
    let listed = list::unquoted(line, b',').map(|member| read(Item::default(), member, SHORT));
    listed
        .chain([dictionary])
        .filter(|item| item.remaining.is_some())
}

const SHORT: [&[u8]; 2] = [b"r", b"t"];
const LONG: [&[u8]; 2] = [b"remaining", b"reset"];

fn read<'h>(mut item: Item<'h>, member: &'h [u8], [remaining, reset]: [&[u8]; 2]) -> Item<'h> {
    for (name, value) in list::unquoted(member, b';').filter_map(list::pair) {
        if name.eq_ignore_ascii_case(remaining) {
            item.remaining = Number::read(value);
        } else if name.eq_ignore_ascii_case(reset) {
            item.reset = Some(value);
        }
    }
    item
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn reads(line: &str, expected: &[(bool, Option<&str>)]) {
        let found: Vec<_> = items(line.as_bytes())
            .map(|item| {
                (
                    item.is_exhausted(),
                    item.reset
                        .map(|text| std::str::from_utf8(text).expect("text")),
                )
            })
            .collect();
        assert_eq!(found, expected, "{line}");
    }

    #[test]
    fn a_dictionary_is_one_item() {
        reads("limit=100, remaining=0, reset=30", &[(true, Some("30"))]);
        reads("limit=100,remaining=40,reset=30", &[(false, Some("30"))]);
        reads("limit=10;remaining=0;reset=5", &[(true, Some("5"))]);
        reads("remaining=0", &[(true, None)]);
    }

    #[test]
    fn a_list_is_one_item_per_limit() {
        reads("\"default\";r=0;t=30", &[(true, Some("30"))]);
        reads("\"default\" ; R=0 ; T=30", &[(true, Some("30"))]);
        reads(
            "\"burst\";r=12;t=3, \"daily\";r=0;t=5400",
            &[(false, Some("3")), (true, Some("5400"))],
        );
        reads("default;r=0;t=30;pk=:YWJj:", &[(true, Some("30"))]);
        reads("\"a,b;r=5\";r=0;t=1", &[(true, Some("1"))]);
    }

    #[test]
    fn a_zero_is_noticed_behind_blanks_and_quotes() {
        for line in ["d;r=0", "d; r= 0", "d;r=\t0", "limit=5, remaining=\"0\""] {
            assert!(says_zero(line.as_bytes()), "{line}");
        }
        for line in ["d;r=10;t=30", "d0;r=5", "0", "r=5 0"] {
            assert!(!says_zero(line.as_bytes()), "{line}");
        }
    }

    #[test]
    fn an_item_that_counts_nothing_is_none() {
        for line in [
            "",
            "100",
            "\"p\";q=100;w=60",
            "\"p\";r=-1;t=5",
            "\"p\";r;t",
            ";;,,==",
            "\"r=0;t=5",
        ] {
            reads(line, &[]);
        }
    }
}
