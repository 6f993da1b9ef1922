//! Strings beyond plain setting and getting, and several commands in one entry.

use super::*;
use SetCondition::{Always, IfAbsent, IfPresent};

fn string(command: StringCommand) -> Command {
    Command::String(command)
}

fn set_string(key: &'static str, value: &'static str, expiry: Expiry) -> Command {
    set_old(key, value, expiry, Always, false)
}

fn set_old(
    key: &'static str,
    value: &'static str,
    expiry: Expiry,
    condition: SetCondition,
    give_old: bool,
) -> Command {
    string(StringCommand::Set {
        key: key.into(),
        value: value.into(),
        expiry,
        condition,
        give_old,
    })
}

fn text(value: &'static str) -> Reply {
    Reply::Text(Some(value.into()))
}

fn left_ms(bench: &Bench, key: &'static str) -> Option<u64> {
    match bench.state.read(&Query::Ttl { key: key.into() }) {
        Reply::Lifetime(Lifetime::Remaining { ms }) => Some(ms),
        _ => None,
    }
}

#[test]
fn the_value_before_is_given_whether_or_not_the_condition_held() {
    let mut bench = Bench::new();
    let old = |condition| set_old("k", "new", Expiry::Never, condition, true);
    assert_eq!(bench.reply(old(IfPresent)), Reply::Text(None));
    assert_eq!(bench.get("k"), None);
    bench.run(set("k", "old"));
    assert_eq!(bench.reply(old(IfAbsent)), text("old"));
    assert_eq!(bench.get("k"), Some("old".into()));
    assert_eq!(bench.reply(old(Always)), text("old"));
    assert_eq!(bench.get("k"), Some("new".into()));
}

#[test]
fn a_lifetime_ends_at_a_moment_of_log_time() {
    let mut bench = Bench::new();
    let unix_ms = bench.time_ms + 700;
    bench.run(set_string("k", "v", Expiry::At { unix_ms }));
    assert_eq!(left_ms(&bench, "k"), Some(700));
    let ends = bench.state.read(&Query::ExpireTime { key: "k".into() });
    assert_eq!(ends, Reply::Lifetime(Lifetime::Remaining { ms: unix_ms }));
    bench.run(set_string("k", "w", Expiry::Keep));
    assert_eq!(left_ms(&bench, "k"), Some(700));
    bench.run(set_string("k", "x", Expiry::At { unix_ms: 5 }));
    assert_eq!(bench.get("k"), None, "it ended long ago");
}

#[test]
fn several_keys_are_set_together_or_not_at_all() {
    let mut bench = Bench::new();
    let set_many = |keys: &[&'static str], if_absent| {
        let pairs = keys.iter().map(|&key| (key.into(), "v".into())).collect();
        string(StringCommand::SetMany { pairs, if_absent })
    };
    assert_eq!(bench.reply(set_many(&["a", "b"], true)), Reply::Flag(true));
    assert_eq!(bench.reply(set_many(&["c", "b"], true)), Reply::Flag(false));
    assert_eq!(bench.get("c"), None);
    assert_eq!(bench.reply(set_many(&["c", "b"], false)), Reply::Flag(true));
    assert_eq!(bench.state.read(&Query::CacheSize), Reply::Size(3));
}

#[test]
fn keys_inserted_by_one_entry_are_evicted_one_by_one() {
    let limits = Limits {
        cache_entries: 3,
        ..Limits::default()
    };
    let mut bench = Bench::with_limits(limits);
    let pairs = ["a", "b", "c", "d"].map(|key| (key.into(), "v".into()));
    bench.run(string(StringCommand::SetMany {
        pairs: pairs.to_vec(),
        if_absent: false,
    }));
    bench.run(set("e", "v"));
    let present: Vec<&str> = ["a", "b", "c", "d", "e"]
        .into_iter()
        .filter(|key| bench.get(key).is_some())
        .collect();
    assert_eq!(present, ["c", "d", "e"]);
}

#[test]
fn parts_of_a_value_are_written_and_its_lifetime_stays() {
    let mut bench = Bench::new();
    let append = |value: &'static str| {
        string(StringCommand::Append {
            key: "k".into(),
            value: value.into(),
        })
    };
    let put = |offset, value: &'static str| {
        string(StringCommand::SetRange {
            key: "k".into(),
            offset,
            value: value.into(),
        })
    };
    assert_eq!(bench.reply(put(5, "")), Reply::Size(0));
    assert_eq!(bench.get("k"), None);
    assert_eq!(bench.reply(append("hello")), Reply::Size(5));
    bench.run(string(StringCommand::Expire {
        key: "k".into(),
        expiry: Expiry::After { ms: 900 },
        condition: ExpireCondition::Always,
    }));
    assert_eq!(bench.reply(append(" you")), Reply::Size(9));
    assert_eq!(bench.reply(put(6, "me!!!")), Reply::Size(11));
    assert_eq!(bench.get("k"), Some("hello me!!!".into()));
    assert_eq!(bench.reply(put(13, "x")), Reply::Size(14));
    assert_eq!(bench.get("k"), Some("hello me!!!\0\0x".into()));
    assert_eq!(left_ms(&bench, "k"), Some(900));
    let too_far = bench.reply(put(u64::MAX, "x"));
    assert_eq!(too_far, Reply::Refused(Refusal::TooLarge));
}

#[test]
fn decimal_numbers_are_added_as_they_are_written() {
    for (before, by, expected) in [
        ("0", "1.5", Ok("1.5")),
        ("10.50", "0.1", Ok("10.6")),
        ("1", "-1.1", Ok("-0.1")),
        ("0.1", "0.2", Ok("0.3")),
        ("5.0e3", "2.0e2", Ok("5200")),
        ("17179869184", "1.5", Ok("17179869185.5")),
        ("3", "1", Ok("4")),
        ("-1", "1", Ok("0")),
        ("abc", "1", Err(Refusal::NotAFloat)),
        (" 1", "1", Err(Refusal::NotAFloat)),
        ("inf", "1", Err(Refusal::NotAFloat)),
        ("1.7e308", "1.7e308", Err(Refusal::NotFinite)),
    ] {
        let mut bench = Bench::new();
        bench.run(set_string("k", before, Expiry::Never));
        let reply = bench.reply(string(StringCommand::AddFloat {
            key: "k".into(),
            by: by.into(),
        }));
        let expected = match expected {
            Ok(sum) => text(sum),
            Err(refusal) => Reply::Refused(refusal),
        };
        assert_eq!(reply, expected, "{before} + {by}");
    }
}

#[test]
fn a_lifetime_changes_if_the_condition_holds() {
    use ExpireCondition::{Always, IfEarlier, IfLater, IfNone, IfSome, IfSomeEarlier};
    // (lifetime before, condition, lifetime asked for, changed)
    for (before, condition, ms, changes) in [
        (None, Always, 100, true),
        (None, IfNone, 100, true),
        (Some(50), IfNone, 100, false),
        (None, IfSome, 100, false),
        (Some(50), IfSome, 100, true),
        (None, IfLater, 100, false),
        (Some(50), IfLater, 100, true),
        (Some(150), IfLater, 100, false),
        (None, IfEarlier, 100, true),
        (Some(150), IfEarlier, 100, true),
        (Some(50), IfEarlier, 100, false),
        (None, IfSomeEarlier, 100, false),
        (Some(150), IfSomeEarlier, 100, true),
    ] {
        let mut bench = Bench::new();
        let first = before.map_or(Expiry::Never, |ms| Expiry::After { ms });
        bench.run(set_string("k", "v", first));
        let reply = bench.reply(string(StringCommand::Expire {
            key: "k".into(),
            expiry: Expiry::After { ms },
            condition,
        }));
        assert_eq!(reply, Reply::Flag(changes), "{condition:?} of {before:?}");
        let expected = if changes { Some(ms) } else { before };
        assert_eq!(
            left_ms(&bench, "k"),
            expected,
            "{condition:?} of {before:?}"
        );
    }
}

#[test]
fn a_key_is_renamed_and_copied_with_its_lifetime() {
    let mut bench = Bench::new();
    let rename = |from: &'static str, to: &'static str, if_absent| {
        string(StringCommand::Rename {
            from: from.into(),
            to: to.into(),
            if_absent,
        })
    };
    let copy = |replace| {
        string(StringCommand::Copy {
            from: "b".into(),
            to: "c".into(),
            replace,
        })
    };
    let missing = Reply::Refused(Refusal::NoSuchKey);
    assert_eq!(bench.reply(rename("a", "b", false)), missing);
    bench.run(set_string("a", "v", Expiry::After { ms: 100 }));
    bench.run(set("c", "w"));
    assert_eq!(bench.reply(rename("a", "c", true)), Reply::Flag(false));
    assert_eq!(bench.reply(rename("a", "b", false)), Reply::Flag(true));
    assert_eq!((bench.get("a"), bench.get("b")), (None, Some("v".into())));
    assert_eq!(left_ms(&bench, "b"), Some(100));
    assert_eq!(bench.reply(rename("b", "b", false)), Reply::Flag(true));
    assert_eq!(bench.reply(copy(false)), Reply::Flag(false));
    assert_eq!(bench.reply(copy(true)), Reply::Flag(true));
    assert_eq!(left_ms(&bench, "c"), Some(100));
}

#[test]
fn who_has_the_value_may_delete_and_extend_and_nobody_else() {
    let mut bench = Bench::new();
    let extend = |value: &'static str, ttl_ms, how| {
        string(StringCommand::ExpireIf {
            key: "lock".into(),
            value: value.into(),
            ttl_ms,
            how,
        })
    };
    let release = |value: &'static str| {
        string(StringCommand::DeleteIf {
            key: "lock".into(),
            value: value.into(),
        })
    };
    bench.run(set_string("lock", "mine", Expiry::Never));
    for how in [Extension::Add, Extension::Replace] {
        assert_eq!(bench.reply(extend("mine", 50, how)), Reply::Flag(false));
    }
    assert_eq!(
        bench.reply(extend("mine", 50, Extension::Set)),
        Reply::Flag(true)
    );
    assert_eq!(
        bench.reply(extend("mine", 50, Extension::Add)),
        Reply::Flag(true)
    );
    assert_eq!(left_ms(&bench, "lock"), Some(100));
    assert_eq!(
        bench.reply(extend("mine", 70, Extension::Replace)),
        Reply::Flag(true)
    );
    assert_eq!(left_ms(&bench, "lock"), Some(70));
    assert_eq!(
        bench.reply(extend("yours", 9, Extension::Set)),
        Reply::Flag(false)
    );
    assert_eq!(bench.reply(release("yours")), Reply::Flag(false));
    assert_eq!(bench.reply(release("mine")), Reply::Flag(true));
    assert_eq!(bench.reply(release("mine")), Reply::Flag(false));
}

#[test]
fn a_value_is_given_away_with_its_key_or_its_lifetime() {
    let mut bench = Bench::new();
    bench.run(set("k", "v"));
    let expiring = |ms| {
        string(StringCommand::GetExpire {
            key: "k".into(),
            expiry: Expiry::After { ms },
        })
    };
    assert_eq!(bench.reply(expiring(40)), text("v"));
    assert_eq!(left_ms(&bench, "k"), Some(40));
    let take = string(StringCommand::GetDelete { key: "k".into() });
    assert_eq!(bench.reply(take.clone()), text("v"));
    assert_eq!(bench.reply(take), Reply::Text(None));
}

#[test]
fn a_walk_over_the_keys_meets_each_of_them_once_whatever_is_written_meanwhile() {
    let mut bench = Bench::new();
    for n in 0..50 {
        bench.run(set_key(&format!("key-{n}"), "v"));
    }
    let (mut cursor, mut seen) = (0, Vec::new());
    loop {
        let scan = Query::Scan {
            cursor,
            count: 7,
            pattern: Some("key-*".into()),
        };
        let Reply::Scanned { cursor: next, keys } = bench.state.read(&scan) else {
            panic!("a scan is answered with keys");
        };
        seen.extend(keys);
        bench.run(set_key("key-3", "again"));
        bench.run(set_key(&format!("new-{next}"), "v"));
        if next == 0 {
            break;
        }
        cursor = next;
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 50);
    let pattern = "key-1?".into();
    let Reply::Keys(found) = bench.state.read(&Query::Keys { pattern }) else {
        panic!("a pattern is answered with keys");
    };
    assert_eq!(found.len(), 10);
    let picked = (0..100).map(|salt| bench.state.read(&Query::RandomKey { salt }));
    let distinct: std::collections::BTreeSet<String> =
        picked.map(|key| format!("{key:?}")).collect();
    assert!(distinct.len() > 20, "only {} of them", distinct.len());
    let empty = Bench::new().state.read(&Query::RandomKey { salt: 1 });
    assert_eq!(empty, Reply::Text(None));
}

fn set_key(key: &str, value: &'static str) -> Command {
    Command::Cache(CacheCommand::Set {
        key: Bytes::copy_from_slice(key.as_bytes()),
        value: value.into(),
        ttl_ms: None,
        keep_ttl: false,
        condition: Always,
    })
}

fn transaction(watched: Vec<(Bytes, u64)>, steps: Vec<Step>) -> Command {
    Command::Transaction { watched, steps }
}

fn add(by: i64) -> Step {
    Step::Cache(CacheCommand::Increment {
        key: "n".into(),
        by,
    })
}

fn read_n() -> Step {
    Step::Read(Query::Get {
        keys: vec!["n".into()],
    })
}

#[test]
fn the_steps_of_a_transaction_see_each_other_and_a_refusal_undoes_nothing() {
    let mut bench = Bench::new();
    let not_a_number = Step::Cache(CacheCommand::Increment {
        key: "text".into(),
        by: 1,
    });
    bench.run(set("text", "hello"));
    let steps = vec![add(2), read_n(), not_a_number, add(3)];
    let index = bench.state.applied_index() + 1;
    let number = |value| Reply::Integer {
        value,
        version: index,
    };
    let seen = Reply::Values(vec![Some(Versioned {
        value: "2".into(),
        version: index,
    })]);
    let refused = Reply::Refused(Refusal::NotAnInteger);
    let replies = vec![number(2), seen, refused, number(5)];
    let applied = bench.run(transaction(Vec::new(), steps));
    assert_eq!(applied.reply, Reply::Transaction(Some(replies)));
    assert_eq!(applied.changed.keys, ["n", "n"]);
}

#[test]
fn a_transaction_whose_watched_key_has_changed_does_nothing() {
    let mut bench = Bench::new();
    let run = |bench: &mut Bench, version| {
        let watched = vec![("k".into(), version)];
        bench.reply(transaction(watched, vec![add(1)]))
    };
    assert!(matches!(run(&mut bench, 0), Reply::Transaction(Some(_))));
    bench.run(set("k", "v"));
    let version = bench.state.applied_index();
    assert_eq!(run(&mut bench, 0), Reply::Transaction(None));
    assert!(matches!(
        run(&mut bench, version),
        Reply::Transaction(Some(_))
    ));
    bench.run(set("k", "v"));
    assert_eq!(run(&mut bench, version), Reply::Transaction(None));
    bench.run(string(StringCommand::GetDelete { key: "k".into() }));
    assert_eq!(run(&mut bench, version), Reply::Transaction(None));
    assert_eq!(bench.get("n"), Some("2".into()));
}

#[test]
fn what_a_transaction_cannot_reply_with_is_not_taken_either() {
    let mut bench = Bench::new();
    let large = Bytes::from(vec![b'x'; 8 * 1024 * 1024]);
    for key in ["a", "b"] {
        bench.run(Command::Cache(CacheCommand::Set {
            key: key.into(),
            value: large.clone(),
            ttl_ms: None,
            keep_ttl: false,
            condition: Always,
        }));
    }
    let read = Step::Read(Query::Get {
        keys: vec!["a".into()],
    });
    let mut steps = vec![read; 8];
    steps.push(Step::String(StringCommand::GetDelete { key: "b".into() }));
    let Reply::Transaction(Some(replies)) = bench.reply(transaction(Vec::new(), steps)) else {
        panic!("nothing was watched");
    };
    assert_eq!(replies[8], Reply::Refused(Refusal::ReplyTooLarge));
    assert_eq!(bench.get("b"), Some(large));
}
