//! The commands for lists: every spelling, what it means, and how its answers look.

use bytes::{Bytes, BytesMut};

use super::{parse_line, queried, refused, words, written};
use crate::protocol::{Call, FOREVER_MS, ReplyStyle, RespVersion, Spec, encode};
use crate::state::command::*;
use ReplyStyle::{Bulk, Bulks, Full, Number, Pair, Single};

fn texts(texts: &[&'static str]) -> Vec<Bytes> {
    texts.iter().map(|text| Bytes::from(*text)).collect()
}

fn push(end: End, if_present: bool) -> ListCommand {
    ListCommand::Push {
        key: "l".into(),
        values: texts(&["a", "b"]),
        end,
        if_present,
    }
}

fn pop(keys: &[&'static str], end: End, count: u64) -> ListCommand {
    let keys = texts(keys);
    ListCommand::Pop { keys, end, count }
}

fn moving(take: End, put: End) -> ListCommand {
    ListCommand::Move {
        from: "l".into(),
        to: "m".into(),
        take,
        put,
    }
}

#[test]
fn every_way_to_change_a_list() {
    use End::{Left, Right};
    let (key, value) = (|| Bytes::from("l"), || Bytes::from("v"));
    for (line, command, style) in [
        ("LPUSH l a b", push(Left, false), Full),
        ("rpush l a b", push(Right, false), Full),
        ("LPUSHX l a b", push(Left, true), Full),
        ("RPUSHX l a b", push(Right, true), Full),
        ("LPOP l", pop(&["l"], Left, 1), Bulk),
        ("RPOP l 3", pop(&["l"], Right, 3), Bulks),
        ("LMPOP 2 l m LEFT", pop(&["l", "m"], Left, 1), Full),
        ("LMPOP 1 l right count 7", pop(&["l"], Right, 7), Full),
        ("LMOVE l m left RIGHT", moving(Left, Right), Bulk),
        ("RPOPLPUSH l m", moving(Right, Left), Bulk),
        (
            "LINSERT l before p v",
            ListCommand::Insert {
                key: key(),
                before: true,
                pivot: "p".into(),
                value: value(),
            },
            Number,
        ),
        (
            "LSET l -1 v",
            ListCommand::Set {
                key: key(),
                index: -1,
                value: value(),
            },
            Full,
        ),
        (
            "LREM l -2 v",
            ListCommand::Remove {
                key: key(),
                count: -2,
                value: value(),
            },
            Full,
        ),
        (
            "LTRIM l 0 -1",
            ListCommand::Trim {
                key: key(),
                first: 0,
                last: -1,
            },
            Full,
        ),
    ] {
        assert_eq!(written(line), (Command::List(command), style), "{line}");
    }
}

#[test]
fn every_way_to_wait_for_a_list() {
    use End::{Left, Right};
    for (line, command, style, wait_ms) in [
        ("BLPOP l m 0", pop(&["l", "m"], Left, 1), Pair, FOREVER_MS),
        ("BRPOP l 1.5", pop(&["l"], Right, 1), Pair, 1_500),
        ("BRPOP l 0.0001", pop(&["l"], Right, 1), Pair, 1),
        ("BLMPOP 2 1 l RIGHT", pop(&["l"], Right, 1), Full, 2_000),
        ("BLMOVE l m RIGHT LEFT 3", moving(Right, Left), Bulk, 3_000),
        ("BRPOPLPUSH l m 0", moving(Right, Left), Bulk, FOREVER_MS),
    ] {
        let expected = Call::Write {
            once: None,
            command: Command::List(command),
            style,
            wait_ms,
        };
        assert_eq!(parse_line(line), Ok(expected), "{line}");
    }
    for (line, error) in [
        ("BLPOP l x", "ERR timeout is not a float or out of range"),
        ("BLPOP l nan", "ERR timeout is not a float or out of range"),
        ("BLPOP l -1", "ERR timeout is negative"),
        ("BLPOP l 1e300", "ERR timeout is out of range"),
        ("BLMOVE l m up LEFT 1", "ERR syntax error"),
        ("BLMPOP 1 2 l LEFT", "ERR syntax error"),
        ("BLMPOP 1 0 l LEFT", "ERR numkeys should be greater than 0"),
        (
            "LMPOP 1 l LEFT COUNT 0",
            "ERR count should be greater than 0",
        ),
        ("LPOP l -1", "ERR value is out of range, must be positive"),
        (
            "LPOP l 1 2",
            "ERR wrong number of arguments for 'lpop' command",
        ),
        ("LINSERT l beside a b", "ERR syntax error"),
        ("LPOS l a COUNT -1", "ERR COUNT can't be negative"),
        ("LPOS l a MAXLEN -1", "ERR MAXLEN can't be negative"),
        ("LREM l x a", "ERR value is not an integer or out of range"),
    ] {
        assert_eq!(refused(line), error, "{line}");
    }
    assert!(refused("LPOS l a RANK 0").starts_with("ERR RANK can't be zero"));
}

#[test]
fn every_way_to_read_a_list() {
    let key = || Bytes::from("l");
    let find = |rank, count, most| Query::ListFind {
        key: key(),
        value: "v".into(),
        rank,
        count,
        most,
    };
    let scan_of = |kind, count| Query::ScanOf {
        cursor: 0,
        count,
        pattern: None,
        kind,
    };
    let scan = |kind| scan_of(kind, 10);
    for (line, query, style) in [
        ("LLEN l", Query::ListLength { key: key() }, Full),
        (
            "LRANGE l -3 5",
            Query::ListRange {
                key: key(),
                first: -3,
                last: 5,
            },
            Full,
        ),
        (
            "LINDEX l -1",
            Query::ListIndex {
                key: key(),
                index: -1,
            },
            Full,
        ),
        ("LPOS l v", find(1, 1, 0), Single),
        ("LPOS l v rank -2 COUNT 0 maxlen 9", find(-2, 0, 9), Full),
        ("SCAN 0 TYPE list", scan(Kind::List), Full),
        ("SCAN 0 TYPE STRING", scan(Kind::Text), Full),
        // No more than so many are looked at, whatever was asked.
        (
            "SCAN 0 COUNT 10001 TYPE list",
            scan_of(Kind::List, 10_000),
            Full,
        ),
    ] {
        assert_eq!(queried(line), (query, style), "{line}");
    }
}

#[test]
fn answers_look_as_redis_shows_them() {
    let popped = |values: &[&'static str]| {
        let (key, values) = ("l".into(), texts(values));
        Reply::Popped(Some(Popped { key, values }))
    };
    let list = |is_small| {
        Reply::Found(vec![Some(Found::List {
            version: 7,
            is_small,
        })])
    };
    let mixed = Reply::Found(vec![
        Some(Found::List {
            version: 7,
            is_small: true,
        }),
        Some(Found::Text(Versioned {
            value: "v".into(),
            version: 8,
        })),
        None,
    ]);
    let wrong = "-WRONGTYPE Operation against a key holding the wrong kind of value,";
    let positions = Reply::Positions(vec![4, 2]);
    for (style, reply, two, three) in [
        (Bulk, popped(&["a"]), "$1,a,", "$1,a,"),
        (Bulk, Reply::Popped(None), "$-1,", "_,"),
        (Bulks, popped(&["a", "b"]), "*2,$1,a,$1,b,", "*2,$1,a,$1,b,"),
        (Bulks, popped(&[]), "*0,", "*0,"),
        (Bulks, Reply::Popped(None), "*-1,", "_,"),
        (Pair, popped(&["a"]), "*2,$1,l,$1,a,", "*2,$1,l,$1,a,"),
        (Pair, Reply::Popped(None), "*-1,", "_,"),
        (Full, popped(&["a"]), "*2,$1,l,*1,$1,a,", "*2,$1,l,*1,$1,a,"),
        (Full, Reply::Elements(texts(&["a"])), "*1,$1,a,", "*1,$1,a,"),
        (Single, positions.clone(), ":4,", ":4,"),
        (Single, Reply::Positions(vec![]), "$-1,", "_,"),
        (Full, positions, "*2,:4,:2,", "*2,:4,:2,"),
        (ReplyStyle::TypeName, list(true), "+list,", "+list,"),
        (
            ReplyStyle::Encoding,
            list(true),
            "$8,listpack,",
            "$8,listpack,",
        ),
        (
            ReplyStyle::Encoding,
            list(false),
            "$9,quicklist,",
            "$9,quicklist,",
        ),
        (ReplyStyle::Count, mixed.clone(), ":2,", ":2,"),
        (Bulks, mixed.clone(), "*3,$-1,$1,v,$-1,", "*3,_,$1,v,_,"),
        (Full, mixed, "*3,*-1,*2,$1,v,:8,*-1,", "*3,_,*2,$1,v,:8,_,"),
        (Bulk, list(true), wrong, wrong),
        (Single, list(true), wrong, wrong),
        (ReplyStyle::Length, list(true), wrong, wrong),
    ] {
        for (version, expected) in [(RespVersion::Two, two), (RespVersion::Three, three)] {
            let mut out = BytesMut::new();
            encode(&mut out, version, style, &reply);
            let shown = String::from_utf8_lossy(&out).replace("\r\n", ",");
            assert_eq!(shown, expected, "{style:?} {reply:?}");
        }
    }
}

/// Rights of users go by them.
#[test]
fn keys_are_found_among_the_arguments() {
    for (line, keys) in [
        ("BLPOP a b 0", &["a", "b"][..]),
        ("LMPOP 2 a b LEFT", &["a", "b"]),
        ("BLMPOP 0 1 a LEFT", &["a"]),
        ("BLMOVE a b LEFT LEFT 0", &["a", "b"]),
        ("ONCE 1 2 BRPOP a 0", &["a"]),
        ("LINSERT a BEFORE b c", &["a"]),
    ] {
        let args = words(line);
        let spec = Spec::find(&args[0]).expect("it is a command");
        assert_eq!(
            spec.keys_of(&args),
            texts(keys).iter().collect::<Vec<_>>(),
            "{line}"
        );
    }
}
