//! Splits an inline command into words, with the quoting of `redis-cli`.
//!
//! `"..."` knows `\n \r \t \b \a \xHH` and takes any other escaped byte as it is;
//! `'...'` knows only `\'`. A closing quote must end its word.
//!
//! Source: `sdssplitargs` in Redis `sds.c`.

use bytes::{BufMut, Bytes, BytesMut};

use super::limits::MAX_ARGUMENTS;
use super::protocol_error::ProtocolError;

/// The words of `line`, none for a blank line. Unquoted words share its memory.
pub(super) fn split(line: &Bytes) -> Result<Vec<Bytes>, ProtocolError> {
    let mut words = Vec::new();
    let mut at = 0;
    loop {
        at += count(&line[at..], is_space);
        if at == line.len() {
            return Ok(words);
        }
        if words.len() == MAX_ARGUMENTS {
            return Err(ProtocolError::InlineTooBig);
        }
        let plain = count(&line[at..], |byte| !is_space(byte) && !is_quote(byte));
        let end = at + plain;
        if line.get(end).is_some_and(|&byte| is_quote(byte)) {
            let (word, used) = quoted_word(&line[at..])?;
            words.push(word);
            at += used;
        } else {
            words.push(line.slice(at..end));
            at = end;
        }
    }
}

fn count(bytes: &[u8], matches: impl Fn(u8) -> bool) -> usize {
    bytes.iter().take_while(|&&byte| matches(byte)).count()
}

/// What C's `isspace` takes for space, and the zero byte, which ends a C string.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r' | 0)
}

fn is_quote(byte: u8) -> bool {
    matches!(byte, b'"' | b'\'')
}

/// A word that has quotes in it, and how many bytes it took.
fn quoted_word(line: &[u8]) -> Result<(Bytes, usize), ProtocolError> {
    let mut word = BytesMut::new();
    let mut at = 0;
    let mut quote = None;
    loop {
        let rest = &line[at..];
        let used = match (quote, rest) {
            (None, []) => return Ok((word.freeze(), at)),
            (None, [byte, ..]) if is_space(*byte) => return Ok((word.freeze(), at)),
            (None, [byte, ..]) if is_quote(*byte) => {
                quote = Some(*byte);
                1
            }
            (Some(_), []) => return Err(ProtocolError::UnbalancedQuotes),
            (Some(open), [byte, after @ ..]) if open == *byte => {
                if after.first().is_some_and(|&next| !is_space(next)) {
                    return Err(ProtocolError::UnbalancedQuotes);
                }
                quote = None;
                1
            }
            (Some(b'"'), [b'\\', b'x', high, low, ..])
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                word.put_u8(hex(*high) << 4 | hex(*low));
                4
            }
            (Some(b'"'), [b'\\', escaped, ..]) => {
                word.put_u8(unescape(*escaped));
                2
            }
            (Some(b'\''), [b'\\', b'\'', ..]) => {
                word.put_u8(b'\'');
                2
            }
            (_, [byte, ..]) => {
                word.put_u8(*byte);
                1
            }
        };
        at += used;
    }
}

fn unescape(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 0x08,
        b'a' => 0x07,
        other => other,
    }
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}
