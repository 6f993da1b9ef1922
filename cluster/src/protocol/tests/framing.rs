//! Bytes to arguments and frames: what is understood, what is refused, and that neither
//! the cut of the stream nor garbage in it matters.

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use redis_protocol::resp2::{decode::decode_bytes, types::BytesFrame};

use crate::protocol::{Decoder, MAX_ARGUMENTS, MAX_BULK_BYTES, ProtocolError};
use crate::protocol::{encode_call, next_frame};

/// Everything a stream gives, fed in pieces of `size` bytes, and how it ended.
fn decode_in_pieces(stream: &[u8], size: usize) -> (Vec<Vec<Bytes>>, Option<ProtocolError>) {
    let mut decoder = Decoder::new();
    let mut buf = BytesMut::new();
    let mut commands = Vec::new();
    for piece in stream.chunks(size) {
        buf.extend_from_slice(piece);
        loop {
            match decoder.next(&mut buf) {
                Ok(Some(command)) => commands.push(command),
                Ok(None) => break,
                Err(error) => return (commands, Some(error)),
            }
        }
    }
    (commands, None)
}

fn decode(stream: &[u8]) -> (Vec<Vec<Bytes>>, Option<ProtocolError>) {
    decode_in_pieces(stream, stream.len().max(1))
}

fn error_text(stream: &[u8]) -> String {
    let (commands, error) = decode(stream);
    assert_eq!(commands, Vec::<Vec<Bytes>>::new());
    error.expect("the stream is malformed").to_string()
}

fn list(words: &[&[u8]]) -> Vec<Bytes> {
    words
        .iter()
        .map(|word| Bytes::copy_from_slice(word))
        .collect()
}

#[test]
fn arrays_and_lines_may_be_mixed_and_pipelined() {
    let stream =
        b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\nPING\r\n\r\n*0\r\n*-1\r\n  ECHO  hi \n*1\r\n$0\r\n\r\n";
    let (commands, error) = decode(stream);
    let expected = [
        list(&[b"GET", b"k"]),
        list(&[b"PING"]),
        list(&[b"ECHO", b"hi"]),
        list(&[b""]),
    ];
    assert_eq!(commands, expected);
    assert_eq!(error, None);
}

#[test]
fn every_cut_of_a_stream_gives_the_same_commands() {
    let mut stream = BytesMut::new();
    encode_call(&mut stream, &[b"SET", b"key", b"\r\n\0*$"]);
    stream.extend_from_slice(b"SET 'a b' \"\\x41\\n\"\r\n");
    encode_call(&mut stream, &[&b"x"[..]; 12]);
    let whole = decode(&stream);
    assert_eq!(whole.0.len(), 3);
    for size in 1..stream.len() {
        assert_eq!(
            decode_in_pieces(&stream, size),
            whole,
            "in pieces of {size}"
        );
    }
    for cut in 1..stream.len() {
        let mut decoder = Decoder::new();
        let mut commands = Vec::new();
        let mut buf = BytesMut::from(&stream[..cut]);
        while let Some(command) = decoder.next(&mut buf).expect("the stream is well-formed") {
            commands.push(command);
        }
        buf.extend_from_slice(&stream[cut..]);
        while let Some(command) = decoder.next(&mut buf).expect("the stream is well-formed") {
            commands.push(command);
        }
        assert_eq!(commands, whole.0, "cut at {cut}");
    }
}

#[test]
fn lines_are_split_as_by_redis_cli() {
    let line = br#"set "a \"b\" \x41\xzz\t" 'it\'s \n' x"y"z"#;
    assert_eq!(error_text(&[line, &b"\r\n"[..]].concat()), UNBALANCED);
    let line = b"set \"a \\\"b\\\" \\x41\\xzz\\t\" 'it\\'s \\n' x\"y\" ''\r\n";
    let expected = list(&[b"set", b"a \"b\" Axzz\t", b"it's \\n", b"xy", b""]);
    assert_eq!(decode(line).0, [expected]);
}

const UNBALANCED: &str = "ERR Protocol error: unbalanced quotes in request";

#[test]
fn malformed_streams_are_refused_in_the_words_of_redis() {
    let prefix = "ERR Protocol error: ";
    for (stream, text) in [
        (&b"*x\r\n"[..], "invalid multibulk length"),
        (b"*1\n", "invalid multibulk length"),
        (b"*4097\r\n", "invalid multibulk length"),
        (b"*99999999999999999999\r\n", "invalid multibulk length"),
        (
            b"*00000000000000000000000000000001\r\n",
            "too big mbulk count string",
        ),
        (b"*1\r\nx", "expected '$', got 'x'"),
        (b"*1\r\n\n", "expected '$', got '\\n'"),
        (b"*1\r\n:1\r\n", "expected '$', got ':'"),
        (b"*1\r\n$-1\r\n", "invalid bulk length"),
        (b"*1\r\n$x\r\n", "invalid bulk length"),
        (b"*1\r\n$16777217\r\n", "invalid bulk length"),
        (b"*1\r\n$9223372036854775807\r\n", "invalid bulk length"),
        (
            b"*1\r\n$00000000000000000000000000000001\r\n",
            "too big bulk count string",
        ),
        (b"*1\r\n$1\r\nab\r\n", "expected CRLF after bulk string"),
        (b"say \"hi\r\n", "unbalanced quotes in request"),
        (b"say 'hi\r\n", "unbalanced quotes in request"),
    ] {
        let shown = stream.escape_ascii();
        assert_eq!(error_text(stream), format!("{prefix}{text}"), "{shown}");
    }
}

#[test]
fn limits_are_the_last_allowed_sizes() {
    let most = vec![&b"a"[..]; MAX_ARGUMENTS];
    let mut stream = BytesMut::new();
    encode_call(&mut stream, &most);
    assert_eq!(decode(&stream).0[0].len(), MAX_ARGUMENTS);

    let largest = vec![b'x'; MAX_BULK_BYTES];
    let mut stream = BytesMut::new();
    encode_call(&mut stream, &[&largest]);
    assert_eq!(decode(&stream).0[0][0].len(), MAX_BULK_BYTES);

    let mut stream = BytesMut::new();
    encode_call(&mut stream, &[&largest, &largest, &largest, &largest, b"x"]);
    let text = "ERR Protocol error: request exceeds the limit of 67108864 bytes";
    assert_eq!(error_text(&stream), text);

    // The limit is one command's, not the connection's.
    let mut stream = BytesMut::new();
    encode_call(&mut stream, &[&largest, &largest, &largest]);
    encode_call(&mut stream, &[&largest, &largest]);
    let (commands, error) = decode(&stream);
    assert_eq!((commands.len(), error), (2, None));
}

#[test]
fn a_line_without_end_is_refused_as_soon_as_it_is_too_long() {
    let line = vec![b'a'; 64 * 1024];
    assert_eq!(decode(&line), (vec![], None));
    let text = "ERR Protocol error: too big inline request";
    assert_eq!(error_text(&[&line[..], b"a"].concat()), text);
    assert_eq!(error_text(&[&line[..], b"a\r\n"].concat()), text);
    let many_words = b"a ".repeat(MAX_ARGUMENTS + 1);
    assert_eq!(error_text(&[&many_words[..], b"\n"].concat()), text);
}

#[test]
fn an_announced_length_reserves_nothing() {
    let mut buf = BytesMut::from(&b"*4096\r\n$16777216\r\n"[..]);
    let before = buf.capacity();
    let mut decoder = Decoder::new();
    assert_eq!(decoder.next(&mut buf), Ok(None));
    assert!(buf.capacity() <= before);
}

#[test]
fn frames_nested_too_deep_or_too_long_are_refused() {
    let refused = Err(ProtocolError::MalformedReply);
    assert_eq!(
        next_frame(&mut BytesMut::from(&b"*1\r\n".repeat(9)[..])),
        refused
    );
    for stream in [
        "x\r\n",
        "$16777217\r\n",
        "*1048577\r\n",
        "$-2\r\n",
        "*x\r\n",
    ] {
        assert_eq!(
            next_frame(&mut BytesMut::from(stream)),
            refused,
            "{stream:?}"
        );
    }
    let deep = [&b"*1\r\n".repeat(8)[..], b":1\r\n"].concat();
    let frame = next_frame(&mut BytesMut::from(&deep[..])).expect("eight levels are allowed");
    assert!(matches!(frame, Some(BytesFrame::Array(_))));
}

#[test]
fn frames_are_taken_one_by_one_and_only_when_complete() {
    let stream = b"*2\r\n*1\r\n:1\r\n:2\r\n*3\r\n*0\r\n*-1\r\n*2\r\n$-1\r\n$3\r\na\r\n\r\n:-7\r\n+OK\r\n-ERR no\r\n";
    let mut buf = BytesMut::new();
    let mut frames = Vec::new();
    for byte in stream {
        buf.extend_from_slice(&[*byte]);
        while let Some(frame) = next_frame(&mut buf).expect("the stream is well-formed") {
            frames.push(frame);
        }
    }
    let inner = BytesFrame::Array(vec![
        BytesFrame::Null,
        BytesFrame::BulkString("a\r\n".into()),
    ]);
    let first = BytesFrame::Array(vec![BytesFrame::Array(vec![]), BytesFrame::Null, inner]);
    let one = BytesFrame::Array(vec![BytesFrame::Integer(1)]);
    let expected = [
        BytesFrame::Array(vec![one, BytesFrame::Integer(2)]),
        first,
        BytesFrame::Integer(-7),
        BytesFrame::SimpleString("OK".into()),
        BytesFrame::Error("ERR no".into()),
    ];
    assert_eq!(frames, expected);
    assert!(buf.is_empty());
}

/// Bytes that look like RESP often enough to get past the first byte.
fn nearly_resp() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"\r\n".to_vec()),
        Just(b"*2\r\n".to_vec()),
        Just(b"$1\r\na\r\n".to_vec()),
        Just(b"$-1\r\n".to_vec()),
        Just(b"GET \"k".to_vec()),
        (any::<i64>()).prop_map(|length| format!("${length}\r\n").into_bytes()),
        (any::<i64>()).prop_map(|length| format!("*{length}\r\n").into_bytes()),
        prop::collection::vec(any::<u8>(), 0..8),
        prop::collection::vec(prop::sample::select(&b"*$:+-\r\n\"'\\x01 a"[..]), 0..8),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn garbage_neither_panics_nor_depends_on_the_cut(stream in nearly_resp(), size in 1_usize..9) {
        prop_assert_eq!(decode_in_pieces(&stream, size), decode(&stream));
    }

    #[test]
    fn garbage_is_no_reason_for_a_client_to_panic(stream in nearly_resp()) {
        let mut buf = BytesMut::from(&stream[..]);
        while let Ok(Some(_)) = next_frame(&mut buf) {}
    }

    #[test]
    fn commands_are_what_redis_protocol_sees_in_them(
        args in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 1..14),
    ) {
        let args: Vec<&[u8]> = args.iter().map(|arg| &arg[..]).collect();
        let mut stream = BytesMut::new();
        encode_call(&mut stream, &args);
        let (frame, used) = decode_bytes(&stream.clone().freeze())
            .expect("the command is well-formed")
            .expect("the command is complete");
        let elements = args.iter().map(|arg| BytesFrame::BulkString(Bytes::copy_from_slice(arg)));
        prop_assert_eq!(used, stream.len());
        prop_assert_eq!(frame, BytesFrame::Array(elements.collect()));
        prop_assert_eq!(decode(&stream), (vec![list(&args)], None));
    }
}
