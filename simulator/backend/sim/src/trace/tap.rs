//! Puts together what packets, streams, disks and the recorder tell.

use std::collections::BTreeMap;
use std::sync::Arc;

use squall_backend::trace::{
    AppliedEntry, Content, DiskSync, Fate, Held, Hold, Lost, Message, NodeState, Party, StateCopy,
    TraceFilter, Traced,
};
use squall_cluster::raft::node_name;
use squall_cluster::raft::witness::Seen;
use squall_cluster::state::State;
use squall_cluster::state::command::{Changed, Reply, Request};
use squall_engine::executor::{HostId, Nanos};
use squall_engine::steps::{self, Step};

use super::connection::{Direction, Heard, Way};

/// Entries that are remembered by name.
const MOST_ENTRIES: usize = 1_000_000;
/// Whole states that are kept.
const MOST_COPIES: usize = 1_000;

pub(crate) struct Tap {
    filter: TraceFilter,
    nodes: usize,
    is_own_cluster: bool,
    start_us: Option<i64>,
    next_number: u64,
    /// By number. Times since the simulation began, until [`Self::finish`].
    messages: BTreeMap<u64, Message>,
    directions: BTreeMap<Way, Direction>,
    /// What each task of the clients is at.
    operations: BTreeMap<u64, u64>,
    syncs: Vec<DiskSync>,
    entries: BTreeMap<(u64, u64), String>,
    states: Vec<NodeState>,
    looked: usize,
    applied: Vec<AppliedEntry>,
    /// What entries carry, by term and index, for all nodes that apply them.
    requests: BTreeMap<(u64, u64), Arc<Request>>,
    copies: Vec<StateCopy>,
    dropped: u64,
}

impl Tap {
    pub(super) fn new(filter: TraceFilter) -> Self {
        Self {
            filter,
            nodes: 0,
            is_own_cluster: true,
            start_us: None,
            next_number: 1,
            messages: BTreeMap::new(),
            directions: BTreeMap::new(),
            operations: BTreeMap::new(),
            syncs: Vec::new(),
            entries: BTreeMap::new(),
            states: Vec::new(),
            looked: 0,
            applied: Vec::new(),
            requests: BTreeMap::new(),
            copies: Vec::new(),
            dropped: 0,
        }
    }

    pub(super) fn begin(&mut self, nodes: usize, is_own_cluster: bool) {
        (self.nodes, self.is_own_cluster) = (nodes, is_own_cluster);
    }

    pub(super) fn run_starts(&mut self, now: Nanos) {
        self.start_us = Some(microseconds(now));
    }

    pub(super) fn begin_operation(&mut self, task: u64, op: u64) {
        self.operations.insert(task, op);
    }

    pub(super) fn end_operation(&mut self, task: u64) {
        self.operations.remove(&task);
    }

    pub(super) fn wrote(&mut self, way: Way, task: u64, bytes: usize) {
        if way.from().0.0 == self.nodes {
            let op = self.operations.get(&task).copied();
            self.direction(way).wrote(bytes, op);
        }
    }

    /// A connection begins: whatever had these ports before is over.
    pub(crate) fn opens(&mut self, way: Way) {
        for way in [way, way.back()] {
            let fresh = Direction::new(way, self.is_own_cluster);
            // A client may have written before its first packet left.
            let kept = (self.directions.get(&way)).filter(|old| old.has_only_written());
            if kept.is_none() {
                self.directions.insert(way, fresh);
            }
        }
    }

    /// Bytes leave.
    pub(crate) fn sent(&mut self, way: Way, leaves: Nanos, payload: &[u8], causes: &[Hold]) {
        if !self.filter.messages {
            return;
        }
        let direction = self.direction(way);
        let answers = direction.answers();
        let is_behind = !direction.under_way.is_empty();
        let heard = direction.hear(payload);
        for Heard {
            content,
            entries,
            bytes,
            end,
        } in heard
        {
            let number = self.next_number;
            self.next_number += 1;
            let direction = self.direction(way);
            direction.under_way.push_back((end, number));
            let mut op = direction.operation(end);
            let mut question = None;
            if answers {
                let asked = self.direction(way.back()).unanswered.pop_front();
                (question, op) = asked.map_or((None, None), |(number, op)| (Some(number), op));
            } else if !matches!(content, Content::Bytes) {
                self.direction(way).unanswered.push_back((number, op));
            }
            for entry in entries {
                if self.entries.len() < MOST_ENTRIES {
                    let at = (entry.at.term, entry.at.index);
                    self.entries.entry(at).or_insert(entry.what);
                }
            }
            let mut held = causes.to_vec();
            if is_behind && held.is_empty() {
                held = self.held_before(way);
            }
            let message = Message {
                number,
                from: self.party(way.from()),
                to: self.party(way.to()),
                sent_us: microseconds(leaves),
                bytes,
                content,
                answers: question,
                op,
                held,
                fate: Fate::UnderWay,
            };
            if steps::is_on() {
                let text = format!("msg {} -> {} {}", message.from, message.to, message.content);
                steps::tell(&Step::Noted { text: &text });
            }
            self.keep(message);
        }
    }

    /// That a message waits behind one that is held, if it does.
    fn held_before(&mut self, way: Way) -> Vec<Hold> {
        let first = self.direction(way).under_way.front().copied();
        let first = first.and_then(|(_, number)| self.messages.get(&number));
        match first.is_some_and(|first| !first.held.is_empty()) {
            true => vec![Hold::Behind],
            false => Vec::new(),
        }
    }

    fn keep(&mut self, message: Message) {
        let is_late = self
            .start_us
            .is_some_and(|start_us| !self.filter.has(message.sent_us - start_us, None));
        if is_late {
            return;
        }
        if self.messages.len() >= self.filter.most {
            self.dropped += 1;
            return;
        }
        self.messages.insert(message.number, message);
    }

    /// The first packet of a direction does not get through.
    pub(super) fn held(&mut self, way: Way, causes: &[Hold]) {
        let Some(direction) = self.directions.get(&way) else {
            return;
        };
        for (_, number) in &direction.under_way {
            if let Some(message) = self.messages.get_mut(number) {
                for cause in causes {
                    if !message.held.contains(cause) {
                        message.held.push(*cause);
                    }
                }
            }
        }
    }

    /// Bytes arrive.
    pub(crate) fn arrived(&mut self, way: Way, now: Nanos, bytes: usize) {
        let Some(direction) = self.directions.get_mut(&way) else {
            return;
        };
        let closed = direction.closed;
        for number in direction.arrive(bytes) {
            let at_us = microseconds(now);
            let fate = match closed {
                Some(why) => Fate::Lost { at_us, why },
                None => Fate::Arrived {
                    at_us,
                    read_us: None,
                },
            };
            self.set_fate(number, fate, closed.is_some());
        }
    }

    pub(super) fn read(&mut self, way: Way, now: Nanos, bytes: usize) {
        let Some(direction) = self.directions.get_mut(&way) else {
            return;
        };
        for number in direction.read(bytes) {
            let at_us = self.messages.get(&number).and_then(Message::arrived_us);
            let read_us = Some(microseconds(now));
            if let Some(at_us) = at_us {
                self.set_fate(number, Fate::Arrived { at_us, read_us }, true);
            }
        }
    }

    fn set_fate(&mut self, number: u64, fate: Fate, is_last: bool) {
        let Some(message) = self.messages.get_mut(&number) else {
            return;
        };
        message.fate = fate;
        let start_us = self.start_us.unwrap_or(i64::MIN / 2);
        let ended_us = message.ended_us().map(|at_us| at_us - start_us);
        if is_last && !self.filter.has(message.sent_us - start_us, ended_us) {
            self.messages.remove(&number);
        }
    }

    pub(super) fn closed(&mut self, way: Way, why: Lost) {
        if let Some(direction) = self.directions.get_mut(&way) {
            direction.closed.get_or_insert(why);
        }
    }

    /// The process of a host has ended, and with it all its connections.
    pub(crate) fn ended(&mut self, host: HostId) {
        for (way, direction) in &mut self.directions {
            if way.to().0 == host {
                direction.closed = Some(Lost::Ended);
            }
        }
    }

    pub(super) fn sync_begins(&mut self, host: HostId, now: Nanos) -> usize {
        self.syncs.push(DiskSync {
            node: node_name(host.0 as u64 + 1),
            from_us: microseconds(now),
            to_us: None,
        });
        self.syncs.len() - 1
    }

    pub(super) fn synced(&mut self, number: usize, now: Nanos) {
        self.syncs[number].to_us = Some(microseconds(now));
    }

    /// The next time to look at the nodes, if it is before `next`, and whether to look at all
    /// that they hold.
    pub(crate) fn look_before(&mut self, next: Nanos) -> Option<(i64, bool)> {
        let start_us = self.start_us?;
        let at_us = *self.filter.states_at_us.get(self.looked)?;
        (start_us + at_us < microseconds(next)).then(|| {
            self.looked += 1;
            (at_us, self.filter.contents)
        })
    }

    /// A node has done something with its replicated state.
    pub(super) fn saw(&mut self, host: HostId, now: Nanos, seen: &Seen) {
        let (node, at_us) = (host.0 as u64 + 1, microseconds(now));
        match seen {
            _ if !self.filter.applied => {}
            Seen::Applied {
                term,
                index,
                request,
                reply,
                wakes,
                changed,
                state,
            } if self.applied.len() < MOST_ENTRIES => {
                let shared = self.requests.entry((*term, *index));
                let shared = shared.or_insert_with(|| Arc::new((*request).clone()));
                self.applied.push(AppliedEntry {
                    at_us,
                    node,
                    term: *term,
                    index: *index,
                    request: Some(shared.clone()),
                    reply: (*reply).clone(),
                    wakes: wakes.to_vec(),
                    changed: (*changed).clone(),
                    held: Held::after(state, request, wakes, changed),
                });
            }
            Seen::Passed { term, index } if self.applied.len() < MOST_ENTRIES => {
                self.applied.push(AppliedEntry {
                    at_us,
                    node,
                    term: *term,
                    index: *index,
                    request: None,
                    reply: Reply::Done,
                    wakes: Vec::new(),
                    changed: Changed::default(),
                    held: Held::default(),
                });
            }
            Seen::SnapshotBegun { state } => self.copy(at_us, node, None, state),
            Seen::Restored { index, state } => self.copy(at_us, node, Some(*index), state),
            Seen::Applied { .. } | Seen::Passed { .. } => {}
        }
    }

    fn copy(&mut self, at_us: i64, node: u64, restored_upto: Option<u64>, state: &State) {
        if self.copies.len() < MOST_COPIES {
            self.copies.push(StateCopy {
                at_us,
                node,
                restored_upto,
                state: state.clone(),
            });
        }
    }

    pub(crate) fn note_state(&mut self, state: NodeState) {
        self.states.push(state);
    }

    fn direction(&mut self, way: Way) -> &mut Direction {
        let is_own_cluster = self.is_own_cluster;
        let fresh = || Direction::new(way, is_own_cluster);
        self.directions.entry(way).or_insert_with(fresh)
    }

    fn party(&self, (host, port): (HostId, u16)) -> Party {
        match host.0 < self.nodes {
            true => Party::Node(host.0 as u64 + 1),
            false => Party::Client(port),
        }
    }

    pub(super) fn finish(self) -> Traced {
        let start_us = self.start_us.unwrap_or(0);
        let mut messages: Vec<Message> = self.messages.into_values().collect();
        for message in &mut messages {
            message.sent_us -= start_us;
            message.fate = match message.fate {
                Fate::UnderWay => Fate::UnderWay,
                Fate::Arrived { at_us, read_us } => Fate::Arrived {
                    at_us: at_us - start_us,
                    read_us: read_us.map(|read_us| read_us - start_us),
                },
                Fate::Lost { at_us, why } => Fate::Lost {
                    at_us: at_us - start_us,
                    why,
                },
            };
        }
        messages.retain(|message| self.filter.has(message.sent_us, message.ended_us()));
        let mut syncs = self.syncs;
        for sync in &mut syncs {
            sync.from_us -= start_us;
            sync.to_us = sync.to_us.map(|to_us| to_us - start_us);
        }
        syncs.retain(|sync| self.filter.has(sync.from_us, sync.to_us));
        let (mut applied, mut copies) = (self.applied, self.copies);
        for entry in &mut applied {
            entry.at_us -= start_us;
        }
        for copy in &mut copies {
            copy.at_us -= start_us;
        }
        Traced {
            messages,
            syncs,
            entries: self.entries,
            states: self.states,
            applied,
            copies,
            dropped: self.dropped,
        }
    }
}

fn microseconds(at: Nanos) -> i64 {
    i64::try_from(at / 1_000).expect("a run lasts less than 292,000 years")
}
