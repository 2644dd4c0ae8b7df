//! Base64 (RFC 4648, section 4), with its padding or without: how binary metadata of gRPC is written.
//!
//! Twenty lines of our own, since a single header that few users ever get is not worth a dependency.

pub(in crate::hint) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let digits = unpadded(text);
    let mut bytes = Vec::with_capacity(digits.len().div_ceil(4) * 3);
    for group in digits.chunks(4) {
        let whole = group.len().checked_sub(1).filter(|whole| *whole > 0)?;
        let bits = group
            .iter()
            .try_fold(0_u32, |bits, digit| Some((bits << 6) | value(*digit)?))?;
        let [_, three @ ..] = (bits << (6 * (4 - group.len()))).to_be_bytes();
        bytes.extend_from_slice(&three[..whole]);
    }
    Some(bytes)
}

fn unpadded(text: &[u8]) -> &[u8] {
    text.strip_suffix(b"==")
        .or_else(|| text.strip_suffix(b"="))
        .unwrap_or(text)
}

fn value(digit: u8) -> Option<u32> {
    let value = match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(value.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_vectors_of_the_rfc_decode_with_padding_and_without() {
        let vectors = [
            ("", ""),
            ("Zg==", "f"),
            ("Zm8=", "fo"),
            ("Zm9v", "foo"),
            ("Zm9vYg==", "foob"),
            ("Zm9vYmE=", "fooba"),
            ("Zm9vYmFy", "foobar"),
        ];
        for (text, plain) in vectors {
            assert_eq!(decode(text.as_bytes()).unwrap(), plain.as_bytes());
            let bare = text.trim_end_matches('=');
            assert_eq!(decode(bare.as_bytes()).unwrap(), plain.as_bytes());
        }
        assert_eq!(decode(b"+/8").unwrap(), [0xfb, 0xff]);
    }

    #[test]
    fn anything_else_is_nothing() {
        for text in ["A", "Zm9vY", "Zm 9v", "Zm9v-_8", "Z=g=", "====", "\u{e9}A"] {
            assert_eq!(decode(text.as_bytes()), None, "{text}");
        }
    }
}
