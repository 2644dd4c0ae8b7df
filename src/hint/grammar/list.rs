//! Comma lists, which a proxy also makes of repeated lines.

use super::number::trim;

/// The items of a comma list, none of them empty.
///
/// The comma behind the weekday of a date does not part: what came before it is letters only. Nor does that behind the
/// days of a time span, `1 day, 0:00:30`, or behind a date in digits, `31.12.2026, 00:30:00`.
pub(crate) fn items(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = text;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let (item, after) = rest.split_at(end_of_item(rest));
            rest = after.get(1..).unwrap_or_default();
            let item = trim(item);
            if !item.is_empty() {
                return Some(item);
            }
        }
        None
    })
}

fn end_of_item(text: &[u8]) -> usize {
    let comma = |from: usize| {
        text[from..]
            .iter()
            .position(|byte| *byte == b',')
            .map(|at| from + at)
    };
    let Some(first) = comma(0) else {
        return text.len();
    };
    let before = trim(&text[..first]);
    let is_weekday = !before.is_empty() && before.iter().all(u8::is_ascii_alphabetic);
    let is_days = before.ends_with(b" day") || before.ends_with(b" days");
    if !is_weekday && !is_days && !is_date(before) {
        return first;
    }
    comma(first + 1).unwrap_or(text.len())
}

/// Whether the slashes of an item part no list: they are those of a date or of a zone in brackets.
pub(crate) fn is_moment(item: &[u8]) -> bool {
    item.ends_with(b"]") || is_date(item)
}

/// Whether a text begins with a date whose parts are parted by slashes or points, in whatever order they are.
///
/// Which of them is the month is not said, so such a moment is not read, nor any part of it.
fn is_date(text: &[u8]) -> bool {
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let first = digits(text);
    let Some(separator @ (b'/' | b'.')) = text.get(first) else {
        return false;
    };
    let rest = &text[first + 1..];
    let second = digits(rest);
    let third = match rest.get(second) {
        Some(byte) if byte == separator => digits(&rest[second + 1..]),
        _ => return false,
    };
    matches!(
        (first, second, third),
        (1..=2, 1..=2, 4) | (4, 1..=2, 1..=2)
    )
}

/// Cuts at every `separator` that stands outside double quotes.
pub(crate) fn unquoted(text: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut quoted = false;
    text.split(move |byte| {
        quoted ^= *byte == b'"';
        *byte == separator && !quoted
    })
}

/// `name=value`, both trimmed; quotes around the value are dropped.
pub(crate) fn pair(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let equals = text.iter().position(|byte| *byte == b'=')?;
    Some((trim(&text[..equals]), bare(&text[equals + 1..])))
}

/// Without blanks, and without one pair of double quotes.
pub(crate) fn bare(text: &[u8]) -> &[u8] {
    match trim(text) {
        [b'"', inner @ .., b'"'] => trim(inner),
        plain => plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn splits(text: &str, expected: &[&str]) {
        let found: Vec<_> = items(text.as_bytes())
            .map(String::from_utf8_lossy)
            .collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn a_list_is_cut_at_its_commas() {
        splits("", &[]);
        splits(" , ,", &[]);
        splits("30", &["30"]);
        splits("30, 60 ,90", &["30", "60", "90"]);
    }

    #[test]
    fn a_date_keeps_the_comma_of_its_weekday() {
        splits(
            "Thu, 01 Jan 2026 00:00:30 GMT",
            &["Thu, 01 Jan 2026 00:00:30 GMT"],
        );
        splits(
            "30, Thu, 01 Jan 2026 00:00:30 GMT, 60",
            &["30", "Thu, 01 Jan 2026 00:00:30 GMT", "60"],
        );
        splits("1 day, 0:00:30, 5", &["1 day, 0:00:30", "5"]);
        splits("1/2/2026, 1:02:30 PM, 5", &["1/2/2026, 1:02:30 PM", "5"]);
        splits("1.2.2026, 5", &["1.2.2026, 5"]);
        splits("1/2/20, 5", &["1/2/20", "5"]);
        splits("1.5, 2.5", &["1.5", "2.5"]);
        splits("Thu", &["Thu"]);
        splits("Thu,", &["Thu,"]);
    }

    #[test]
    fn quotes_hide_separators() {
        let found: Vec<_> = unquoted(b"\"a,b\";r=0, c", b',')
            .map(String::from_utf8_lossy)
            .collect();
        assert_eq!(found, ["\"a,b\";r=0", " c"]);
        assert_eq!(unquoted(b"\"never closed, so one", b',').count(), 1);
    }
}
