//! Formats that are read in memory.

use bytes::BytesMut;
use squall_check::external::{Limits, Model, judge};
use squall_cluster::node::Access;
use squall_cluster::protocol::{Decoder, encode_call, parse};
use squall_cluster::raft::hello::{Greeting, Hello};
use squall_cluster::raft::wire::{PeerRequest, PeerResponse};
use squall_cluster::raft::{overhear, reason};
use squall_history::History;
use squall_plan::scenario::Scenario;

use crate::world::FuzzWorld;

/// Words that clients use.
pub const COMMAND_WORDS: &[&str] = &[
    "\r\n",
    "*3\r\n$3\r\n",
    "SET",
    "GET",
    "MULTI",
    "EXEC",
    "WATCH",
    "ONCE",
    "READ",
    "STALE",
    "LEASE",
    "LPUSH",
    "LRANGE",
    "LMOVE",
    "BLPOP",
    "LOCK.ACQUIRE",
    "SESSION.OPEN",
    "QUEUE.PUBLISH",
    "QUEUE.RECEIVE",
    "QUEUE.CONFIGURE",
    "QUEUE.SCAN",
    "WAIT",
    "EVAL",
    "HELLO",
    "AUTH",
    "CLIENT",
    "TRACKING",
    "CONFIG",
    "CACHE.TRACK",
    "RAFT.STATUS",
    "RAFT.SNAPSHOT",
    "SCAN",
    "MATCH",
    "COUNT",
    "EX",
    "PX",
    "NX",
    "XX",
    "KEEPTTL",
    "0",
    "1",
    "-1",
    "9223372036854775807",
    "18446744073709551615",
    "*",
    "[a-",
    "\\",
    "\"",
    "'",
];

/// Everything that a connection would make of the bytes; what it makes of a command does not
/// depend on the pieces in which it arrives.
pub fn resp(bytes: &[u8]) {
    let all = commands(bytes, bytes.len().max(1));
    let in_pieces = commands(bytes, 7);
    assert_eq!(all, in_pieces, "it depends on the pieces");
    for args in &all.0 {
        let _ = parse(args);
        let words: Vec<&[u8]> = args.iter().map(|arg| &arg[..]).collect();
        let mut encoded = BytesMut::new();
        encode_call(&mut encoded, &words);
        let again = commands(&encoded, encoded.len());
        assert_eq!(
            again.0,
            std::slice::from_ref(args),
            "encoded and decoded again"
        );
    }
}

/// All commands in the bytes, and whether they end in an error.
fn commands(bytes: &[u8], piece: usize) -> (Vec<Vec<bytes::Bytes>>, bool) {
    let (mut decoder, mut buffer) = (Decoder::new(), BytesMut::new());
    let mut all = Vec::new();
    for piece in bytes.chunks(piece) {
        buffer.extend_from_slice(piece);
        loop {
            match decoder.next(&mut buffer) {
                Ok(Some(args)) => all.push(args),
                Ok(None) => break,
                Err(_) => return (all, true),
            }
        }
    }
    (all, false)
}

/// One message, as each side of a connection between nodes would take it.
pub fn frame(bytes: &[u8]) {
    if let Ok((request, _)) = postcard::take_from_bytes::<PeerRequest<FuzzWorld>>(bytes) {
        let _ = reason::check_request(&request, 0);
    }
    if let Ok((response, _)) = postcard::take_from_bytes::<PeerResponse<FuzzWorld>>(bytes) {
        let _ = reason::check_response(&response, 0);
    }
    let _ = postcard::take_from_bytes::<Hello>(bytes);
    let _ = postcard::take_from_bytes::<Greeting>(bytes);
    let mut buffer = BytesMut::from(bytes);
    while let Some(frame) = overhear::next_frame(&mut buffer) {
        let _ = overhear::request::<FuzzWorld>(&frame);
        let _ = overhear::response::<FuzzWorld>(&frame);
    }
}

/// A password in the first line, and a user in each of the others.
pub fn users(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.lines();
    let password = lines.next();
    let users: Vec<String> = lines.map(str::to_owned).collect();
    match Access::new(password, &users) {
        Ok(access) => assert!(
            password.is_none() || !access.is_open() || !users.is_empty(),
            "a password lets everybody in"
        ),
        Err(e) => assert!(!e.to_string().is_empty()),
    }
}

/// A scenario; what is refused is refused in words.
pub fn scenario(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Err(e) = Scenario::parse(text, "scenario.toml") {
        assert!(!e.to_string().is_empty());
    }
}

/// A history; the first byte says of what. What is read is written and read again as it was.
pub fn history(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else {
        return;
    };
    if let Ok((header, history)) = History::read(bytes) {
        let mut written = Vec::new();
        let wrote = history.write(&header, &mut written);
        wrote.expect("memory takes it");
        let (_, again) = History::read(&written[..]).expect("it was just written");
        assert_eq!(again, history, "written and read again");
    }
    let models = [
        Model::Register,
        Model::Kv,
        Model::Lock,
        Model::Queue,
        Model::Counter,
        Model::Set,
        Model::TotalQueue,
    ];
    let model = models[usize::from(*kind) % models.len()];
    let limits = Limits {
        steps: 2_000,
        steps_per_operation: 10,
        bytes: 1 << 20,
        ..Limits::default()
    };
    if let Err(e) = judge(bytes, model, None, &limits) {
        assert!(!e.to_string().is_empty());
    }
}
