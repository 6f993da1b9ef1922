//! Implements openraft's network over framed connections.
//!
//! A client takes an idle connection to its peer from a pool, or opens one, for each call,
//! and gives it back only after a complete answer: a connection whose call failed or timed
//! out is dropped, because an answer that comes late would be taken for the next one's.
//! Every call is bounded by openraft's deadline.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use openraft::error::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::impls::BasicNode;
use openraft::network::RPCOption;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::vote::RaftLeaderId;
use openraft::{EntryPayload, RaftNetworkFactory, RaftNetworkV2};

use tokio::io::{AsyncRead, AsyncWrite};

mod snapshots;

use super::hello::{Acquaintances, Greeting, refused};
use super::pace::Pace;
use super::security::Security;
use super::snapshot::SnapshotData;
use super::wire::{Connection, PeerRequest, PeerResponse};
use super::{LogEntry, LogId, NodeId, RaftWorld, Snapshot, TypeConfig, Vote, reason};
use crate::event::{NodeEvent, Timed};
use crate::world::{self, Instant};

/// Bytes that any call may carry without being given more time.
const FREE_BYTES: u64 = 64 << 10;
/// Time for each byte above: a megabyte a second.
const US_PER_BYTE: u64 = 1;

type Idle<W> = Vec<Connection<<W as world::World>::Stream>>;

/// Connections to peers, shared by all clients of a node.
pub struct Network<W: RaftWorld> {
    pool: Rc<RefCell<BTreeMap<String, Idle<W>>>>,
    /// How long a call that carries log entries may take.
    entries_limit: Duration,
    /// The last election this node was seen to start: term, and whether a pre-vote.
    campaign: Rc<Cell<(u64, bool)>>,
    /// Answered calls that carried entries.
    appends: Rc<Cell<Timed>>,
    acquaintances: Rc<Acquaintances<W>>,
    security: Rc<Security>,
    promises: Rc<Cell<Option<Promises>>>,
    /// Of snapshots to all peers together.
    pace: Rc<Pace>,
}

/// Calls ask for promises from the first read by lease until this long after the last.
const PROMISES_KEPT: Duration = Duration::from_secs(1);

/// Promises that are being asked for.
#[derive(Debug, Clone, Copy)]
struct Promises {
    /// Since when all calls ask for them.
    since: Instant,
    needed_at: Instant,
}

impl<W: RaftWorld> Clone for Network<W> {
    fn clone(&self) -> Self {
        Self {
            pool: self.pool.clone(),
            entries_limit: self.entries_limit,
            campaign: self.campaign.clone(),
            appends: self.appends.clone(),
            acquaintances: self.acquaintances.clone(),
            security: self.security.clone(),
            promises: self.promises.clone(),
            pace: self.pace.clone(),
        }
    }
}

impl<W: RaftWorld> Network<W> {
    /// `entries_limit`: how long a call that carries log entries may take at most, if that is
    /// longer than openraft allots. `pace`: of snapshots.
    pub fn new(
        entries_limit: Duration,
        pace: Rc<Pace>,
        acquaintances: Rc<Acquaintances<W>>,
        security: Rc<Security>,
    ) -> Self {
        Self {
            pool: Rc::default(),
            entries_limit,
            campaign: Rc::default(),
            appends: Rc::default(),
            acquaintances,
            security,
            promises: Rc::default(),
            pace,
        }
    }

    /// Has all calls that carry entries or heartbeats ask for promises, for a while; since when
    /// they do.
    pub fn ask_promises(&self) -> Instant {
        let now = W::now();
        let asked = self.promises_asked().map_or(now, |promises| promises.since);
        self.promises.set(Some(Promises {
            since: asked,
            needed_at: now,
        }));
        asked
    }

    fn promises_asked(&self) -> Option<Promises> {
        let is_needed = |promises: &Promises| W::now() - promises.needed_at <= PROMISES_KEPT;
        self.promises.get().filter(is_needed)
    }

    /// Answered calls that carried entries, from sending to the answer.
    pub fn appends(&self) -> Timed {
        self.appends.get()
    }

    /// Calls the node `id` at `address`; the whole call, connecting included, is bounded.
    pub async fn call(
        &self,
        id: NodeId,
        address: &str,
        request: &PeerRequest<W>,
        limit: Duration,
    ) -> io::Result<PeerResponse<W>> {
        let idle = self
            .pool
            .borrow_mut()
            .get_mut(address)
            .and_then(|connections| connections.pop());
        let exchange = async {
            match idle {
                Some(mut connection) => {
                    connection.send(None, request).await?;
                    answer_of(connection).await
                }
                None => self.begin(id, address, request).await,
            }
        };
        let (connection, response) = world::timeout::<W, _>(limit, exchange)
            .await
            .unwrap_or_else(|elapsed| Err(io::Error::new(io::ErrorKind::TimedOut, elapsed)))?;
        let mut pool = self.pool.borrow_mut();
        match pool.get_mut(address) {
            Some(connections) => connections.push(connection),
            None => drop(pool.insert(address.to_owned(), vec![connection])),
        }
        reason::check_response(&response, self.acquaintances.applied_term())
            .map_err(|why| io::Error::new(io::ErrorKind::InvalidData, why))?;
        match response {
            PeerResponse::Failed(why) => Err(io::Error::other(why)),
            response => Ok(response),
        }
    }

    /// Greets the node `id` at `address`, on a connection that is not used for anything else.
    ///
    /// # Errors
    /// `PermissionDenied` if nothing may pass between the two; others if there is no answer.
    pub async fn greet(&self, id: NodeId, address: &str, limit: Duration) -> io::Result<()> {
        let begun = self.greeted(id, address, &PeerRequest::ReadIndex);
        let greeted = world::timeout::<W, _>(limit, begun).await;
        let greeted = greeted.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        greeted.map(drop)
    }

    /// The first call of a connection.
    async fn begin(
        &self,
        id: NodeId,
        address: &str,
        request: &PeerRequest<W>,
    ) -> io::Result<Answered<W::Stream, W>> {
        match self.greeted(id, address, request).await {
            Ok(connection) => answer_of(connection).await,
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => Err(e),
            // A node that does not greet takes the greeting for nonsense and hangs up.
            Err(_) if self.acquaintances.serves_unknown() && !self.security.is_for_peers() => {
                let mut connection = Connection::new(W::connect(address).await?);
                connection.send(None, request).await?;
                answer_of(connection).await
            }
            Err(e) => Err(e),
        }
    }

    /// A connection on which greetings have been exchanged and the request was sent.
    async fn greeted(
        &self,
        id: NodeId,
        address: &str,
        request: &PeerRequest<W>,
    ) -> io::Result<Connection<W::Stream>> {
        let stream = self.security.connect_peer::<W>(id, address).await?;
        let mut connection = Connection::new(stream);
        let hello = self.acquaintances.hello(id);
        connection.send(Some(&hello), request).await?;
        match connection.receive_greeting().await? {
            Greeting::Hello(hello) => self.acquaintances.check(&hello).map_err(refused)?,
            Greeting::Refused(why) => return Err(refused(why)),
        }
        Ok(connection)
    }

    /// Reports an election once, however many peers are asked.
    fn note_campaign(&self, vote: &Vote<W>, pre_vote: bool) {
        let term = vote.leader_id().term();
        if self.campaign.replace((term, pre_vote)) != (term, pre_vote) {
            W::emit(NodeEvent::Election { term, pre_vote });
        }
    }
}

type Answered<S, W> = (Connection<S>, PeerResponse<W>);

async fn answer_of<S: AsyncRead + AsyncWrite + Unpin, W: RaftWorld>(
    mut connection: Connection<S>,
) -> io::Result<Answered<S, W>> {
    let response = connection.receive().await?;
    Ok((connection, response.ok_or(io::ErrorKind::UnexpectedEof)?))
}

impl<W: RaftWorld> RaftNetworkFactory<TypeConfig<W>> for Network<W> {
    type Network = PeerClient<W>;

    async fn new_client(&mut self, target: NodeId, node: &BasicNode) -> PeerClient<W> {
        PeerClient {
            network: self.clone(),
            target,
            // Addresses are checked when a node is added; a bad one is simply unreachable.
            address: super::peer_address(&node.addr).unwrap_or_else(|| node.addr.clone()),
            at_once: u64::MAX,
        }
    }
}

/// Calls one peer on behalf of openraft.
pub struct PeerClient<W: RaftWorld> {
    network: Network<W>,
    target: NodeId,
    address: String,
    /// Most bytes of entries in one call: half of what did not arrive in time, and a little more
    /// whenever about as many do. Over a link that is slower than [`US_PER_BYTE`] has it, the
    /// same entries would be sent again and again.
    at_once: u64,
}

type RpcError<W> = RPCError<TypeConfig<W>>;

impl<W: RaftWorld> PeerClient<W> {
    async fn call(
        &self,
        request: PeerRequest<W>,
        limit: Duration,
    ) -> Result<PeerResponse<W>, RpcError<W>> {
        self.network
            .call(self.target, &self.address, &request, limit)
            .await
            .map_err(|e| match e.kind() {
                // Not there at all, or it refuses, and what it takes in between does not change
                // that: openraft backs off before it tries again.
                io::ErrorKind::ConnectionRefused
                | io::ErrorKind::Other
                | io::ErrorKind::TimedOut
                | io::ErrorKind::HostUnreachable => RPCError::Unreachable(Unreachable::new(&e)),
                _ => RPCError::Network(NetworkError::new(&e)),
            })
    }
}

/// Bytes that the entry carries.
fn bytes_of<W: RaftWorld>(entry: &LogEntry<W>) -> u64 {
    match &entry.payload {
        EntryPayload::Normal(proposal) => proposal.0.len() as u64,
        EntryPayload::Blank | EntryPayload::Membership(_) => 0,
    }
}

/// Leaves as many entries as carry so many bytes together, though at least one. The bytes that
/// they carry, and the last of them if others go.
fn cut<W: RaftWorld>(entries: &mut Vec<LogEntry<W>>, most: u64) -> (u64, Option<LogId<W>>) {
    let (mut keep, mut bytes) = (0, 0);
    for entry in entries.iter() {
        let more = bytes + bytes_of::<W>(entry);
        if keep > 0 && more > most {
            break;
        }
        (keep, bytes) = (keep + 1, more);
    }
    if keep == entries.len() {
        return (bytes, None);
    }
    entries.truncate(keep);
    (bytes, entries.last().map(|entry| entry.log_id))
}

/// How long so many bytes may take over a slow link and onto a slow disk, beyond what any call
/// may take.
fn transfer_time(bytes: u64) -> Duration {
    Duration::from_micros(bytes.saturating_sub(FREE_BYTES) * US_PER_BYTE)
}

fn network_error<W: RaftWorld>(kind: io::ErrorKind, why: &str) -> RpcError<W> {
    RPCError::Network(NetworkError::new(&io::Error::new(kind, why)))
}

/// The peer answered something that does not belong to the question.
fn confused<W: RaftWorld>() -> RpcError<W> {
    let why = "the peer's answer does not match the request";
    network_error(io::ErrorKind::InvalidData, why)
}

impl<W: RaftWorld> RaftNetworkV2<TypeConfig<W>> for PeerClient<W> {
    type SnapshotData = SnapshotData<W>;

    async fn append_entries(
        &mut self,
        mut rpc: AppendEntriesRequest<TypeConfig<W>>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig<W>>, RpcError<W>> {
        let (bytes, cut_behind) = cut::<W>(&mut rpc.entries, self.at_once);
        // openraft allots one heartbeat interval, which bounds how soon a silent follower is
        // noticed. Entries may take longer than that over a slow network: as long as an
        // election would leave them, and more if they are large.
        let carries_entries = !rpc.entries.is_empty();
        let mut limit = option.soft_ttl();
        if carries_entries {
            limit = limit.max(self.network.entries_limit) + transfer_time(bytes);
        }
        let begun = W::now();
        let request = if self.network.promises_asked().is_some() {
            PeerRequest::AppendPromising(rpc)
        } else {
            PeerRequest::Append(rpc)
        };
        let response = self.call(request, limit).await;
        self.at_once = match &response {
            Ok(_) if bytes > self.at_once / 2 => self.at_once.saturating_add(FREE_BYTES / 4),
            Err(RPCError::Unreachable(_)) if bytes > FREE_BYTES => (bytes / 2).max(FREE_BYTES),
            _ => self.at_once,
        };
        let response = response?;
        if carries_entries {
            let mut appends = self.network.appends.get();
            appends.add((W::now() - begun).as_micros() as u64);
            self.network.appends.set(appends);
        }
        match response {
            PeerResponse::Append(AppendEntriesResponse::Success) if cut_behind.is_some() => {
                Ok(AppendEntriesResponse::PartialSuccess(cut_behind))
            }
            PeerResponse::Append(response) => Ok(response),
            _ => Err(confused()),
        }
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<TypeConfig<W>>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig<W>>, RpcError<W>> {
        self.network.note_campaign(&rpc.vote, false);
        match self.call(PeerRequest::Vote(rpc), option.soft_ttl()).await? {
            PeerResponse::Vote(response) => Ok(response),
            _ => Err(confused()),
        }
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<TypeConfig<W>>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig<W>>, RpcError<W>> {
        self.network.note_campaign(&rpc.vote, true);
        match self
            .call(PeerRequest::PreVote(rpc), option.soft_ttl())
            .await?
        {
            PeerResponse::Vote(response) => Ok(response),
            _ => Err(confused()),
        }
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote<W>,
        snapshot: Snapshot<W>,
        cancel: impl Future<Output = ReplicationClosed> + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig<W>>, StreamingError<TypeConfig<W>>> {
        use openraft::async_runtime::AsyncRuntime;
        use openraft::async_runtime::Select2;

        let sending = Box::pin(self.send_snapshot(vote, snapshot));
        match super::runtime::Runtime::<W>::select2(sending, Box::pin(cancel)).await {
            Select2::First(answer) => Ok(answer?),
            Select2::Second(closed) => Err(closed.into()),
        }
    }

    async fn transfer_leader(
        &mut self,
        rpc: TransferLeaderRequest<TypeConfig<W>>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig<W>>, RpcError<W>> {
        match self
            .call(PeerRequest::TransferLeader(rpc), option.soft_ttl())
            .await?
        {
            PeerResponse::TransferLeader => Ok(Ok(())),
            _ => Err(confused()),
        }
    }
}
