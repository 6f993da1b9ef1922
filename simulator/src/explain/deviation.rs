//! Whether what a node did with an entry is what the log implies, and the first thing that is
//! not: its answer, what it told waiters, the keys it changed, or what it then held.

use squall_cluster::state::command::{Changed, Command, Delivery, Refusal, Reply, Request};

use super::held;
use super::model::{Implied, Model};
use super::replies;
use crate::backends::trace::AppliedEntry;

/// What a node did otherwise than the log implies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Deviation {
    /// What the log implies, as a clause.
    pub(super) implied: String,
    /// What the node did, as a clause whose subject is the node.
    pub(super) did: String,
    /// Entries that the clauses speak of.
    pub(super) entries: Vec<u64>,
}

impl Deviation {
    pub(super) fn new(
        implied: impl Into<String>,
        did: impl Into<String>,
        entries: impl IntoIterator<Item = u64>,
    ) -> Self {
        Self {
            implied: implied.into(),
            did: did.into(),
            entries: entries.into_iter().collect(),
        }
    }
}

/// What the node did otherwise with an entry that the model has just applied.
pub(super) fn of(
    model: &Model,
    implied: &Implied,
    entry: &AppliedEntry,
    request: &Request,
) -> Option<Deviation> {
    if let Some(reply) = &implied.reply
        && *reply != entry.reply
    {
        return Some(replies::deviation(model, reply, entry, request));
    }
    if implied.wakes != entry.wakes {
        return Some(replies::wake_deviation(model, &implied.wakes, entry));
    }
    if let Some(changed) = &implied.changed
        && *changed != entry.changed
    {
        return Some(changed_deviation(model, changed, entry));
    }
    held::deviation(model, entry, &request.command)
}

/// Keys that were changed, and others that were not.
fn changed_deviation(model: &Model, changed: &Changed, entry: &AppliedEntry) -> Deviation {
    let only_in = |one: &Changed, other: &Changed| {
        let mut rest = other.keys.clone();
        one.keys
            .iter()
            .find_map(|key| match rest.iter().position(|of_rest| of_rest == key) {
                Some(at) => {
                    rest.remove(at);
                    None
                }
                None => Some(key.clone()),
            })
    };
    let missing = only_in(changed, &entry.changed);
    let extra = only_in(&entry.changed, changed);
    let keys = model.keys.as_ref();
    let shown = |key: &[u8]| String::from_utf8_lossy(key).into_owned();
    let is_evicted = |key: &&bytes::Bytes| {
        let by = keys.and_then(|keys| keys.evicted.get(*key));
        by == Some(&entry.index)
    };
    if let Some(key) = &extra
        && let Some(known) = keys.and_then(|keys| keys.get(key))
        && missing.is_none()
    {
        let former = keys.and_then(|keys| keys.former.get(key));
        if let Some(former) = former.filter(|former| former.at_ms <= model.served_ms()) {
            return Deviation::new(
                format!(
                    "{} lives on: entry {} set it anew, and with that the end that entry {} had \
                     given its lifetime was no longer good",
                    shown(key),
                    former.replaced_by,
                    former.by
                ),
                "dropped it when that old lifetime was over",
                [former.by, former.replaced_by, known.version],
            );
        }
    }
    if let Some(victim) = missing.as_ref().filter(|key| is_evicted(key)) {
        let did = match &extra {
            Some(key) => format!("evicted {}", shown(key)),
            None => "evicted nothing".into(),
        };
        return Deviation::new(
            format!(
                "the cache is full, and of its keys {} is the one to be evicted, by the order in \
                 which keys came and were used",
                shown(victim)
            ),
            did,
            [],
        );
    }
    if let Some(key) = &missing {
        return Deviation::new(
            format!("with it {} has lived its time, or is set", shown(key)),
            "left it as it was",
            [],
        );
    }
    match &extra {
        Some(key) => Deviation::new(
            format!("it does not change {}", shown(key)),
            "changed it",
            [],
        ),
        None => Deviation::new(
            format!("it changes {} keys, in this order", changed.keys.len()),
            "changed them in another one",
            [],
        ),
    }
}

/// What an answer says, as the rest of a sentence whose subject is the node.
pub(super) fn reply_words(reply: &Reply) -> String {
    match reply {
        Reply::Done => "done".into(),
        Reply::Refused(Refusal::NoSession) => "refused, no such session".into(),
        Reply::Refused(Refusal::NotHeld) => "refused, not held".into(),
        Reply::Refused(refusal) => format!("refused, {refusal:?}"),
        Reply::SessionOpened { session, .. } => format!("session {session} opened"),
        Reply::SessionAlive { .. } => "alive".into(),
        Reply::SessionClosed => "closed".into(),
        Reply::Granted { token } => format!("granted with token {token}"),
        Reply::Waiting { waiter } => format!("in line, by entry {waiter}"),
        Reply::NotGranted => "not granted".into(),
        Reply::Released => "released".into(),
        Reply::TokenAccepted(accepted) => match accepted {
            true => "token accepted".into(),
            false => "token refused".into(),
        },
        Reply::Published { ids } => format!("published as {}", numbers(ids)),
        Reply::Messages(messages) => messages_words(messages),
        Reply::Settled(count) => format!("{count} settled"),
        Reply::Stored { version } => match version {
            Some(version) => format!("stored as version {version}"),
            None => "not stored, the condition does not hold".into(),
        },
        Reply::Integer { value, version } => format!("{value} at version {version}"),
        other => format!("{other:?}"),
    }
}

pub(super) fn messages_words(messages: &[Delivery]) -> String {
    if messages.is_empty() {
        return "no message".into();
    }
    let words = messages.iter().map(|message| {
        format!(
            "message {} with receipt {}, delivery {}",
            message.id, message.receipt, message.deliveries
        )
    });
    let words: Vec<String> = words.collect();
    words.join("; ")
}

pub(super) fn numbers(numbers: &[u64]) -> String {
    let words: Vec<String> = numbers.iter().map(u64::to_string).collect();
    match words.as_slice() {
        [one] => format!("id {one}"),
        _ => format!("ids {}", words.join(", ")),
    }
}

/// The queue, lock or key that a command is about, for sentences.
pub(super) fn queue_of(command: &Command) -> Option<&str> {
    use squall_cluster::state::command::QueueCommand::*;
    let Command::Queue(command) = command else {
        return None;
    };
    Some(match command {
        Configure { queue, .. }
        | Publish { queue, .. }
        | Receive { queue, .. }
        | Ack { queue, .. }
        | Nack { queue, .. }
        | Extend { queue, .. }
        | Purge { queue }
        | Delete { queue, .. } => queue,
        Redrive { from, .. } => from,
    })
}
