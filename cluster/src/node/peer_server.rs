//! The other nodes' side of this node: answers their calls, one connection a task.

use std::io;
use std::time::Duration;

use openraft::ReadPolicy;
use openraft::async_runtime::watch::WatchReceiver;
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse};

use super::Node;
use super::strangers::Place;
use crate::event::NodeEvent;
use crate::raft::hello::Greeting;
use crate::raft::snapshot::{Arriving, Payload, SnapshotData, SnapshotPiece};
use crate::raft::wire::{Connection, First, PeerRequest, PeerResponse};
use crate::raft::{NodeId, RaftWorld, Snapshot, TypeConfig, node_name, reason};
use crate::world;
use crate::world::point::Point;

/// A node greets as soon as it is connected; whoever has not after so long is none.
const GREETING_LIMIT: Duration = Duration::from_secs(10);
/// Most connections on which nobody has greeted yet; the oldest makes room for the next one.
const MOST_STRANGERS: usize = 1_024;

pub(super) async fn serve<W: RaftWorld>(node: Node<W>, mut listener: W::Listener) {
    loop {
        let stream = super::client_server::accept::<W>(&mut listener).await;
        let strangers = &node.inner.strangers;
        if strangers.count() >= MOST_STRANGERS {
            strangers.drop_oldest();
        }
        W::spawn(answer(node.clone(), stream, strangers.add()));
    }
}

async fn answer<W: RaftWorld>(node: Node<W>, stream: W::Stream, place: Place) {
    let greeted = place.until(node.meet_caller(stream)).await.flatten();
    let Some((caller, connection)) = greeted else {
        return;
    };
    let id = caller.id;
    answer_all(&node, caller, connection).await;
    if let Some(id) = id {
        node.lose_connection(id).await;
    }
}

/// Answers until the connection ends.
async fn answer_all<W: RaftWorld>(
    node: &Node<W>,
    caller: Caller<W>,
    mut connection: Connection<W::Stream>,
) {
    let mut first = caller.first;
    loop {
        let request = match first.take() {
            Some(request) => Ok(Some(request)),
            None => connection.receive::<PeerRequest<W>>().await,
        };
        // A connection that breaks or talks nonsense is dropped; the peer opens another.
        let Ok(Some(request)) = request else {
            return;
        };
        if node.inner.stopping.get() && matches!(request, PeerRequest::ReadIndex) {
            return;
        }
        let response = node.answer_peer(request, caller.id).await;
        if follows(&response) {
            node.inner.acquaintances.join_cluster(caller.cluster);
        }
        if connection.send(None, &response).await.is_err() {
            return;
        }
    }
}

/// Who has opened a connection.
struct Caller<W: RaftWorld> {
    /// 0 if it belongs to none, or does not greet.
    cluster: u64,
    /// Known of one that greets.
    id: Option<NodeId>,
    /// The first request of one that does not greet.
    first: Option<PeerRequest<W>>,
}

/// Whether the answer is that of a node to its leader.
fn follows<W: RaftWorld>(response: &PeerResponse<W>) -> bool {
    match response {
        PeerResponse::Append(AppendEntriesResponse::HigherVote(_)) => false,
        PeerResponse::Append(_) | PeerResponse::Snapshot(_) => true,
        _ => false,
    }
}

impl<W: RaftWorld> Node<W> {
    /// Encrypts the connection, if that is to be, and finds out who has opened it.
    async fn meet_caller(&self, stream: W::Stream) -> Option<(Caller<W>, Connection<W::Stream>)> {
        let stream = self.inner.security.accept_peer::<W>(stream).await.ok()?;
        let mut connection = Connection::new(stream);
        let greeted = world::timeout::<W, _>(GREETING_LIMIT, self.greet(&mut connection)).await;
        Some((greeted.ok()??, connection))
    }

    /// Whether the other side may be the node `id`, by its certificate. A node that waits to be
    /// added knows nobody, and takes any server of the authority for the leader who adds it; one
    /// that has a cluster knows its members.
    fn check_certificate(&self, stream: &W::Stream, id: NodeId) -> Result<(), String> {
        let inner = &self.inner;
        if !inner.security.is_for_peers() {
            return Ok(());
        }
        let first_members = &inner.options.members;
        let address = self.address_of(id);
        let address = address.or_else(|| first_members.get(&id).cloned());
        let has_cluster = inner.acquaintances.cluster() != 0 || !self.members().is_empty();
        (inner.security).check_caller::<W>(stream, id, address.as_deref(), !has_cluster)
    }

    /// Who has opened the connection; `None` if nothing more is to be said.
    async fn greet(&self, connection: &mut Connection<W::Stream>) -> Option<Caller<W>> {
        let acquaintances = &self.inner.acquaintances;
        let may_be_unknown = acquaintances.serves_unknown() && !self.inner.security.is_for_peers();
        let hello = match connection.receive_first(may_be_unknown).await {
            Ok(Some(First::Hello(hello))) => hello,
            Ok(Some(First::Request(request))) if may_be_unknown => {
                return Some(Caller {
                    cluster: 0,
                    id: None,
                    first: Some(request),
                });
            }
            _ => return None,
        };
        let certified = self.check_certificate(connection.stream(), hello.from);
        let checked = certified.and_then(|()| acquaintances.check(&hello));
        let greeting = match &checked {
            Ok(()) => Greeting::Hello(acquaintances.hello(hello.from)),
            Err(why) => {
                self.warn_refused(&node_name(hello.from), why);
                Greeting::Refused(why.clone())
            }
        };
        connection.answer_greeting(&greeting).await.ok()?;
        checked.ok().map(|()| Caller {
            cluster: hello.cluster,
            id: Some(hello.from),
            first: None,
        })
    }

    async fn answer_peer(
        &self,
        request: PeerRequest<W>,
        sender: Option<NodeId>,
    ) -> PeerResponse<W> {
        let failed = |e: String| PeerResponse::Failed(e);
        let applied_term = self.inner.acquaintances.applied_term();
        let checked = reason::check_request(&request, applied_term)
            .and_then(|()| reason::check_sender(&request, sender, self.id()))
            .and_then(|()| self.check_applied(&request, sender));
        if let Err(why) = checked {
            let peer = sender.map_or("a peer".into(), node_name);
            self.warn_refused(&format!("what {peer} sent"), &why);
            return failed(why);
        }
        match request {
            PeerRequest::Append(rpc) => self.append(rpc, false).await,
            PeerRequest::AppendPromising(rpc) => self.append(rpc, true).await,
            PeerRequest::PreVote(rpc) => self
                .answer_candidate(rpc, true)
                .await
                .map_or_else(failed, PeerResponse::Vote),
            PeerRequest::Vote(rpc) => self
                .answer_candidate(rpc, false)
                .await
                .map_or_else(failed, PeerResponse::Vote),
            PeerRequest::Snapshot { vote, meta, data } => {
                let whole = SnapshotPiece {
                    vote,
                    meta,
                    total: data.len() as u64,
                    offset: 0,
                    data,
                };
                let taken = self.take_piece(whole).await;
                taken.unwrap_or_else(|e| failed(e.to_string()))
            }
            PeerRequest::SnapshotPiece(piece) => {
                let taken = self.take_piece(piece).await;
                taken.unwrap_or_else(|e| failed(e.to_string()))
            }
            PeerRequest::TransferLeader(rpc) => {
                match self.inner.raft.handle_transfer_leader(rpc).await {
                    Ok(Ok(())) => PeerResponse::TransferLeader,
                    Ok(Err(e)) => failed(e.to_string()),
                    Err(e) => failed(e.to_string()),
                }
            }
            PeerRequest::ReadIndex => self
                .confirm(ReadPolicy::ReadIndex)
                .await
                .map_or_else(|e| failed(e.to_string()), PeerResponse::ReadIndex),
        }
    }

    /// Takes in entries, or a heartbeat, and promises not to help another leader for a while.
    async fn append(
        &self,
        rpc: AppendEntriesRequest<TypeConfig<W>>,
        promises: bool,
    ) -> PeerResponse<W> {
        let begun = W::now();
        let (vote, carries_entries) = (rpc.vote, !rpc.entries.is_empty());
        let proves_applied = self.proves_applied(&rpc);
        self.note_leader(&vote, promises);
        let result = self.inner.raft.append_entries(rpc).await;
        if !matches!(result, Err(_) | Ok(AppendEntriesResponse::HigherVote(_))) {
            if proves_applied && matches!(result, Ok(AppendEntriesResponse::Success)) {
                self.inner.following.clear();
            }
            self.meet_leader(vote).await;
        }
        if carries_entries {
            W::pass(Point::FollowerBeforeAnswer).await;
            self.inner.work.note_handled(W::now() - begun);
            self.tell_work();
        }
        result.map_or_else(
            |e| PeerResponse::Failed(e.to_string()),
            PeerResponse::Append,
        )
    }

    /// Takes in a piece of a snapshot, and installs it when it is complete.
    async fn take_piece(&self, piece: SnapshotPiece<W>) -> io::Result<PeerResponse<W>> {
        let known = self.inner.raft.metrics().borrow_watched().vote;
        if known > piece.vote {
            return Ok(PeerResponse::Snapshot(SnapshotResponse::new(known)));
        }
        self.note_leader(&piece.vote, true);
        let arrived = {
            let mut arriving = self.inner.arriving.borrow_mut();
            let kept = arriving.take().filter(|kept| kept.is_of(&piece));
            let mut all = kept.unwrap_or_else(|| Arriving::new(&piece.meta, piece.total));
            all.add(&piece);
            if !all.is_complete() {
                let have = all.len();
                *arriving = Some(all);
                return Ok(PeerResponse::SnapshotUpTo(have));
            }
            all.into_bytes()
        };
        W::emit(NodeEvent::SnapshotArrived {
            index: piece.meta.last_log_id.map_or(0, |id| id.index),
        });
        W::pass(Point::SnapshotArrived).await;
        let decoding = W::compute(move || {
            Payload::decode(&arrived).map(|payload| (arrived, Box::new(payload)))
        });
        let (bytes, payload) = decoding.await?;
        let snapshot = Snapshot::<W> {
            meta: piece.meta,
            snapshot: SnapshotData::Arrived { bytes, payload },
        };
        let installed = self
            .inner
            .raft
            .install_full_snapshot(piece.vote, snapshot)
            .await;
        self.meet_leader(piece.vote).await;
        if installed.is_ok() {
            self.inner.following.clear();
        }
        installed
            .map(PeerResponse::Snapshot)
            .map_err(io::Error::other)
    }
}
