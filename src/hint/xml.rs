//! Looking into XML that may be cut off anywhere, as far as it takes to find a code.
//!
//! A scanner and no parser: it knows elements, comments and CDATA, and resolves no entity, as no code has one in it. What
//! it does not understand ends it.

/// Shows the text of every element without children to `found`, until it answers `true`.
pub(crate) fn codes_in(body: &[u8], found: &mut dyn FnMut(&str) -> bool) -> bool {
    scan(body, |_, text| found(text))
}

/// Shows the text of every element at `path` to `found`, until it answers `true`.
///
/// The first segment of the path is the root. Segments are parted by dots and match names in either case, without their
/// prefix; `*` is any name.
pub(crate) fn at(body: &[u8], path: &str, found: &mut dyn FnMut(&str) -> bool) -> bool {
    scan(body, |names, text| is_at(names, path) && found(text))
}

/// Whether a body is XML, by the first byte that is no blank.
pub(crate) fn is_xml(body: &[u8]) -> bool {
    let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
    body.trim_ascii_start().first() == Some(&b'<')
}

/// Elements below this depth are not looked at: no refusal has them.
const DEEPEST: usize = 32;

fn is_at(names: &[&[u8]], path: &str) -> bool {
    let mut segments = path.split('.');
    let matches = |name: &&[u8]| {
        let segment = segments.next();
        segment.is_some_and(|segment| {
            segment == "*" || segment.as_bytes().eq_ignore_ascii_case(local(name))
        })
    };
    names.iter().all(matches) && segments.next().is_none()
}

/// The name without its prefix.
fn local(name: &[u8]) -> &[u8] {
    name.rsplit(|byte| *byte == b':').next().unwrap_or(name)
}

/// Shows each text that fills its element, with the names that lead to it.
fn scan(body: &[u8], mut see: impl FnMut(&[&[u8]], &str) -> bool) -> bool {
    let mut names: Vec<&[u8]> = Vec::new();
    let mut depth = 0_usize;
    // What the innermost element holds, as long as it has no child.
    let mut text: Option<&[u8]> = None;
    let mut rest = body;
    while let Some(begin) = rest.iter().position(|byte| *byte == b'<') {
        let before = rest[..begin].trim_ascii();
        text = text.map(|text| if before.is_empty() { text } else { before });
        let tag = &rest[begin + 1..];
        let after = if let Some(comment) = tag.strip_prefix(b"!--") {
            behind(comment, b"-->").map(|(_, after)| after)
        } else if let Some(data) = tag.strip_prefix(b"![CDATA[") {
            behind(data, b"]]>").map(|(data, after)| {
                text = text.map(|_| data.trim_ascii());
                after
            })
        } else if let [b'?' | b'!', ..] = tag {
            behind(tag, b">").map(|(_, after)| after)
        } else if let [b'/', tag @ ..] = tag {
            if depth == names.len() {
                let value = text.take().and_then(|text| std::str::from_utf8(text).ok());
                if value.is_some_and(|value| see(&names, value)) {
                    return true;
                }
                names.pop();
            }
            text = None;
            depth = depth.saturating_sub(1);
            behind(tag, b">").map(|(_, after)| after)
        } else {
            end_of_tag(tag).map(|(tag, after)| {
                if tag.last() == Some(&b'/') {
                    text = None;
                } else {
                    if depth == names.len() && depth < DEEPEST {
                        let end = tag.iter().position(u8::is_ascii_whitespace);
                        names.push(&tag[..end.unwrap_or(tag.len())]);
                    }
                    depth += 1;
                    text = (depth == names.len()).then_some(&[]);
                }
                after
            })
        };
        let Some(after) = after else {
            return false;
        };
        rest = after;
    }
    false
}

/// What stands before `end`, and what behind it.
fn behind<'t>(text: &'t [u8], end: &[u8]) -> Option<(&'t [u8], &'t [u8])> {
    let at = text.windows(end.len()).position(|window| window == end)?;
    Some((&text[..at], &text[at + end.len()..]))
}

/// The inside of a tag, in whose attributes a `>` may stand, and what is behind it.
fn end_of_tag(tag: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut quote = None;
    let end = tag.iter().position(|byte| match quote {
        Some(open) => {
            if *byte == open {
                quote = None;
            }
            false
        }
        None if matches!(byte, b'"' | b'\'') => {
            quote = Some(*byte);
            false
        }
        None => *byte == b'>',
    })?;
    Some((&tag[..end], &tag[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn shows(body: &str, path: Option<&str>, expected: &[&str]) {
        let mut shown = Vec::new();
        let mut see = |value: &str| {
            shown.push(value.to_owned());
            false
        };
        let stopped = match path {
            Some(path) => at(body.as_bytes(), path, &mut see),
            None => codes_in(body.as_bytes(), &mut see),
        };
        assert!(!stopped);
        assert_eq!(shown, expected, "{path:?} in {body}");
    }

    /// From "Error responses" in the API reference of Amazon S3.
    const S3: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>\n  <Code>SlowDown</Code>\n  \
        <Message>Please reduce your request rate.</Message>\n  <Resource/>\n</Error>";

    #[test]
    fn the_text_of_each_element_is_shown() {
        let message = "Please reduce your request rate.";
        shows(S3, None, &["SlowDown", message]);
        shows(S3, Some("error.code"), &["SlowDown"]);
        shows(S3, Some("Error.*"), &["SlowDown", message]);
        shows(S3, Some("Code"), &[]);
        shows(S3, Some("Error.Code.x"), &[]);
        shows(S3, Some("Error"), &[]);
    }

    #[test]
    fn what_surrounds_a_text_does_not_hide_it() {
        shows("<a><!-- <b>c</b> --><d> e </d></a>", None, &["e"]);
        shows("<a x='>' y=\"</a>\">b</a>", None, &["b"]);
        shows("<s:a xmlns:s=\"u\"><s:b>c</s:b></s:a>", Some("a.b"), &["c"]);
        shows("<a><![CDATA[<b>]]></a>", None, &["<b>"]);
        shows(
            "<!DOCTYPE html><p>text <b>bold</b> more</p>",
            None,
            &["bold"],
        );
        shows("<a></a><b/><c>d</c>", None, &["", "d"]);
    }

    #[test]
    fn what_stood_before_a_cut_is_shown() {
        shows("<a><b>c</b><d>e", None, &["c"]);
        shows("<a><b>c</b", None, &["c"]);
        shows("<a><b>c", None, &[]);
        shows("</a></b>c</d>", None, &[]);
        shows("<a><b>c</b><!-- <d>e</d>", None, &["c"]);
        shows("", None, &[]);
        shows("plain", None, &[]);
    }

    #[test]
    fn depth_without_end_does_no_harm() {
        let deep = format!("<top>first</top>{}", "<a>".repeat(100_000));
        shows(&deep, None, &["first"]);
        let both = format!("{}x{}", "<a>".repeat(40), "</a>".repeat(40));
        shows(&format!("<r>{both}<z>y</z></r>"), None, &["y"]);
    }

    #[test]
    fn the_first_byte_tells_xml_from_json() {
        assert!(is_xml(S3.as_bytes()) && is_xml("\u{feff}\r\n <a/>".as_bytes()));
        assert!(!is_xml(b"{\"a\":\"<b>\"}") && !is_xml(b"") && !is_xml(b"busy <b>"));
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic(body in "[<>/!\\-\\[\\]CDAT?a\"' ]{0,60}") {
            let _ = at(body.as_bytes(), "a.a", &mut |_| false);
            let _ = codes_in(body.as_bytes(), &mut |_| false);
        }
    }
}
