//! Something that a node did otherwise than the log implies, and words for answers.

use squall_cluster::state::command::{Command, Delivery, Refusal, Reply};

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
