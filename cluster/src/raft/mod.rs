//! openraft, bound to the cluster. Besides this module only [`crate::node`] names its types,
//! for its answers and its metrics.
//!
//! [`TypeConfig`] says what an entry carries, [`runtime`] where time and tasks come from,
//! [`log_store`] and [`state_machine`] what is durable, and `network` how nodes talk. The
//! rest of the crate sees [`Raft`] and plain data.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use bytes::Bytes;
use openraft::impls::{
    BasicNode, BoxedErrorSource, Entry, InlineBatch, ProgressResponder, leader_id_std,
};
use openraft::{EntryPayload, RaftTypeConfig};
use serde::{Deserialize, Serialize};

use crate::encode;
use crate::planted::{self, Bug};
use crate::state::command::{Reply, Request};
use crate::world::World;

pub(crate) mod channel;
pub mod hello;
pub(crate) mod invalidations;
pub(crate) mod lines;
pub mod log_store;
pub(crate) mod network;
pub(crate) mod once;
pub mod overhear;
pub(crate) mod pace;
pub mod reason;
pub mod runtime;
pub mod security;
pub mod snapshot;
pub mod state_machine;
pub(crate) mod watch;
pub mod wire;
pub mod witness;

/// Of a node: from 1, unique in the cluster.
pub type NodeId = u64;

/// What a log entry carries: a [`Request`], encoded once by the leader and decoded once by
/// each node that applies it. Copies on the way (log, network) are copies of bytes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal(pub Bytes);

/// Most encoded requests are smaller.
const PROPOSAL_BYTES: usize = 192;

impl Proposal {
    /// As postcard has it.
    pub fn encode(request: &Request) -> Self {
        Self(encode::plain(request, PROPOSAL_BYTES).into())
    }

    /// The request that was encoded.
    ///
    /// # Errors
    /// The bytes are no request.
    pub fn decode(&self) -> Result<Request, postcard::Error> {
        postcard::from_bytes(&self.0)
    }
}

impl fmt::Debug for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proposal({} bytes)", self.0.len())
    }
}

impl fmt::Display for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What applying an entry answers to the client that proposed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response(pub Reply);

impl fmt::Display for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// The types that openraft is instantiated with, for nodes living in world `W`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct TypeConfig<W>(PhantomData<W>);

/// What openraft asks of a world beyond [`World`] itself; every world has it.
pub trait RaftWorld:
    World + std::panic::RefUnwindSafe + std::panic::UnwindSafe + Unpin + Send + Sync
{
}
impl<W> RaftWorld for W where
    W: World + std::panic::RefUnwindSafe + std::panic::UnwindSafe + Unpin + Send + Sync
{
}

impl<W: RaftWorld> RaftTypeConfig for TypeConfig<W> {
    type D = Proposal;
    type R = Response;
    type NodeId = NodeId;
    type Node = BasicNode;
    type Term = u64;
    type LeaderId = leader_id_std::LeaderId<u64, NodeId>;
    type Vote = openraft::impls::Vote<Self::LeaderId>;
    type Payload = EntryPayload<Proposal, NodeId, BasicNode>;
    type Entry = Entry<<Self::LeaderId as openraft::vote::RaftLeaderId>::Committed, Self::Payload>;
    type AsyncRuntime = runtime::Runtime<W>;
    type Responder<T>
        = ProgressResponder<Self, T>
    where
        T: 'static;
    type Batch<T>
        = InlineBatch<T>
    where
        T: 'static;
    type ErrorSource = BoxedErrorSource;
}

/// A node's handle on openraft, with our types.
pub type Raft<W> = openraft::Raft<TypeConfig<W>, state_machine::StateMachine<W>>;
/// Where an entry stands: its term, who led it, and its index.
pub type LogId<W> = openraft::type_config::alias::LogIdOf<TypeConfig<W>>;
/// A term, a candidate or leader of it, and whether a majority agreed.
pub type Vote<W> = openraft::type_config::alias::VoteOf<TypeConfig<W>>;
/// An entry: where it stands, and a [`Proposal`], a membership, or nothing.
pub type LogEntry<W> = openraft::type_config::alias::EntryOf<TypeConfig<W>>;
/// A membership, and the entry that it came with.
pub type StoredMembership<W> = openraft::type_config::alias::StoredMembershipOf<TypeConfig<W>>;
/// What a snapshot covers: its last entry, and the membership by then.
pub type SnapshotMeta<W> = openraft::type_config::alias::SnapshotMetaOf<TypeConfig<W>>;
/// A snapshot: what it covers, and its data.
pub type Snapshot<W> =
    openraft::type_config::alias::SnapshotOf<TypeConfig<W>, snapshot::SnapshotData<W>>;

/// Raft's timing and log limits. All durations in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RaftOptions {
    /// Interval of a leader's heartbeats.
    pub heartbeat_ms: u64,
    /// A follower that hears no leader for a time between the two stands for election.
    pub election_min_ms: u64,
    /// See `election_min_ms`.
    pub election_max_ms: u64,
    /// Entries between snapshots while the state is small, [`Self::FEWEST_BETWEEN_SNAPSHOTS`]
    /// or more; `node/compaction.rs` has the whole rule.
    pub snapshot_every: u64,
    /// Bytes of snapshots a second that are sent, to all followers together, and saved; 0: no
    /// limit.
    pub snapshot_rate: u64,
}

impl Default for RaftOptions {
    fn default() -> Self {
        Self {
            heartbeat_ms: 100,
            election_min_ms: 300,
            election_max_ms: 600,
            snapshot_every: 5_000,
            snapshot_rate: Self::SNAPSHOT_RATE,
        }
    }
}

impl RaftOptions {
    /// Fewest entries between snapshots. The log kept behind one is a fifth of them: fewer
    /// would keep none, and have every follower that lags fetch a snapshot.
    pub const FEWEST_BETWEEN_SNAPSHOTS: u64 = 10;

    /// Bytes of snapshots a second unless it is said otherwise: less than a link of a gigabit
    /// carries, and about a quarter of what two cores can do that serve clients as well.
    pub const SNAPSHOT_RATE: u64 = 100 << 20;

    /// For how long a voter that has heard from a leader helps nobody else to lead: a heartbeat
    /// less than the shortest election timeout, since of two followers one may have got a
    /// heartbeat that the other missed, but half of it at least.
    pub fn promise(&self) -> Duration {
        let most_ms = self.election_min_ms.saturating_sub(self.heartbeat_ms);
        Duration::from_millis(most_ms.max(self.election_min_ms / 2))
    }

    /// For how long a leader relies on such promises after it has sent the calls that a quorum
    /// answered: an eighth less, so that its clock may run slower than theirs by as much.
    pub fn read_lease(&self) -> Duration {
        let promise = self.promise();
        promise - promise / 8
    }

    /// openraft's configuration, every choice that matters made on purpose.
    pub fn config(&self) -> Result<openraft::Config, openraft::ConfigError> {
        openraft::Config {
            cluster_name: "squall".into(),
            heartbeat_interval: self.heartbeat_ms,
            election_timeout_min: self.election_min_ms,
            election_timeout_max: self.election_max_ms,
            // Followers that have just acknowledged entries need no heartbeat.
            heartbeat_min_interval: Some(self.heartbeat_rest_ms()),
            // A node that cannot win must not raise the term of a healthy cluster.
            enable_pre_vote: Some(true),
            // openraft's lease equals the maximum election timeout; without this probing, an
            // old leader that can still send keeps a connected quorum from electing (#2080).
            quorum_loss_probe_interval: Some(2 * self.election_max_ms),
            // The state machine is in memory: a restarted leader must win an election anew, or
            // it would serve reads from a state that lags what it had acknowledged.
            enable_leader_restore: Some(false),
            // By bytes as well as by entries: `node/compaction.rs`.
            snapshot_policy: openraft::SnapshotPolicy::Never,
            max_in_snapshot_log_to_keep: self.snapshot_every / 5,
            replication_lag_threshold: self.snapshot_every + self.snapshot_every / 5,
            // A follower whose log has lost its end, which a disk that lies or a foreign hand can
            // do, is sent it again instead of being asked for ever.
            allow_log_reversion: Some(!planted::active(Bug::LostEndAskedFor)),
            // Retry an unreachable peer about as often as its heartbeat is due.
            backoff: format!("{0}ms {0}ms {0}ms ...{0}ms", self.heartbeat_ms),
            ..openraft::Config::default()
        }
        .validate()
    }

    /// How long an acknowledgement stands in for a heartbeat: one interval, if that cannot
    /// delay a heartbeat (sent at a tick, every 13/64 of an interval) past an election timeout.
    fn heartbeat_rest_ms(&self) -> u64 {
        let latest_ms = self.heartbeat_ms + self.heartbeat_ms / 4 + 1;
        self.heartbeat_ms
            .min(self.election_min_ms.saturating_sub(latest_ms))
    }
}

/// The name of a node in events and reports.
pub fn node_name(id: NodeId) -> String {
    format!("node-{id}")
}

/// Offset of the port on which nodes talk to each other from the one for clients.
pub const PEER_PORT_OFFSET: u16 = 10_000;

/// Where nodes reach the node whose clients use `address`; `None` if that is no `host:port`
/// with a port below 55,536, or if nobody can be reached under the host: one that is empty, or
/// stands for every interface.
pub fn peer_address(address: &str) -> Option<String> {
    let (host, port) = address.rsplit_once(':')?;
    if !crate::world::is_reachable(host) {
        return None;
    }
    let port: u16 = port.parse().ok().filter(|port| *port > 0)?;
    Some(format!("{host}:{}", port.checked_add(PEER_PORT_OFFSET)?))
}

/// Client addresses of a cluster's nodes, by id.
pub type Members = BTreeMap<NodeId, String>;
