//! The wire format of Protocol Buffers, as far as it takes to walk to a field.

/// The value of a field; what has a fixed size is of no use here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::hint) enum Value<'m> {
    Number(u64),
    Bytes(&'m [u8]),
}

/// Shows each field of a message, with its number; `None` if it is not a message to its last byte.
pub(in crate::hint) fn fields<'m>(
    mut message: &'m [u8],
    mut see: impl FnMut(u64, Value<'m>),
) -> Option<()> {
    const VARINT: u64 = 0;
    const EIGHT_BYTES: u64 = 1;
    const BYTES: u64 = 2;
    const FOUR_BYTES: u64 = 5;
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        let value = match tag & 7 {
            VARINT => Value::Number(varint(&mut message)?),
            BYTES => {
                let length = usize::try_from(varint(&mut message)?).ok()?;
                Value::Bytes(take(&mut message, length)?)
            }
            EIGHT_BYTES => {
                take(&mut message, 8)?;
                continue;
            }
            FOUR_BYTES => {
                take(&mut message, 4)?;
                continue;
            }
            _ => return None,
        };
        see(tag >> 3, value);
    }
    Some(())
}

fn take<'m>(message: &mut &'m [u8], length: usize) -> Option<&'m [u8]> {
    let (taken, rest) = message.split_at_checked(length)?;
    *message = rest;
    Some(taken)
}

/// Reads seven bits a byte, the lowest first; of the tenth byte one bit counts.
fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(message, 1)?[0];
        if shift == 63 && byte > 1 {
            return None;
        }
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(message: &[u8]) -> Option<Vec<(u64, Value<'_>)>> {
        let mut seen = Vec::new();
        fields(message, |number, value| seen.push((number, value)))?;
        Some(seen)
    }

    #[test]
    fn the_examples_of_the_page_are_read() {
        // https://protobuf.dev/programming-guides/encoding/
        let number = read(&[0x08, 0x96, 0x01]).unwrap();
        assert_eq!(number, [(1, Value::Number(150))]);
        let text = read(b"\x12\x07testing").unwrap();
        assert_eq!(text, [(2, Value::Bytes(b"testing"))]);
        let minus_two = read(b"\x08\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01").unwrap();
        assert_eq!(minus_two, [(1, Value::Number(-2_i64 as u64))]);
        assert_eq!(read(b"\x0d\0\0\0\0\x11\0\0\0\0\0\0\0\0").unwrap(), []);
        assert_eq!(read(b"").unwrap(), []);
    }

    #[test]
    fn a_message_that_is_cut_or_overlong_is_none() {
        let endless = [0xff; 11];
        let too_large = b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02";
        let broken: [&[u8]; 7] = [
            b"\x08",
            b"\x08\x96",
            b"\x12\x07test",
            b"\x0d\0\0",
            b"\x0b\x0c", // a group
            &endless,
            too_large,
        ];
        for message in broken {
            assert_eq!(read(message), None, "{message:?}");
        }
        let length_of_the_largest_number = b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
        assert_eq!(read(length_of_the_largest_number), None);
    }
}
