//! Records the effects of each entry of the log at each node, and the states that nodes wrote to
//! snapshots and took from them.

use std::sync::Arc;

use bytes::Bytes;
use squall_cluster::state::State;
use squall_cluster::state::command::{
    Changed, Command, Lifetime, Listing, LockInfo, Query, QueueInfo, Reply, Request, Row,
    SessionCommand, Versioned, Wake,
};

/// More locks or queues than this are not looked at after an entry, nor more sessions.
const MOST_NAMES: u64 = 64;
const MOST_SESSIONS: u64 = 1_000;
/// Keys that are looked at after an entry that has more.
const MOST_KEYS: usize = 16;

/// An entry that a node has applied.
#[derive(Debug, Clone)]
pub struct AppliedEntry {
    /// When.
    pub at_us: i64,
    /// Of the node, counted from 1.
    pub node: u64,
    /// Of the entry.
    pub term: u64,
    /// Of the entry.
    pub index: u64,
    /// What it carries; `None`: nothing for the state.
    pub request: Option<Arc<Request>>,
    /// What the node answered.
    pub reply: Reply,
    /// Waiters of earlier entries that it answered.
    pub wakes: Vec<Wake>,
    /// Keys whose value it changed.
    pub changed: Changed,
    /// What it then held of all that the entry is about.
    pub held: Held,
}

/// What a node held after an entry, of that which the entry is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// Log time.
    pub clock_ms: u64,
    /// With their time to live and what is left of it, if they live.
    pub sessions: Vec<(u64, Option<[u64; 2]>)>,
    /// By name.
    pub locks: Vec<(String, LockInfo)>,
    /// By name.
    pub queues: Vec<(String, QueueInfo)>,
    /// With value and lifetime.
    pub keys: Vec<(Bytes, Option<Versioned>, Lifetime)>,
}

/// A whole state.
#[derive(Debug, Clone)]
pub struct StateCopy {
    /// When.
    pub at_us: i64,
    /// Of the node, counted from 1.
    pub node: u64,
    /// Up to which entry the snapshot covers the log, as it says itself; `None`: the node is
    /// about to write one of this state.
    pub restored_upto: Option<u64>,
    /// The state.
    pub state: State,
}

impl Held {
    /// What `state` holds of that which an entry is about.
    pub fn after(state: &State, request: &Request, wakes: &[Wake], changed: &Changed) -> Self {
        let command = &request.command;
        let mut held = Self {
            clock_ms: state.clock_ms(),
            ..Self::default()
        };
        held.look_at_sessions(state, request);
        let ends_sessions = match command {
            Command::Expire { sessions } => !sessions.is_empty(),
            Command::Session(command) => matches!(command, SessionCommand::Close { .. }),
            _ => false,
        };
        if ends_sessions || !wakes.is_empty() || matches!(command, Command::Lock(_)) {
            for name in names(state, Listing::Locks { held: false }) {
                if let Reply::LockInfo(info) = state.read(&Query::Lock { name: name.clone() }) {
                    held.locks.push((name, info));
                }
            }
        }
        if matches!(command, Command::Queue(_) | Command::Expire { .. }) {
            for queue in names(state, Listing::Queues) {
                let query = Query::Queue {
                    queue: queue.clone(),
                };
                if let Reply::QueueInfo(Some(info)) = state.read(&query) {
                    held.queues.push((queue, info));
                }
            }
        }
        let mut keys: Vec<&Bytes> = changed.keys.iter().collect();
        keys.sort_unstable();
        keys.dedup();
        for key in keys.into_iter().take(MOST_KEYS) {
            let Reply::Lifetime(lifetime) = state.read(&Query::Ttl { key: key.clone() }) else {
                continue;
            };
            let query = Query::Get {
                keys: vec![key.clone()],
            };
            if let Reply::Values(mut values) = state.read(&query) {
                let value = values.pop().flatten();
                held.keys.push((key.clone(), value, lifetime));
            }
        }
        held
    }

    fn look_at_sessions(&mut self, state: &State, request: &Request) {
        let mut one = |session: u64| {
            let row = sessions(state, session.saturating_sub(1), 1).pop();
            let of = row.filter(|(id, _)| *id == session).map(|(_, lives)| lives);
            self.sessions.push((session, of));
        };
        match &request.command {
            Command::NewLeader => {
                let all = sessions(state, 0, MOST_SESSIONS).into_iter();
                self.sessions = all.map(|(id, lives)| (id, Some(lives))).collect();
                return;
            }
            Command::Expire { sessions } => sessions.iter().for_each(|(id, _)| one(*id)),
            Command::Session(SessionCommand::Open { .. }) => one(state.applied_index()),
            Command::Session(
                SessionCommand::KeepAlive { session } | SessionCommand::Close { session },
            ) => one(*session),
            _ => {}
        }
        if let Some(once) = request.once {
            one(once.session);
        }
    }
}

fn sessions(state: &State, after: u64, count: u64) -> Vec<(u64, [u64; 2])> {
    let listed = state.read(&Query::List {
        of: Listing::Sessions,
        after: Some(after.to_string().into()),
        count,
        pattern: None,
    });
    let Reply::Listed { rows, .. } = listed else {
        return Vec::new();
    };
    let row = |row: &Row| {
        let id = std::str::from_utf8(&row.name).ok()?.parse().ok()?;
        Some((id, [*row.figures.first()?, *row.figures.get(1)?]))
    };
    rows.iter().filter_map(row).collect()
}

fn names(state: &State, of: Listing) -> Vec<String> {
    let listed = state.read(&Query::List {
        of,
        after: None,
        count: MOST_NAMES,
        pattern: None,
    });
    let Reply::Listed { rows, .. } = listed else {
        return Vec::new();
    };
    let name = |row: &Row| String::from_utf8_lossy(&row.name).into_owned();
    rows.iter().map(name).collect()
}
