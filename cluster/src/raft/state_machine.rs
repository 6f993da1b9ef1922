//! openraft's state machine over the pure [`State`].
//!
//! The state lives in memory; snapshots make it durable and the log replays the rest. Beside
//! the state it keeps a chained hash over all entries and replies, which two nodes that
//! applied the same log must agree on at every index, and the late answers of waiting
//! clients that are connected to this node.

use std::cell::{Cell, OnceCell, Ref, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::rc::Rc;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use openraft::EntryPayload;
use openraft::impls::BasicNode;
use openraft::storage::{EntryResponder, RaftSnapshotBuilder, RaftStateMachine};
use tokio::sync::{Notify, futures::Notified, oneshot};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::invalidations::Invalidations;
use super::lines::Lines;
use super::pace::Pace;
use super::snapshot::{Payload, SnapshotData};
use super::witness::{self, Seen};
use super::{
    LogId, NodeId, Proposal, RaftWorld, Response, Snapshot, SnapshotMeta, StoredMembership,
    TypeConfig, node_name,
};
use crate::encode;
use crate::event::NodeEvent;
#[cfg(feature = "planted")]
use crate::planted::{self, Bug};
use crate::state::command::{Applied, Command, Reply, Request, Stamp, Wake};
use crate::state::{LEVEL, Limits, State};
use crate::storage::{Disk, OpenError, SnapshotFile, SnapshotReader, SnapshotStore};
use crate::world::Instant;
use crate::world::point::Point;

/// An [`NodeEvent::Applied`] is emitted at every multiple of this index …
const DIGEST_EVERY: u64 = 256;
/// … and includes the digest of the whole state at every multiple of this one.
const STATE_DIGEST_EVERY: u64 = 4_096;
/// Most snapshots' metadata is smaller.
const META_BYTES: usize = 512;
/// Digests of the whole state are given unasked only while it is smaller than this, bytes.
const SMALL_STATE_BYTES: u64 = 16 << 20;
/// An answer that nobody has asked for after this long is forgotten.
const ANSWER_KEPT: Duration = Duration::from_secs(10);

/// Who belongs to the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// They vote, and count for a majority.
    pub voters: BTreeSet<NodeId>,
    /// They have what voters have, and do not count.
    pub learners: BTreeSet<NodeId>,
    /// Between two configurations: both must agree to everything.
    pub is_changing: bool,
}

/// The state machine of one node. Clones share the same state.
pub struct StateMachine<W: RaftWorld> {
    shared: Rc<Shared<W>>,
}

impl<W: RaftWorld> Clone for StateMachine<W> {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
        }
    }
}

struct Shared<W: RaftWorld> {
    machine: RefCell<Machine<W>>,
    snapshots: tokio::sync::Mutex<SnapshotStore<W::Disk>>,
    saved: SnapshotReader<W::Disk>,
    /// Of snapshots that are saved; unset, there is no limit.
    pace: OnceCell<Rc<Pace>>,
    /// Answers on their way to clients of this node, by waiter id.
    waiting: RefCell<BTreeMap<u64, Waiting>>,
    /// The latest changes of the cache.
    invalidations: RefCell<Invalidations>,
    /// Wakes long polls, by queue: it has a message to hand out.
    queue_ready: RefCell<BTreeMap<String, Rc<Notify>>>,
    /// Who waits for lists.
    lines: Lines,
    /// The term in which this node has applied its own `NewLeader`; 0 before.
    leader_ready_term: Cell<u64>,
    /// When that was.
    leader_ready_at: Cell<Instant>,
    /// The term that this node leads, set by the log store; 0 when it does not.
    leading_term: Cell<u64>,
    /// Wakes whoever watches the state's deadlines.
    applied_some: Notify,
}

/// Clients of this node that wait for one answer.
#[derive(Default)]
struct Waiting {
    senders: Vec<oneshot::Sender<Reply>>,
    /// How many have not asked for the answer yet: entries are applied in batches, and the
    /// answer may be applied before the client's task runs again.
    expected: u32,
    /// The answer, kept for those, and when it came.
    answer: Option<(Reply, Instant)>,
}

struct Machine<W: RaftWorld> {
    state: State,
    last_applied: Option<LogId<W>>,
    membership: StoredMembership<W>,
    /// Hash over every applied entry and its reply, in order.
    chain: u64,
    /// Index and encoded bytes of the last snapshot that was begun or installed.
    snapshot_index: u64,
    snapshot_bytes: u64,
    /// Bytes of the entries applied since.
    bytes_since: u64,
}

/// What has been applied since the last snapshot, and how large that was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SinceSnapshot {
    /// How many.
    pub entries: u64,
    /// Encoded bytes of those entries.
    pub bytes: u64,
    /// Encoded bytes of the snapshot; 0 before the first.
    pub snapshot_bytes: u64,
}

impl<W: RaftWorld> StateMachine<W> {
    /// Loads the latest snapshot, if any.
    pub async fn open(disk: W::Disk, limits: Limits) -> Result<Self, OpenError> {
        #[cfg(feature = "planted")]
        planted::set_sources(W::wall_clock_ms, W::random_u64);
        let snapshots = SnapshotStore::open(disk).await?;
        let mut machine = Machine {
            state: State::new(limits),
            last_applied: None,
            membership: StoredMembership::<W>::default(),
            chain: 0,
            snapshot_index: 0,
            snapshot_bytes: 0,
            bytes_since: 0,
        };
        if let Some(found) = snapshots.load_latest().await? {
            let damaged = |detail: String| OpenError::Damaged {
                file: "snapshot".into(),
                offset: 0,
                detail,
            };
            let meta: SnapshotMeta<W> =
                postcard::from_bytes(&found.meta).map_err(|e| damaged(e.to_string()))?;
            let bytes = found.data.len() as u64;
            let payload = Payload::decode(&found.data).map_err(|e| damaged(e.to_string()))?;
            machine.restore(&meta, payload, bytes);
        }
        let floor = machine.last_applied.map_or(0, |id| id.index);
        Ok(Self {
            shared: Rc::new(Shared {
                invalidations: RefCell::new(Invalidations::after(floor)),
                machine: RefCell::new(machine),
                saved: snapshots.reader(),
                snapshots: tokio::sync::Mutex::new(snapshots),
                pace: OnceCell::new(),
                waiting: RefCell::default(),
                queue_ready: RefCell::default(),
                lines: Lines::default(),
                leader_ready_term: Cell::new(0),
                leader_ready_at: Cell::default(),
                leading_term: Cell::new(0),
                applied_some: Notify::new(),
            }),
        })
    }

    /// Saves snapshots by this rate from now on. Where nodes share a disk, one that saves as
    /// fast as it can keeps the logs of all of them waiting.
    pub(crate) fn save_by(&self, pace: Rc<Pace>) {
        let unset = self.shared.pace.set(pace);
        debug_assert!(unset.is_ok(), "a node has one rate");
    }

    /// The state as of the last applied entry.
    pub fn state(&self) -> Ref<'_, State> {
        Ref::map(self.shared.machine.borrow(), |machine| &machine.state)
    }

    /// The last applied entry.
    pub fn last_applied(&self) -> Option<LogId<W>> {
        self.shared.machine.borrow().last_applied
    }

    /// Index of the last applied entry, 0 before the first.
    pub fn applied_index(&self) -> u64 {
        let machine = self.shared.machine.borrow();
        machine.last_applied.map_or(0, |id| id.index)
    }

    /// The latest changes of the cache.
    pub fn invalidations(&self) -> Ref<'_, Invalidations> {
        self.shared.invalidations.borrow()
    }

    /// The configuration as of the last applied entry.
    pub fn membership(&self) -> Membership {
        let machine = self.shared.machine.borrow();
        let membership = machine.membership.membership();
        Membership {
            voters: membership.voter_ids().collect(),
            learners: membership.learner_ids().collect(),
            is_changing: membership.get_joint_config().len() > 1,
        }
    }

    /// The term in which this node, as leader, may serve writes.
    pub fn leader_ready_term(&self) -> u64 {
        self.shared.leader_ready_term.get()
    }

    /// When this node applied the first entry of the last term that it led; zero before.
    pub fn leader_ready_at(&self) -> Instant {
        self.shared.leader_ready_at.get()
    }

    /// Tells which term this node leads (0: none), so that its first commit can be reported.
    pub fn set_leading_term(&self, term: u64) {
        self.shared.leading_term.set(term);
        self.shared.applied_some.notify_waiters();
    }

    /// The term this node leads, by its last durable vote; 0 when it does not lead.
    pub fn leading_term(&self) -> u64 {
        self.shared.leading_term.get()
    }

    /// Resolves when the waiter's answer is applied on this node, or fails when this node
    /// gives up on it ([`Self::abandon_waiters`]).
    pub fn wait_for(&self, waiter: u64) -> oneshot::Receiver<Reply> {
        let mut waiting = self.shared.waiting.borrow_mut();
        let entry = waiting.entry(waiter).or_default();
        entry.expected = entry.expected.saturating_sub(1);
        let (sender, receiver) = oneshot::channel();
        if let Some((answer, _)) = entry.answer.clone() {
            sender.send(answer).expect("the receiver is right here");
            if entry.expected == 0 {
                waiting.remove(&waiter);
            }
        } else {
            // Answers may have been left behind by clients that went away.
            entry.senders.retain(|sender| !sender.is_closed());
            entry.senders.push(sender);
        }
        receiver
    }

    /// This node no longer leads: its waiting clients must ask elsewhere.
    pub fn abandon_waiters(&self) {
        self.shared.waiting.borrow_mut().clear();
        for ready in self.shared.queue_ready.borrow().values() {
            ready.notify_waiters();
        }
        self.shared.lines.call_all();
    }

    /// Who waits for lists.
    pub fn lines(&self) -> &Lines {
        &self.shared.lines
    }

    /// Notified, one waiter at a time, when the queue gains a message to hand out.
    pub fn queue_ready(&self, queue: &str) -> Rc<Notify> {
        let mut waited_for = self.shared.queue_ready.borrow_mut();
        // Those that nobody waits for any more.
        waited_for.retain(|name, ready| Rc::strong_count(ready) > 1 || name == queue);
        waited_for.entry(queue.to_owned()).or_default().clone()
    }

    /// Wakes the first that waits for the queue.
    pub fn wake_one(&self, queue: &str) {
        self.shared.wake_one(queue);
    }

    /// Resolves when, from now on, entries have been applied or leadership has changed.
    pub fn applied_some(&self) -> Notified<'_> {
        self.shared.applied_some.notified()
    }

    /// How much was applied since the last snapshot.
    pub fn since_snapshot(&self) -> SinceSnapshot {
        let machine = self.shared.machine.borrow();
        let applied = machine.last_applied.map_or(0, |id| id.index);
        SinceSnapshot {
            entries: applied - machine.snapshot_index,
            bytes: machine.bytes_since,
            snapshot_bytes: machine.snapshot_bytes,
        }
    }

    /// The newest snapshot on the disk.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn saved_snapshot(
        &self,
    ) -> Result<Option<SnapshotFile<<W::Disk as Disk>::File>>, OpenError> {
        self.shared.saved.newest().await
    }

    /// Reports the present digest, whatever the index.
    pub fn emit_digest(&self) {
        let machine = self.shared.machine.borrow();
        if let Some(id) = machine.last_applied {
            W::emit(machine.digest_event(&id, true));
        }
    }
}

impl<W: RaftWorld> Machine<W> {
    fn restore(&mut self, meta: &SnapshotMeta<W>, payload: Payload, bytes: u64) {
        self.state = payload.state;
        self.chain = payload.chain;
        self.last_applied = meta.last_log_id;
        self.membership = meta.last_membership.clone();
        self.note_snapshot(bytes);
        witness::show(&Seen::Restored {
            index: self.snapshot_index,
            state: &self.state,
        });
    }

    /// A snapshot of so many bytes is that of the state as it stands.
    fn note_snapshot(&mut self, bytes: u64) {
        self.snapshot_index = self.last_applied.map_or(0, |id| id.index);
        self.snapshot_bytes = bytes;
        self.bytes_since = 0;
    }

    /// Whether the state is surely small: it holds nothing but what was in the last snapshot
    /// and in the entries since.
    fn is_small(&self) -> bool {
        self.snapshot_bytes + self.bytes_since < SMALL_STATE_BYTES
    }

    fn digest_event(&self, id: &LogId<W>, whole_state: bool) -> NodeEvent {
        NodeEvent::Applied {
            term: term_of::<W>(id),
            index: id.index,
            digest: format!("{:016x}", self.chain),
            state: whole_state.then(|| format!("{:016x}", self.state.digest())),
        }
    }

    fn membership_event(&self, index: u64) -> NodeEvent {
        let membership = self.membership.membership();
        NodeEvent::Membership {
            index,
            voters: membership.voter_ids().map(node_name).collect(),
            learners: membership.learner_ids().map(node_name).collect(),
            joint: membership.get_joint_config().len() > 1,
        }
    }

    fn extend_chain(&mut self, id: &LogId<W>, payload: &[u8], reply: &Reply) {
        let mut hash = xxh3_64_with_seed(payload, self.chain);
        hash ^= term_of::<W>(id).rotate_left(32) ^ id.index;
        self.chain = encode::hash(reply, hash);
        self.bytes_since += payload.len() as u64;
    }
}

impl<W: RaftWorld> Shared<W> {
    fn wake_one(&self, queue: &str) {
        if let Some(ready) = self.queue_ready.borrow().get(queue) {
            ready.notify_one();
        }
    }

    fn answer_waiting(&self, wake: Wake) {
        let mut waiting = self.waiting.borrow_mut();
        let Some(entry) = waiting.get_mut(&wake.waiter) else {
            return;
        };
        for sender in entry.senders.drain(..) {
            // The client may have gone.
            let _ = sender.send(wake.reply.clone());
        }
        if entry.expected == 0 {
            waiting.remove(&wake.waiter);
            return;
        }
        let now = W::now();
        entry.answer = Some((wake.reply, now));
        // Who gave up on its entry before it was applied never asks for the answer.
        waiting.retain(|_, entry| {
            let answered = entry.answer.as_ref();
            answered.is_none_or(|(_, at)| now - *at < ANSWER_KEPT)
        });
    }

    /// Applies one request and passes on the answers it gives to others.
    fn apply_request(&self, id: &LogId<W>, payload: &[u8], client_here: bool) -> io::Result<Reply> {
        let request: Request = postcard::from_bytes(payload)
            .map_err(|e| of_newer_release(id.index, &format!("it does not decode ({e})")))?;
        if let Command::Raise { level, .. } = request.command
            && level > LEVEL
        {
            let why = format!("it raises the rules to level {level}, this one knows {LEVEL}");
            return Err(of_newer_release(id.index, &why));
        }
        let mut machine = self.machine.borrow_mut();
        let stamp = Stamp {
            index: id.index,
            time_ms: request.time_ms,
        };
        let Applied {
            reply,
            wakes,
            ready_queues,
            changed,
        } = machine.state.apply(stamp, &request);
        machine.extend_chain(id, payload, &reply);
        witness::show(&Seen::Applied {
            term: term_of::<W>(id),
            index: id.index,
            request: &request,
            reply: &reply,
            wakes: &wakes,
            changed: &changed,
            state: &machine.state,
        });
        if !self.lines.is_empty() {
            for key in &changed.keys {
                self.lines.call(key, machine.state.list_length(key));
            }
        }
        drop(machine);
        self.invalidations.borrow_mut().push(id.index, changed);
        if let (true, Reply::Waiting { waiter }) = (client_here, &reply) {
            let mut waiting = self.waiting.borrow_mut();
            waiting.entry(*waiter).or_default().expected += 1;
        }
        #[cfg(feature = "planted")]
        let wakes = mistaken_order(wakes);
        for wake in wakes {
            self.answer_waiting(wake);
        }
        for queue in &ready_queues {
            self.wake_one(queue);
        }
        if client_here && request.command == Command::NewLeader {
            // Proposed by this node, and only leaders propose it.
            self.leader_ready_term.set(term_of::<W>(id));
            self.leader_ready_at.set(W::now());
        }
        Ok(reply)
    }

    fn apply_entry(
        &self,
        id: &LogId<W>,
        payload: EntryPayload<Proposal, NodeId, BasicNode>,
        client_here: bool,
    ) -> io::Result<Reply> {
        let previous_term = {
            let machine = self.machine.borrow();
            machine.last_applied.as_ref().map_or(0, term_of::<W>)
        };
        if !matches!(payload, EntryPayload::Normal(_)) {
            let (term, index) = (term_of::<W>(id), id.index);
            witness::show(&Seen::Passed { term, index });
        }
        let reply = match payload {
            EntryPayload::Blank => {
                self.machine
                    .borrow_mut()
                    .extend_chain(id, &[], &Reply::Done);
                Reply::Done
            }
            EntryPayload::Normal(proposal) => self.apply_request(id, &proposal.0, client_here)?,
            EntryPayload::Membership(membership) => {
                let mut machine = self.machine.borrow_mut();
                machine.extend_chain(id, &[], &Reply::Done);
                machine.membership = StoredMembership::<W>::new(Some(*id), membership);
                W::emit(machine.membership_event(id.index));
                Reply::Done
            }
        };
        let mut machine = self.machine.borrow_mut();
        machine.last_applied = Some(*id);
        let term = term_of::<W>(id);
        if term != previous_term {
            W::emit(NodeEvent::Committed {
                term,
                index: id.index,
            });
            if self.leading_term.get() == term {
                W::emit(NodeEvent::FirstCommit {
                    term,
                    index: id.index,
                });
            }
        }
        if id.index.is_multiple_of(DIGEST_EVERY) {
            let whole_state = id.index.is_multiple_of(STATE_DIGEST_EVERY) && machine.is_small();
            W::emit(machine.digest_event(id, whole_state));
        }
        Ok(reply)
    }
}

/// A committed entry that this node cannot apply, at this or any later start.
fn of_newer_release(index: u64, why: &str) -> io::Error {
    io::Error::other(format!(
        "entry {index} is of a newer release than this node: {why}. Upgrade the node"
    ))
}

/// The term in which an entry was proposed.
pub fn term_of<W: RaftWorld>(id: &LogId<W>) -> u64 {
    **id.committed_leader_id()
}

impl<W: RaftWorld> RaftStateMachine<TypeConfig<W>> for StateMachine<W> {
    type SnapshotData = SnapshotData<W>;
    type SnapshotBuilder = Self;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId<W>>, StoredMembership<W>)> {
        let machine = self.shared.machine.borrow();
        Ok((machine.last_applied, machine.membership.clone()))
    }

    async fn apply<Strm>(&mut self, mut entries: Strm) -> io::Result<()>
    where
        Strm: Stream<Item = io::Result<EntryResponder<TypeConfig<W>>>> + Unpin,
    {
        let mut point = Point::ApplyBefore;
        while let Some(next) = entries.next().await {
            let (entry, responder) = next?;
            W::pass(point).await;
            point = Point::ApplyBetween;
            let reply =
                self.shared
                    .apply_entry(&entry.log_id, entry.payload, responder.is_some())?;
            if let Some(responder) = responder {
                responder.send(Response(reply));
            }
        }
        W::pass(Point::ApplyDone).await;
        self.shared.applied_some.notify_waiters();
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Self {
        self.clone()
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta<W>,
        data: SnapshotData<W>,
    ) -> io::Result<()> {
        // Decoded before it is saved: a snapshot that does not decode must not replace one
        // that does.
        let (bytes, payload) = data.load().await?;
        self.save(meta, &bytes).await?;
        W::pass(Point::SnapshotBeforeInstall).await;
        {
            let mut machine = self.shared.machine.borrow_mut();
            machine.restore(meta, payload, bytes.len() as u64);
            if let Some(id) = &meta.last_log_id {
                // What changed before the snapshot is not known here.
                *self.shared.invalidations.borrow_mut() = Invalidations::after(id.index);
                W::emit(NodeEvent::SnapshotInstalled {
                    term: term_of::<W>(id),
                    index: id.index,
                });
                W::emit(machine.membership_event(id.index));
            }
        }
        self.shared.applied_some.notify_waiters();
        W::compute(move || drop(bytes)).await;
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<Snapshot<W>>> {
        let newest = self.shared.saved.newest().await;
        let Some(file) = newest.map_err(io::Error::other)? else {
            return Ok(None);
        };
        Ok(Some(Snapshot::<W> {
            meta: postcard::from_bytes(&file.meta).map_err(io::Error::other)?,
            snapshot: SnapshotData::Stored(file),
        }))
    }
}

/// The mistake of DET-02: a map whose order differs from process to process.
#[cfg(feature = "planted")]
#[allow(clippy::disallowed_types)]
fn mistaken_order(wakes: Vec<Wake>) -> Vec<Wake> {
    if !planted::active(Bug::HashOrderAnswers) {
        return wakes;
    }
    let by_waiter = wakes.into_iter().map(|wake| (wake.waiter, wake));
    let by_waiter: std::collections::HashMap<u64, Wake> = by_waiter.collect();
    by_waiter.into_values().collect()
}

#[cfg(feature = "planted")]
impl<W: RaftWorld> StateMachine<W> {
    /// The mistake of MR-03: the data is written first, and then which entries it covers,
    /// which may be more by now.
    async fn mistaken_meta(
        &self,
        meta: SnapshotMeta<W>,
        data: &[u8],
    ) -> io::Result<SnapshotMeta<W>> {
        if !planted::active(Bug::AppliedIndexApart) {
            return Ok(meta);
        }
        self.save(&meta, data).await?;
        let last_log_id = self.shared.machine.borrow().last_applied;
        Ok(SnapshotMeta::<W> {
            last_log_id,
            ..meta
        })
    }

    /// The mistake of MQ-03: dead letters that the leader has yet to publish.
    pub(crate) fn take_dead_letters(&self) -> Vec<(String, crate::state::command::NewMessage)> {
        self.shared.machine.borrow_mut().state.take_dead_letters()
    }
}

impl<W: RaftWorld> StateMachine<W> {
    async fn save(&self, meta: &SnapshotMeta<W>, data: &[u8]) -> io::Result<()> {
        let index = meta.last_log_id.map_or(0, |id| id.index);
        let meta = encode::plain(meta, META_BYTES);
        let mut snapshots = self.shared.snapshots.lock().await;
        let pass = async |bytes| {
            if let Some(pace) = self.shared.pace.get() {
                pace.pass::<W>(bytes).await;
            }
        };
        snapshots.save_paced(index, &meta, data, pass).await
    }
}

impl<W: RaftWorld> RaftSnapshotBuilder<TypeConfig<W>> for StateMachine<W> {
    type SnapshotData = SnapshotData<W>;

    async fn build_snapshot(&mut self) -> io::Result<Snapshot<W>> {
        let (meta, payload, usual_bytes) = {
            let mut machine = self.shared.machine.borrow_mut();
            let meta = SnapshotMeta::<W> {
                last_log_id: machine.last_applied,
                last_membership: machine.membership.clone(),
            };
            // A copy of what is small; the values themselves are shared.
            let payload = Payload {
                chain: machine.chain,
                state: machine.state.clone(),
            };
            witness::show(&Seen::SnapshotBegun {
                state: &machine.state,
            });
            let bytes = machine.snapshot_bytes;
            machine.note_snapshot(bytes);
            (meta, payload, bytes + bytes / 8)
        };
        W::pass(Point::SnapshotBegun).await;
        #[cfg(feature = "planted")]
        let bug = planted::current();
        let encoded = W::compute(move || {
            // A bug is active on the thread that chose it.
            #[cfg(feature = "planted")]
            planted::activate(bug);
            payload.encode(usual_bytes as usize)
        });
        let encoded = encoded.await;
        let data = &encoded.0[encoded.1..];
        self.shared.machine.borrow_mut().snapshot_bytes = data.len() as u64;
        #[cfg(feature = "planted")]
        let meta = self.mistaken_meta(meta, data).await?;
        self.save(&meta, data).await?;
        // To give very much memory back takes the system a third of a second a gigabyte.
        W::compute(move || drop(encoded)).await;
        if let Some(id) = &meta.last_log_id {
            W::emit(NodeEvent::Snapshot {
                term: term_of::<W>(id),
                index: id.index,
            });
        }
        let stored = self.shared.saved.newest().await.map_err(io::Error::other)?;
        let stored = stored.ok_or_else(|| io::Error::other("the snapshot just saved is gone"))?;
        Ok(Snapshot::<W> {
            meta,
            snapshot: SnapshotData::Stored(stored),
        })
    }
}
