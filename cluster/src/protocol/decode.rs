//! From bytes to the arguments of commands.
//!
//! A command is an array of bulk strings, or a line of words as one would type it into
//! telnet. Arguments are taken out of the buffer one by one as they arrive, without
//! copying, and every announced length is judged before anything is kept for it.
//! `redis-protocol` is not used on this side: it has no limits, knows no inline
//! commands, and starts again from the first byte whenever a command is incomplete.
//!
//! Source: `processMultibulkBuffer` and `processInlineBuffer` in Redis `networking.c`.

use bytes::{Buf, Bytes, BytesMut};

use super::decimal::parse_i64;
use super::inline;
use super::limits::{MAX_ARGUMENTS, MAX_BULK_BYTES, MAX_INLINE_BYTES, MAX_REQUEST_BYTES};
use super::protocol_error::ProtocolError;

/// Longest line that may announce a length, kind byte and line break included. The
/// longest sensible one has eleven bytes.
const MAX_LENGTH_LINE_BYTES: usize = 32;

/// Decodes the commands of one connection. Keeps what is known of an incomplete command
/// between calls, so its work is linear in the bytes received.
#[derive(Debug, Default)]
pub struct Decoder {
    arguments: Vec<Bytes>,
    /// Arguments of the current command that are still to come.
    missing: usize,
    /// Length of the current argument, once its header has been read.
    bulk: Option<usize>,
    /// Sum of the lengths of the current command's arguments so far.
    request_bytes: usize,
    /// Bytes of an incomplete inline command known to hold no line break.
    scanned: usize,
}

impl Decoder {
    /// At the start of a connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next command, its name first; never an empty list. `None`: more bytes are
    /// needed. Takes what it has understood out of `buf`; the caller appends to `buf`
    /// and does nothing else to it. After an error the connection is of no more use.
    pub fn next(&mut self, buf: &mut BytesMut) -> Result<Option<Vec<Bytes>>, ProtocolError> {
        loop {
            if self.missing > 0 {
                return self.take_arguments(buf);
            }
            match buf.first() {
                None => return Ok(None),
                Some(b'*') => {
                    let header = peek_length(buf).map_err(|error| match error {
                        LengthError::LineTooLong => ProtocolError::LongArrayHeader,
                        LengthError::NotANumber => ProtocolError::ArrayLength,
                    })?;
                    let Some((length, header_bytes)) = header else {
                        return Ok(None);
                    };
                    // A negative or zero count is an empty command, which Redis skips.
                    let count = usize::try_from(length.max(0)).unwrap_or(usize::MAX);
                    if count > MAX_ARGUMENTS {
                        return Err(ProtocolError::ArrayLength);
                    }
                    buf.advance(header_bytes);
                    self.missing = count;
                    self.request_bytes = 0;
                }
                Some(_) => match self.take_line(buf)? {
                    None => return Ok(None),
                    Some(line) => {
                        let words = inline::split(&line)?;
                        if let Some(first) = words.first() {
                            if is_http(first) {
                                return Err(ProtocolError::Http);
                            }
                            return Ok(Some(words));
                        }
                    }
                },
            }
        }
    }

    fn take_arguments(&mut self, buf: &mut BytesMut) -> Result<Option<Vec<Bytes>>, ProtocolError> {
        while self.missing > 0 {
            let length = match self.bulk {
                Some(length) => length,
                None => match self.take_bulk_header(buf)? {
                    Some(length) => length,
                    None => return Ok(None),
                },
            };
            if buf.len() < length + 2 {
                self.bulk = Some(length);
                return Ok(None);
            }
            if buf[length..length + 2] != *b"\r\n" {
                return Err(ProtocolError::BulkEnd);
            }
            self.bulk = None;
            self.missing -= 1;
            self.arguments.push(buf.split_to(length).freeze());
            buf.advance(2);
        }
        Ok(Some(std::mem::take(&mut self.arguments)))
    }

    fn take_bulk_header(&mut self, buf: &mut BytesMut) -> Result<Option<usize>, ProtocolError> {
        match buf.first() {
            None => return Ok(None),
            Some(b'$') => {}
            Some(&other) => return Err(ProtocolError::ExpectedBulk(other)),
        }
        let header = peek_length(buf).map_err(|error| match error {
            LengthError::LineTooLong => ProtocolError::LongBulkHeader,
            LengthError::NotANumber => ProtocolError::BulkLength,
        })?;
        let Some((length, header_bytes)) = header else {
            return Ok(None);
        };
        let length = usize::try_from(length).map_err(|_| ProtocolError::BulkLength)?;
        if length > MAX_BULK_BYTES {
            return Err(ProtocolError::BulkLength);
        }
        self.request_bytes += length;
        if self.request_bytes > MAX_REQUEST_BYTES {
            return Err(ProtocolError::RequestTooBig);
        }
        buf.advance(header_bytes);
        Ok(Some(length))
    }

    /// An inline command without its line break, which may be a bare line feed.
    fn take_line(&mut self, buf: &mut BytesMut) -> Result<Option<Bytes>, ProtocolError> {
        let end = buf[self.scanned..].iter().position(|&byte| byte == b'\n');
        let known = end.map_or(buf.len(), |end| self.scanned + end);
        if known > MAX_INLINE_BYTES {
            return Err(ProtocolError::InlineTooBig);
        }
        if end.is_none() {
            self.scanned = known;
            return Ok(None);
        }
        self.scanned = 0;
        let mut line = buf.split_to(known).freeze();
        buf.advance(1);
        if line.last() == Some(&b'\r') {
            line.truncate(known - 1);
        }
        Ok(Some(line))
    }
}

/// The two words that no web request from a page can do without: nothing after them is taken
/// for a command.
fn is_http(word: &[u8]) -> bool {
    word.eq_ignore_ascii_case(b"post") || word.eq_ignore_ascii_case(b"host:")
}

/// Why the first line of a buffer announces no length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LengthError {
    LineTooLong,
    NotANumber,
}

/// Reads the length line at the start of `buf`, whose first byte is its kind. Gives the
/// length and the size of the line; `None` while the line is incomplete.
pub(super) fn peek_length(buf: &[u8]) -> Result<Option<(i64, usize)>, LengthError> {
    let seen = &buf[..buf.len().min(MAX_LENGTH_LINE_BYTES)];
    let Some(end) = seen.iter().position(|&byte| byte == b'\n') else {
        return if seen.len() < MAX_LENGTH_LINE_BYTES {
            Ok(None)
        } else {
            Err(LengthError::LineTooLong)
        };
    };
    let digits = buf[1..end].strip_suffix(b"\r");
    let length = digits.and_then(parse_i64).ok_or(LengthError::NotANumber)?;
    Ok(Some((length, end + 1)))
}
