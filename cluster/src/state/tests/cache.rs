//! The cache: conditions, versions, lifetimes, integers, limits.

use super::*;
use SetCondition::{Always, IfAbsent, IfPresent, IfVersion};

#[test]
fn conditions_decide_whether_a_value_is_stored() {
    // (the key is present, condition relative to its version, stored)
    for (is_present, condition, is_stored) in [
        (false, Always, true),
        (true, Always, true),
        (false, IfAbsent, true),
        (true, IfAbsent, false),
        (false, IfPresent, false),
        (true, IfPresent, true),
        (false, IfVersion(0), true),
        (true, IfVersion(0), false),
        (true, IfVersion(2), true),
        (true, IfVersion(3), false),
        (false, IfVersion(2), false),
    ] {
        let mut bench = Bench::new();
        if is_present {
            let version = Some(2);
            assert_eq!(bench.reply(set("k", "old")), Reply::Stored { version });
        }
        let reply = bench.reply(set_with("k", "new", None, false, condition));
        let version = is_stored.then_some(bench.state.applied_index());
        assert_eq!(reply, Reply::Stored { version }, "{condition:?}");
        let before = is_present.then(|| Bytes::from("old"));
        let after = if is_stored {
            Some(Bytes::from("new"))
        } else {
            before
        };
        assert_eq!(bench.get("k"), after);
    }
}

#[test]
fn a_version_is_never_used_again() {
    let mut bench = Bench::new();
    bench.run(set("k", "a"));
    let version = bench.state.applied_index();
    bench.run(delete(&["k"]));
    bench.run(set("k", "a"));
    let reply = bench.reply(set_with("k", "b", None, false, IfVersion(version)));
    assert_eq!(reply, Reply::Stored { version: None });
}

#[test]
fn a_key_is_gone_exactly_at_its_deadline() {
    let mut bench = Bench::new();
    bench.run(set_with("k", "v", Some(500), false, Always));
    assert_eq!(lifetime(&bench, "k"), Lifetime::Remaining { ms: 500 });
    bench.pass(499).tick();
    assert_eq!(lifetime(&bench, "k"), Lifetime::Remaining { ms: 1 });
    assert_eq!(bench.get("k"), Some(Bytes::from("v")));
    bench.pass(1);
    let reply = bench.reply(set_with("k", "w", None, false, IfPresent));
    assert_eq!(reply, Reply::Stored { version: None });
    assert_eq!(lifetime(&bench, "k"), Lifetime::Absent);
    assert_eq!(bench.state.read(&Query::CacheSize), Reply::Size(0));
    assert_eq!(bench.state.cache_stats().expired, 1);
}

#[test]
fn setting_again_cancels_the_old_lifetime_unless_kept() {
    for (ttl_ms, keep_ttl, expected) in [
        (None, false, Lifetime::Forever),
        (None, true, Lifetime::Remaining { ms: 400 }),
        (Some(900), false, Lifetime::Remaining { ms: 900 }),
    ] {
        let mut bench = Bench::new();
        bench.run(set_with("k", "a", Some(500), false, Always));
        bench
            .pass(100)
            .run(set_with("k", "b", ttl_ms, keep_ttl, Always));
        assert_eq!(lifetime(&bench, "k"), expected);
        bench.pass(400).tick();
        assert_eq!(bench.get("k").is_some(), !keep_ttl);
    }
}

#[test]
fn a_lifetime_can_be_set_changed_and_removed() {
    let mut bench = Bench::new();
    let expire = |ttl_ms| CacheCommand::Expire {
        key: Bytes::from("k"),
        ttl_ms,
    };
    assert_eq!(bench.reply(expire(Some(5))), Reply::LifetimeSet(false));
    bench.run(set("k", "v"));
    for (ttl_ms, expected) in [
        (Some(50), Lifetime::Remaining { ms: 50 }),
        (Some(500), Lifetime::Remaining { ms: 500 }),
        (None, Lifetime::Forever),
        (Some(u64::MAX), Lifetime::Remaining { ms: u64::MAX }),
        (Some(0), Lifetime::Absent),
    ] {
        assert_eq!(bench.reply(expire(ttl_ms)), Reply::LifetimeSet(true));
        match (expected, lifetime(&bench, "k")) {
            // The deadline itself is at the end of time, so less remains.
            (Lifetime::Remaining { ms: u64::MAX }, Lifetime::Remaining { ms }) => {
                assert!(ms > u64::MAX / 2);
            }
            (expected, actual) => assert_eq!(actual, expected),
        }
    }
}

#[test]
fn a_lifetime_of_nothing_is_refused() {
    let mut bench = Bench::new();
    let reply = bench.reply(set_with("k", "v", Some(0), false, Always));
    assert_eq!(reply, refused(Refusal::OutOfRange));
    assert_eq!(bench.get("k"), None);
}

#[test]
fn delete_counts_the_keys_that_were_present() {
    let mut bench = Bench::new();
    bench.run(set("a", "1"));
    bench.run(set_with("b", "2", Some(10), false, Always));
    let reply = bench.reply(delete(&["a", "x", "b", "a"]));
    assert_eq!(reply, Reply::Deleted(2));
    assert_eq!(bench.state.next_due_ms(), None);
}

#[test]
fn increment_reads_integers_as_redis_does() {
    for (stored, by, expected) in [
        (None, 5, Ok(5)),
        (Some("10"), -11, Ok(-1)),
        (Some("0"), 0, Ok(0)),
        (Some("-7"), 7, Ok(0)),
        (Some("9223372036854775807"), 0, Ok(i64::MAX)),
        (Some("-9223372036854775808"), 0, Ok(i64::MIN)),
        (Some("9223372036854775807"), 1, Err(Refusal::Overflow)),
        (Some("-9223372036854775808"), -1, Err(Refusal::Overflow)),
        (Some("9223372036854775808"), 0, Err(Refusal::NotAnInteger)),
        (Some(""), 1, Err(Refusal::NotAnInteger)),
        (Some("-"), 1, Err(Refusal::NotAnInteger)),
        (Some("+1"), 1, Err(Refusal::NotAnInteger)),
        (Some("-0"), 1, Err(Refusal::NotAnInteger)),
        (Some("01"), 1, Err(Refusal::NotAnInteger)),
        (Some(" 1"), 1, Err(Refusal::NotAnInteger)),
        (Some("1.5"), 1, Err(Refusal::NotAnInteger)),
        (Some("é"), 1, Err(Refusal::NotAnInteger)),
    ] {
        let mut bench = Bench::new();
        if let Some(text) = stored {
            bench.run(set("n", text));
        }
        let reply = bench.reply(increment("n", by));
        let version = bench.state.applied_index();
        match expected {
            Ok(value) => {
                assert_eq!(reply, Reply::Integer { value, version });
                assert_eq!(bench.get("n"), Some(Bytes::from(value.to_string())));
            }
            Err(refusal) => {
                assert_eq!(reply, refused(refusal), "{stored:?}");
                assert_eq!(bench.get("n"), stored.map(Bytes::from));
            }
        }
    }
}

#[test]
fn increment_keeps_the_lifetime() {
    let mut bench = Bench::new();
    bench.run(set_with("n", "1", Some(500), false, Always));
    bench.pass(100).run(increment("n", 1));
    assert_eq!(lifetime(&bench, "n"), Lifetime::Remaining { ms: 400 });
    bench.run(increment("fresh", 1));
    assert_eq!(lifetime(&bench, "fresh"), Lifetime::Forever);
}

#[test]
fn a_value_may_be_as_large_as_the_limit() {
    let mut bench = Bench::with_limits(Limits {
        cache_value_bytes: 3,
        ..Limits::default()
    });
    let stored = bench.reply(set("k", "abc"));
    assert!(matches!(stored, Reply::Stored { version: Some(_) }));
    let reply = bench.reply(set("k", "abcd"));
    assert_eq!(reply, refused(Refusal::TooLarge));
    assert_eq!(bench.get("k"), Some(Bytes::from("abc")));
}

#[test]
fn a_multi_get_answers_in_the_order_of_its_keys() {
    let mut bench = Bench::new();
    bench.run(set("a", "1"));
    let version = bench.state.applied_index();
    let keys = ["x", "a", "a"].map(Bytes::from).to_vec();
    let value = Bytes::from("1");
    let present = Some(Versioned { value, version });
    let expected = Reply::Values(vec![None, present.clone(), present]);
    assert_eq!(bench.state.read(&Query::Get { keys }), expected);
}

#[test]
fn flush_drops_every_key() {
    let mut bench = Bench::new();
    bench.run(set("a", "1"));
    bench.run(set_with("b", "2", Some(10), false, Always));
    assert_eq!(bench.reply(CacheCommand::Flush), Reply::Done);
    assert_eq!(bench.state.read(&Query::CacheSize), Reply::Size(0));
    assert_eq!(bench.state.next_due_ms(), None);
    bench.pass(10).tick();
    assert_eq!(bench.state.cache_stats().expired, 0);
}

#[test]
fn an_entry_names_the_keys_that_it_changed_and_no_others() {
    let mut bench = Bench::with_limits(Limits {
        cache_entries: 2,
        ..Limits::default()
    });
    let named = |applied: Applied| -> String {
        let keys = applied.changed.keys.iter();
        keys.map(|key| String::from_utf8_lossy(key)).collect()
    };
    assert_eq!(named(bench.run(set("a", "1"))), "a");
    let short = set_with("b", "1", Some(10), false, SetCondition::Always);
    assert_eq!(named(bench.run(short)), "b");
    let mismatch = set_with("a", "2", None, false, SetCondition::IfVersion(99));
    assert_eq!(named(bench.run(mismatch)), "", "nothing was stored");
    assert_eq!(named(bench.run(delete(&["x"]))), "", "it was not there");
    bench.pass(10);
    assert_eq!(named(bench.expire_due()), "b", "its lifetime has ended");
    assert_eq!(named(bench.run(increment("c", 1))), "c");
    assert_eq!(named(bench.run(set("d", "1"))), "ad", "a makes room");
    assert_eq!(named(bench.run(delete(&["c", "d"]))), "cd");
    let flushed = bench.run(CacheCommand::Flush).changed;
    assert!(flushed.all && flushed.keys.is_empty());
}

fn lifetime(bench: &Bench, key: &'static str) -> Lifetime {
    let key = Bytes::from(key);
    match bench.state.read(&Query::Ttl { key }) {
        Reply::Lifetime(lifetime) => lifetime,
        other => panic!("a TTL answers with a lifetime, but got {other:?}"),
    }
}

fn delete(keys: &[&'static str]) -> CacheCommand {
    let keys = keys.iter().copied().map(Bytes::from).collect();
    CacheCommand::Delete { keys }
}

fn increment(key: &'static str, by: i64) -> CacheCommand {
    let key = Bytes::from(key);
    CacheCommand::Increment { key, by }
}
