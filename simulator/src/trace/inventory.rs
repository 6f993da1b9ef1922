//! Makes tables of what a node holds at a moment: sessions, locks, queues and keys.

use squall_cluster::raft::overhear::first_word;
use squall_cluster::state::State;
use squall_cluster::state::command::{Lifetime, Listing, LockInfo, Query, QueueInfo, Reply, Row};

use crate::report::Style;
use crate::report::columns;
use crate::report::document::{Table, Value, number};
use crate::report::write::text;

/// Rows of each table; how many more there are is said.
const MOST_ROWS: usize = 100;

/// Tables of all of which there is something.
pub fn tables(state: &State, style: Style) -> String {
    let keys = names(state.read(&Query::Keys {
        pattern: "*".into(),
    }));
    let parts = [
        part(
            "sessions",
            listed(state, Listing::Sessions),
            style,
            sessions,
        ),
        part(
            "locks",
            listed(state, Listing::Locks { held: false }),
            style,
            |rows| locks(state, rows),
        ),
        part("queues", listed(state, Listing::Queues), style, |rows| {
            queues(state, rows)
        }),
        part("keys", keys, style, |rows| key_table(state, rows)),
    ];
    parts.concat()
}

fn part(title: &str, mut rows: Vec<Row>, style: Style, table: impl Fn(&[Row]) -> Table) -> String {
    let more = rows.len().saturating_sub(MOST_ROWS);
    rows.truncate(MOST_ROWS);
    if rows.is_empty() {
        return String::new();
    }
    let more = match more {
        0 => String::new(),
        more => format!("… and {more} more {title}\n"),
    };
    format!("\n{title}\n{}{more}", text::table(&table(&rows), style, ""))
}

fn listed(state: &State, of: Listing) -> Vec<Row> {
    let reply = state.read(&Query::List {
        of,
        after: None,
        count: u64::MAX,
        pattern: None,
    });
    match reply {
        Reply::Listed { rows, .. } => rows,
        _ => Vec::new(),
    }
}

/// Keys in order, as rows without figures.
fn names(reply: Reply) -> Vec<Row> {
    let Reply::Keys(mut keys) = reply else {
        return Vec::new();
    };
    keys.sort_unstable();
    let row = |name| Row {
        name,
        figures: Vec::new(),
    };
    keys.into_iter().map(row).collect()
}

fn name(row: &Row) -> String {
    String::from_utf8_lossy(&row.name).into_owned()
}

fn sessions(rows: &[Row]) -> Table {
    let columns = columns! { row: Row;
        text "session" "session" name(row);
        number "ttl, ms" "ttl_ms" number(row.figures.first().copied());
        number "left, ms" "left_ms" number(row.figures.get(1).copied());
    };
    Table::of("sessions", &columns, rows)
}

fn list(words: Vec<String>) -> Value {
    match words.is_empty() {
        true => Value::Nothing,
        false => words.join(", ").into(),
    }
}

fn holders(info: &LockInfo) -> Value {
    let words = info.holders.iter().map(|(session, token, is_shared)| {
        let shared = if *is_shared { ", shared" } else { "" };
        format!("{session} ({token}{shared})")
    });
    list(words.collect())
}

fn locks(state: &State, rows: &[Row]) -> Table {
    let info = |row: &Row| match state.read(&Query::Lock { name: name(row) }) {
        Reply::LockInfo(info) => info,
        _ => Default::default(),
    };
    let rows: Vec<_> = rows.iter().map(|row| (name(row), info(row))).collect();
    let columns = columns! { row: (String, LockInfo);
        text "lock" "lock" &row.0;
        text "held by session (token)" "holders" holders(&row.1);
        text "waiting" "waiting" list(row.1.waiters.iter().map(u64::to_string).collect());
        number "last token" "last_token" number(row.1.last_token);
    };
    Table::of("locks", &columns, &rows)
}

fn queues(state: &State, rows: &[Row]) -> Table {
    let info = |row: &Row| match state.read(&Query::Queue { queue: name(row) }) {
        Reply::QueueInfo(Some(info)) => info,
        _ => Default::default(),
    };
    let rows: Vec<_> = rows.iter().map(|row| (name(row), info(row))).collect();
    let columns = columns! { row: (String, QueueInfo);
        text "queue" "queue" &row.0;
        number "ready" "ready" row.1.ready;
        number "in flight" "in_flight" row.1.in_flight;
        number "delayed" "delayed" row.1.delayed;
        number "published" "published" row.1.published;
        number "acked" "acked" row.1.acked;
        number "dead letters" "dead_lettered" row.1.dead_lettered;
        number "purged" "purged" row.1.purged;
    };
    Table::of("queues", &columns, &rows)
}

struct Key {
    name: String,
    value: String,
    version: u64,
    lifetime: Lifetime,
}

fn key_table(state: &State, rows: &[Row]) -> Table {
    let keys = rows.iter().filter_map(|row| {
        let get = state.read(&Query::Get {
            keys: vec![row.name.clone()],
        });
        let Reply::Values(values) = get else {
            return None;
        };
        let value = values.into_iter().next()??;
        let ttl = state.read(&Query::Ttl {
            key: row.name.clone(),
        });
        let Reply::Lifetime(lifetime) = ttl else {
            return None;
        };
        Some(Key {
            name: name(row),
            value: first_word(&value.value),
            version: value.version,
            lifetime,
        })
    });
    let keys: Vec<Key> = keys.collect();
    let columns = columns! { row: Key;
        text "key" "key" &row.name;
        text "value" "value" &row.value;
        number "version" "version" number(row.version);
        number "left, ms" "left_ms" match row.lifetime {
            Lifetime::Remaining { ms } => number(ms),
            _ => Value::Nothing,
        };
    };
    Table::of("keys", &columns, &keys)
}
