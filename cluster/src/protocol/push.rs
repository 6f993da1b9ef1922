//! Encodes and decodes the messages of a stream of invalidations as RESP2 arrays, in both
//! directions.
//!
//! ```text
//! ["invalidate", index, key…]   these keys were changed by the entry
//! ["flush", index]              every key may have been changed up to the entry
//! ["upto", index]               everything up to the entry has been said
//! ```
//!
//! RESP3's push type is not used, since a stream has its connection to itself. What the
//! messages promise is stated in `node/tracking.rs`.

use bytes::{Bytes, BytesMut};
use redis_protocol::resp2::types::BytesFrame as Frame;

use super::limits::MAX_REPLY_ELEMENTS;
use super::wire::{self, CallWriter};

/// Keys that one message may name.
pub const MAX_PUSHED_KEYS: usize = MAX_REPLY_ELEMENTS - 2;

const INVALIDATE: &[u8] = b"invalidate";
const FLUSH: &[u8] = b"flush";
const UP_TO: &[u8] = b"upto";

/// One message of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Push {
    /// Keys have changed.
    Invalidate {
        /// Log index of the change.
        index: u64,
        /// All that the entry changed, or some of them where they are too many for one message.
        keys: Vec<Bytes>,
    },
    /// All keys may have changed, up to this log index.
    Flush(u64),
    /// All changes up to this log index have been told.
    UpTo(u64),
}

impl Push {
    /// Appends it as a RESP array.
    pub fn write(&self, out: &mut BytesMut) {
        match self {
            Push::Invalidate { index, keys } => Self::write_invalidate(out, *index, keys),
            Push::Flush(index) => head(out, 2, FLUSH, *index),
            Push::UpTo(index) => head(out, 2, UP_TO, *index),
        }
    }

    /// [`Push::Invalidate`] of keys that belong to somebody else.
    pub fn write_invalidate(out: &mut BytesMut, index: u64, keys: &[Bytes]) {
        head(out, 2 + keys.len(), INVALIDATE, index);
        for key in keys {
            wire::bulk(out, key);
        }
    }

    /// `None`: the frame is no message of a stream.
    pub fn decode(frame: &Frame) -> Option<Self> {
        let Frame::Array(parts) = frame else {
            return None;
        };
        let (name, index, rest) = match parts.as_slice() {
            [Frame::BulkString(name), Frame::Integer(index), rest @ ..] => {
                (name, u64::try_from(*index).ok()?, rest)
            }
            _ => return None,
        };
        match (&**name, rest) {
            (FLUSH, []) => Some(Push::Flush(index)),
            (UP_TO, []) => Some(Push::UpTo(index)),
            (INVALIDATE, keys) => {
                let key = |frame: &Frame| match frame {
                    Frame::BulkString(key) => Some(key.clone()),
                    _ => None,
                };
                let keys = keys.iter().map(key).collect::<Option<_>>()?;
                Some(Push::Invalidate { index, keys })
            }
            _ => None,
        }
    }
}

/// `CACHE.TRACK FROM index`: asks for a stream.
pub fn write_track(out: &mut BytesMut, from: u64) {
    let mut call = CallWriter::new(out);
    call.text("CACHE.TRACK").option("FROM", from);
    call.finish();
}

/// `PING`: asks a stream for proof that it is alive and complete.
pub fn write_ping(out: &mut BytesMut) {
    let mut call = CallWriter::new(out);
    call.text("PING");
    call.finish();
}

fn head(out: &mut BytesMut, parts: usize, name: &[u8], index: u64) {
    wire::array(out, parts);
    wire::bulk(out, name);
    wire::unsigned(out, index);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Call, ConnectionCall, Decoder, next_frame, parse};

    #[test]
    fn a_message_reads_as_it_was_written() {
        let keys = vec![Bytes::from_static(b"a"), Bytes::from_static(b"\r\n")];
        let messages = [
            Push::Invalidate { index: 7, keys },
            Push::Flush(8),
            Push::UpTo(u64::from(u32::MAX)),
        ];
        let mut bytes = BytesMut::new();
        for message in &messages {
            message.write(&mut bytes);
        }
        for message in &messages {
            let frame = next_frame(&mut bytes).expect("well formed");
            let frame = frame.expect("complete");
            assert_eq!(Push::decode(&frame).as_ref(), Some(message));
        }
        assert!(bytes.is_empty());
    }

    #[test]
    fn other_frames_are_no_messages() {
        for text in [
            "+OK\r\n",
            "*2\r\n$4\r\nupto\r\n:-1\r\n",
            "*1\r\n$4\r\nupto\r\n",
        ] {
            let mut bytes = BytesMut::from(text);
            let frame = next_frame(&mut bytes).expect("well formed");
            assert_eq!(Push::decode(&frame.expect("complete")), None, "{text}");
        }
    }

    #[test]
    fn a_node_understands_what_a_client_asks() {
        let mut bytes = BytesMut::new();
        write_track(&mut bytes, 42);
        write_ping(&mut bytes);
        let mut decoder = Decoder::default();
        let mut next = || {
            let args = decoder.next(&mut bytes).expect("well formed");
            parse(&args.expect("complete")).expect("known")
        };
        assert_eq!(next(), Call::Track { from: 42 });
        assert_eq!(next(), Call::Connection(ConnectionCall::Ping(None)));
    }
}
