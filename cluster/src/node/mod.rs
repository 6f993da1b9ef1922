//! A node: the composition root of the cluster.
//!
//! [`Node::start`] recovers the storage, starts Raft, and serves two ports: clients speak
//! RESP on the advertised address, nodes speak to each other 10,000 ports above it (the
//! convention of Redis Cluster's bus). Everything runs on one thread, in world `W`.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use openraft::async_runtime::watch::WatchReceiver;
use tokio::sync::Notify;

use crate::event::NodeEvent;
use crate::raft::hello::Acquaintances;
use crate::raft::log_store::LogStore;
use crate::raft::network::Network;
use crate::raft::pace::Pace;
use crate::raft::security::Security;
use crate::raft::snapshot::Arriving;
use crate::raft::state_machine::StateMachine;
use crate::raft::{Members, NodeId, Raft, RaftOptions, RaftWorld, peer_address};
use crate::state::Limits;
use crate::storage::OpenError;
use crate::world::point::Point;
use crate::world::tls::{TlsError, TlsOptions};

mod access;
mod admin;
mod allegiance;
mod answers;
mod backup;
mod client_server;
mod clients;
mod cluster_info;
mod command_stats;
mod compaction;
mod connection;
mod describe;
mod following;
mod gathered;
mod identity;
mod info;
mod leadership;
mod lists;
mod log_clock;
mod membership;
mod memory;
mod metrics;
mod near_cache;
mod overload;
mod peer_server;
mod pipeline;
#[cfg(feature = "planted")]
mod planted;
mod read;
mod recovery;
mod scripts;
mod sending;
mod settings;
mod standing;
mod strangers;
mod tracking;
mod transaction;
mod transfer;
mod turn;
mod work;
mod write;

pub use access::{Access, AccessError};
pub use recovery::{Contents, check_backup, force_new_cluster, restore};
pub use settings::{ClientOptions, parse_bytes};
pub use standing::Standing;
pub use write::NodeError;

/// How to start a node.
#[derive(Debug, Clone)]
pub struct NodeOptions {
    /// From 1; unique in the cluster, and for good.
    pub id: NodeId,
    /// Where clients reach this node, `host:port`; the port must be below 55,536.
    pub address: String,
    /// Interface to listen on when it differs from the advertised host, e.g. `0.0.0.0`.
    pub bind_host: Option<String>,
    /// All members of a new cluster, this node included. Empty: wait to be added to one.
    /// Ignored once the node belongs to a cluster.
    pub members: Members,
    /// Timing and log limits.
    pub raft: RaftOptions,
    /// Bounds of the replicated state.
    pub limits: Limits,
    /// How clients are served.
    pub clients: ClientOptions,
    /// `None`: nothing is encrypted.
    pub tls: Option<TlsOptions>,
}

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A port cannot be had.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// `host:port`.
        address: String,
        /// As the operating system has it.
        source: io::Error,
    },
    /// What was stored cannot be read, or must not be trusted.
    #[error("storage: {0}")]
    Storage(#[from] OpenError),
    /// openraft refuses the timing.
    #[error("configuration: {0}")]
    Config(#[from] openraft::ConfigError),
    /// The address as it was given.
    #[error("address {0}: expected host:port with a port from 1 to 55535")]
    Address(String),
    /// The data directory belongs to another node or cluster, in words.
    #[error("{0}")]
    Identity(String),
    /// Certificates or keys cannot be used, in words.
    #[error("{0}")]
    Tls(#[from] TlsError),
    /// openraft does not start; its own words.
    #[error("raft: {0}")]
    Raft(String),
}

/// Raft ends by itself within this time if it waits for what the log could not write.
const LOG_FAILED_GRACE: Duration = Duration::from_millis(100);

/// A running node. Clones are handles to the same node.
pub struct Node<W: RaftWorld> {
    inner: Rc<Inner<W>>,
}

impl<W: RaftWorld> Clone for Node<W> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
        }
    }
}

struct Inner<W: RaftWorld> {
    options: NodeOptions,
    raft: Raft<W>,
    machine: StateMachine<W>,
    log: LogStore<W>,
    network: Network<W>,
    security: Rc<Security>,
    /// Connections to the port for nodes on which nobody has greeted yet.
    strangers: Rc<strangers::Strangers>,
    /// Connections of clients whose part of the handshake is not done.
    handshakes: Rc<strangers::Strangers>,
    acquaintances: Rc<Acquaintances<W>>,
    /// The clock that stamps entries while this node leads.
    log_clock: Cell<log_clock::LogClock>,
    /// Rings when this node starts or stops to lead.
    leading_changed: Rc<Notify>,
    allegiance: allegiance::Allegiance<W>,
    following: following::Following,
    hand_over: transfer::HandOver,
    backlog: overload::Backlog,
    /// Bytes that are free on the disk, if they are too few to let the state grow.
    lacks_space: Cell<Option<u64>>,
    /// A snapshot that is on its way from the leader.
    arriving: RefCell<Option<Arriving<W>>>,
    /// The last read index obtained from the leader, for bounded-stale reads.
    read_point: Cell<Option<read::ReadPoint>>,
    /// Keys read since the last `Touch`, while the cache is nearly full.
    touched: RefCell<Vec<bytes::Bytes>>,
    counters: info::Counters,
    clients: clients::Clients,
    scripts: scripts::Scripts,
    settings: settings::Settings,
    work: work::Meter,
    /// What the mistakes of planted bugs remember.
    #[cfg(feature = "planted")]
    mistakes: planted::Memory,
    stopping: Cell<bool>,
    stopped: Cell<bool>,
    /// Rings when `stopped` is set.
    stop_done: Notify,
}

impl<W: RaftWorld> Node<W> {
    /// Recovers and starts the node; it serves from then on.
    pub async fn start(options: NodeOptions, disk: W::Disk) -> Result<Self, StartError> {
        let config = Arc::new(options.raft.config()?);
        let security = Rc::new(Security::load(options.tls.clone())?);
        let peer_address = listen_address(&options, true)?;
        let client_address = listen_address(&options, false)?;

        let machine = StateMachine::open(disk.clone(), options.limits).await?;
        let leading_changed = Rc::new(Notify::new());
        let has_data = Rc::new(Cell::new(false));
        let log = LogStore::open(disk.clone(), options.id, machine.last_applied(), {
            let (machine, changed) = (machine.clone(), leading_changed.clone());
            let has_data = has_data.clone();
            move |term| {
                has_data.set(true);
                machine.set_leading_term(term);
                changed.notify_one();
            }
        })
        .await?;
        has_data.set(log.has_vote());
        let acquaintances = Rc::new(Acquaintances::new(
            machine.clone(),
            identity::establish(&disk, options.id, log.has_vote()).await?,
            has_data,
            options.raft.promise().as_millis() as u64,
        ));
        W::pass(Point::StartRecovered).await;
        W::emit(NodeEvent::Started {
            last_log: log.last_index(),
            applied: machine.applied_index(),
        });

        let peers = listen::<W>(&peer_address).await?;
        let clients = listen::<W>(&client_address).await?;
        let entries_limit = Duration::from_millis(options.raft.election_min_ms);
        let pace = Rc::new(Pace::new(options.raft.snapshot_rate));
        machine.save_by(pace.clone());
        let network = Network::new(
            entries_limit,
            pace.clone(),
            acquaintances.clone(),
            security.clone(),
        );
        let raft = Raft::<W>::new(
            options.id,
            config,
            network.clone(),
            log.clone(),
            machine.clone(),
        )
        .await
        .map_err(|e| StartError::Raft(e.to_string()))?;

        let settings = settings::Settings::new(&options.clients, options.raft.snapshot_every, pace);
        let allegiance = allegiance::Allegiance::new(acquaintances.has_data());
        let node = Self {
            inner: Rc::new(Inner {
                options,
                raft,
                machine,
                log,
                network,
                security,
                strangers: Rc::default(),
                handshakes: Rc::default(),
                acquaintances,
                log_clock: Cell::default(),
                leading_changed,
                allegiance,
                following: following::Following::default(),
                hand_over: transfer::HandOver::default(),
                backlog: overload::Backlog::default(),
                lacks_space: Cell::default(),
                arriving: RefCell::default(),
                read_point: Cell::default(),
                touched: RefCell::default(),
                counters: info::Counters::new(W::now()),
                clients: clients::Clients::default(),
                scripts: scripts::Scripts::default(),
                settings,
                work: work::Meter::new(W::now()),
                #[cfg(feature = "planted")]
                mistakes: planted::Memory::default(),
                stopping: Cell::new(false),
                stopped: Cell::new(false),
                stop_done: Notify::new(),
            }),
        };
        if let Some(address) = &node.inner.options.clients.metrics {
            metrics::start(&node, address).await?;
        }
        W::spawn(peer_server::serve(node.clone(), peers));
        W::spawn(client_server::serve(node.clone(), clients));
        W::spawn(log_clock::watch_quorum(node.clone()));
        W::spawn(leadership::announce(node.clone()));
        W::spawn(leadership::expire(node.clone()));
        W::spawn(compaction::run(node.clone()));
        W::spawn(identity::bootstrap(node.clone()));
        W::spawn(compaction::watch_space(node.clone(), disk.clone()));
        W::spawn(identity::keep(node.clone(), disk));
        W::spawn(identity::meet(node.clone()));
        W::spawn(identity::raise_level(node.clone()));
        Ok(node)
    }

    /// As in [`NodeOptions`].
    pub fn id(&self) -> NodeId {
        self.inner.options.id
    }

    /// Whether this node leads and serves writes.
    pub fn is_leading(&self) -> bool {
        let term = self.inner.machine.leading_term();
        term != 0 && self.inner.machine.leader_ready_term() == term
    }

    /// The term this node leads, 0 when it does not.
    pub fn leading_term(&self) -> u64 {
        self.inner.machine.leading_term()
    }

    /// Index of the last applied entry.
    pub fn applied_index(&self) -> u64 {
        self.inner.machine.applied_index()
    }

    /// Level of the rules that this node applies: [`crate::state::LEVEL`] once the leader has
    /// heard from every member that it knows them.
    pub fn level(&self) -> u32 {
        self.inner.machine.state().level()
    }

    /// Emits the digest of the whole state as it stands, what was read from it, and where the
    /// time went.
    pub fn emit_digest(&self) {
        self.inner.machine.emit_digest();
        W::emit(self.inner.counters.event());
        self.emit_work();
    }

    /// Hands leadership over, if this node has it, sends its clients to the successor, and stops
    /// Raft. Bounded: gives up the hand-over after the maximum election timeout.
    pub async fn stop(&self, why: &str) {
        if self.inner.stopping.replace(true) {
            return;
        }
        self.hand_over().await;
        // The tasks of Raft end by themselves; a failure to join one changes nothing.
        let _ = self.inner.raft.shutdown().await;
        self.inner.log.close();
        self.emit_work();
        W::emit(NodeEvent::Stopped { why: why.into() });
        self.inner.stopped.set(true);
        self.inner.stop_done.notify_waiters();
    }

    /// Whether [`Node::stop`] was called.
    pub fn is_stopping(&self) -> bool {
        self.inner.stopping.get()
    }

    /// Resolves when the node has stopped, or failed and cannot go on; tells why.
    pub async fn ended(&self) -> String {
        let mut metrics = self.inner.raft.server_metrics();
        // Raft holds the other end of its metrics: when it is gone, so is Raft.
        let raft_ends = async { while metrics.changed().await.is_ok() {} };
        let log_fails = async {
            let why = self.inner.log.failed().await;
            W::sleep(LOG_FAILED_GRACE).await;
            why
        };
        if let Either::Right((why, _)) = select(pin!(raft_ends), pin!(log_fails)).await {
            return why;
        }
        while self.is_stopping() {
            let stopped = self.inner.stop_done.notified();
            if self.inner.stopped.get() {
                return "stopped".into();
            }
            stopped.await;
        }
        let metrics = self.inner.raft.metrics();
        match &metrics.borrow_watched().running_state {
            Err(fatal) => format!("raft ended: {fatal}"),
            Ok(()) => "raft ended without a reason".into(),
        }
    }
}

fn listen_address(options: &NodeOptions, for_peers: bool) -> Result<String, StartError> {
    let bad = || StartError::Address(options.address.clone());
    let advertised = match for_peers {
        true => peer_address(&options.address).ok_or_else(bad)?,
        false => options.address.clone(),
    };
    peer_address(&options.address).ok_or_else(bad)?;
    let Some(host) = &options.bind_host else {
        return Ok(advertised);
    };
    let (_, port) = advertised.rsplit_once(':').ok_or_else(bad)?;
    Ok(format!("{host}:{port}"))
}

async fn listen<W: RaftWorld>(address: &str) -> Result<W::Listener, StartError> {
    W::listen(address)
        .await
        .map_err(|source| StartError::Listen {
            address: address.into(),
            source,
        })
}
