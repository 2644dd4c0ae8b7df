//! Comma lists, which a proxy also makes of repeated lines.

use super::number::trim;

/// The items of a comma list, none of them empty.
///
/// A comma within a date or a time span does not part.
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

/// Every value of a line: of every list, whether `7, 0` or `7/0`.
pub(crate) fn values(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    items(line).flat_map(|item| {
        let is_list = is_list_of_numbers(item);
        item.split(move |byte| *byte == b'/' && is_list)
    })
}

/// Whether the slashes of an item part numbers, or a number and its unit, and no date and no name of a zone.
fn is_list_of_numbers(item: &[u8]) -> bool {
    let parts = || item.split(|byte| *byte == b'/').map(trim);
    let is_number = |part: &[u8]| part.first().is_some_and(u8::is_ascii_digit);
    let is_count = |part: &[u8]| part.iter().all(u8::is_ascii_digit);
    let is_rate = parts().count() == 2 && parts().next().is_some_and(is_count);
    is_rate || !is_date(item) && parts().all(is_number)
}

fn end_of_item(text: &[u8]) -> usize {
    /// `Saturday, Nov 28, 2026, 16:43:58`
    const MOST_IN_A_DATE: usize = 3;
    let commas = text.iter().enumerate().filter(|(_, byte)| **byte == b',');
    for (passed, (at, _)) in commas.enumerate() {
        if passed == MOST_IN_A_DATE || !goes_on(trim(&text[..at])) {
            return at;
        }
    }
    text.len()
}

/// Whether the comma behind this is one of a date, or of a time span: no time of day has come yet.
///
/// A date may begin with a weekday, which is letters only, and a time span with its days, `1 day, 0:00:30`.
fn goes_on(before: &[u8]) -> bool {
    if before.is_empty() || before.iter().any(|byte| b":;=".contains(byte)) {
        return false;
    }
    before.iter().all(u8::is_ascii_alphabetic)
        || before.ends_with(b" day")
        || before.ends_with(b" days")
        || is_date(before)
        || is_date_in_words(before)
}

/// Whether it is a date that names the month, in whatever language: `Nov 28`, `28. März 2026`.
fn is_date_in_words(text: &[u8]) -> bool {
    let is_name = |word: &[u8]| {
        let is_letter = |byte: &u8| byte.is_ascii_alphabetic() || !byte.is_ascii();
        let is_in_name = |byte: &u8| !byte.is_ascii_digit() && *byte != b',';
        word.iter().any(is_letter) && word.iter().all(is_in_name)
    };
    let digits = |word: &[u8]| {
        let word = word.strip_suffix(b",").unwrap_or(word);
        word.iter().all(u8::is_ascii_digit).then_some(word.len())
    };
    let words = || {
        text.split(|byte| *byte == b' ')
            .filter(|word| !word.is_empty())
    };
    let has_year = words().any(|word| digits(word) == Some(4));
    let mut last = words().rev();
    let ends_with_day = last
        .next()
        .and_then(digits)
        .is_some_and(|digits| (1..=2).contains(&digits))
        && last.next().is_some_and(is_name);
    ends_with_day || has_year && words().any(is_name)
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
    // Three counters may be written so as well, but only they can be zero.
    let is_zero = |digits: &[u8]| digits.iter().all(|byte| *byte == b'0');
    let has_zero = is_zero(&text[..first])
        || is_zero(&rest[..second])
        || is_zero(&rest[second + 1..][..third]);
    let lengths = (first, second, third);
    !has_zero && matches!(lengths, (1..=2, 1..=2, 4) | (4, 1..=2, 1..=2))
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
        splits("4 / 20, 0 / 100", &["4 / 20", "0 / 100"]);
        splits("4 - 20, 5", &["4 - 20", "5"]);
        for date in [
            "Nov 28, 2026, 16:43:58",
            "Saturday, Nov 28, 2026, 16:43:58",
            "28 November 2026, 16:43:58",
            "sam. 28 d\u{e9}c. 2026, 16:43:58",
            "28. M\u{e4}rz 2026, 16:43:58",
        ] {
            splits(&format!("{date}, 5"), &[date, "5"]);
        }
        splits("soon, 5, 6", &["soon, 5", "6"]);
        splits("9ms, 1000ms, 5", &["9ms", "1000ms", "5"]);
        splits("1000;w=9 2000, 0;w=60", &["1000;w=9 2000", "0;w=60"]);
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
