//! Commands as clients send them, for every benchmark the same.

#![allow(dead_code)] // every benchmark uses its own part of this

use bytes::Bytes;
use squall_cluster::state::command::{
    CacheCommand, Command, LockCommand, LockMode, NewMessage, QueueCommand, Receipt, Request,
    SessionId, SetCondition, Token,
};

/// Locks, and keys of the cache.
pub const NAMES: u64 = 1_000;
/// Of a cached value.
pub const VALUE_BYTES: usize = 100;
/// Of a message.
pub const PAYLOAD_BYTES: usize = 1_000;

pub fn request(command: Command) -> Request {
    Request {
        time_ms: 1_000_000,
        once: None,
        command,
    }
}

pub fn acquire(number: u64, session: SessionId) -> Command {
    Command::Lock(LockCommand::Acquire {
        name: lock(number),
        session,
        mode: LockMode::Exclusive,
        wait_ms: 0,
        wait_die: false,
    })
}

pub fn release(number: u64, session: SessionId, token: Token) -> Command {
    Command::Lock(LockCommand::Release {
        name: lock(number),
        session,
        token,
    })
}

fn lock(number: u64) -> String {
    format!("lock-{}", number % NAMES)
}

pub fn publish() -> Command {
    let message = NewMessage {
        payload: Bytes::from_static(&[7; PAYLOAD_BYTES]),
        delay_ms: 0,
        priority: 0,
        group: None,
        dedup: None,
    };
    Command::Queue(QueueCommand::Publish {
        queue: "jobs".into(),
        messages: vec![message],
    })
}

pub fn receive() -> Command {
    Command::Queue(QueueCommand::Receive {
        queue: "jobs".into(),
        count: 1,
        visibility_ms: None,
    })
}

pub fn ack(receipt: Receipt) -> Command {
    Command::Queue(QueueCommand::Ack {
        queue: "jobs".into(),
        receipts: vec![receipt],
    })
}

pub fn key(number: u64) -> Bytes {
    format!("key-{}", number % NAMES).into()
}

pub fn set(number: u64) -> Command {
    Command::Cache(CacheCommand::Set {
        key: key(number),
        value: Bytes::from_static(&[7; VALUE_BYTES]),
        ttl_ms: None,
        keep_ttl: false,
        condition: SetCondition::Always,
    })
}
