//! Sessions, locks, queues, the wrappers and the operation of the cluster.

use super::{parse_line, queried, words, written};
use bytes::Bytes;

use crate::protocol::{
    AdminCall, COMMANDS, Call, CommandError, Flags, ReadMode, ReplyStyle, parse, slot,
};
use crate::state::command::{
    Command, Listing, LockCommand, LockMode, NewMessage, Once, Query, QueueCommand, QueueSettings,
    SessionCommand,
};

fn message(payload: &'static str) -> NewMessage {
    NewMessage {
        payload: payload.into(),
        delay_ms: 0,
        priority: 0,
        group: None,
        dedup: None,
    }
}

#[test]
fn sessions() {
    let open = SessionCommand::Open { ttl_ms: 5000 };
    for (line, command, style) in [
        ("SESSION.OPEN 5000", open.clone(), ReplyStyle::Number),
        ("session.open 5000 withttl", open, ReplyStyle::Full),
        (
            "SESSION.KEEPALIVE 7",
            SessionCommand::KeepAlive { session: 7 },
            ReplyStyle::Full,
        ),
        (
            "SESSION.CLOSE 7",
            SessionCommand::Close { session: 7 },
            ReplyStyle::Full,
        ),
    ] {
        assert_eq!(written(line), (Command::Session(command), style), "{line}");
    }
    let ttl = (Query::Session { session: u64::MAX }, ReplyStyle::Full);
    assert_eq!(queried("SESSION.TTL 18446744073709551615"), ttl);
}

#[test]
fn locks() {
    let acquire = |mode, wait_ms, wait_die| LockCommand::Acquire {
        name: "l".into(),
        session: 7,
        mode,
        wait_ms,
        wait_die,
    };
    let (name, session, token) = (String::from("l"), 7, 9);
    let release = LockCommand::Release {
        name: name.clone(),
        session,
        token,
    };
    let cancel = LockCommand::Cancel {
        name: name.clone(),
        session,
    };
    for (line, command) in [
        ("LOCK.ACQUIRE l 7", acquire(LockMode::Exclusive, 0, false)),
        (
            "LOCK.ACQUIRE l 7 SHARED",
            acquire(LockMode::Shared, 0, false),
        ),
        (
            "lock.acquire l 7 waitdie wait 50 shared",
            acquire(LockMode::Shared, 50, true),
        ),
        ("LOCK.RELEASE l 7 9", release),
        ("LOCK.CANCEL l 7", cancel),
        (
            "LOCK.CHECK l 9",
            LockCommand::Check {
                name: name.clone(),
                token,
            },
        ),
    ] {
        assert_eq!(
            written(line),
            (Command::Lock(command), ReplyStyle::Full),
            "{line}"
        );
    }
    assert_eq!(
        queried("LOCK.INFO l"),
        (Query::Lock { name }, ReplyStyle::Full)
    );
}

#[test]
fn queue_settings() {
    let create = |settings| {
        Command::Queue(QueueCommand::Configure {
            queue: "q".into(),
            settings,
        })
    };
    let line = "QUEUE.CREATE q MAXDEPTH 5 MAXDELIVERIES 3 DEADLETTER d VISIBILITY 100";
    let settings = QueueSettings {
        max_depth: 5,
        max_deliveries: 3,
        dead_letter: Some("d".into()),
        visibility_ms: 100,
    };
    assert_eq!(
        written("QUEUE.CREATE q").0,
        create(QueueSettings::default())
    );
    assert_eq!(written(line).0, create(settings));
}

#[test]
fn publishing() {
    let publish = |messages| {
        Command::Queue(QueueCommand::Publish {
            queue: "q".into(),
            messages,
        })
    };
    let full = NewMessage {
        delay_ms: 10,
        priority: 255,
        group: Some("g".into()),
        dedup: Some(("p".into(), 4)),
        ..message("m")
    };
    let options = "DELAY 10 PRIORITY 255 GROUP g DEDUP p 4";
    let one = (publish(vec![message("m")]), ReplyStyle::Single);
    assert_eq!(written("QUEUE.PUBLISH q m"), one);
    let one = (publish(vec![full.clone()]), ReplyStyle::Single);
    assert_eq!(written(&format!("QUEUE.PUBLISH q m {options}")), one);
    let batch = (
        publish(vec![message("a"), message("DELAY")]),
        ReplyStyle::Full,
    );
    assert_eq!(written("QUEUE.PUBLISHBATCH q a DELAY"), batch);
    let each = (publish(vec![message("a"), full]), ReplyStyle::Full);
    assert_eq!(
        written(&format!("QUEUE.PUBLISHEACH q 1 a 10 m {options}")),
        each
    );
}

#[test]
fn receiving_and_settling() {
    let queue = || String::from("q");
    for (line, command) in [
        (
            "QUEUE.RECEIVE q",
            QueueCommand::Receive {
                queue: queue(),
                count: 1,
                visibility_ms: None,
            },
        ),
        (
            "QUEUE.RECEIVE q COUNT 9 VISIBILITY 5",
            QueueCommand::Receive {
                queue: queue(),
                count: 9,
                visibility_ms: Some(5),
            },
        ),
        (
            "QUEUE.ACK q 1 2",
            QueueCommand::Ack {
                queue: queue(),
                receipts: vec![1, 2],
            },
        ),
        (
            "QUEUE.NACK q 1",
            QueueCommand::Nack {
                queue: queue(),
                receipt: 1,
                delay_ms: 0,
            },
        ),
        (
            "QUEUE.NACK q 1 DELAY 5",
            QueueCommand::Nack {
                queue: queue(),
                receipt: 1,
                delay_ms: 5,
            },
        ),
        (
            "QUEUE.EXTEND q 1 5",
            QueueCommand::Extend {
                queue: queue(),
                receipt: 1,
                visibility_ms: 5,
            },
        ),
        ("QUEUE.PURGE q", QueueCommand::Purge { queue: queue() }),
        (
            "QUEUE.DELETE q",
            QueueCommand::Delete {
                queue: queue(),
                if_empty: false,
            },
        ),
        (
            "queue.delete q ifempty",
            QueueCommand::Delete {
                queue: queue(),
                if_empty: true,
            },
        ),
        (
            "QUEUE.REDRIVE q r",
            QueueCommand::Redrive {
                from: queue(),
                to: "r".into(),
                count: 1_000,
            },
        ),
        (
            "QUEUE.REDRIVE q r COUNT 7",
            QueueCommand::Redrive {
                from: queue(),
                to: "r".into(),
                count: 7,
            },
        ),
    ] {
        assert_eq!(
            written(line),
            (Command::Queue(command), ReplyStyle::Full),
            "{line}"
        );
    }
    assert_eq!(queried("QUEUE.INFO q").0, Query::Queue { queue: queue() });
    let waiting = parse_line("QUEUE.RECEIVE q WAIT 1000");
    assert!(
        matches!(waiting, Ok(Call::Write { wait_ms: 1000, .. })),
        "{waiting:?}"
    );
}

#[test]
fn once_wraps_any_write() {
    let once = Some(Once {
        session: 7,
        sequence: 1,
    });
    let (command, style) = written("QUEUE.PURGE q");
    let wrapped = Call::Write {
        once,
        command,
        style,
        wait_ms: 0,
    };
    assert_eq!(parse_line("once 7 1 queue.purge q"), Ok(wrapped));
    let waiting = parse_line("ONCE 7 1 QUEUE.RECEIVE q WAIT 9");
    assert!(
        matches!(
            waiting,
            Ok(Call::Write {
                once: Some(_),
                wait_ms: 9,
                ..
            })
        ),
        "{waiting:?}"
    );
}

#[test]
fn read_wraps_any_read() {
    for (line, mode) in [
        ("READ LINEARIZABLE GET k", ReadMode::Linearizable),
        ("READ LEASE GET k", ReadMode::Lease),
        ("read stale 500 get k", ReadMode::Stale { bound_ms: 500 }),
        ("READ LOCAL GET k", ReadMode::Local),
    ] {
        let (query, style) = queried("GET k");
        let wrapped = Call::Read {
            mode: Some(mode),
            query,
            style,
        };
        assert_eq!(parse_line(line), Ok(wrapped), "{line}");
    }
}

#[test]
fn operation_of_the_cluster() {
    let addr = || String::from("10.0.0.1:7000");
    let members = vec![(1, addr()), (2, String::from("[::1]:7001"))];
    for (line, call) in [
        ("RAFT.STATUS", AdminCall::Status),
        (
            "RAFT.ADD 4 10.0.0.1:7000",
            AdminCall::Add {
                id: 4,
                addr: addr(),
            },
        ),
        ("RAFT.REMOVE 4", AdminCall::Remove { id: 4 }),
        (
            "RAFT.REPLACE 4 5 10.0.0.1:7000",
            AdminCall::Replace {
                old: 4,
                new: 5,
                addr: addr(),
            },
        ),
        ("RAFT.TRANSFER 2", AdminCall::Transfer { id: 2 }),
        ("RAFT.SNAPSHOT", AdminCall::Snapshot),
        ("RAFT.BACKUP", AdminCall::Backup),
        ("RAFT.DIGEST", AdminCall::Digest),
        (
            "RAFT.INIT 1 10.0.0.1:7000 2 [::1]:7001",
            AdminCall::Init { members },
        ),
        ("SHUTDOWN", AdminCall::Shutdown),
        ("shutdown nosave", AdminCall::Shutdown),
    ] {
        assert_eq!(parse_line(line), Ok(Call::Admin(call)), "{line}");
    }
}

#[test]
fn everything_is_listed_step_by_step() {
    let list =
        |of, after: Option<&'static str>, count, pattern: Option<&'static str>| Query::List {
            of,
            after: after.map(Bytes::from),
            count,
            pattern: pattern.map(Bytes::from),
        };
    let locks = |held| Listing::Locks { held };
    for (line, query) in [
        ("QUEUE.SCAN 0", list(Listing::Queues, None, 10, None)),
        (
            "queue.scan +0 match q* count 99999",
            list(Listing::Queues, Some("0"), 10_000, Some("q*")),
        ),
        ("LOCK.SCAN 0 HELD", list(locks(true), None, 10, None)),
        (
            "LOCK.SCAN +l COUNT 1",
            list(locks(false), Some("l"), 1, None),
        ),
        (
            "SESSION.SCAN +7",
            list(Listing::Sessions, Some("7"), 10, None),
        ),
    ] {
        assert_eq!(queried(line), (query, ReplyStyle::Full), "{line}");
    }
    for (line, error) in [
        ("QUEUE.SCAN q", CommandError::Cursor),
        ("QUEUE.SCAN 7", CommandError::Cursor),
        ("QUEUE.SCAN 0 COUNT 0", CommandError::Syntax),
        ("QUEUE.SCAN 0 HELD", CommandError::Syntax),
        ("QUEUE.REDRIVE q q", CommandError::SameQueue),
    ] {
        assert_eq!(parse_line(line), Err(error), "{line}");
    }
    assert!(matches!(
        parse_line("SESSION.SCAN"),
        Err(CommandError::Arity("session.scan"))
    ));
}

/// What `COMMAND` tells clients about memory is what a node goes by.
#[test]
fn the_table_says_which_commands_make_the_state_grow() {
    // Arguments that suit as many commands as possible.
    let tries = [
        "",
        "a",
        "1",
        "a 1",
        "1 1",
        "a 1 1",
        "a b",
        "a persist",
        "a b left right",
        "a b left right 1",
        "1 a left",
        "1 1 a left",
        "a before b c",
    ];
    for spec in COMMANDS {
        if ["once", "eval", "evalsha"].contains(&spec.name) {
            continue;
        }
        let lines = tries.iter().map(|args| format!("{} {args}", spec.name));
        let calls = lines.filter_map(|line| parse_line(line.trim_end()).ok());
        let command = calls.into_iter().find_map(|call| match call {
            Call::Write { command, .. } => Some(command),
            _ => None,
        });
        let grows = command.as_ref().is_some_and(Command::grows);
        let name = spec.name;
        assert_eq!(spec.flags.has(Flags::GROWS), grows, "{name}: {command:?}");
        assert!(
            command.is_some() || !spec.flags.has(Flags::WRITE),
            "{name} was not tried"
        );
    }
}

#[test]
fn slots_follow_the_first_name() {
    for line in [
        "GET foo",
        "MGET foo a",
        "DEL foo a",
        "SET foo a",
        "INCR foo",
        "TTL foo",
        "EXPIRE foo 1",
        "LOCK.ACQUIRE foo 1",
        "LOCK.INFO foo",
        "LOCK.CHECK foo 1",
        "QUEUE.PUBLISH foo a",
        "QUEUE.ACK foo 1",
        "QUEUE.INFO foo",
        "ONCE 1 1 INCR foo",
    ] {
        let call = parse(&words(line)).expect("the line is a command");
        assert_eq!(call.slot(), slot(b"foo"), "{line}");
    }
    for line in [
        "PING",
        "DBSIZE",
        "FLUSHALL",
        "SESSION.OPEN 5",
        "SESSION.TTL 5",
        "RAFT.STATUS",
    ] {
        let call = parse(&words(line)).expect("the line is a command");
        assert_eq!(call.slot(), 0, "{line}");
    }
}
