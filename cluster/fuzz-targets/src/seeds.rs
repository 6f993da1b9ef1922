//! Inputs to begin with: what nodes, clients and people really write.

use bytes::BytesMut;
use openraft::entry::RaftEntry;
use openraft::raft::{AppendEntriesRequest, TransferLeaderRequest, VoteRequest};
use serde::Serialize;
use squall_cluster::protocol::{COMMANDS, encode_call};
use squall_cluster::raft::hello::{Greeting, Hello, MAGIC, NEWEST_VERSION, OLDEST_VERSION};
use squall_cluster::raft::snapshot::SnapshotPiece;
use squall_cluster::raft::wire::{PeerRequest, PeerResponse};
use squall_cluster::raft::{LogEntry, LogId, Proposal, SnapshotMeta, Vote};
use squall_cluster::state::command::{CacheCommand, Command, Request as Proposed};
use squall_cluster::storage::Snapshot;

use crate::node::files_after;
use crate::world::FuzzWorld;

type Request = PeerRequest<FuzzWorld>;

/// Commands for a node, a line each, whose files are then looked at.
const LIFE: &[&str] = &[
    "SET k v",
    "SET gone v PX 1",
    "INCR n",
    "RPUSH l a b c",
    "SESSION.OPEN 60000",
    "LOCK.ACQUIRE lock 5",
    "QUEUE.PUBLISH q m",
    "QUEUE.PUBLISH q m DEDUP p 1 DELAY 1000",
    "QUEUE.RECEIVE q",
    "APPEND k v",
];

/// Conversations of clients, beside one of each command by itself.
const CONVERSATIONS: &[&str] = &[
    "SET k v\r\nGET k\r\nMULTI\r\nINCR n\r\nGET n\r\nEXEC\r\n",
    "HELLO 3\r\nCLIENT TRACKING ON BCAST PREFIX k\r\nGET k\r\nSET k v\r\n",
    "RPUSH l a b c\r\nLRANGE l 0 -1\r\nLMOVE l m LEFT RIGHT\r\nBLPOP l 1\r\nLREM m 0 a\r\n",
    "SESSION.OPEN 1000\r\nLOCK.ACQUIRE l 5 WAIT 100\r\nLOCK.RELEASE l 5\r\nLOCK.INFO l\r\n",
    "QUEUE.PUBLISH q m\r\nQUEUE.RECEIVE q COUNT 2 WAIT 10\r\nQUEUE.INFO q\r\nQUEUE.SCAN 0\r\n",
    "ONCE 5 1 SET k v\r\nREAD STALE 100 GET k\r\nREAD LEASE GET k\r\nCACHE.TRACK FROM 0\r\n",
    "WATCH k\r\nMULTI\r\nSET k 1\r\nDISCARD\r\nSCAN 0 MATCH k* COUNT 10\r\nKEYS [a-z]*\r\n",
    "CONFIG SET maxclients 5\r\nCONFIG GET *\r\nCLIENT LIST\r\nINFO\r\nCOMMAND DOCS get\r\n",
];

/// The inputs of a target, each with a name.
pub fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    match target {
        "client" => conversations(),
        "resp" => commands(),
        "peer" => (messages().into_iter())
            .map(|(name, message)| (name.into(), [hello(), frame(&[], &message)].concat()))
            .collect(),
        "frame" => frames(),
        "wal" => log(),
        "snapshot" => snapshots(),
        _ => Vec::new(),
    }
}

fn conversations() -> Vec<(String, Vec<u8>)> {
    let lines = (1..).zip(CONVERSATIONS);
    let lines = lines.map(|(at, text)| (format!("talk-{at}"), text.as_bytes().to_vec()));
    lines.chain(commands()).collect()
}

/// Eight commands an input, with as many words as they want and numbers among them.
fn commands() -> Vec<(String, Vec<u8>)> {
    let chunks = (1..).zip(COMMANDS.chunks(8));
    let inputs = chunks.map(|(at, specs)| {
        let mut bytes = BytesMut::new();
        for spec in specs.iter().filter(|spec| spec.name != "shutdown") {
            let mut words = vec![spec.name.as_bytes()];
            let least = usize::try_from(spec.arity.abs()).expect("it is small");
            let others: [&[u8]; 4] = [b"k", b"1", b"v", b"0"];
            words.extend(others.iter().cycle().take(least.max(1) - 1));
            encode_call(&mut bytes, &words);
        }
        (format!("commands-{at}"), bytes.to_vec())
    });
    inputs.collect()
}

fn frame(head: &[u8], message: &impl Serialize) -> Vec<u8> {
    let body = [head, &postcard::to_stdvec(message).expect("plain data")].concat();
    let length = u32::try_from(body.len()).expect("it is small");
    [&length.to_le_bytes()[..], &body].concat()
}

fn greeting() -> Hello {
    Hello {
        oldest_version: OLDEST_VERSION,
        newest_version: NEWEST_VERSION,
        from: 2,
        to: 1,
        cluster: 0,
        has_data: false,
        remembers: false,
        lease_ms: 200,
    }
}

fn hello() -> Vec<u8> {
    frame(MAGIC, &greeting())
}

/// One of each kind, of a term that may come.
fn messages() -> Vec<(&'static str, Request)> {
    let vote = Vote::<FuzzWorld>::new_committed(7, 2);
    let id = |term, index| LogId::<FuzzWorld>::new_term_index(term, index);
    let proposal = |index: u64| {
        let set = CacheCommand::Delete {
            keys: vec!["k".into(); index as usize],
        };
        let proposed = Proposed {
            time_ms: index,
            once: None,
            command: Command::Cache(set),
        };
        let bytes = postcard::to_stdvec(&proposed).expect("plain data");
        LogEntry::<FuzzWorld>::new_normal(id(7, index), Proposal(bytes.into()))
    };
    let append = |entries: Vec<_>| AppendEntriesRequest {
        vote,
        prev_log_id: None,
        leader_commit: entries
            .last()
            .map(|entry: &LogEntry<FuzzWorld>| entry.log_id),
        entries,
    };
    let state = files_after(LIFE);
    let snapshot = state.iter().find(|(name, _)| name.starts_with("snapshot-"));
    let snapshot = snapshot.expect("it was asked for").1.clone();
    let snapshot = Snapshot::from_file(snapshot).expect("it was just written");
    let meta: SnapshotMeta<FuzzWorld> =
        postcard::from_bytes(&snapshot.meta).expect("a node wrote it");
    let piece = |data: &[u8]| SnapshotPiece {
        vote,
        meta: meta.clone(),
        total: data.len() as u64,
        offset: 0,
        data: data.to_vec().into(),
    };
    let asked = || VoteRequest::new(Vote::<FuzzWorld>::new(7, 2), Some(id(6, 100)));
    vec![
        ("heartbeat", Request::Append(append(vec![]))),
        (
            "append",
            Request::AppendPromising(append((0..3).map(proposal).collect())),
        ),
        ("pre-vote", Request::PreVote(asked())),
        ("vote", Request::Vote(asked())),
        ("read-index", Request::ReadIndex),
        ("piece", Request::SnapshotPiece(piece(&snapshot.data))),
        ("piece-of-nothing", Request::SnapshotPiece(piece(b"data"))),
        (
            "transfer",
            Request::TransferLeader(TransferLeaderRequest::new(vote, 1, None)),
        ),
    ]
}

fn frames() -> Vec<(String, Vec<u8>)> {
    let body = |message: &Request| postcard::to_stdvec(message).expect("plain data");
    let requests = messages().into_iter().flat_map(|(name, message)| {
        [
            (name.to_owned(), body(&message)),
            (format!("{name}-framed"), frame(&[], &message)),
        ]
    });
    let failed = PeerResponse::<FuzzWorld>::Failed("why".into());
    let others = [
        ("hello".into(), hello()),
        (
            "greeting".into(),
            frame(MAGIC, &Greeting::Hello(greeting())),
        ),
        ("failed".into(), frame(&[], &failed)),
    ];
    requests.chain(others).collect()
}

/// Once as it is, and once to be put right after it was changed.
fn twice(name: &str, kinds: [u8; 2], bytes: &[u8]) -> [(String, Vec<u8>); 2] {
    kinds.map(|kind| (format!("{name}-{kind}"), [&[kind], bytes].concat()))
}

fn log() -> Vec<(String, Vec<u8>)> {
    let files = files_after(LIFE);
    let (_, log) = (files.iter().find(|(name, _)| name == "wal")).expect("a node has a log");
    twice("log", [0, 1], log).into()
}

fn snapshots() -> Vec<(String, Vec<u8>)> {
    let files = files_after(LIFE);
    let snapshot = files.iter().find(|(name, _)| name.starts_with("snapshot-"));
    let (_, file) = snapshot.expect("it was asked for");
    let read = Snapshot::from_file(file.clone()).expect("it was just written");
    let mut all = Vec::from(twice("file", [0, 1], file));
    all.push(("data-2".into(), [&[2], &read.data[..]].concat()));
    all
}
