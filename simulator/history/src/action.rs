//! The operations: one table of all that clients can ask.
//!
//! A row is the operation's service, class, name, key and arguments, what can answer it, and
//! its words for evidence. The history's tags, the names in objectives, latencies and
//! reports, and the check that answers fit their questions all follow from it. Operations of
//! services that do not ship with Squall are [`Call`]s: the same, as data.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::action_table::operations;
use super::{Name, Outcome, Service};

/// What an operation does to the state of its service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationClass {
    /// Changes nothing; may be sent again at will.
    Read,
    /// May change what others see.
    Write,
    /// Prepares or ends what the others need: sessions, limits.
    Control,
}

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperationInfo {
    /// Whose operation it is.
    pub service: Service,
    /// As in histories, objectives and reports.
    pub name: &'static str,
    /// What it does to the service's state.
    pub class: OperationClass,
    /// Whether clients send it only if a workload's `also` says how often.
    pub by_share: bool,
}

/// An end of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ListEnd {
    /// The head, where `LPUSH` adds.
    Left,
    /// The tail, where `RPUSH` adds.
    Right,
}

impl fmt::Display for ListEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ListEnd::Left => "left",
            ListEnd::Right => "right",
        })
    }
}

/// An operation of a service that does not ship with Squall.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// Never one that ships; see [`Service::Own`].
    pub service: Service,
    /// As in scenarios, histories and reports.
    pub operation: Name,
    /// Decides whether an operation without an answer may have changed anything.
    pub class: OperationClass,
    /// The object it is about, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Whatever else it was asked with, as the system's client wrote it; null if nothing.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub arguments: Value,
}

operations! {
    /// Takes lock `name`; `wait_ms` 0 is try-lock.
    Lock Write "acquire" of name => Acquire {
        name: String,
        session: u64,
        shared: bool,
        wait_ms: u64,
    }
    answered by Outcome::Granted { .. } | Outcome::NotGranted | Outcome::NotHeld,
    says format!("acquire {}{name} for session {session}", if *shared { "shared " } else { "" });

    /// Gives a lock back, if the session still holds it by that token.
    Lock Write "release" of name => Release { name: String, session: u64, token: u64 }
    answered by Outcome::Released | Outcome::NotHeld,
    says format!("release {name} token {token} of session {session}");

    /// Leaves the wait queue of lock `name`.
    Lock Write "cancel" of name => Cancel { name: String, session: u64 }
    answered by Outcome::NotGranted,
    says format!("stop waiting for {name} in session {session}");

    /// Looks at who holds lock `name` and who waits for it.
    Lock Read "inspect" of name => Inspect { name: String }
    answered by Outcome::Line { .. },
    says format!("look at lock {name}");

    /// A fenced resource checks a token.
    Lock Write "check" of name => Check { name: String, token: u64 }
    answered by Outcome::Checked { .. },
    says format!("use {name} with token {token}");

    /// Opens a session, which ends `ttl_ms` after it was last heard of.
    Lock Control "open_session" => OpenSession { ttl_ms: u64 }
    answered by Outcome::Session { .. },
    says format!("open a session of {ttl_ms} ms");

    /// Lets a session live for another lifetime.
    Lock Control "keep_alive" => KeepAlive { session: u64 }
    answered by Outcome::Alive | Outcome::NotHeld,
    says format!("keep session {session} alive");

    /// Ends a session, and gives back what it holds.
    Lock Control "close_session" => CloseSession { session: u64 }
    answered by Outcome::Closed | Outcome::NotHeld,
    says format!("close session {session}");

    /// Publishes one message whose payload starts with `value`.
    Queue Write "publish" of queue => Publish { queue: String, value: String, bytes: u64 }
    answered by Outcome::Published { .. },
    says format!("publish {value} to {queue}");

    /// Publishes messages in one batch, all with the same delay, priority and group; `bytes`
    /// is the size of each.
    Queue Write "publish_batch" of queue => PublishBatch {
        queue: String,
        values: Vec<String>,
        bytes: u64,
        #[serde(default, skip_serializing_if = "is_zero")]
        delay_ms: u64,
        #[serde(default, skip_serializing_if = "is_zero")]
        priority: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        group: Option<String>,
    }
    answered by Outcome::PublishedBatch { ids } if ids.len() == values.len(),
    says {
        let mut text = format!("publish {} to {queue}", values.join(", "));
        if *delay_ms > 0 {
            text += &format!(", delay {delay_ms} ms");
        }
        if *priority > 0 {
            text += &format!(", priority {priority}");
        }
        if let Some(group) = group {
            text += &format!(", group {group}");
        }
        text
    };

    /// Creates a queue or changes its limits; 0 is no limit.
    Queue Control "configure" of queue => Configure {
        queue: String,
        max_depth: u64,
        max_deliveries: u32,
    }
    answered by Outcome::Configured,
    says format!("limit {queue} to {max_depth} messages, {max_deliveries} deliveries each");

    /// Asks how many messages a queue holds.
    Queue Read "depth" of queue => Depth { queue: String }
    answered by Outcome::Depth { .. },
    says format!("ask how many messages {queue} holds");

    /// Takes up to `max` messages, which are hidden from others for `visibility_ms`; waits for up to
    /// `wait_ms` for the first.
    Queue Write "receive" of queue => Receive {
        queue: String,
        max: u32,
        visibility_ms: u64,
        wait_ms: u64,
    }
    answered by Outcome::Received { .. },
    says format!("receive from {queue}, hidden for {visibility_ms} ms");

    /// Ends a message; `value` is that of the message, for the checks.
    Queue Write "ack" of queue => Ack { queue: String, receipt: u64, value: String }
    answered by Outcome::Settled { .. },
    says format!("ack {value} in {queue} by receipt {receipt}");

    /// Gives a message back, to be delivered again after `delay_ms`.
    Queue Write "nack" of queue => Nack {
        queue: String,
        receipt: u64,
        value: String,
        delay_ms: u64,
    }
    answered by Outcome::Settled { .. },
    says format!("nack {value} in {queue} by receipt {receipt}, delay {delay_ms} ms");

    /// With `lease`, served by the leader on the strength of its lease.
    Cache Read "get" of key => Get {
        key: String,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        lease: bool,
    }
    answered by Outcome::Value { .. },
    says format!("get {key}{}", if *lease { " by lease" } else { "" });

    /// Reads from one node, which may be behind: by at most `bound_ms`, or, without a bound,
    /// by any time.
    Cache Read "get_from" of key => GetFrom {
        key: String,
        node: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bound_ms: Option<u64>,
    }
    answered by Outcome::Value { .. },
    says match bound_ms {
        Some(bound_ms) => format!("get {key} from {node}, at most {bound_ms} ms old"),
        None => format!("get {key} from {node} as it stands"),
    };

    /// Reads from the client's own cache, which a stream of invalidations keeps at most
    /// `bound_ms` old.
    Cache Read "get_near" of key => GetNear { key: String, bound_ms: u64 }
    answered by Outcome::Value { .. },
    says format!("get {key} from its own cache, at most {bound_ms} ms old");

    /// Reads several keys as they stood at one index of the log.
    Cache Read "get_many" => GetMany { keys: Vec<String> }
    answered by Outcome::Values { values } if values.len() == keys.len(),
    says format!("get {} at once", keys.join(", "));

    /// Sets a key that may vanish by itself: at the end of its lifetime, or by eviction.
    Cache Write "set_volatile" of key => SetVolatile {
        key: String,
        value: String,
        bytes: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ttl_ms: Option<u64>,
    }
    answered by Outcome::Stored { .. },
    says match ttl_ms {
        Some(ttl_ms) => format!("set {key} to {value} for {ttl_ms} ms"),
        None => format!("set {key} to {value} until evicted"),
    };

    /// Asks how many keys the cache holds, which must be at most `capacity`.
    Cache Read "cache_size" => CacheSize { capacity: u64 }
    answered by Outcome::Size { .. },
    says format!("ask how many keys there are, of at most {capacity}");

    /// Asks how long a key will be there: milliseconds, `"forever"`, or `"absent"`.
    Cache Read "ttl" of key by share => Ttl { key: String }
    answered by Outcome::Answered { .. },
    says format!("ask how long {key} will be there");

    /// Sets a key for good; the cache may not evict it.
    Cache Write "set" of key => Set { key: String, value: String, bytes: u64 }
    answered by Outcome::Stored { .. },
    says format!("set {key} to {value}");

    /// Sets `key` to `value` if its version is `version`.
    Cache Write "compare_and_set" of key => CompareAndSet {
        key: String,
        version: u64,
        value: String,
    }
    answered by Outcome::Stored { .. } | Outcome::Mismatch,
    says format!("set {key} to {value} if at version {version}");

    /// Deletes a key, whether it is there or not.
    Cache Write "delete" of key => Delete { key: String }
    answered by Outcome::Stored { .. },
    says format!("delete {key}");

    /// Adds to the number that a key holds; an absent key holds 0.
    Cache Write "increment" of key => Increment { key: String, by: i64 }
    answered by Outcome::Counted { .. },
    says format!("add {by} to {key}");

    /// Adds a value at an end of a list.
    Cache Write "list_push" of list => ListPush { list: String, value: String, end: ListEnd }
    answered by Outcome::Length { .. },
    says format!("push {value} at the {end} of {list}");

    /// Takes a value from an end of a list, if it has one.
    Cache Write "list_pop" of list => ListPop { list: String, end: ListEnd }
    answered by Outcome::Popped { .. },
    says format!("pop at the {end} of {list}");

    /// Pops, and waits for a value if there is none.
    Cache Write "list_blocking_pop" of list => ListBlockingPop {
        list: String,
        end: ListEnd,
        wait_ms: u64,
    }
    answered by Outcome::Popped { .. },
    says format!("pop at the {end} of {list}, waiting for up to {wait_ms} ms");

    /// Takes a value from one list, and adds it to another or the same.
    Cache Write "list_move" of from => ListMove {
        from: String,
        take: ListEnd,
        to: String,
        put: ListEnd,
    }
    answered by Outcome::Popped { .. },
    says format!("move from the {take} of {from} to the {put} of {to}");

    /// Moves, and waits for a value if there is none.
    Cache Write "list_blocking_move" of from => ListBlockingMove {
        from: String,
        take: ListEnd,
        to: String,
        put: ListEnd,
        wait_ms: u64,
    }
    answered by Outcome::Popped { .. },
    says format!(
        "move from the {take} of {from} to the {put} of {to}, waiting for up to {wait_ms} ms"
    );

    /// Takes a value out of a list, wherever it is in it; answered with how many there were.
    Cache Write "list_remove" of list => ListRemove { list: String, value: String }
    answered by Outcome::Length { .. },
    says format!("remove {value} from {list}");

    /// Asks how many values a list has; 0 if there is none.
    Cache Read "list_length" of list => ListLength { list: String }
    answered by Outcome::Length { .. },
    says format!("ask how many values {list} has");

    /// Reads a whole list.
    Cache Read "list_range" of list => ListRange { list: String }
    answered by Outcome::Elements { .. },
    says format!("read {list} from left to right");
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Names of the operations of a service that ships.
pub fn operation_names(service: Service) -> Vec<&'static str> {
    let rows = OPERATIONS.iter().filter(|row| row.service == service);
    rows.map(|row| row.name).collect()
}

impl Action {
    /// An operation of a service that does not ship with Squall, on the object `key`.
    ///
    /// # Panics
    /// `operation` is no name; see [`Name::new`].
    pub fn call(
        service: Service,
        class: OperationClass,
        operation: &str,
        key: &str,
        arguments: Value,
    ) -> Action {
        Action::Call(Call {
            service,
            operation: Name::new(operation).unwrap_or_else(|why| panic!("{why}")),
            class,
            key: Some(key.to_owned()),
            arguments,
        })
    }

    /// Whose operation it is.
    pub fn service(&self) -> Service {
        self.info().service
    }

    /// The operation's name, as in histories, objectives and reports.
    pub fn operation(&self) -> &'static str {
        self.info().name
    }

    /// Whether `outcome` can answer it: a failure can answer anything.
    pub fn is_answered_by(&self, outcome: &Outcome) -> bool {
        !outcome.is_acknowledged() || self.takes(outcome)
    }

    /// Size of the payload of a write that was given one: of each message, or of the value.
    pub fn payload_bytes(&self) -> Option<u64> {
        match self {
            Action::Publish { bytes, .. }
            | Action::PublishBatch { bytes, .. }
            | Action::Set { bytes, .. }
            | Action::SetVolatile { bytes, .. } => Some(*bytes),
            _ => None,
        }
    }

    /// How long the client asks to be kept waiting for what is not there yet.
    pub fn wait_ms(&self) -> u64 {
        match self {
            Action::Acquire { wait_ms, .. }
            | Action::Receive { wait_ms, .. }
            | Action::ListBlockingPop { wait_ms, .. }
            | Action::ListBlockingMove { wait_ms, .. } => *wait_ms,
            _ => 0,
        }
    }

    /// Whether it is about lists, which are judged by themselves.
    pub fn is_of_list(&self) -> bool {
        matches!(
            self,
            Action::ListPush { .. }
                | Action::ListPop { .. }
                | Action::ListBlockingPop { .. }
                | Action::ListMove { .. }
                | Action::ListBlockingMove { .. }
                | Action::ListRemove { .. }
                | Action::ListLength { .. }
                | Action::ListRange { .. }
        )
    }

    /// Whether the cluster is asked at all: what a client answers itself says nothing about
    /// the cluster's availability.
    pub fn is_remote(&self) -> bool {
        !matches!(self, Action::GetNear { .. })
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.operation.text())?;
        if let Some(key) = &self.key {
            write!(f, " {key}")?;
        }
        if !self.arguments.is_null() {
            write!(f, " {}", self.arguments)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn call() -> Action {
        let name = |name| Name::new(name).expect("a name");
        Action::Call(Call {
            service: Service::Own(name("register")),
            operation: name("write_max"),
            class: OperationClass::Write,
            key: Some("k".into()),
            arguments: json!({ "value": 3 }),
        })
    }

    #[test]
    fn names_are_those_of_the_history_and_unique() {
        let get = Action::Get {
            key: "k".into(),
            lease: false,
        };
        let written = serde_json::to_value(&get).expect("actions serialize");
        assert_eq!(written["f"], get.operation());
        let mut names: Vec<&str> = OPERATIONS.iter().map(|row| row.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn a_call_is_written_as_data_and_reads_back() {
        let text = serde_json::to_string(&call()).expect("actions serialize");
        let expected = r#"{"f":"call","service":"register","operation":"write_max","class":"write","key":"k","arguments":{"value":3}}"#;
        assert_eq!(text, expected);
        let back: Action = serde_json::from_str(&text).expect("it was just written");
        assert_eq!(back, call());
        assert_eq!((back.operation(), back.key()), ("write_max", Some("k")));
        assert_eq!(back.to_string(), r#"write_max k {"value":3}"#);
    }

    #[test]
    fn an_answer_must_fit_its_question() {
        let answered = Outcome::Answered { value: json!(3) };
        assert!(call().is_answered_by(&answered));
        assert!(!call().is_answered_by(&Outcome::Released));
        let keys = vec!["a".into(), "b".into()];
        let read = Action::GetMany { keys };
        assert!(!read.is_answered_by(&Outcome::Values { values: Vec::new() }));
        assert!(read.is_answered_by(&Outcome::Unknown { why: "x".into() }));
    }
}
