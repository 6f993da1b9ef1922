//! Tests of the protocol as a whole; small helpers are tested beside their code.

mod commands;
mod connection;
mod errors;
mod framing;
mod generate;
mod lists;
mod replies;
mod round_trip;
mod services;

use bytes::{Bytes, BytesMut};

use super::{Call, CommandError, Decoder, ReplyStyle, parse};
use crate::state::command::{Command, Query};

/// The arguments of a command typed as a line.
fn words(line: &str) -> Vec<Bytes> {
    let mut buf = BytesMut::from(format!("{line}\r\n").as_bytes());
    Decoder::new()
        .next(&mut buf)
        .expect("the line is well-formed")
        .expect("the line is complete")
}

fn parse_line(line: &str) -> Result<Call, CommandError> {
    parse(&words(line))
}

/// The text of the error that a line gives.
fn refused(line: &str) -> String {
    match parse_line(line) {
        Ok(call) => panic!("{line:?} was understood as {call:?}"),
        Err(error) => error.to_string(),
    }
}

/// The command and style of a line that is a plain write.
fn written(line: &str) -> (Command, ReplyStyle) {
    match parse_line(line) {
        Ok(Call::Write {
            once: None,
            command,
            style,
            wait_ms: 0,
        }) => (command, style),
        other => panic!("{line:?} gave {other:?}"),
    }
}

/// The query and style of a line that is a plain read.
fn queried(line: &str) -> (Query, ReplyStyle) {
    match parse_line(line) {
        Ok(Call::Read {
            mode: None,
            query,
            style,
        }) => (query, style),
        other => panic!("{line:?} gave {other:?}"),
    }
}
