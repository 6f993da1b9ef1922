//! Measures encoding and decoding of wire messages: `cargo bench -p squall-cluster --bench codec`.
//!
//! Commands and replies of clients (RESP), proposals in the log, and messages between nodes
//! (postcard, framed, through a pipe in memory). Values have 100 bytes, messages of queues
//! 1 kB.

mod commands;

use bytes::{Bytes, BytesMut};
use commands::{PAYLOAD_BYTES, acquire, publish, receive, request, set};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use futures_util::FutureExt;
use openraft::entry::RaftEntry;
use openraft::raft::AppendEntriesRequest;
use squall_cluster::protocol::{
    Decoder, ReplyStyle, RespVersion, decode_reply, encode, next_frame, parse, write_command,
};
use squall_cluster::raft::wire::{Connection, PeerRequest};
use squall_cluster::raft::{LogEntry, LogId, Proposal, Vote};
use squall_cluster::state::command::{Command, Delivery, Reply};
use squall_cluster::world::RealWorld;
use tokio::io::DuplexStream;

fn commands_of_clients() -> [(&'static str, Command); 3] {
    [
        ("lock acquire", acquire(1, 5)),
        ("queue publish", publish()),
        ("cache set", set(1)),
    ]
}

/// With what they answer.
fn replies() -> [(&'static str, Command, Reply); 3] {
    let delivery = Delivery {
        id: 12,
        receipt: 34,
        deliveries: 1,
        payload: Bytes::from_static(&[7; PAYLOAD_BYTES]),
    };
    [
        (
            "granted",
            acquire(1, 5),
            Reply::Granted { token: 1_234_567 },
        ),
        ("message", receive(), Reply::Messages(vec![delivery])),
        (
            "stored",
            set(1),
            Reply::Stored {
                version: Some(1_234_567),
            },
        ),
    ]
}

fn resp(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("codec/command");
    for (name, command) in commands_of_clients() {
        let mut bytes = BytesMut::new();
        write_command(&mut bytes, None, &command, 0);
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(BenchmarkId::new("write", name), |bencher| {
            let mut out = BytesMut::with_capacity(2 * bytes.len());
            bencher.iter(|| {
                out.clear();
                write_command(&mut out, None, &command, 0);
            });
        });
        group.bench_function(BenchmarkId::new("read", name), |bencher| {
            let mut decoder = Decoder::new();
            bencher.iter(|| {
                let mut received = BytesMut::from(&bytes[..]);
                let arguments = decoder.next(&mut received).expect("it is well formed");
                parse(&arguments.expect("it is whole")).expect("it is a command")
            });
        });
    }
    group.finish();

    let mut group = criterion.benchmark_group("codec/reply");
    for (name, command, reply) in replies() {
        let mut bytes = BytesMut::new();
        encode(&mut bytes, RespVersion::Two, ReplyStyle::Full, &reply);
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(BenchmarkId::new("write", name), |bencher| {
            let mut out = BytesMut::with_capacity(2 * bytes.len());
            bencher.iter(|| {
                out.clear();
                encode(&mut out, RespVersion::Two, ReplyStyle::Full, &reply);
            });
        });
        group.bench_function(BenchmarkId::new("read", name), |bencher| {
            bencher.iter(|| {
                let mut received = BytesMut::from(&bytes[..]);
                let frame = next_frame(&mut received).expect("it is well formed");
                decode_reply(&command, frame.expect("it is whole")).expect("it is an answer")
            });
        });
    }
    group.finish();
}

fn proposal(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("codec/proposal");
    for (name, command) in commands_of_clients() {
        let request = request(command);
        let proposal = Proposal::encode(&request);
        group.throughput(Throughput::Bytes(proposal.0.len() as u64));
        group.bench_function(BenchmarkId::new("write", name), |bencher| {
            bencher.iter(|| Proposal::encode(&request));
        });
        group.bench_function(BenchmarkId::new("read", name), |bencher| {
            bencher.iter(|| proposal.decode().expect("it was just written"));
        });
    }
    group.finish();
}

/// A leader's call to a follower with this many entries; none is a heartbeat.
fn append(entries: u64) -> PeerRequest<RealWorld> {
    let id = |index| LogId::<RealWorld>::new_term_index(3, index);
    let entry = |index| {
        let proposal = Proposal::encode(&request(set(index)));
        LogEntry::<RealWorld>::new_normal(id(index), proposal)
    };
    PeerRequest::Append(AppendEntriesRequest {
        vote: Vote::<RealWorld>::new_committed(3, 1),
        prev_log_id: Some(id(1_000)),
        entries: (1_001..1_001 + entries).map(entry).collect(),
        leader_commit: Some(id(1_000)),
    })
}

fn peers(criterion: &mut Criterion) {
    const PIPE_BYTES: usize = 1 << 20;
    let mut group = criterion.benchmark_group("codec/peer");
    for entries in [0, 1, 64] {
        let message = append(entries);
        let (near, far) = tokio::io::duplex(PIPE_BYTES);
        let (mut near, mut far) = (Connection::new(near), Connection::new(far));
        group.throughput(Throughput::Elements(entries.max(1)));
        group.bench_function(BenchmarkId::new("append, both ways", entries), |bencher| {
            bencher.iter(|| there_and_read(&message, &mut near, &mut far));
        });
    }
    group.finish();
}

/// Nothing waits: the pipe holds the whole message.
fn there_and_read(
    message: &PeerRequest<RealWorld>,
    near: &mut Connection<DuplexStream>,
    far: &mut Connection<DuplexStream>,
) -> PeerRequest<RealWorld> {
    let sent = near.send(None, message).now_or_never();
    sent.expect("the pipe has room").expect("the pipe is open");
    let received = far.receive().now_or_never().expect("all of it is there");
    received.expect("the pipe is open").expect("a message")
}

criterion_group!(benches, resp, proposal, peers);
criterion_main!(benches);
