//! Lists as values of keys: what they have in common with strings, and how they differ.

use super::*;
use crate::state::DecodeError;

fn range(bench: &Bench, key: &'static str) -> Vec<Bytes> {
    let query = Query::ListRange {
        key: key.into(),
        first: 0,
        last: -1,
    };
    match bench.state.read(&query) {
        Reply::Elements(values) => values,
        other => panic!("a list has values, but got {other:?}"),
    }
}

fn popped(key: &'static str, values: &[&'static str]) -> Reply {
    let (key, values) = (key.into(), bytes(values));
    Reply::Popped(Some(Popped { key, values }))
}

fn move_value(from: &'static str, to: &'static str) -> ListCommand {
    ListCommand::Move {
        from: from.into(),
        to: to.into(),
        take: End::Right,
        put: End::Left,
    }
}

fn expire(key: &'static str, ttl_ms: u64) -> CacheCommand {
    CacheCommand::Expire {
        key: key.into(),
        ttl_ms: Some(ttl_ms),
    }
}

fn lifetime(bench: &Bench, key: &'static str) -> Reply {
    bench.state.read(&Query::Ttl { key: key.into() })
}

#[test]
fn values_leave_from_the_end_that_is_asked() {
    let mut bench = Bench::new();
    assert_eq!(
        bench.reply(push("l", End::Left, &["b", "a"])),
        Reply::Size(2)
    );
    assert_eq!(
        bench.reply(push("l", End::Right, &["c", "d"])),
        Reply::Size(4)
    );
    assert_eq!(range(&bench, "l"), ["a", "b", "c", "d"]);
    assert_eq!(
        bench.reply(pop(&["no", "l"], End::Left, 1)),
        popped("l", &["a"])
    );
    assert_eq!(
        bench.reply(pop(&["l"], End::Right, 2)),
        popped("l", &["d", "c"])
    );
    assert_eq!(bench.reply(pop(&["l"], End::Right, 9)), popped("l", &["b"]));
    assert_eq!(bench.reply(pop(&["l"], End::Right, 1)), Reply::Popped(None));
    assert_eq!(bench.state.read(&Query::CacheSize), Reply::Size(0));
}

#[test]
fn a_moved_value_is_always_in_one_list() {
    let mut bench = Bench::new();
    bench.run(push("todo", End::Right, &["a", "b"]));
    assert_eq!(
        bench.reply(move_value("todo", "doing")),
        popped("todo", &["b"])
    );
    assert_eq!(
        bench.reply(move_value("todo", "todo")),
        popped("todo", &["a"])
    );
    let changed = bench.run(move_value("todo", "doing")).changed;
    assert_eq!(changed.keys, ["todo", "doing"]);
    assert_eq!(
        bench.reply(move_value("todo", "doing")),
        Reply::Popped(None)
    );
    assert_eq!(range(&bench, "doing"), ["a", "b"]);
    bench.run(set("text", "v"));
    let wrong = refused(Refusal::WrongType);
    assert_eq!(bench.reply(move_value("doing", "text")), wrong);
    assert_eq!(range(&bench, "doing"), ["a", "b"]);
}

#[test]
fn a_list_is_no_string_and_a_string_no_list() {
    let mut bench = Bench::new();
    bench.run(push("l", End::Left, &["1"]));
    bench.run(set("s", "1"));
    let key = || Bytes::from("l");
    let before = bench.state.clone();
    for command in [
        StringCommand::Append {
            key: key(),
            value: key(),
        },
        StringCommand::SetRange {
            key: key(),
            offset: 0,
            value: key(),
        },
        StringCommand::AddFloat {
            key: key(),
            by: "1".into(),
        },
        StringCommand::GetDelete { key: key() },
        StringCommand::GetExpire {
            key: key(),
            expiry: Expiry::Never,
        },
        StringCommand::Set {
            key: key(),
            value: key(),
            expiry: Expiry::Never,
            condition: SetCondition::Always,
            give_old: true,
        },
        StringCommand::DeleteIf {
            key: key(),
            value: key(),
        },
        StringCommand::ExpireIf {
            key: key(),
            value: key(),
            ttl_ms: 1,
            how: Extension::Set,
        },
    ] {
        let reply = bench.reply(Command::String(command.clone()));
        assert_eq!(reply, refused(Refusal::WrongType), "{command:?}");
    }
    let increment = CacheCommand::Increment { key: key(), by: 1 };
    assert_eq!(bench.reply(increment), refused(Refusal::WrongType));
    let key = || Bytes::from("s");
    let (value, pivot) = (key(), key());
    for command in [
        push("s", End::Left, &["x"]),
        pop(&["none", "s", "l"], End::Left, 1),
        move_value("s", "l"),
        move_value("l", "s"),
        ListCommand::Insert {
            key: key(),
            before: true,
            pivot,
            value: value.clone(),
        },
        ListCommand::Set {
            key: key(),
            index: 0,
            value: value.clone(),
        },
        ListCommand::Remove {
            key: key(),
            count: 0,
            value: value.clone(),
        },
        ListCommand::Trim {
            key: key(),
            first: 0,
            last: 0,
        },
    ] {
        let reply = bench.reply(command.clone());
        assert_eq!(reply, refused(Refusal::WrongType), "{command:?}");
    }
    for query in [
        Query::ListLength { key: key() },
        Query::ListRange {
            key: key(),
            first: 0,
            last: 0,
        },
        Query::ListIndex {
            key: key(),
            index: 0,
        },
    ] {
        assert_eq!(bench.state.read(&query), refused(Refusal::WrongType));
    }
    // Nothing of that changed anything but the index.
    assert_eq!(bench.state.bytes(), before.bytes());
    assert_eq!(range(&bench, "l"), ["1"]);
    let keys = bytes(&["l", "s", "none"]);
    let Reply::Found(found) = bench.state.read(&Query::Get { keys }) else {
        panic!("one of the keys is a list");
    };
    assert!(matches!(
        found[..],
        [
            Some(Found::List { version: 2, .. }),
            Some(Found::Text(_)),
            None
        ]
    ));
    bench.run(set("l", "text"));
    assert_eq!(bench.get("l"), Some("text".into()), "SET takes any key");
}

#[test]
fn a_list_has_a_lifetime_another_name_and_a_copy_like_any_value() {
    let mut bench = Bench::new();
    bench.run(push("l", End::Right, &["a", "b"]));
    assert_eq!(bench.reply(expire("l", 500)), Reply::LifetimeSet(true));
    bench.run(push("l", End::Right, &["c"]));
    let left = Reply::Lifetime(Lifetime::Remaining { ms: 500 });
    assert_eq!(lifetime(&bench, "l"), left, "a push leaves it");
    let copy = |replace| {
        Command::String(StringCommand::Copy {
            from: "l".into(),
            to: "m".into(),
            replace,
        })
    };
    assert_eq!(bench.reply(copy(false)), Reply::Flag(true));
    bench.run(pop(&["m"], End::Left, 1));
    assert_eq!(bench.reply(copy(false)), Reply::Flag(false));
    let rename = StringCommand::Rename {
        from: "m".into(),
        to: "n".into(),
        if_absent: false,
    };
    assert_eq!(bench.reply(Command::String(rename)), Reply::Flag(true));
    assert_eq!((range(&bench, "l").len(), range(&bench, "n").len()), (3, 2));
    assert_eq!(lifetime(&bench, "n"), left);
    bench.pass(500).tick();
    assert_eq!(bench.state.read(&Query::CacheSize), Reply::Size(0));
    // What begins anew has no lifetime.
    bench.run(push("l", End::Right, &["a"]));
    assert_eq!(lifetime(&bench, "l"), Reply::Lifetime(Lifetime::Forever));
    let keys = bytes(&["l"]);
    assert_eq!(
        bench.reply(CacheCommand::Delete { keys }),
        Reply::Deleted(1)
    );
}

#[test]
fn keys_are_found_by_what_they_hold() {
    let mut bench = Bench::new();
    bench.run(push("l", End::Right, &["a"]));
    bench.run(set("s", "v"));
    let scan = |kind| {
        let found = bench.state.read(&Query::ScanOf {
            cursor: 0,
            count: 10,
            pattern: None,
            kind,
        });
        match found {
            Reply::Scanned { cursor: 0, keys } => keys,
            other => panic!("a scan gives keys, but got {other:?}"),
        }
    };
    assert_eq!(
        (scan(Kind::List), scan(Kind::Text)),
        (bytes(&["l"]), bytes(&["s"]))
    );
    assert_eq!(bench.state.kind_of(b"l"), Some(Kind::List));
    assert_eq!(
        (bench.state.list_length(b"l"), bench.state.list_length(b"s")),
        (1, 0)
    );
}

#[test]
fn a_list_is_evicted_like_any_value_and_makes_room_like_one() {
    let mut bench = Bench::with_limits(Limits {
        cache_entries: 2,
        ..Limits::default()
    });
    bench.run(push("a", End::Right, &["1"]));
    bench.run(set("b", "2"));
    bench.run(push("a", End::Right, &["2"]));
    // It was used since, so the other one goes.
    let changed = bench.run(move_value("a", "c")).changed;
    assert_eq!(changed.keys, ["a", "b", "c"]);
    bench.run(push("d", End::Left, &["1"]));
    assert_eq!(bench.state.cache_stats().entries, 2);
    assert_eq!(bench.state.cache_stats().evicted, 2);
}

#[test]
fn sizes_are_bounded() {
    let mut bench = Bench::with_limits(Limits {
        cache_value_bytes: 3,
        ..Limits::default()
    });
    let too_large = refused(Refusal::TooLarge);
    assert_eq!(
        bench.reply(push("l", End::Left, &["ok", "long"])),
        too_large
    );
    bench.run(push("l", End::Left, &["ok"]));
    let set = ListCommand::Set {
        key: "l".into(),
        index: 0,
        value: "long".into(),
    };
    assert_eq!(bench.reply(set), too_large);
    let insert = ListCommand::Insert {
        key: "l".into(),
        before: true,
        pivot: "ok".into(),
        value: "long".into(),
    };
    assert_eq!(bench.reply(insert), too_large);
    assert_eq!(range(&bench, "l"), ["ok"]);

    let mut state = State {
        level: LEVEL,
        ..State::new(Limits::default())
    };
    let mut apply = |command: ListCommand| {
        let index = state.applied_index() + 1;
        let request = Request {
            time_ms: 0,
            once: None,
            command: command.into(),
        };
        state.apply(Stamp { index, time_ms: 0 }, &request).reply
    };
    let many = ListCommand::Push {
        key: "l".into(),
        values: vec![Bytes::new(); crate::state::LONGEST_LIST],
        end: End::Left,
        if_present: false,
    };
    let full = crate::state::LONGEST_LIST as u64;
    assert_eq!(apply(many), Reply::Size(full));
    assert_eq!(apply(push("l", End::Right, &["x"])), too_large);
    apply(push("m", End::Right, &["x"]));
    assert_eq!(apply(move_value("m", "l")), too_large);
    // What goes round needs no more room.
    assert_eq!(apply(move_value("l", "l")), popped("l", &[""]));
}

#[test]
fn what_was_popped_under_a_sequence_is_popped_once() {
    let mut bench = Bench::new();
    let session = bench.open(60_000);
    let nothing = bench.once(session, 1, pop(&["l"], End::Left, 1));
    assert_eq!(nothing.reply, Reply::Popped(None));
    bench.run(push("l", End::Right, &["a", "b"]));
    for _ in 0..2 {
        let applied = bench.once(session, 1, pop(&["l"], End::Left, 1));
        assert_eq!(applied.reply, popped("l", &["a"]));
    }
    assert_eq!(range(&bench, "l"), ["b"]);
}

#[test]
fn steps_of_a_transaction_see_what_lists_have_become() {
    let mut bench = Bench::new();
    let length = || Step::Read(Query::ListLength { key: "l".into() });
    let steps = vec![
        Step::List(push("l", End::Right, &["a", "b"])),
        length(),
        Step::List(pop(&["l"], End::Left, 1)),
        Step::List(pop(&["none"], End::Left, 1)),
        length(),
    ];
    let command = Command::Transaction {
        watched: vec![(Bytes::from("l"), 0)],
        steps,
    };
    assert_eq!((command.level(), command.grows()), (3, true));
    let replies = vec![
        Reply::Size(2),
        Reply::Size(2),
        popped("l", &["a"]),
        Reply::Popped(None),
        Reply::Size(1),
    ];
    assert_eq!(
        bench.reply(command.clone()),
        Reply::Transaction(Some(replies))
    );
    assert_eq!(
        bench.reply(command),
        Reply::Transaction(None),
        "it has changed"
    );
}

#[test]
fn what_would_not_fit_a_reply_stays() {
    let mut bench = Bench::new();
    let eight = Bytes::from(vec![b'x'; 8 << 20]);
    let fill = ListCommand::Push {
        key: "l".into(),
        values: vec![eight; 9],
        end: End::Left,
        if_present: false,
    };
    bench.run(fill);
    let all = pop(&["l"], End::Left, 9);
    let too_large = refused(Refusal::ReplyTooLarge);
    assert_eq!(bench.reply(all.clone()), too_large);
    let steps = vec![Step::List(all)];
    let watched = vec![];
    let reply = bench.reply(Command::Transaction { watched, steps });
    assert_eq!(reply, Reply::Transaction(Some(vec![too_large])));
    assert_eq!(range(&bench, "l").len(), 9);
}

#[test]
fn memory_is_counted_and_given_back() {
    let mut bench = Bench::new();
    bench.run(push("l", End::Left, &["a"]));
    let before = bench.state.bytes();
    for _ in 0..100 {
        bench.run(push("l", End::Right, &["0123456789"]));
    }
    assert!((10_000..20_000).contains(&(bench.state.bytes() - before)));
    bench.run(ListCommand::Trim {
        key: "l".into(),
        first: 0,
        last: 0,
    });
    assert_eq!(bench.state.bytes(), before);
    bench.run(pop(&["l"], End::Left, 1));
    assert_eq!(bench.state.bytes(), 0);
}

#[test]
fn a_snapshot_with_lists_out_of_place_is_refused() {
    let mut bench = Bench::new();
    bench.run(push("l", End::Left, &["a"]));
    let good = bench.state.encode();
    // Its end: one list, of the key of entry 2, with one value of one byte.
    let start = good.strip_suffix(&[1, 2, 1, 1, b'a']).expect("a list");
    for (tail, why) in [
        (&[1, 9, 1, 1, b'a'][..], "a list without a key of its own"),
        (
            &[2, 2, 1, 1, b'a', 2, 1, 1, b'b'],
            "a list without a key of its own",
        ),
        (&[1, 2, 0], "a list of no possible length"),
    ] {
        let body = [&start[snapshot::HEADER_BYTES..], tail].concat();
        let decoded = State::decode(&snapshot::sealed(good[0], &body));
        assert_eq!(decoded, Err(DecodeError::Inconsistent(why)), "{tail:?}");
    }
}
