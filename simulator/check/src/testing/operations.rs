//! Makes operations of all services and their outcomes, for histories of tests.

use squall_history::{Action, Delivered, Holder, ListEnd, Outcome};

pub(crate) fn unknown() -> Outcome {
    Outcome::Unknown {
        why: "timed out".into(),
    }
}

pub(crate) fn failed(why: &str) -> Outcome {
    Outcome::Failed { why: why.into() }
}

pub(crate) fn acquire(name: &str, session: u64) -> Action {
    Action::Acquire {
        name: name.into(),
        session,
        shared: false,
        wait_ms: 0,
    }
}

pub(crate) fn acquire_shared(name: &str, session: u64) -> Action {
    Action::Acquire {
        name: name.into(),
        session,
        shared: true,
        wait_ms: 0,
    }
}

pub(crate) fn granted(token: u64) -> Outcome {
    Outcome::Granted { token }
}

pub(crate) fn release(name: &str, session: u64, token: u64) -> Action {
    Action::Release {
        name: name.into(),
        session,
        token,
    }
}

pub(crate) fn acquire_waiting(name: &str, session: u64, wait_ms: u64) -> Action {
    Action::Acquire {
        name: name.into(),
        session,
        shared: false,
        wait_ms,
    }
}

pub(crate) fn inspect(name: &str) -> Action {
    Action::Inspect { name: name.into() }
}

pub(crate) fn holder(session: u64, token: u64, shared: bool) -> Holder {
    Holder {
        session,
        token,
        shared,
    }
}

/// What a look at a lock showed; the last token is that of the last holder.
pub(crate) fn line(holders: &[Holder], waiters: &[u64]) -> Outcome {
    Outcome::Line {
        holders: holders.to_vec(),
        waiters: waiters.to_vec(),
        last_token: holders.last().map_or(0, |holder| holder.token),
    }
}

pub(crate) fn open(ttl_ms: u64) -> Action {
    Action::OpenSession { ttl_ms }
}

pub(crate) fn opened(session: u64) -> Outcome {
    Outcome::Session { session }
}

/// A batch without delay, priority or group.
pub(crate) fn publish_batch(queue: &str, values: &[&str]) -> Action {
    publish_with(queue, values, 0, 0, None)
}

pub(crate) fn publish_with(
    queue: &str,
    values: &[&str],
    delay_ms: u64,
    priority: u64,
    group: Option<&str>,
) -> Action {
    Action::PublishBatch {
        queue: queue.into(),
        values: values.iter().map(|value| (*value).into()).collect(),
        bytes: 2,
        delay_ms,
        priority,
        group: group.map(Into::into),
    }
}

pub(crate) fn published(ids: &[u64]) -> Outcome {
    Outcome::PublishedBatch { ids: ids.to_vec() }
}

pub(crate) fn configure(queue: &str, max_depth: u64, max_deliveries: u32) -> Action {
    Action::Configure {
        queue: queue.into(),
        max_depth,
        max_deliveries,
    }
}

pub(crate) fn depth(queue: &str) -> Action {
    Action::Depth {
        queue: queue.into(),
    }
}

pub(crate) fn holds(ready: u64, in_flight: u64, delayed: u64) -> Outcome {
    Outcome::Depth {
        ready,
        in_flight,
        delayed,
    }
}

pub(crate) fn get_from(key: &str, node: &str, bound_ms: Option<u64>) -> Action {
    Action::GetFrom {
        key: key.into(),
        node: node.into(),
        bound_ms,
    }
}

pub(crate) fn set_volatile(key: &str, value: &str, ttl_ms: Option<u64>) -> Action {
    Action::SetVolatile {
        key: key.into(),
        value: value.into(),
        bytes: value.len() as u64,
        ttl_ms,
    }
}

pub(crate) fn publish(queue: &str, value: &str) -> Action {
    Action::Publish {
        queue: queue.into(),
        value: value.into(),
        bytes: value.len() as u64,
    }
}

/// A receive of up to ten messages, hidden for 100 ms.
pub(crate) fn receive(queue: &str) -> Action {
    Action::Receive {
        queue: queue.into(),
        max: 10,
        visibility_ms: 100,
        wait_ms: 0,
    }
}

/// One message received: its id doubles as value number, `m7` has id 7.
pub(crate) fn received(id: u64, receipt: u64, deliveries: u32) -> Outcome {
    Outcome::Received {
        messages: vec![Delivered {
            id,
            receipt,
            deliveries,
            value: format!("m{id}"),
        }],
    }
}

pub(crate) fn nothing() -> Outcome {
    Outcome::Received {
        messages: Vec::new(),
    }
}

pub(crate) fn ack(queue: &str, value: &str, receipt: u64) -> Action {
    Action::Ack {
        queue: queue.into(),
        receipt,
        value: value.into(),
    }
}

pub(crate) fn nack(queue: &str, value: &str, receipt: u64) -> Action {
    Action::Nack {
        queue: queue.into(),
        receipt,
        value: value.into(),
        delay_ms: 0,
    }
}

pub(crate) fn settled() -> Outcome {
    Outcome::Settled { valid: true }
}

pub(crate) fn get(key: &str) -> Action {
    Action::Get {
        key: key.into(),
        lease: false,
    }
}

pub(crate) fn value(value: &str, version: u64) -> Outcome {
    Outcome::Value {
        value: Some(value.into()),
        version,
    }
}

pub(crate) fn absent() -> Outcome {
    Outcome::Value {
        value: None,
        version: 0,
    }
}

pub(crate) fn set(key: &str, value: &str) -> Action {
    Action::Set {
        key: key.into(),
        value: value.into(),
        bytes: value.len() as u64,
    }
}

pub(crate) fn stored(version: u64) -> Outcome {
    Outcome::Stored { version }
}

pub(crate) fn set_if(key: &str, version: u64, value: &str) -> Action {
    Action::CompareAndSet {
        key: key.into(),
        version,
        value: value.into(),
    }
}

pub(crate) fn delete(key: &str) -> Action {
    Action::Delete { key: key.into() }
}

pub(crate) fn increment(key: &str, by: i64) -> Action {
    Action::Increment {
        key: key.into(),
        by,
    }
}

pub(crate) fn counted(value: i64, version: u64) -> Outcome {
    Outcome::Counted { value, version }
}

/// At the right.
pub(crate) fn list_push(list: &str, value: &str) -> Action {
    Action::ListPush {
        list: list.into(),
        value: value.into(),
        end: ListEnd::Right,
    }
}

/// At the left.
pub(crate) fn list_pop(list: &str) -> Action {
    Action::ListPop {
        list: list.into(),
        end: ListEnd::Left,
    }
}

/// Pops at the left, and waits.
pub(crate) fn list_wait(list: &str, wait_ms: u64) -> Action {
    Action::ListBlockingPop {
        list: list.into(),
        end: ListEnd::Left,
        wait_ms,
    }
}

/// From the left of one to the right of the other.
pub(crate) fn list_move(from: &str, to: &str) -> Action {
    Action::ListMove {
        from: from.into(),
        take: ListEnd::Left,
        to: to.into(),
        put: ListEnd::Right,
    }
}

pub(crate) fn list_remove(list: &str, value: &str) -> Action {
    Action::ListRemove {
        list: list.into(),
        value: value.into(),
    }
}

pub(crate) fn list_range(list: &str) -> Action {
    Action::ListRange { list: list.into() }
}

pub(crate) fn length(values: u64) -> Outcome {
    Outcome::Length { values }
}

pub(crate) fn popped(value: &str) -> Outcome {
    Outcome::Popped {
        value: Some(value.into()),
    }
}

pub(crate) fn none_popped() -> Outcome {
    Outcome::Popped { value: None }
}

pub(crate) fn elements(values: &[&str]) -> Outcome {
    Outcome::Elements {
        values: values.iter().map(|value| (*value).into()).collect(),
    }
}

pub(crate) fn near(key: &str) -> Action {
    Action::GetNear {
        key: key.into(),
        bound_ms: 500,
    }
}
