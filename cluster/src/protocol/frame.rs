//! From bytes to reply frames, on the client's side.
//!
//! The frames are `redis-protocol`'s, cut out of the buffer without copying. It decodes
//! by recursion and bounds nothing, so a loop that only hops from header to header
//! first proves that a whole frame is there and within the limits.

use bytes::BytesMut;
use redis_protocol::resp2::{decode::decode_bytes_mut, types::BytesFrame};

use super::decode::peek_length;
use super::limits::{MAX_BULK_BYTES, MAX_REPLY_DEPTH, MAX_REPLY_ELEMENTS};
use super::protocol_error::ProtocolError;

/// Takes the next reply out of `buf`; `None`: more bytes are needed. After an error the
/// connection is to be closed.
pub fn next_frame(buf: &mut BytesMut) -> Result<Option<BytesFrame>, ProtocolError> {
    if !holds_frame(buf)? {
        return Ok(None);
    }
    match decode_bytes_mut(buf) {
        Ok(Some((frame, _, _))) => Ok(Some(frame)),
        Ok(None) | Err(_) => Err(ProtocolError::MalformedReply),
    }
}

/// Whether `buf` starts with a complete frame.
fn holds_frame(buf: &[u8]) -> Result<bool, ProtocolError> {
    // Elements still to come in each array that is open.
    let mut open = [0_usize; MAX_REPLY_DEPTH];
    let mut depth = 0;
    let mut rest = buf;
    loop {
        let Some((bytes, elements)) = element(rest)? else {
            return Ok(false);
        };
        let Some(after) = rest.get(bytes..) else {
            return Ok(false);
        };
        rest = after;
        if elements > 0 {
            let level = open.get_mut(depth).ok_or(ProtocolError::MalformedReply)?;
            *level = elements;
            depth += 1;
            continue;
        }
        while depth > 0 {
            open[depth - 1] -= 1;
            if open[depth - 1] > 0 {
                break;
            }
            depth -= 1;
        }
        if depth == 0 {
            return Ok(true);
        }
    }
}

/// Size of the element at the start of `buf`, of which an array's elements are no part,
/// and how many elements follow it. `None` while its first line is incomplete.
fn element(buf: &[u8]) -> Result<Option<(usize, usize)>, ProtocolError> {
    let Some(kind) = buf.first() else {
        return Ok(None);
    };
    if matches!(kind, b'+' | b'-' | b':') {
        let end = buf.windows(2).position(|pair| pair == b"\r\n");
        return Ok(end.map(|end| (end + 2, 0)));
    }
    let (limit, is_bulk) = match kind {
        b'$' => (MAX_BULK_BYTES, true),
        b'*' => (MAX_REPLY_ELEMENTS, false),
        _ => return Err(ProtocolError::MalformedReply),
    };
    let Some((length, header)) = peek_length(buf).map_err(|_| ProtocolError::MalformedReply)?
    else {
        return Ok(None);
    };
    if length == -1 {
        return Ok(Some((header, 0)));
    }
    match usize::try_from(length) {
        Ok(length) if length > limit => Err(ProtocolError::MalformedReply),
        Ok(length) if is_bulk => Ok(Some((header + length + 2, 0))),
        Ok(length) => Ok(Some((header, length))),
        Err(_) => Err(ProtocolError::MalformedReply),
    }
}
