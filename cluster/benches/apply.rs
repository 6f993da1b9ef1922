//! Measures the cost of a command in the replicated state: `cargo bench -p squall-cluster
//! --bench apply`.
//!
//! No log, no network: the pure function alone, over a state of a thousand locks, a thousand
//! keys of 100 bytes and ten thousand waiting messages of 1 kB. Each round leaves the state
//! as large as it was. Making the command is part of what is measured.

mod commands;

use bytes::Bytes;
use commands::{NAMES, ack, acquire, key, publish, receive, release, request, set};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use squall_cluster::state::command::{
    CacheCommand, Command, Delivery, LockCommand, LockMode, Query, Reply, Request, SessionCommand,
    SessionId, SetCondition, Stamp, Token,
};
use squall_cluster::state::{Limits, State};

const WAITING_MESSAGES: u64 = 10_000;

/// One node's state, which applies one entry after another.
struct Node {
    state: State,
    session: SessionId,
}

impl Node {
    fn empty() -> Self {
        let mut node = Self {
            state: State::new(Limits::default()),
            session: 0,
        };
        node.apply(Command::NewLeader);
        node.session = node.open(60_000);
        node
    }

    fn new() -> Self {
        let mut node = Self::empty();
        let session = node.session;
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

    fn open(&mut self, ttl_ms: u64) -> SessionId {
        let open = SessionCommand::Open { ttl_ms };
        let Reply::SessionOpened { session, .. } = self.apply(Command::Session(open)) else {
            unreachable!("there is room for a session");
        };
        session
    }

    fn apply(&mut self, command: Command) -> Reply {
        self.apply_at(request(Command::NewLeader).time_ms, command)
    }

    fn apply_at(&mut self, time_ms: u64, command: Command) -> Reply {
        let request = Request {
            time_ms,
            ..request(command)
        };
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

/// What one entry may do to very many: as long, a node does nothing else.
fn together(criterion: &mut Criterion) {
    const MANY: u64 = 100_000;
    const FAR_MS: u64 = 4_000_000;

    /// Each of as many sessions gives its command.
    fn of_many(command: impl Fn(u64, SessionId) -> Command) -> Node {
        let mut node = Node::empty();
        for number in 0..MANY {
            let session = node.open(2 * FAR_MS);
            node.apply(command(number, session));
        }
        node
    }
    // In the order of their arrival backwards, each behind all that are left.
    let waits = |number, session| {
        Command::Lock(LockCommand::Acquire {
            name: "lock".into(),
            session,
            mode: LockMode::Exclusive,
            wait_ms: FAR_MS - 1_000_000 - number,
            wait_die: false,
        })
    };
    let keys = |number: u64, _| {
        Command::Cache(CacheCommand::Set {
            key: format!("key-{number}").into(),
            value: Bytes::from_static(&[7; 100]),
            ttl_ms: Some(1_000),
            keep_ttl: false,
            condition: SetCondition::Always,
        })
    };
    let expire = Command::Expire { sessions: vec![] };
    let mut group = criterion.benchmark_group("100,000 together");
    group.sample_size(10);
    let mut measure = |name: &str, make: &dyn Fn() -> Node, command: &Command| {
        group.bench_function(name, |bencher| {
            let end = |mut node: Node| {
                node.apply_at(FAR_MS, command.clone());
                node
            };
            bencher.iter_batched(make, end, BatchSize::PerIteration);
        });
    };
    measure("waits for one lock end", &|| of_many(waits), &expire);
    measure("keys end", &|| of_many(keys), &expire);
    let sessions = || of_many(|_, _| Command::Expire { sessions: vec![] });
    measure("sessions are renewed", &sessions, &Command::NewLeader);
    group.finish();
}

criterion_group!(benches, apply, together);
criterion_main!(benches);
