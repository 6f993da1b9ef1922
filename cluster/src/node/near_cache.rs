//! `CLIENT TRACKING`: tells a client of Redis, on the connection that it asks on, which of its
//! copies are old.
//!
//! As in Redis: a key that was read is remembered, and once it has changed the client is notified,
//! and the key forgotten until it is read again. With `BCAST` nothing is remembered, and every
//! change of a key with one of the prefixes is pushed. What has changed comes from the ring that
//! [`super::tracking`] serves its streams from. Where the node cannot say what has changed, or
//! does not lead any more, the client must forget every copy.
//!
//! A client must hear of a change after the value that it makes old. So changes are pushed only
//! when nothing of the connection is on its way, and while something is, nothing else begins.
//!
//! It proves less than [`super::tracking`]: nothing is said while a node is cut off from its
//! cluster and does not know it yet, so a copy may be as old as that takes.
//!
//! Source: "Client-side caching in Redis", the reference of `CLIENT TRACKING`.

use std::collections::BTreeSet;

use bytes::{Bytes, BytesMut};

use super::Node;
use crate::protocol::{Remember, RespVersion, TrackingCall, wire};
use crate::raft::RaftWorld;
use crate::state::command::Query;

/// Most keys that are remembered for a connection, and most bytes of them. Beyond that the
/// client must forget every copy.
const MOST_KEYS: usize = 100_000;
const MOST_BYTES: usize = 16 << 20;
/// What a remembered key takes beside its bytes.
const KEY_BYTES: usize = 64;
const VERSION: RespVersion = RespVersion::Three;

/// Which keys the client wants to hear of.
enum Wanted {
    /// Those that it has read since it last heard of them, and their bytes.
    Read {
        keys: BTreeSet<Bytes>,
        bytes: usize,
        remember: Remember,
    },
    /// Those that begin with one of these; all if there are none.
    Prefixes(Vec<Bytes>),
}

/// The invalidations that a connection has asked for.
pub(super) struct NearCache {
    wanted: Wanted,
    /// Changes up to this entry were pushed.
    pushed: u64,
    /// The term that this node led then; 0: none.
    term: u64,
    /// More was read than is remembered.
    is_full: bool,
    /// What the client has said of its next command.
    next: Option<bool>,
}

impl NearCache {
    /// From now on; `None` if nothing is asked for.
    pub(super) fn new<W: RaftWorld>(node: &Node<W>, call: TrackingCall) -> Option<Self> {
        let wanted = match call {
            TrackingCall::Off => return None,
            TrackingCall::Read(remember) => Wanted::Read {
                keys: BTreeSet::new(),
                bytes: 0,
                remember,
            },
            TrackingCall::Broadcast(prefixes) => Wanted::Prefixes(prefixes),
        };
        Some(Self {
            wanted,
            pushed: node.applied_index(),
            term: node.leading_term(),
            is_full: false,
            next: None,
        })
    }

    /// Whether keys of the next command are remembered.
    ///
    /// # Errors
    /// The client did not choose to say so.
    pub(super) fn choose(&mut self, yes: bool) -> Result<(), &'static str> {
        match &self.wanted {
            Wanted::Read {
                remember: Remember::OptIn,
                ..
            } if yes => self.next = Some(true),
            Wanted::Read {
                remember: Remember::OptOut,
                ..
            } if !yes => self.next = Some(false),
            _ => {
                return Err(
                    "ERR CLIENT CACHING YES is for tracking with OPTIN, CLIENT CACHING NO for \
                     tracking with OPTOUT",
                );
            }
        }
        Ok(())
    }

    /// The command that the client had said something of has begun.
    pub(super) fn forget_choice(&mut self) {
        self.next = None;
    }

    /// The client is going to have the answer to this.
    pub(super) fn note(&mut self, query: &Query) {
        let Wanted::Read {
            keys,
            bytes,
            remember,
        } = &mut self.wanted
        else {
            return;
        };
        let is_remembered = self.next.unwrap_or(*remember != Remember::OptIn);
        if !is_remembered {
            return;
        }
        let read = match query {
            Query::Ttl { key } | Query::ExpireTime { key } => std::slice::from_ref(key),
            query => query.keys_read(),
        };
        for key in read {
            if keys.insert(key.clone()) {
                *bytes += key.len() + KEY_BYTES;
            }
        }
        self.is_full |= keys.len() > MOST_KEYS || *bytes > MOST_BYTES;
    }

    /// Bytes of what is remembered.
    pub(super) fn bytes(&self) -> usize {
        match &self.wanted {
            Wanted::Read { bytes, .. } => *bytes,
            Wanted::Prefixes(_) => 0,
        }
    }

    /// Whether there may be something to push.
    pub(super) fn has_changes<W: RaftWorld>(&self, node: &Node<W>) -> bool {
        self.pushed < node.applied_index() || self.term != node.leading_term() || self.is_full
    }

    /// Writes what has changed since the last time.
    pub(super) fn push<W: RaftWorld>(&mut self, node: &Node<W>, out: &mut BytesMut) {
        let (applied, term) = (node.applied_index(), node.leading_term());
        let is_known = self.term == term && !std::mem::take(&mut self.is_full);
        let ring = node.inner.machine.invalidations();
        let changes = ring.since(self.pushed).filter(|_| is_known);
        let changed = changes.and_then(|mut changes| {
            let mut changed = Vec::new();
            let all_named = changes.all(|(_, entry)| {
                let wanted = entry.keys.iter().filter(|key| self.wanted.take(key));
                changed.extend(wanted.cloned());
                !entry.all
            });
            all_named.then_some(changed)
        });
        (self.pushed, self.term) = (applied, term);
        match changed {
            Some(keys) if keys.is_empty() => {}
            Some(keys) => {
                head(out);
                wire::array(out, keys.len());
                keys.iter().for_each(|key| wire::bulk(out, key));
            }
            None => {
                self.wanted.forget();
                head(out);
                wire::null(out, VERSION);
            }
        }
    }
}

impl Wanted {
    /// Whether the client is to hear of the key; if so, and it was read, it is forgotten.
    fn take(&mut self, key: &Bytes) -> bool {
        match self {
            Self::Read { keys, bytes, .. } => {
                let is_wanted = keys.remove(key);
                if is_wanted {
                    *bytes -= key.len() + KEY_BYTES;
                }
                is_wanted
            }
            Self::Prefixes(prefixes) => {
                let mut prefixes_of = prefixes.iter().filter(|prefix| key.starts_with(prefix));
                prefixes.is_empty() || prefixes_of.next().is_some()
            }
        }
    }

    fn forget(&mut self) {
        if let Self::Read { keys, bytes, .. } = self {
            keys.clear();
            *bytes = 0;
        }
    }
}

fn head(out: &mut BytesMut) {
    wire::push(out, VERSION, 2);
    wire::bulk(out, b"invalidate");
}
