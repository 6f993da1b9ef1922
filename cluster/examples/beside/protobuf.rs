//! As much of protocol buffers as etcd's requests and answers need.

const VARINT: u8 = 0;
const FIXED_64: u8 = 1;
const BYTES: u8 = 2;
const FIXED_32: u8 = 5;

/// Appends a field of bytes.
pub fn bytes(out: &mut Vec<u8>, number: u8, value: &[u8]) {
    out.push(number << 3 | BYTES);
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The first field of that number.
pub fn field(message: &[u8], number: u64) -> Option<Value<'_>> {
    let mut rest = message;
    while !rest.is_empty() {
        let tag = take_varint(&mut rest)?;
        let value = match (tag & 7) as u8 {
            VARINT => Value::Number(take_varint(&mut rest)?),
            FIXED_64 => Value::Bytes(take(&mut rest, 8)?),
            BYTES => {
                let length = take_varint(&mut rest)?;
                Value::Bytes(take(&mut rest, usize::try_from(length).ok()?)?)
            }
            FIXED_32 => Value::Bytes(take(&mut rest, 4)?),
            _ => return None,
        };
        if tag >> 3 == number {
            return Some(value);
        }
    }
    None
}

/// A field of bytes; empty if it is not there.
pub fn bytes_of(message: &[u8], number: u64) -> &[u8] {
    match field(message, number) {
        Some(Value::Bytes(bytes)) => bytes,
        _ => &[],
    }
}

/// A field that is a number; 0 if it is not there.
pub fn number_of(message: &[u8], number: u64) -> u64 {
    match field(message, number) {
        Some(Value::Number(value)) => value,
        _ => 0,
    }
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(length)?;
    *rest = left;
    Some(taken)
}

fn take_varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for at in 0..10 {
        let byte = take(rest, 1)?[0];
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}
