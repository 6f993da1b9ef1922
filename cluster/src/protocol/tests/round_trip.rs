//! Every message is decoded as it was encoded.

use bytes::BytesMut;
use proptest::prelude::*;

use super::generate::{answer_to, command, once, query, read_mode, refusal, reply_to};
use crate::protocol::{
    Asked, BytesFrame, Call, Decoder, ReplyError, ReplyStyle, RespVersion, decode_reply, encode,
    next_frame, parse, read_query, write_command,
};
use crate::state::LONGEST_MS;
use crate::state::command::{Command, ListCommand, Query, QueueCommand, Reply};

/// The call that a client's bytes are understood as; nothing may be left over.
fn understood(stream: &mut BytesMut) -> Call {
    let args = Decoder::new()
        .next(stream)
        .expect("a client writes well-formed commands")
        .expect("a client writes whole commands");
    assert!(stream.is_empty());
    parse(&args).expect("a client writes commands that nodes know")
}

/// What a client makes of a reply; nothing may be left over.
fn answered<'a>(
    asked: impl Into<Asked<'a>>,
    style: ReplyStyle,
    reply: &Reply,
) -> Result<Reply, ReplyError> {
    let mut stream = BytesMut::new();
    encode(&mut stream, RespVersion::Two, style, reply);
    let frame = next_frame(&mut stream)
        .expect("a node writes well-formed replies")
        .expect("a node writes whole replies");
    assert!(stream.is_empty());
    decode_reply(asked, frame)
}

fn command_and_reply() -> impl Strategy<Value = (Command, Reply)> {
    command().prop_flat_map(|command| {
        let reply = reply_to(&command);
        (Just(command), reply)
    })
}

fn query_and_answer() -> impl Strategy<Value = (Query, Reply)> {
    query().prop_flat_map(|query| {
        let answer = answer_to(&query);
        (Just(query), answer)
    })
}

fn poll_ms() -> impl Strategy<Value = u64> {
    prop_oneof![0..10_000_u64, 0..=LONGEST_MS]
}

fn any_frame() -> impl Strategy<Value = BytesFrame> {
    let leaf = prop_oneof![
        Just(BytesFrame::Null),
        any::<i64>().prop_map(BytesFrame::Integer),
        "[A-Z]{0,4}( [a-z]{0,3}){0,3}".prop_map(|text| BytesFrame::SimpleString(text.into())),
        "[A-Z]{0,4}( [a-z]{0,3}){0,3}".prop_map(|text| BytesFrame::Error(text.into())),
        "[a-z]{0,4}".prop_map(|text| BytesFrame::BulkString(text.into())),
    ];
    leaf.prop_recursive(3, 32, 7, |inner| {
        prop::collection::vec(inner, 0..7).prop_map(BytesFrame::Array)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn commands(command in command(), once in once(), poll_ms in poll_ms()) {
        let mut stream = BytesMut::new();
        write_command(&mut stream, once, &command, poll_ms);
        let wait_ms = match command {
            Command::Queue(QueueCommand::Receive { .. })
            | Command::List(ListCommand::Pop { .. } | ListCommand::Move { .. }) => poll_ms,
            _ => 0,
        };
        let call = understood(&mut stream);
        let Call::Write { style, .. } = call else { panic!("{call:?} is no write") };
        prop_assert_eq!(call, Call::Write { once, command, style, wait_ms });
    }

    #[test]
    fn queries(query in query(), mode in read_mode()) {
        let mut stream = BytesMut::new();
        read_query(&mut stream, mode, &query);
        let call = understood(&mut stream);
        let Call::Read { style, .. } = call else { panic!("{call:?} is no read") };
        prop_assert_eq!(call, Call::Read { mode, query, style });
    }

    /// In the style that the client's own spelling of the command asks for.
    #[test]
    fn replies_to_commands((command, reply) in command_and_reply()) {
        let mut stream = BytesMut::new();
        write_command(&mut stream, None, &command, 0);
        let Call::Write { style, .. } = understood(&mut stream) else { panic!("no write") };
        prop_assert_eq!(answered(&command, style, &reply), Ok(reply));
    }

    #[test]
    fn answers_to_queries((query, answer) in query_and_answer()) {
        let mut stream = BytesMut::new();
        read_query(&mut stream, None, &query);
        let Call::Read { style, .. } = understood(&mut stream) else { panic!("no read") };
        prop_assert_eq!(answered(&query, style, &answer), Ok(answer));
    }

    #[test]
    fn refusals(command in command(), refusal in refusal()) {
        let reply = Reply::Refused(refusal.clone());
        let expected = Err(ReplyError::Refused(refusal));
        prop_assert_eq!(answered(&command, ReplyStyle::Full, &reply), expected);
    }

    #[test]
    fn any_frame_gives_a_reply_or_an_error(
        command in command(),
        query in query(),
        frame in any_frame(),
    ) {
        let is_error = matches!(frame, BytesFrame::Error(_));
        let outcome = decode_reply(&command, frame.clone());
        prop_assert!(!(is_error && outcome.is_ok()));
        if let Ok(reply) = outcome {
            let moves = matches!(&command, Command::List(ListCommand::Move { .. }));
            let style = if moves { ReplyStyle::Bulk } else { ReplyStyle::Full };
            prop_assert_eq!(answered(&command, style, &reply), Ok(reply));
        }
        if let Ok(reply) = decode_reply(&query, frame) {
            let single = matches!(&query, Query::Get { keys } if keys.len() == 1);
            let style = if single { ReplyStyle::Single } else { ReplyStyle::Full };
            prop_assert_eq!(answered(&query, style, &reply), Ok(reply));
        }
    }
}
