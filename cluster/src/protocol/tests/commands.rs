//! The cache's commands: every spelling and what it means.

use bytes::Bytes;

use super::{queried, written};
use crate::protocol::ReplyStyle;
use crate::state::command::{CacheCommand, Command, Query, SetCondition};

fn set(ttl_ms: Option<u64>, keep_ttl: bool, condition: SetCondition) -> Command {
    Command::Cache(CacheCommand::Set {
        key: "k".into(),
        value: "v".into(),
        ttl_ms,
        keep_ttl,
        condition,
    })
}

fn keys(keys: &[&'static str]) -> Vec<Bytes> {
    keys.iter().map(|key| Bytes::from(*key)).collect()
}

#[test]
fn every_way_to_set_a_key() {
    use ReplyStyle::{Flag, Full, Status};
    use SetCondition::{Always, IfAbsent, IfPresent, IfVersion};
    for (line, command, style) in [
        ("SET k v", set(None, false, Always), Status),
        ("set k v ex 10", set(Some(10_000), false, Always), Status),
        ("SET k v PX 10", set(Some(10), false, Always), Status),
        ("SET k v EX 1 EX 2", set(Some(2_000), false, Always), Status),
        ("SET k v NX", set(None, false, IfAbsent), Status),
        ("SET k v XX PX 5", set(Some(5), false, IfPresent), Status),
        ("SET k v KEEPTTL xx", set(None, true, IfPresent), Status),
        ("SETNX k v", set(None, false, IfAbsent), Flag),
        ("SETEX k 10 v", set(Some(10_000), false, Always), Status),
        ("PSETEX k 10 v", set(Some(10), false, Always), Status),
        ("CACHE.PUT k v", set(None, false, Always), Full),
        (
            "CACHE.PUT k v KEEPTTL VERSION 0",
            set(None, true, IfVersion(0)),
            Full,
        ),
        ("CACHE.PUT k v PX 7 NX", set(Some(7), false, IfAbsent), Full),
        ("CACHE.CAS k 9 v", set(None, false, IfVersion(9)), Full),
        (
            "CACHE.CAS k 0 v PX 3",
            set(Some(3), false, IfVersion(0)),
            Full,
        ),
    ] {
        assert_eq!(written(line), (command, style), "{line}");
    }
}

#[test]
fn every_way_to_read_keys() {
    let one = Query::Get { keys: keys(&["a"]) };
    let two = Query::Get {
        keys: keys(&["a", "b"]),
    };
    let ttl = Query::Ttl { key: "a".into() };
    for (line, query, style) in [
        ("GET a", &one, ReplyStyle::Bulk),
        ("TYPE a", &one, ReplyStyle::TypeName),
        ("CACHE.GETV a", &one, ReplyStyle::Single),
        ("MGET a b", &two, ReplyStyle::Bulks),
        ("EXISTS a b", &two, ReplyStyle::Count),
        ("CACHE.MGETV a b", &two, ReplyStyle::Full),
        ("TTL a", &ttl, ReplyStyle::Seconds),
        ("PTTL a", &ttl, ReplyStyle::Full),
        ("DBSIZE", &Query::CacheSize, ReplyStyle::Full),
    ] {
        assert_eq!(queried(line), (query.clone(), style), "{line}");
    }
}

#[test]
fn every_way_to_change_a_number() {
    let increment = |by| {
        Command::Cache(CacheCommand::Increment {
            key: "n".into(),
            by,
        })
    };
    for (line, by, style) in [
        ("INCR n", 1, ReplyStyle::Number),
        ("DECR n", -1, ReplyStyle::Number),
        ("INCRBY n -5", -5, ReplyStyle::Number),
        ("DECRBY n 5", -5, ReplyStyle::Number),
        (
            "CACHE.INCRBY n 9223372036854775807",
            i64::MAX,
            ReplyStyle::Full,
        ),
        (
            "CACHE.INCRBY n -9223372036854775808",
            i64::MIN,
            ReplyStyle::Full,
        ),
    ] {
        assert_eq!(written(line), (increment(by), style), "{line}");
    }
}

#[test]
fn every_way_to_end_a_key() {
    let delete = |list: &[&'static str]| CacheCommand::Delete { keys: keys(list) };
    let expire = |ttl_ms| CacheCommand::Expire {
        key: "a".into(),
        ttl_ms,
    };
    for (line, command) in [
        ("DEL a b", delete(&["a", "b"])),
        ("UNLINK a", delete(&["a"])),
        ("EXPIRE a 3", expire(Some(3_000))),
        ("PEXPIRE a 3", expire(Some(3))),
        ("EXPIRE a 0", delete(&["a"])),
        ("PEXPIRE a -1", delete(&["a"])),
        ("PERSIST a", expire(None)),
        ("FLUSHALL", CacheCommand::Flush),
        ("FLUSHALL async", CacheCommand::Flush),
        ("FLUSHDB SYNC", CacheCommand::Flush),
    ] {
        assert_eq!(
            written(line),
            (Command::Cache(command), ReplyStyle::Full),
            "{line}"
        );
    }
}
