//! Says in a few words what commands do, and to what.

use crate::state::command::{
    CacheCommand, Command, ListCommand, LockCommand, QueueCommand, SessionCommand, SetCondition,
    Step, StringCommand,
};

/// Commands of a transaction that are named.
const NAMED_STEPS: usize = 3;
/// Longest name of a key that is shown whole, in characters.
const KEY_CHARS: usize = 40;

/// What a command does, and to what.
pub fn of(command: &Command) -> String {
    match command {
        Command::NewLeader => "new leader".into(),
        Command::Expire { sessions } if sessions.is_empty() => "clock".into(),
        Command::Expire { sessions } => {
            let sessions: Vec<String> = sessions.iter().map(|(id, _)| id.to_string()).collect();
            format!("expire sessions {}", sessions.join(", "))
        }
        Command::Session(command) => session_words(command),
        Command::Lock(command) => lock_words(command),
        Command::Queue(command) => queue_words(command),
        Command::Cache(command) => cache_words(command),
        Command::String(command) => string_words(command),
        Command::List(command) => list_words(command),
        Command::Raise { level, .. } => format!("raise to level {level}"),
        Command::Transaction { steps, .. } => {
            let named: Vec<String> = steps.iter().take(NAMED_STEPS).map(step_words).collect();
            let more = match steps.len().saturating_sub(NAMED_STEPS) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            format!("transaction of {}{more}", named.join(", "))
        }
    }
}

fn session_words(command: &SessionCommand) -> String {
    match command {
        SessionCommand::Open { .. } => "session open".into(),
        SessionCommand::KeepAlive { session } => format!("session keep-alive {session}"),
        SessionCommand::Close { session } => format!("session close {session}"),
    }
}

fn lock_words(command: &LockCommand) -> String {
    match command {
        LockCommand::Acquire { name, session, .. } => {
            format!("lock acquire {name} for session {session}")
        }
        LockCommand::Release { name, session, .. } => {
            format!("lock release {name} of session {session}")
        }
        LockCommand::Cancel { name, session } => {
            format!("lock cancel {name} of session {session}")
        }
        LockCommand::Check { name, token } => format!("lock check {name} token {token}"),
    }
}

fn queue_words(command: &QueueCommand) -> String {
    let (verb, queue) = match command {
        QueueCommand::Configure { queue, .. } => ("configure", queue),
        QueueCommand::Publish { queue, messages } => {
            let payloads = messages.iter().map(|message| first_word(&message.payload));
            let payloads: Vec<String> = payloads.collect();
            return format!("queue publish {queue}: {}", payloads.join(", "));
        }
        QueueCommand::Receive { queue, .. } => ("receive", queue),
        QueueCommand::Ack { queue, .. } => ("ack", queue),
        QueueCommand::Nack { queue, .. } => ("nack", queue),
        QueueCommand::Extend { queue, .. } => ("extend", queue),
        QueueCommand::Purge { queue } => ("purge", queue),
        QueueCommand::Delete { queue, .. } => ("delete", queue),
        QueueCommand::Redrive { from, to, .. } => {
            return format!("queue redrive {from} to {to}");
        }
    };
    format!("queue {verb} {queue}")
}

fn cache_words(command: &CacheCommand) -> String {
    match command {
        CacheCommand::Set {
            key,
            value,
            condition,
            ..
        } => {
            let condition = match condition {
                SetCondition::Always => String::new(),
                SetCondition::IfAbsent => " if absent".into(),
                SetCondition::IfPresent => " if present".into(),
                SetCondition::IfVersion(version) => format!(" if at version {version}"),
            };
            format!(
                "cache set {} to {}{condition}",
                shown(key),
                first_word(value)
            )
        }
        CacheCommand::Delete { keys } => format!("cache delete {}", first_of(keys)),
        CacheCommand::Increment { key, .. } => format!("cache increment {}", shown(key)),
        CacheCommand::Expire { key, .. } => format!("cache expire {}", shown(key)),
        CacheCommand::Touch { keys } => format!("cache touch {}", first_of(keys)),
        CacheCommand::Flush => "cache flush".into(),
    }
}

fn string_words(command: &StringCommand) -> String {
    use StringCommand::*;
    let (verb, key) = match command {
        Set { key, .. } => ("set", key),
        SetMany { pairs, .. } => {
            let keys: Vec<_> = pairs.iter().map(|(key, _)| key.clone()).collect();
            return format!("string set {}", first_of(&keys));
        }
        Append { key, .. } => ("append", key),
        SetRange { key, .. } => ("set range", key),
        AddFloat { key, .. } => ("add", key),
        GetDelete { key } => ("get and delete", key),
        GetExpire { key, .. } => ("get and expire", key),
        Expire { key, .. } => ("expire", key),
        Rename { from, .. } => ("rename", from),
        Copy { from, .. } => ("copy", from),
        DeleteIf { key, .. } => ("delete if", key),
        ExpireIf { key, .. } => ("expire if", key),
    };
    format!("string {verb} {}", shown(key))
}

fn list_words(command: &ListCommand) -> String {
    use ListCommand::*;
    let (verb, key) = match command {
        Push { key, values, .. } => {
            return format!("list push {}: {}", shown(key), first_of(values));
        }
        Pop { keys, .. } => return format!("list pop {}", first_of(keys)),
        Move { from, to, .. } => return format!("list move {} to {}", shown(from), shown(to)),
        Insert { key, .. } => ("insert", key),
        Set { key, .. } => ("set", key),
        Remove { key, .. } => ("remove", key),
        Trim { key, .. } => ("trim", key),
    };
    format!("list {verb} {}", shown(key))
}

fn step_words(step: &Step) -> String {
    match step {
        Step::Queue(command) => queue_words(command),
        Step::Cache(command) => cache_words(command),
        Step::String(command) => string_words(command),
        Step::List(command) => list_words(command),
        Step::Read(_) => "read".into(),
    }
}

fn first_of(keys: &[bytes::Bytes]) -> String {
    match keys {
        [] => "nothing".into(),
        [key] => shown(key),
        [key, rest @ ..] => format!("{} and {} more", shown(key), rest.len()),
    }
}

/// What a value begins with: by that, those who write it tell it from others.
pub fn first_word(value: &[u8]) -> String {
    let word = value.split(u8::is_ascii_whitespace).next();
    shown(word.unwrap_or_default())
}

/// A key as text, cut where it would fill the line.
fn shown(key: &[u8]) -> String {
    let text = String::from_utf8_lossy(key);
    let printable = text.chars().map(|c| if c.is_control() { '.' } else { c });
    let mut text: String = printable.take(KEY_CHARS + 1).collect();
    if text.chars().count() > KEY_CHARS {
        text.pop();
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_and_unprintable_keys_fit_a_line() {
        assert_eq!(shown(b"a\nb"), "a.b");
        assert_eq!(shown(&[b'k'; 60]).chars().count(), KEY_CHARS + 1);
    }
}
