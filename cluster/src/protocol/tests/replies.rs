//! Replies as bytes on the wire, and errors of nodes as a client reads them.

use bytes::BytesMut;

use crate::protocol::{
    BytesFrame, CLUSTER_DOWN, ReplyError, ReplyStyle, RespVersion, decode_reply, encode,
    encode_hello, moved, next_frame, try_again, unknown_outcome, wire,
};
use crate::state::command::{
    Delivery, Lifetime, LockInfo, Query, QueueInfo, Refusal, Reply, Row, Versioned,
};

fn shown(style: ReplyStyle, reply: &Reply) -> String {
    let mut out = BytesMut::new();
    encode(&mut out, RespVersion::Two, style, reply);
    String::from_utf8(out.to_vec()).expect("the replies of these tests are text")
}

/// One line for a whole reply: line breaks become commas.
fn line(style: ReplyStyle, reply: &Reply) -> String {
    let text = shown(style, reply);
    let text = text
        .strip_suffix("\r\n")
        .expect("every frame ends with a line break");
    text.replace("\r\n", ",")
}

fn values(present: &[bool]) -> Reply {
    let value = |&present: &bool| {
        present.then(|| Versioned {
            value: "v".into(),
            version: 5,
        })
    };
    Reply::Values(present.iter().map(value).collect())
}

#[test]
fn values_in_every_style() {
    for (style, present, expected) in [
        (ReplyStyle::Bulk, &[true][..], "$1,v"),
        (ReplyStyle::Bulk, &[false], "$-1"),
        (ReplyStyle::Bulks, &[true, false], "*2,$1,v,$-1"),
        (ReplyStyle::Single, &[true], "*2,$1,v,:5"),
        (ReplyStyle::Single, &[false], "*-1"),
        (ReplyStyle::Full, &[true, false], "*2,*2,$1,v,:5,*-1"),
        (ReplyStyle::Count, &[true, false, true], ":2"),
        (ReplyStyle::TypeName, &[true], "+string"),
        (ReplyStyle::TypeName, &[false], "+none"),
    ] {
        assert_eq!(line(style, &values(present)), expected, "{style:?}");
    }
}

#[test]
fn writes_in_every_style() {
    let stored = |version| Reply::Stored { version };
    let number = Reply::Integer {
        value: -3,
        version: 5,
    };
    let opened = Reply::SessionOpened {
        session: 4,
        ttl_ms: 900,
    };
    let published = |ids: &[u64]| Reply::Published { ids: ids.to_vec() };
    for (style, reply, expected) in [
        (ReplyStyle::Status, stored(Some(5)), "+OK"),
        (ReplyStyle::Status, stored(None), "$-1"),
        (ReplyStyle::Flag, stored(Some(5)), ":1"),
        (ReplyStyle::Flag, stored(None), ":0"),
        (ReplyStyle::Full, stored(Some(5)), ":5"),
        (ReplyStyle::Full, stored(None), "$-1"),
        (ReplyStyle::Number, number.clone(), ":-3"),
        (ReplyStyle::Full, number, "*2,:-3,:5"),
        (ReplyStyle::Number, opened.clone(), ":4"),
        (ReplyStyle::Full, opened, "*2,:4,:900"),
        (ReplyStyle::Single, published(&[8]), ":8"),
        (ReplyStyle::Full, published(&[8]), "*1,:8"),
        (ReplyStyle::Full, published(&[8, 9]), "*2,:8,:9"),
        (ReplyStyle::Full, published(&[]), "*0"),
    ] {
        assert_eq!(line(style, &reply), expected, "{style:?} {reply:?}");
    }
}

#[test]
fn lifetimes_round_like_redis() {
    for (lifetime, seconds, milliseconds) in [
        (Lifetime::Absent, ":-2", ":-2"),
        (Lifetime::Forever, ":-1", ":-1"),
        (Lifetime::Remaining { ms: 499 }, ":0", ":499"),
        (Lifetime::Remaining { ms: 1500 }, ":2", ":1500"),
        (
            Lifetime::Remaining { ms: u64::MAX },
            ":18446744073709551",
            ":9223372036854775807",
        ),
    ] {
        let reply = Reply::Lifetime(lifetime);
        assert_eq!(line(ReplyStyle::Seconds, &reply), seconds);
        assert_eq!(line(ReplyStyle::Full, &reply), milliseconds);
    }
}

#[test]
fn replies_with_one_form() {
    let delivery = Delivery {
        id: 1,
        receipt: 2,
        deliveries: 3,
        payload: "p".into(),
    };
    let holders = vec![(7, 9, false), (8, 10, true)];
    let lock = LockInfo {
        holders,
        waiters: vec![11],
        last_token: 10,
    };
    let lock_line = "*6,$7,holders,*2,*3,:7,:9,$9,exclusive,*3,:8,:10,$6,shared,\
                     $7,waiters,*1,:11,$10,last-token,:10";
    let queue_line = "*14,$5,ready,:0,$9,in-flight,:0,$7,delayed,:0,$9,published,:0,\
                      $5,acked,:0,$13,dead-lettered,:0,$6,purged,:0";
    for (reply, expected) in [
        (Reply::Done, "+OK"),
        (Reply::SessionAlive { ttl_ms: 5 }, ":5"),
        (Reply::SessionClosed, "+OK"),
        (Reply::Granted { token: 5 }, ":5"),
        (Reply::Waiting { waiter: 5 }, "+WAITING 5"),
        (Reply::NotGranted, "$-1"),
        (Reply::Released, "+OK"),
        (Reply::TokenAccepted(true), ":1"),
        (Reply::TokenAccepted(false), ":0"),
        (Reply::Messages(vec![]), "*0"),
        (Reply::Messages(vec![delivery]), "*1,*4,:1,:2,:3,$1,p"),
        (Reply::Settled(2), ":2"),
        (Reply::Purged(2), ":2"),
        (Reply::Deleted(2), ":2"),
        (Reply::LifetimeSet(true), ":1"),
        (Reply::Size(2), ":2"),
        (Reply::LockInfo(lock), lock_line),
        (Reply::QueueInfo(None), "*-1"),
        (Reply::QueueInfo(Some(QueueInfo::default())), queue_line),
        (Reply::SessionInfo { ttl_ms: Some(5) }, ":5"),
        (Reply::SessionInfo { ttl_ms: None }, ":-2"),
    ] {
        assert_eq!(line(ReplyStyle::Full, &reply), expected, "{reply:?}");
    }
}

#[test]
fn a_listing_ends_with_a_cursor_of_0() {
    let row = |name: &'static str| Row {
        name: name.into(),
        figures: vec![1, 2],
    };
    let listed = |after: Option<&'static str>, rows| Reply::Listed {
        after: after.map(Into::into),
        rows,
    };
    for (reply, expected) in [
        (listed(None, vec![]), "*2,$1,0,*0"),
        (
            listed(Some("b"), vec![row("a"), row("b")]),
            "*2,$2,+b,*2,*3,$1,a,:1,:2,*3,$1,b,:1,:2",
        ),
    ] {
        assert_eq!(line(ReplyStyle::Full, &reply), expected);
    }
}

#[test]
fn refusals_start_with_a_code() {
    for (refusal, expected) in [
        (
            Refusal::NoSession,
            "-NOSESSION the session does not exist or has expired",
        ),
        (
            Refusal::StaleSequence { last: 4 },
            "-STALESEQ the last sequence of this session is 4",
        ),
        (
            Refusal::NotHeld,
            "-NOTHELD the lock is not held by this session and token",
        ),
        (
            Refusal::WouldDeadlock,
            "-WOULDDEADLOCK an older session is in the way",
        ),
        (
            Refusal::WrongMode,
            "-WRONGMODE this session holds the lock in the other mode",
        ),
        (Refusal::NoQueue, "-NOQUEUE no such queue"),
        (
            Refusal::QueueFull { depth: 5, limit: 6 },
            "-QUEUEFULL the queue holds 5 messages and its limit is 6",
        ),
        (
            Refusal::NotAnInteger,
            "-ERR value is not an integer or out of range",
        ),
        (
            Refusal::Overflow,
            "-ERR increment or decrement would overflow",
        ),
        (
            Refusal::TooLarge,
            "-TOOLARGE the value is larger than the cache may hold",
        ),
        (
            Refusal::OutOfRange,
            "-OUTOFRANGE a duration or count is outside its range",
        ),
        (
            Refusal::NotEmpty { messages: 7 },
            "-NOTEMPTY messages in the queue: 7",
        ),
    ] {
        assert_eq!(line(ReplyStyle::Full, &Reply::Refused(refusal)), expected);
    }
}

/// What a client makes of an error with this text.
fn understood(text: &str) -> ReplyError {
    let mut out = BytesMut::new();
    wire::error(&mut out, text);
    let frame = next_frame(&mut out)
        .expect("well-formed")
        .expect("complete");
    decode_reply(&Query::CacheSize, frame).expect_err("the frame is an error")
}

#[test]
fn a_client_tells_a_nodes_errors_apart() {
    let moved_to = |addr: &str| ReplyError::Moved { addr: addr.into() };
    let unknown = "the outcome of this write is unknown: lost leadership";
    for (text, error, indefinite) in [
        (
            moved(12182, "10.0.0.1:7000"),
            moved_to("10.0.0.1:7000"),
            false,
        ),
        (
            CLUSTER_DOWN.into(),
            ReplyError::ClusterDown("no leader is known".into()),
            false,
        ),
        (
            try_again("starting"),
            ReplyError::TryAgain("starting".into()),
            false,
        ),
        (
            unknown_outcome("lost leadership"),
            ReplyError::Unknown(unknown.into()),
            true,
        ),
        ("MOVED 5".into(), ReplyError::Other("MOVED 5".into()), false),
        (
            "ERR syntax error".into(),
            ReplyError::Other("ERR syntax error".into()),
            false,
        ),
        (
            "two\r\nlines".into(),
            ReplyError::Other("two  lines".into()),
            false,
        ),
        (
            "STALESEQ soon".into(),
            ReplyError::Other("STALESEQ soon".into()),
            false,
        ),
    ] {
        assert_eq!(understood(&text), error);
        assert_eq!(error.is_indefinite(), indefinite, "{text}");
    }
    assert_eq!(moved(0, "h:1"), "MOVED 0 h:1");
    // Clients of Redis take the brackets of an IPv6 host for a part of it.
    assert_eq!(moved(0, "[fe80::1]:7001"), "MOVED 0 fe80::1:7001");
    let there = understood("MOVED 0 fe80::1:7001");
    assert_eq!(there, moved_to("[fe80::1]:7001"));
}

#[test]
fn a_reply_that_does_not_fit_is_indefinite() {
    let error = decode_reply(&Query::CacheSize, BytesFrame::Null);
    let error = error.expect_err("null is no size");
    assert_eq!(error, ReplyError::Unexpected("Null".into()));
    assert!(error.is_indefinite());
    let long = BytesFrame::BulkString(vec![b'x'; 1000].into());
    match decode_reply(&Query::CacheSize, long) {
        Err(ReplyError::Unexpected(text)) => assert_eq!(text.chars().count(), 200),
        other => panic!("{other:?}"),
    }
}

#[test]
fn hello_is_a_flat_map() {
    let mut out = BytesMut::new();
    encode_hello(&mut out, RespVersion::Two, 42, "master");
    let frame = next_frame(&mut out)
        .expect("well-formed")
        .expect("complete");
    let BytesFrame::Array(elements) = frame else {
        panic!("{frame:?} is no array")
    };
    assert!(out.is_empty());
    assert_eq!(elements.len(), 14);
    assert_eq!(elements[4], BytesFrame::BulkString("proto".into()));
    assert_eq!(elements[5], BytesFrame::Integer(2));
    assert_eq!(elements[7], BytesFrame::Integer(42));
    assert_eq!(elements[11], BytesFrame::BulkString("master".into()));
}
