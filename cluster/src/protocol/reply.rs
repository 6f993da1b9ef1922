//! Replies of the replicated state as RESP frames.
//!
//! Each reply has one full form, from which [`super::decode_reply`] gets it back; the
//! other styles are how Redis's commands show the same reply. Replies of the node
//! itself (`INFO`, `CLUSTER SLOTS`, ...) are the node's to write with [`super::wire`].

use bytes::{Bytes, BytesMut};

use super::call::ReplyStyle;
use super::decimal::parse_i64;
use super::refusal;
use super::wire::{
    RespVersion, array, bulk, error, integer, map, null, null_array, simple, unsigned,
};
use crate::state::command::{
    Delivery, Found, Lifetime, LockInfo, Popped, QueueInfo, Reply, Row, SessionId, Token, Versioned,
};

/// The version of Redis whose commands and errors are offered, as far as they are.
pub const REDIS_VERSION: &str = "7.4.0";
/// Text of a reply that has nothing to say.
pub(super) const OK: &str = "OK";
/// What a holder of a lock shares it with: nobody, or others who share it.
pub(super) const HOLD_MODES: [&str; 2] = ["exclusive", "shared"];
/// First word of a reply that announces a later one, followed by the waiter's id.
pub(super) const WAITING: &str = "WAITING";
/// A cursor at the beginning and at the end of a listing, and what one in between begins with;
/// the rest of it is the name that it stands behind.
pub(super) const CURSOR_START: &str = "0";
pub(super) const CURSOR_BEHIND: u8 = b'+';
/// A remaining lifetime of -1 or -2, as in Redis.
pub(super) const FOREVER: i64 = -1;
pub(super) const ABSENT: i64 = -2;

/// Appends `reply` to `out`. Figures above `i64::MAX` are shown as `i64::MAX`.
pub fn encode(out: &mut BytesMut, version: RespVersion, style: ReplyStyle, reply: &Reply) {
    match reply {
        Reply::Done | Reply::SessionClosed | Reply::Released => simple(out, OK),
        Reply::Refused(refusal) => error(out, &refusal::text(refusal)),
        Reply::SessionOpened { session, ttl_ms } => pair(out, style, *session, *ttl_ms),
        Reply::SessionAlive { ttl_ms } => unsigned(out, *ttl_ms),
        Reply::Granted { token } => unsigned(out, *token),
        Reply::Waiting { waiter } => simple(out, &format!("{WAITING} {waiter}")),
        Reply::NotGranted => null(out, version),
        Reply::TokenAccepted(yes) | Reply::LifetimeSet(yes) => integer(out, i64::from(*yes)),
        Reply::Flag(_) if style == ReplyStyle::Status => simple(out, OK),
        Reply::Flag(yes) => integer(out, i64::from(*yes)),
        Reply::Published { ids } => published(out, style, ids),
        Reply::Messages(deliveries) => messages(out, deliveries),
        Reply::Settled(count) => integer(out, i64::from(*count)),
        Reply::Purged(count) | Reply::Deleted(count) | Reply::Size(count) => unsigned(out, *count),
        Reply::Stored { version: stored_as } => stored(out, version, style, *stored_as),
        Reply::Integer { value, .. } if style == ReplyStyle::Number => integer(out, *value),
        Reply::Integer {
            value,
            version: stored_as,
        } => {
            array(out, 2);
            integer(out, *value);
            unsigned(out, *stored_as);
        }
        Reply::Values(found) => values(out, version, style, found),
        Reply::Found(found) => found_some(out, version, style, found),
        Reply::Popped(found) => popped(out, version, style, found.as_ref()),
        Reply::Positions(found) if style == ReplyStyle::Single => match found.first() {
            Some(first) => unsigned(out, *first),
            None => null(out, version),
        },
        Reply::Positions(found) => numbers(out, found),
        Reply::Lifetime(lifetime) => remaining(out, style, *lifetime),
        Reply::LockInfo(info) => lock_info(out, version, info),
        Reply::QueueInfo(Some(info)) => queue_info(out, version, info),
        Reply::QueueInfo(None) => null_array(out, version),
        Reply::SessionInfo { ttl_ms: Some(ttl) } => unsigned(out, *ttl),
        Reply::SessionInfo { ttl_ms: None } => integer(out, ABSENT),
        Reply::Text(Some(text)) => bulk(out, text),
        Reply::Text(None) => null(out, version),
        Reply::Keys(all) | Reply::Elements(all) => bulks(out, all),
        Reply::Scanned { cursor, keys } => {
            array(out, 2);
            bulk(out, cursor.to_string().as_bytes());
            bulks(out, keys);
        }
        Reply::Listed { after, rows } => listed(out, after.as_deref(), rows),
        Reply::Transaction(None) => null_array(out, version),
        Reply::Transaction(Some(replies)) => {
            array(out, replies.len());
            for reply in replies {
                encode(out, version, style, reply);
            }
        }
    }
}

/// Appends the reply to `HELLO`: what the server is. `role` is `master` or `replica`.
pub fn encode_hello(out: &mut BytesMut, version: RespVersion, client_id: u64, role: &str) {
    map(out, version, 7);
    bulk(out, b"server");
    bulk(out, b"redis");
    bulk(out, b"version");
    bulk(out, REDIS_VERSION.as_bytes());
    bulk(out, b"proto");
    integer(out, version.number());
    bulk(out, b"id");
    unsigned(out, client_id);
    bulk(out, b"mode");
    bulk(out, b"cluster");
    bulk(out, b"role");
    bulk(out, role.as_bytes());
    bulk(out, b"modules");
    array(out, 0);
}

fn pair(out: &mut BytesMut, style: ReplyStyle, session: SessionId, ttl_ms: u64) {
    if style == ReplyStyle::Number {
        return unsigned(out, session);
    }
    array(out, 2);
    unsigned(out, session);
    unsigned(out, ttl_ms);
}

fn published(out: &mut BytesMut, style: ReplyStyle, ids: &[u64]) {
    match (style, ids) {
        (ReplyStyle::Single, [id]) => unsigned(out, *id),
        _ => numbers(out, ids),
    }
}

fn numbers(out: &mut BytesMut, numbers: &[u64]) {
    array(out, numbers.len());
    for number in numbers {
        unsigned(out, *number);
    }
}

fn bulks(out: &mut BytesMut, keys: &[Bytes]) {
    array(out, keys.len());
    for key in keys {
        bulk(out, key);
    }
}

fn messages(out: &mut BytesMut, deliveries: &[Delivery]) {
    array(out, deliveries.len());
    for delivery in deliveries {
        array(out, 4);
        unsigned(out, delivery.id);
        unsigned(out, delivery.receipt);
        integer(out, i64::from(delivery.deliveries));
        bulk(out, &delivery.payload);
    }
}

fn stored(out: &mut BytesMut, version: RespVersion, style: ReplyStyle, stored_as: Option<u64>) {
    match (style, stored_as) {
        (ReplyStyle::Flag, _) => integer(out, i64::from(stored_as.is_some())),
        (ReplyStyle::Status, Some(_)) => simple(out, OK),
        (_, Some(stored_as)) => unsigned(out, stored_as),
        (_, None) => null(out, version),
    }
}

fn values(
    out: &mut BytesMut,
    version: RespVersion,
    style: ReplyStyle,
    found: &[Option<Versioned>],
) {
    match (style, found) {
        (ReplyStyle::Bulk, [one]) => plain(out, version, one.as_ref()),
        (ReplyStyle::Single, [one]) => versioned(out, version, one.as_ref()),
        (ReplyStyle::Length, [one]) => {
            unsigned(out, one.as_ref().map_or(0, |one| one.value.len() as u64));
        }
        (ReplyStyle::Range { first, last }, [one]) => {
            let value = one.as_ref().map_or(&[][..], |one| &one.value);
            bulk(out, part(value, first, last));
        }
        (ReplyStyle::Encoding, [one]) => match one {
            Some(one) => bulk(out, encoding(&one.value)),
            None => null(out, version),
        },
        (ReplyStyle::Zero, [one]) => match one {
            Some(_) => integer(out, 0),
            None => null(out, version),
        },
        (ReplyStyle::TypeName, [one]) => {
            simple(out, if one.is_some() { "string" } else { "none" });
        }
        (ReplyStyle::Count, _) => unsigned(out, found.iter().flatten().count() as u64),
        (ReplyStyle::Bulks, _) => {
            array(out, found.len());
            found
                .iter()
                .for_each(|one| plain(out, version, one.as_ref()));
        }
        _ => {
            array(out, found.len());
            found
                .iter()
                .for_each(|one| versioned(out, version, one.as_ref()));
        }
    }
}

/// As [`values`], where some of the keys are lists.
fn found_some(
    out: &mut BytesMut,
    version: RespVersion,
    style: ReplyStyle,
    found: &[Option<Found>],
) {
    match (style, found) {
        (ReplyStyle::Count, _) => unsigned(out, found.iter().flatten().count() as u64),
        (ReplyStyle::TypeName, [Some(Found::List { .. })]) => simple(out, "list"),
        (ReplyStyle::Zero, [Some(Found::List { .. })]) => integer(out, 0),
        (ReplyStyle::Encoding, [Some(Found::List { is_small, .. })]) => {
            bulk(out, if *is_small { b"listpack" } else { b"quicklist" });
        }
        // What has no string has no value here.
        (ReplyStyle::Bulks | ReplyStyle::Full, _) => {
            let texts = found.iter().map(|one| one.as_ref()?.text().cloned());
            let texts: Vec<_> = texts.collect();
            values(out, version, style, &texts);
        }
        _ => error(out, refusal::WRONG_TYPE),
    }
}

fn popped(out: &mut BytesMut, version: RespVersion, style: ReplyStyle, found: Option<&Popped>) {
    match (style, found) {
        (ReplyStyle::Bulk, None) => null(out, version),
        (_, None) => null_array(out, version),
        (ReplyStyle::Bulk, Some(found)) => match found.values.first() {
            Some(value) => bulk(out, value),
            None => null(out, version),
        },
        (ReplyStyle::Bulks, Some(found)) => bulks(out, &found.values),
        (ReplyStyle::Pair, Some(found)) => {
            array(out, 1 + found.values.len());
            bulk(out, &found.key);
            found.values.iter().for_each(|value| bulk(out, value));
        }
        (_, Some(found)) => {
            array(out, 2);
            bulk(out, &found.key);
            bulks(out, &found.values);
        }
    }
}

/// From `first` to `last`, both included; negative ones count from the end.
fn part(value: &[u8], first: i64, last: i64) -> &[u8] {
    let length = value.len() as i64;
    let from_start = |at: i64| {
        if at < 0 {
            length.saturating_add(at)
        } else {
            at
        }
    };
    let first = from_start(first).max(0);
    let end = from_start(last).saturating_add(1).min(length);
    if first < end {
        &value[first as usize..end as usize]
    } else {
        &[]
    }
}

/// What Redis would call the form in which it keeps the value.
fn encoding(value: &[u8]) -> &'static [u8] {
    if parse_i64(value).is_some() {
        b"int"
    } else if value.len() <= 44 {
        b"embstr"
    } else {
        b"raw"
    }
}

fn plain(out: &mut BytesMut, version: RespVersion, found: Option<&Versioned>) {
    match found {
        Some(found) => bulk(out, &found.value),
        None => null(out, version),
    }
}

fn versioned(out: &mut BytesMut, version: RespVersion, found: Option<&Versioned>) {
    match found {
        Some(found) => {
            array(out, 2);
            bulk(out, &found.value);
            unsigned(out, found.version);
        }
        None => null_array(out, version),
    }
}

fn remaining(out: &mut BytesMut, style: ReplyStyle, lifetime: Lifetime) {
    match lifetime {
        Lifetime::Absent => integer(out, ABSENT),
        Lifetime::Forever => integer(out, FOREVER),
        // As Redis rounds: to the nearest second, half up.
        Lifetime::Remaining { ms } if style == ReplyStyle::Seconds => {
            unsigned(out, ms.saturating_add(500) / 1000);
        }
        Lifetime::Remaining { ms } => unsigned(out, ms),
    }
}

/// A cursor, and for each row its name and figures.
fn listed(out: &mut BytesMut, after: Option<&[u8]>, rows: &[Row]) {
    array(out, 2);
    match after {
        None => bulk(out, CURSOR_START.as_bytes()),
        Some(name) => bulk(out, &[&[CURSOR_BEHIND], name].concat()),
    }
    array(out, rows.len());
    for row in rows {
        array(out, 1 + row.figures.len());
        bulk(out, &row.name);
        row.figures.iter().for_each(|figure| unsigned(out, *figure));
    }
}

/// A map, flat in RESP2, as `XINFO` of Redis.
fn lock_info(out: &mut BytesMut, version: RespVersion, info: &LockInfo) {
    map(out, version, 3);
    bulk(out, b"holders");
    array(out, info.holders.len());
    for &(session, token, shared) in &info.holders {
        holder(out, session, token, shared);
    }
    bulk(out, b"waiters");
    numbers(out, &info.waiters);
    bulk(out, b"last-token");
    unsigned(out, info.last_token);
}

fn holder(out: &mut BytesMut, session: SessionId, token: Token, shared: bool) {
    array(out, 3);
    unsigned(out, session);
    unsigned(out, token);
    bulk(out, HOLD_MODES[usize::from(shared)].as_bytes());
}

/// A map of names and figures, flat in RESP2; [`super::decode_reply`] relies on their order.
fn queue_info(out: &mut BytesMut, version: RespVersion, info: &QueueInfo) {
    let figures = [
        ("ready", info.ready),
        ("in-flight", info.in_flight),
        ("delayed", info.delayed),
        ("published", info.published),
        ("acked", info.acked),
        ("dead-lettered", info.dead_lettered),
        ("purged", info.purged),
    ];
    map(out, version, figures.len());
    for (name, figure) in figures {
        bulk(out, name.as_bytes());
        unsigned(out, figure);
    }
}
