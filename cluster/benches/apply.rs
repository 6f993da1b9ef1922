//! Measures the cost of a command in the replicated state: `cargo bench -p squall-cluster
//! --bench apply`.
//!
//! No log, no network: the pure function alone, over a state of a thousand locks, a thousand
//! keys of 100 bytes and ten thousand waiting messages of 1 kB. Each round leaves the state
//! as large as it was. Making the command is part of what is measured.

mod commands;

use commands::{NAMES, ack, acquire, key, publish, receive, release, request, set};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use squall_cluster::state::command::{
    Command, Delivery, Query, Reply, SessionCommand, SessionId, Stamp, Token,
};
use squall_cluster::state::{Limits, State};

const WAITING_MESSAGES: u64 = 10_000;

/// One node's state, which applies one entry after another.
struct Node {
    state: State,
    session: SessionId,
}

impl Node {
    fn new() -> Self {
        let mut node = Self {
            state: State::new(Limits::default()),
            session: 0,
        };
        node.apply(Command::NewLeader);
        let open = SessionCommand::Open { ttl_ms: 60_000 };
        let Reply::SessionOpened { session, .. } = node.apply(Command::Session(open)) else {
            unreachable!("an empty state opens a session");
        };
        node.session = session;
        for number in 0..NAMES {
            node.apply(set(number));
            let token = node.take(number);
            node.apply(release(number, session, token));
        }
        for _ in 0..WAITING_MESSAGES {
            node.apply(publish());
        }
        node
    }

    fn apply(&mut self, command: Command) -> Reply {
        let request = request(command);
        let stamp = Stamp {
            index: self.state.applied_index() + 1,
            time_ms: request.time_ms,
        };
        self.state.apply(stamp, &request).reply
    }

    fn take(&mut self, number: u64) -> Token {
        match self.apply(acquire(number, self.session)) {
            Reply::Granted { token } => token,
            other => unreachable!("nobody holds it: {other:?}"),
        }
    }

    fn receive_one(&mut self) -> Delivery {
        match self.apply(receive()) {
            Reply::Messages(mut messages) if messages.len() == 1 => messages.remove(0),
            other => unreachable!("messages wait: {other:?}"),
        }
    }
}

fn apply(criterion: &mut Criterion) {
    let mut node = Node::new();
    let mut round = 0;
    let mut group = criterion.benchmark_group("apply");

    group.throughput(Throughput::Elements(2));
    group.bench_function("lock acquire, release", |bencher| {
        bencher.iter(|| {
            round += 1;
            let token = node.take(round);
            let reply = node.apply(release(round, node.session, token));
            assert_eq!(reply, Reply::Released);
        });
    });

    group.throughput(Throughput::Elements(3));
    group.bench_function("queue publish, receive, ack", |bencher| {
        bencher.iter(|| {
            node.apply(publish());
            let delivery = node.receive_one();
            assert_eq!(node.apply(ack(delivery.receipt)), Reply::Settled(1));
        });
    });

    group.throughput(Throughput::Elements(1));
    group.bench_function("cache set", |bencher| {
        bencher.iter(|| {
            round += 1;
            node.apply(set(round))
        });
    });
    group.bench_function("cache get", |bencher| {
        bencher.iter(|| {
            round += 1;
            let keys = vec![key(round)];
            node.state.read(&Query::Get { keys })
        });
    });
    group.finish();
}

criterion_group!(benches, apply);
criterion_main!(benches);
