//! Tests of the replicated state: tables for each feature, and properties over random logs.
//!
//! [`Bench`] applies entries the way a node does. After every entry it also takes the state
//! through its snapshot and demands equality, which holds the indexes that are kept up to
//! date against those rebuilt from the primary data.

mod cache;
mod clock;
mod dead_letter;
mod eviction;
mod generate;
mod list_bounds;
mod list_model;
mod lists;
mod lock;
mod lock_wait;
mod operators;
mod properties;
mod queue;
mod queue_order;
mod session;
mod snapshot;
mod strings;

use super::command::*;
use super::{LEVEL, Limits, State};
use bytes::Bytes;

/// Where the log time of a bench starts.
const START_MS: u64 = 1_000_000;

struct Bench {
    state: State,
    time_ms: u64,
}

impl Bench {
    fn new() -> Self {
        Self::with_limits(Limits::default())
    }

    fn with_limits(limits: Limits) -> Self {
        let mut bench = Self {
            state: State {
                level: LEVEL,
                ..State::new(limits)
            },
            time_ms: START_MS,
        };
        bench.apply(None, Command::NewLeader);
        bench
    }

    /// Lets time pass; the state learns of it with the next entry.
    fn pass(&mut self, ms: u64) -> &mut Self {
        self.time_ms += ms;
        self
    }

    fn apply(&mut self, once: Option<Once>, command: Command) -> Applied {
        let stamp = Stamp {
            index: self.state.applied_index() + 1,
            time_ms: self.time_ms,
        };
        let request = Request {
            time_ms: self.time_ms,
            once,
            command,
        };
        let applied = self.state.apply(stamp, &request);
        let restored = State::decode(&self.state.encode()).expect("a snapshot decodes");
        assert_eq!(restored, self.state, "an index is out of step");
        applied
    }

    fn run(&mut self, command: impl Into<Command>) -> Applied {
        self.apply(None, command.into())
    }

    fn reply(&mut self, command: impl Into<Command>) -> Reply {
        self.run(command).reply
    }

    fn once(&mut self, session: SessionId, sequence: u64, command: impl Into<Command>) -> Applied {
        self.apply(Some(Once { session, sequence }), command.into())
    }

    /// Moves the clock of the state, as a leader does when something is due.
    fn tick(&mut self) -> Applied {
        self.run(Command::Expire { sessions: vec![] })
    }

    fn open(&mut self, ttl_ms: u64) -> SessionId {
        match self.reply(SessionCommand::Open { ttl_ms }) {
            Reply::SessionOpened { session, .. } => session,
            other => panic!("a session opens, but got {other:?}"),
        }
    }

    /// Ends whatever sessions are due, as the leader would.
    fn expire_due(&mut self) -> Applied {
        let command = self.state.due(self.time_ms);
        self.run(command.expect("something is due"))
    }

    fn holders(&self, name: &str) -> Vec<SessionId> {
        let info = self.lock_info(name);
        info.holders.iter().map(|holder| holder.0).collect()
    }

    fn lock_info(&self, name: &str) -> LockInfo {
        let name = name.to_owned();
        match self.state.read(&Query::Lock { name }) {
            Reply::LockInfo(info) => info,
            other => panic!("a lock is described, but got {other:?}"),
        }
    }

    fn queue_info(&self, queue: &str) -> QueueInfo {
        let queue = queue.to_owned();
        match self.state.read(&Query::Queue { queue }) {
            Reply::QueueInfo(Some(info)) => info,
            other => panic!("the queue exists, but got {other:?}"),
        }
    }

    fn get(&self, key: &'static str) -> Option<Bytes> {
        let keys = vec![Bytes::from(key)];
        match self.state.read(&Query::Get { keys }) {
            Reply::Values(mut values) => values.remove(0).map(|versioned| versioned.value),
            other => panic!("a get answers with values, but got {other:?}"),
        }
    }

    /// Receives, and panics on any other reply.
    fn receive(&mut self, queue: &str, count: u32) -> Vec<Delivery> {
        let queue = queue.to_owned();
        let command = QueueCommand::Receive {
            queue,
            count,
            visibility_ms: None,
        };
        match self.reply(command) {
            Reply::Messages(messages) => messages,
            other => panic!("a receive answers with messages, but got {other:?}"),
        }
    }

    /// Receives all that is deliverable and returns the payloads.
    fn payloads(&mut self, queue: &str) -> Vec<Bytes> {
        let received = self.receive(queue, 1000);
        received.into_iter().map(|each| each.payload).collect()
    }
}

impl From<SessionCommand> for Command {
    fn from(command: SessionCommand) -> Self {
        Self::Session(command)
    }
}

impl From<LockCommand> for Command {
    fn from(command: LockCommand) -> Self {
        Self::Lock(command)
    }
}

impl From<QueueCommand> for Command {
    fn from(command: QueueCommand) -> Self {
        Self::Queue(command)
    }
}

impl From<CacheCommand> for Command {
    fn from(command: CacheCommand) -> Self {
        Self::Cache(command)
    }
}

impl From<ListCommand> for Command {
    fn from(command: ListCommand) -> Self {
        Self::List(command)
    }
}

fn refused(refusal: Refusal) -> Reply {
    Reply::Refused(refusal)
}

fn wake(waiter: u64, reply: Reply) -> Wake {
    Wake { waiter, reply }
}

fn acquire(name: &str, session: SessionId, mode: LockMode, wait_ms: u64) -> LockCommand {
    LockCommand::Acquire {
        name: name.to_owned(),
        session,
        mode,
        wait_ms,
        wait_die: false,
    }
}

fn release(name: &str, session: SessionId, token: Token) -> LockCommand {
    LockCommand::Release {
        name: name.to_owned(),
        session,
        token,
    }
}

fn message(payload: &'static str) -> NewMessage {
    NewMessage {
        payload: Bytes::from(payload),
        delay_ms: 0,
        priority: 0,
        group: None,
        dedup: None,
    }
}

fn grouped(payload: &'static str, group: &str) -> NewMessage {
    NewMessage {
        group: Some(group.to_owned()),
        ..message(payload)
    }
}

fn publish(queue: &str, messages: Vec<NewMessage>) -> QueueCommand {
    QueueCommand::Publish {
        queue: queue.to_owned(),
        messages,
    }
}

fn configure(queue: &str, settings: QueueSettings) -> QueueCommand {
    QueueCommand::Configure {
        queue: queue.to_owned(),
        settings,
    }
}

fn ack(queue: &str, receipts: &[Receipt]) -> QueueCommand {
    QueueCommand::Ack {
        queue: queue.to_owned(),
        receipts: receipts.to_vec(),
    }
}

fn nack(queue: &str, receipt: Receipt, delay_ms: u64) -> QueueCommand {
    QueueCommand::Nack {
        queue: queue.to_owned(),
        receipt,
        delay_ms,
    }
}

fn push(key: &'static str, end: End, values: &[&'static str]) -> ListCommand {
    ListCommand::Push {
        key: key.into(),
        values: bytes(values),
        end,
        if_present: false,
    }
}

fn pop(keys: &[&'static str], end: End, count: u64) -> ListCommand {
    let keys = bytes(keys);
    ListCommand::Pop { keys, end, count }
}

fn bytes(texts: &[&'static str]) -> Vec<Bytes> {
    texts.iter().map(|&text| Bytes::from(text)).collect()
}

fn set(key: &'static str, value: &'static str) -> CacheCommand {
    set_with(key, value, None, false, SetCondition::Always)
}

fn set_with(
    key: &'static str,
    value: &'static str,
    ttl_ms: Option<u64>,
    keep_ttl: bool,
    condition: SetCondition,
) -> CacheCommand {
    CacheCommand::Set {
        key: Bytes::from(key),
        value: Bytes::from(value),
        ttl_ms,
        keep_ttl,
        condition,
    }
}
