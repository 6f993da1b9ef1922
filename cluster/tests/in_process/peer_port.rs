//! The port for nodes under bytes that no node sends: every single-bit flip of each kind of
//! message, cuts, and noise. The node answers with an error or hangs up, and goes on serving what
//! it had.

use std::io::ErrorKind;

use openraft::EntryPayload;
use openraft::raft::{AppendEntriesRequest, TransferLeaderRequest, VoteRequest};
use serde::Serialize;
use squall_cluster::node::Node;
use squall_cluster::raft::hello::{Hello, MAGIC, NEWEST_VERSION, OLDEST_VERSION};
use squall_cluster::raft::snapshot::SnapshotPiece;
use squall_cluster::raft::wire::PeerRequest;
use squall_cluster::raft::{LogEntry, LogId, SnapshotMeta, Vote, peer_address};
use squall_cluster::world::{World, timeout_at};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::memory_world::MemoryWorld;
use crate::nodes::{Cluster, Wire, run, soon};

pub type Request = PeerRequest<MemoryWorld>;

pub fn frame(head: &[u8], message: &impl Serialize) -> Vec<u8> {
    let body = [head, &postcard::to_stdvec(message).expect("plain data")].concat();
    let length = u32::try_from(body.len()).expect("it is small");
    [&length.to_le_bytes()[..], &body].concat()
}

/// The greeting of a node that is no member.
pub fn hello(to: u64) -> Vec<u8> {
    hello_from(2, to)
}

/// The same, of this one.
pub fn hello_from(from: u64, to: u64) -> Vec<u8> {
    let hello = Hello {
        oldest_version: OLDEST_VERSION,
        newest_version: NEWEST_VERSION,
        from,
        to,
        cluster: 0,
        has_data: false,
        remembers: false,
        lease_ms: 200,
    };
    frame(MAGIC, &hello)
}

/// One message of each kind, of a term that is over.
pub fn messages() -> Vec<(&'static str, Request)> {
    let vote = Vote::<MemoryWorld>::new_committed(0, 2);
    let id = |term, index| LogId::<MemoryWorld>::new_term_index(term, index);
    let append = |entries| AppendEntriesRequest {
        vote,
        prev_log_id: None,
        entries,
        leader_commit: Some(id(0, 0)),
    };
    let entry = LogEntry::<MemoryWorld> {
        log_id: id(0, 0),
        payload: EntryPayload::Blank,
    };
    let piece = |offset| SnapshotPiece {
        vote,
        meta: SnapshotMeta::<MemoryWorld>::default(),
        total: 4,
        offset,
        data: b"data"[..].into(),
    };
    let asked = || VoteRequest::new(Vote::<MemoryWorld>::new(0, 2), Some(id(0, 0)));
    vec![
        ("append, empty", Request::Append(append(vec![]))),
        ("append", Request::AppendPromising(append(vec![entry]))),
        ("pre-vote", Request::PreVote(asked())),
        ("vote", Request::Vote(asked())),
        ("read index", Request::ReadIndex),
        ("piece of a snapshot", Request::SnapshotPiece(piece(0))),
        (
            "transfer",
            Request::TransferLeader(TransferLeaderRequest::new(vote, 1, None)),
        ),
    ]
}

/// Sends the bytes and nothing more; what comes back, until the node hangs up.
async fn send(address: &str, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.expect("the node listens");
    let mut answer = Vec::new();
    let exchange = async {
        stream.write_all(bytes).await?;
        stream.shutdown().await?;
        stream.read_to_end(&mut answer).await
    };
    match timeout_at::<MemoryWorld, _>(soon(), exchange).await {
        // Who hangs up while more is sent resets the connection.
        Ok(Err(e)) => assert!(
            matches!(e.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe),
            "{e}"
        ),
        Ok(Ok(_)) => {}
        Err(_) => panic!("the node neither answers nor hangs up"),
    }
    answer
}

async fn must_serve(wire: &mut Wire, node: &Node<MemoryWorld>) {
    let deadline = soon();
    // Whoever is believed to be a member may depose a leader, as members may.
    loop {
        wire.send(&["INCR served"]).await;
        let answer = wire.line().await;
        if answer.starts_with(':') {
            break;
        }
        assert!(MemoryWorld::now() < deadline, "{answer}");
        MemoryWorld::sleep(std::time::Duration::from_millis(10)).await;
    }
    wire.send(&["GET kept", "QUEUE.INFO q"]).await;
    wire.expect("$3,yes,*14,$5,ready,:1").await;
    for _ in 0..18 {
        wire.line().await;
    }
    assert!(!node.is_stopping());
}

#[test]
fn every_flipped_bit_of_every_kind_of_message_harms_nothing() {
    run(async {
        let cluster = Cluster::start(1).await;
        let node = &cluster.nodes[0];
        let mut wire = Wire::connect(&cluster.addresses[0]).await;
        wire.send(&["SET kept yes", "QUEUE.PUBLISH q m"]).await;
        wire.expect("+OK,:1").await;
        let peers = peer_address(&cluster.addresses[0]).expect("it has a port");
        println!("| message | bits | answered | not answered |");
        println!("|---|---|---|---|");
        for (name, message) in messages() {
            let greeting = hello(1);
            let bytes = [greeting.clone(), frame(&[], &message)].concat();
            let good = send(&peers, &bytes).await;
            assert!(good.len() > greeting.len() / 2, "{name} is answered");
            let mut answered = 0;
            for bit in 0..bytes.len() * 8 {
                let mut flipped = bytes.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                answered += usize::from(!send(&peers, &flipped).await.is_empty());
            }
            let bits = bytes.len() * 8;
            println!("| {name} | {bits} | {answered} | {} |", bits - answered);
            for length in 0..bytes.len() {
                send(&peers, &bytes[..length]).await;
            }
            must_serve(&mut wire, node).await;
        }
        // Terms rise with whoever is believed, but not to where no election is possible.
        assert!(
            node.leading_term() < 1 << 40,
            "term {}",
            node.leading_term()
        );
    });
}

#[test]
fn noise_and_lengths_beyond_reason_are_not_answered() {
    run(async {
        let cluster = Cluster::start(1).await;
        let mut wire = Wire::connect(&cluster.addresses[0]).await;
        wire.send(&["SET kept yes", "QUEUE.PUBLISH q m"]).await;
        wire.expect("+OK,:1").await;
        let peers = peer_address(&cluster.addresses[0]).expect("it has a port");
        // A generator of noise that is the same everywhere.
        let mut noise = 0x9E37_79B9_7F4A_7C15_u64;
        for round in 0..400_usize {
            let random = (0..round % 97).map(|_| {
                noise ^= noise << 13;
                noise ^= noise >> 7;
                noise ^= noise << 17;
                noise as u8
            });
            let body: Vec<u8> = random.collect();
            let length = match round % 4 {
                0 => u32::MAX,
                1 => (128 << 20) + 1,
                _ => body.len() as u32,
            };
            let head: &[u8] = if round % 2 == 0 { &[] } else { MAGIC };
            let alone = [&length.to_le_bytes()[..], head, &body].concat();
            send(&peers, &alone).await;
            send(&peers, &[&hello(1)[..], &alone].concat()).await;
        }
        must_serve(&mut wire, &cluster.nodes[0]).await;
    });
}

#[test]
fn a_stranger_is_not_given_the_room_of_a_node() {
    run(async {
        let cluster = Cluster::start(1).await;
        let peers = peer_address(&cluster.addresses[0]).expect("it has a port");
        // Longer than any greeting: the node hangs up before it has read it.
        let mut stream = TcpStream::connect(&peers).await.expect("the node listens");
        let length = 1_u32 << 20;
        let head = [&length.to_le_bytes()[..], MAGIC].concat();
        stream.write_all(&head).await.expect("the node reads");
        let mut answer = Vec::new();
        let ended = timeout_at::<MemoryWorld, _>(soon(), stream.read_to_end(&mut answer)).await;
        let ended = ended.expect("the node hangs up at once");
        assert!(!matches!(ended, Ok(1..)), "{answer:?}");
    });
}
