//! Writing RESP: the kinds of frame, and a writer for whole commands.
//!
//! Frames that only RESP3 has are written as RESP2 shows the same thing to a connection that
//! speaks that.
//!
//! Frames are written straight into the connection's buffer instead of through
//! `redis-protocol`'s encoder, which wants a tree of frames first and sizes integers by
//! a floating-point logarithm. Nothing here knows what is being said.

use bytes::{Bytes, BytesMut};

use super::decimal::Decimal;

/// The version of the protocol that a connection speaks: 2, until it asks for 3 with `HELLO`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RespVersion {
    /// RESP2.
    #[default]
    Two,
    /// RESP3, with maps, sets, nulls and pushes of their own.
    Three,
}

impl RespVersion {
    /// As in `HELLO`.
    pub fn number(self) -> i64 {
        match self {
            Self::Two => 2,
            Self::Three => 3,
        }
    }
}

/// `+text`. Line breaks in `text` become spaces, as they would end the frame.
pub fn simple(out: &mut BytesMut, text: &str) {
    line(out, b'+', text);
}

/// `-text`; `text` starts with an uppercase code (`ERR`, `MOVED`, ...). Line breaks
/// become spaces.
pub fn error(out: &mut BytesMut, text: &str) {
    line(out, b'-', text);
}

/// `:value`.
pub fn integer(out: &mut BytesMut, value: i64) {
    out.extend_from_slice(if value < 0 { b":-" } else { b":" });
    out.extend_from_slice(Decimal::new(value.unsigned_abs()).as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// `:value`. RESP2 integers are signed: a value above `i64::MAX` is shown as `i64::MAX`.
pub fn unsigned(out: &mut BytesMut, value: u64) {
    integer(out, i64::try_from(value).unwrap_or(i64::MAX));
}

/// A bulk string: any bytes, with their length in front.
pub fn bulk(out: &mut BytesMut, value: &[u8]) {
    header(out, b'$', value.len());
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Nothing, where a string might be.
pub fn null(out: &mut BytesMut, version: RespVersion) {
    out.extend_from_slice(match version {
        RespVersion::Two => b"$-1\r\n",
        RespVersion::Three => b"_\r\n",
    });
}

/// Nothing, where an array might be.
pub fn null_array(out: &mut BytesMut, version: RespVersion) {
    out.extend_from_slice(match version {
        RespVersion::Two => b"*-1\r\n",
        RespVersion::Three => b"_\r\n",
    });
}

/// The header of a map of `pairs`, whose names and values the caller writes in turn.
pub fn map(out: &mut BytesMut, version: RespVersion, pairs: usize) {
    match version {
        RespVersion::Two => array(out, 2 * pairs),
        RespVersion::Three => header(out, b'%', pairs),
    }
}

/// The header of a set.
pub fn set(out: &mut BytesMut, version: RespVersion, length: usize) {
    match version {
        RespVersion::Two => array(out, length),
        RespVersion::Three => header(out, b'~', length),
    }
}

/// The header of what is said without being asked.
pub fn push(out: &mut BytesMut, version: RespVersion, length: usize) {
    match version {
        RespVersion::Two => array(out, length),
        RespVersion::Three => header(out, b'>', length),
    }
}

/// Text for people.
pub fn verbatim(out: &mut BytesMut, version: RespVersion, text: &str) {
    match version {
        RespVersion::Two => bulk(out, text.as_bytes()),
        RespVersion::Three => {
            const KIND: &[u8] = b"txt:";
            header(out, b'=', KIND.len() + text.len());
            out.extend_from_slice(KIND);
            out.extend_from_slice(text.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// The header of an array; the caller writes its `length` elements next.
pub fn array(out: &mut BytesMut, length: usize) {
    header(out, b'*', length);
}

fn header(out: &mut BytesMut, kind: u8, length: usize) {
    out.extend_from_slice(&[kind]);
    out.extend_from_slice(Decimal::new(length as u64).as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn line(out: &mut BytesMut, kind: u8, text: &str) {
    out.extend_from_slice(&[kind]);
    let start = out.len();
    out.extend_from_slice(text.as_bytes());
    for byte in &mut out[start..] {
        if matches!(byte, b'\r' | b'\n') {
            *byte = b' ';
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// Writes one command, an array of bulk strings, without knowing beforehand how many
/// arguments it will have: room for a one-digit count is left and patched at the end.
pub(super) struct CallWriter<'a> {
    out: &'a mut BytesMut,
    start: usize,
    count: usize,
}

impl<'a> CallWriter<'a> {
    pub(super) fn new(out: &'a mut BytesMut) -> Self {
        let start = out.len();
        array(out, 0);
        Self {
            out,
            start,
            count: 0,
        }
    }

    pub(super) fn bytes(&mut self, argument: &[u8]) -> &mut Self {
        bulk(self.out, argument);
        self.count += 1;
        self
    }

    pub(super) fn text(&mut self, argument: &str) -> &mut Self {
        self.bytes(argument.as_bytes())
    }

    pub(super) fn number(&mut self, argument: u64) -> &mut Self {
        self.bytes(Decimal::new(argument).as_bytes())
    }

    pub(super) fn integer(&mut self, argument: i64) -> &mut Self {
        if argument >= 0 {
            return self.number(argument.unsigned_abs());
        }
        let magnitude = Decimal::new(argument.unsigned_abs());
        let digits = magnitude.as_bytes();
        header(self.out, b'$', 1 + digits.len());
        self.out.extend_from_slice(b"-");
        self.out.extend_from_slice(digits);
        self.out.extend_from_slice(b"\r\n");
        self.count += 1;
        self
    }

    pub(super) fn list<'b>(&mut self, arguments: impl IntoIterator<Item = &'b Bytes>) -> &mut Self {
        for argument in arguments {
            self.bytes(argument);
        }
        self
    }

    /// A keyword and its number.
    pub(super) fn option(&mut self, keyword: &str, value: u64) -> &mut Self {
        self.text(keyword).number(value)
    }

    /// Puts the count into the header. Ten and more arguments need a wider header, for
    /// which the body moves: a copy within the buffer, no allocation of its own.
    pub(super) fn finish(self) {
        let count = Decimal::new(self.count as u64);
        let digits = count.as_bytes();
        let (at, end) = (self.start + 1, self.out.len());
        let wider = digits.len() - 1;
        if wider > 0 {
            self.out.resize(end + wider, 0);
            self.out.copy_within(at + 1..end, at + 1 + wider);
        }
        self.out[at..at + digits.len()].copy_from_slice(digits);
    }
}
