//! The client's side: commands and queries as RESP.
//!
//! Always the spelling that loses nothing: what is written here, [`super::parse`] reads
//! back as the same command, and its reply comes in the form that
//! [`super::decode_reply`] understands. Nothing is checked; limits are the node's.

use bytes::BytesMut;

use super::call::{FOREVER_MS, ReadMode};
use super::wire::CallWriter;
use crate::state::command::{
    CacheCommand, Command, End, ListCommand, LockCommand, LockMode, NewMessage, Once, Query,
    QueueCommand, QueueSettings, SessionCommand, SetCondition,
};

/// Appends any command, its name first.
pub fn encode_call(out: &mut BytesMut, args: &[&[u8]]) {
    let mut call = CallWriter::new(out);
    for argument in args {
        call.bytes(argument);
    }
    call.finish();
}

/// Appends a write. `poll_ms` is how long a [`QueueCommand::Receive`] waits for a message, and a
/// [`ListCommand::Pop`] or [`ListCommand::Move`] for a value; ignored by all others. An empty
/// list, which is no command (a batch of no messages, a deletion of no keys), is written all the
/// same and refused by the node.
///
/// # Panics
///
/// On [`Command::NewLeader`], [`Command::Expire`] and [`CacheCommand::Touch`], which
/// only leaders propose; on [`Command::String`], [`Command::Transaction`],
/// [`ListCommand::Insert`], [`ListCommand::Set`] and [`ListCommand::Trim`], which are for
/// clients of Redis.
pub fn write_command(out: &mut BytesMut, once: Option<Once>, command: &Command, poll_ms: u64) {
    let mut writer = CallWriter::new(out);
    let call = &mut writer;
    if let Some(Once { session, sequence }) = once {
        call.text("ONCE").number(session).number(sequence);
    }
    match command {
        Command::Session(command) => write_session(call, command),
        Command::Lock(command) => write_lock(call, command),
        Command::Queue(command) => write_queue(call, command, poll_ms),
        Command::Cache(command) => write_cache(call, command),
        Command::List(command) => write_list(call, command, poll_ms),
        Command::NewLeader | Command::Expire { .. } | Command::Raise { .. } => {
            unreachable!("only leaders propose NewLeader, Expire and Raise")
        }
        Command::String(_) | Command::Transaction { .. } => {
            unreachable!("clients of this crate have no use for them")
        }
    }
    writer.finish();
}

/// Appends a read; without a mode, the connection's default applies.
pub fn read_query(out: &mut BytesMut, mode: Option<ReadMode>, query: &Query) {
    let mut writer = CallWriter::new(out);
    let call = &mut writer;
    match mode {
        None => call,
        Some(ReadMode::Linearizable) => call.text("READ").text("LINEARIZABLE"),
        Some(ReadMode::Lease) => call.text("READ").text("LEASE"),
        Some(ReadMode::Local) => call.text("READ").text("LOCAL"),
        Some(ReadMode::Stale { bound_ms }) => call.text("READ").option("STALE", bound_ms),
    };
    let call = &mut writer;
    match query {
        Query::Get { keys } if keys.len() == 1 => call.text("CACHE.GETV").list(keys),
        Query::Get { keys } => call.text("CACHE.MGETV").list(keys),
        Query::Ttl { key } => call.text("PTTL").bytes(key),
        Query::CacheSize => call.text("DBSIZE"),
        Query::Lock { name } => call.text("LOCK.INFO").text(name),
        Query::Queue { queue } => call.text("QUEUE.INFO").text(queue),
        Query::Session { session } => call.option("SESSION.TTL", *session),
        Query::ListLength { key } => call.text("LLEN").bytes(key),
        Query::ListRange { key, first, last } => call
            .text("LRANGE")
            .bytes(key)
            .integer(*first)
            .integer(*last),
        Query::ExpireTime { .. }
        | Query::Keys { .. }
        | Query::Scan { .. }
        | Query::RandomKey { .. }
        | Query::List { .. }
        | Query::ScanOf { .. }
        | Query::ListIndex { .. }
        | Query::ListFind { .. } => {
            unreachable!("clients of this crate have no use for them")
        }
    };
    writer.finish();
}

fn write_session(call: &mut CallWriter, command: &SessionCommand) {
    match command {
        SessionCommand::Open { ttl_ms } => call.option("SESSION.OPEN", *ttl_ms).text("WITHTTL"),
        SessionCommand::KeepAlive { session } => call.option("SESSION.KEEPALIVE", *session),
        SessionCommand::Close { session } => call.option("SESSION.CLOSE", *session),
    };
}

fn write_lock(call: &mut CallWriter, command: &LockCommand) {
    match command {
        LockCommand::Acquire {
            name,
            session,
            mode,
            wait_ms,
            wait_die,
        } => {
            call.text("LOCK.ACQUIRE").text(name).number(*session);
            if *mode == LockMode::Shared {
                call.text("SHARED");
            }
            if *wait_ms > 0 {
                call.option("WAIT", *wait_ms);
            }
            if *wait_die {
                call.text("WAITDIE");
            }
        }
        LockCommand::Release {
            name,
            session,
            token,
        } => {
            call.text("LOCK.RELEASE").text(name);
            call.number(*session).number(*token);
        }
        LockCommand::Cancel { name, session } => {
            call.text("LOCK.CANCEL").text(name).number(*session);
        }
        LockCommand::Check { name, token } => {
            call.text("LOCK.CHECK").text(name).number(*token);
        }
    }
}

fn write_queue(call: &mut CallWriter, command: &QueueCommand, receive_wait_ms: u64) {
    match command {
        QueueCommand::Configure { queue, settings } => write_settings(call, queue, settings),
        QueueCommand::Publish { queue, messages } => write_publish(call, queue, messages),
        QueueCommand::Receive {
            queue,
            count,
            visibility_ms,
        } => {
            call.text("QUEUE.RECEIVE").text(queue);
            call.option("COUNT", u64::from(*count));
            if let Some(visibility_ms) = visibility_ms {
                call.option("VISIBILITY", *visibility_ms);
            }
            if receive_wait_ms > 0 {
                call.option("WAIT", receive_wait_ms);
            }
        }
        QueueCommand::Ack { queue, receipts } => {
            call.text("QUEUE.ACK").text(queue);
            for receipt in receipts {
                call.number(*receipt);
            }
        }
        QueueCommand::Nack {
            queue,
            receipt,
            delay_ms,
        } => {
            call.text("QUEUE.NACK").text(queue).number(*receipt);
            if *delay_ms > 0 {
                call.option("DELAY", *delay_ms);
            }
        }
        QueueCommand::Extend {
            queue,
            receipt,
            visibility_ms,
        } => {
            call.text("QUEUE.EXTEND").text(queue);
            call.number(*receipt).number(*visibility_ms);
        }
        QueueCommand::Purge { queue } => {
            call.text("QUEUE.PURGE").text(queue);
        }
        QueueCommand::Delete { queue, if_empty } => {
            call.text("QUEUE.DELETE").text(queue);
            if *if_empty {
                call.text("IFEMPTY");
            }
        }
        QueueCommand::Redrive { from, to, count } => {
            call.text("QUEUE.REDRIVE").text(from).text(to);
            call.option("COUNT", u64::from(*count));
        }
    }
}

fn write_settings(call: &mut CallWriter, queue: &str, settings: &QueueSettings) {
    call.text("QUEUE.CREATE").text(queue);
    call.option("MAXDEPTH", settings.max_depth);
    call.option("MAXDELIVERIES", u64::from(settings.max_deliveries));
    if let Some(dead_letter) = &settings.dead_letter {
        call.text("DEADLETTER").text(dead_letter);
    }
    call.option("VISIBILITY", settings.visibility_ms);
}

/// One message, a batch of payloads, or a batch in which a message has options.
fn write_publish(call: &mut CallWriter, queue: &str, messages: &[NewMessage]) {
    if let [message] = messages {
        call.text("QUEUE.PUBLISH").text(queue);
        write_message(call, message);
    } else if messages
        .iter()
        .all(|message| message_arguments(message) == 1)
    {
        call.text("QUEUE.PUBLISHBATCH").text(queue);
        call.list(messages.iter().map(|message| &message.payload));
    } else {
        call.text("QUEUE.PUBLISHEACH").text(queue);
        for message in messages {
            call.number(message_arguments(message));
            write_message(call, message);
        }
    }
}

/// How many arguments [`write_message`] writes.
fn message_arguments(message: &NewMessage) -> u64 {
    let pairs = [
        message.delay_ms > 0,
        message.priority > 0,
        message.group.is_some(),
    ];
    let dedup = if message.dedup.is_some() { 3 } else { 0 };
    1 + 2 * pairs.map(u64::from).iter().sum::<u64>() + dedup
}

fn write_message(call: &mut CallWriter, message: &NewMessage) {
    call.bytes(&message.payload);
    if message.delay_ms > 0 {
        call.option("DELAY", message.delay_ms);
    }
    if message.priority > 0 {
        call.option("PRIORITY", u64::from(message.priority));
    }
    if let Some(group) = &message.group {
        call.text("GROUP").text(group);
    }
    if let Some((producer, sequence)) = &message.dedup {
        call.text("DEDUP").text(producer).number(*sequence);
    }
}

fn write_cache(call: &mut CallWriter, command: &CacheCommand) {
    match command {
        CacheCommand::Set {
            key,
            value,
            ttl_ms,
            keep_ttl,
            condition,
        } => {
            call.text("CACHE.PUT").bytes(key).bytes(value);
            if let Some(ttl_ms) = ttl_ms {
                call.option("PX", *ttl_ms);
            }
            if *keep_ttl {
                call.text("KEEPTTL");
            }
            match condition {
                SetCondition::Always => call,
                SetCondition::IfAbsent => call.text("NX"),
                SetCondition::IfPresent => call.text("XX"),
                SetCondition::IfVersion(version) => call.option("VERSION", *version),
            }
        }
        CacheCommand::Delete { keys } => call.text("DEL").list(keys),
        CacheCommand::Increment { key, by } => call.text("CACHE.INCRBY").bytes(key).integer(*by),
        CacheCommand::Expire { key, ttl_ms: None } => call.text("PERSIST").bytes(key),
        CacheCommand::Expire {
            key,
            ttl_ms: Some(ttl_ms),
        } => call.text("PEXPIRE").bytes(key).number(*ttl_ms),
        CacheCommand::Flush => call.text("FLUSHALL"),
        CacheCommand::Touch { .. } => unreachable!("only leaders propose Touch"),
    };
}

/// A pop is of several lists, whose answer names the one that was popped.
fn write_list(call: &mut CallWriter, command: &ListCommand, poll_ms: u64) {
    match command {
        ListCommand::Push {
            key,
            values,
            end,
            if_present,
        } => {
            let name = match (end, if_present) {
                (End::Left, false) => "LPUSH",
                (End::Right, false) => "RPUSH",
                (End::Left, true) => "LPUSHX",
                (End::Right, true) => "RPUSHX",
            };
            call.text(name).bytes(key).list(values);
        }
        ListCommand::Pop { keys, end, count } => {
            match poll_ms {
                0 => call.text("LMPOP"),
                poll_ms => call.text("BLMPOP").text(&seconds(poll_ms)),
            };
            call.number(keys.len() as u64).list(keys);
            call.text(end_name(*end)).option("COUNT", *count);
        }
        ListCommand::Move {
            from,
            to,
            take,
            put,
        } => {
            call.text(if poll_ms > 0 { "BLMOVE" } else { "LMOVE" });
            call.bytes(from).bytes(to);
            call.text(end_name(*take)).text(end_name(*put));
            if poll_ms > 0 {
                call.text(&seconds(poll_ms));
            }
        }
        ListCommand::Remove { key, count, value } => {
            call.text("LREM").bytes(key).integer(*count).bytes(value);
        }
        ListCommand::Insert { .. } | ListCommand::Set { .. } | ListCommand::Trim { .. } => {
            unreachable!("clients of this crate have no use for them")
        }
    }
}

fn end_name(end: End) -> &'static str {
    match end {
        End::Left => "LEFT",
        End::Right => "RIGHT",
    }
}

/// How long to wait, as Redis has it: a decimal of seconds, which is rounded up to a millisecond.
/// Half a millisecond less, so that no rounding of a decimal makes it one more.
fn seconds(wait_ms: u64) -> String {
    match wait_ms {
        FOREVER_MS => "0".into(),
        wait_ms => {
            let less_ms = wait_ms - 1;
            format!("{}.{:03}5", less_ms / 1_000, less_ms % 1_000)
        }
    }
}
