//! The other nodes' side of this node: answers their calls, one connection a task.

use std::io;

use openraft::ReadPolicy;
use openraft::async_runtime::watch::WatchReceiver;
use openraft::raft::{AppendEntriesResponse, SnapshotResponse};

use super::Node;
use crate::event::NodeEvent;
use crate::raft::hello::Greeting;
use crate::raft::snapshot::{Arriving, Payload, SnapshotData};
use crate::raft::wire::{Connection, First, PeerRequest, PeerResponse, SnapshotPiece};
use crate::raft::{RaftWorld, Snapshot, node_name};
use crate::world::Instant;

pub(super) async fn serve<W: RaftWorld>(node: Node<W>, mut listener: W::Listener) {
    loop {
        let stream = super::client_server::accept::<W>(&mut listener).await;
        W::spawn(answer(node.clone(), Connection::new(stream)));
    }
}

async fn answer<W: RaftWorld>(node: Node<W>, mut connection: Connection<W::Stream>) {
    let Some((cluster, mut first)) = node.greet(&mut connection).await else {
        return;
    };
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
        let response = node.answer_peer(request).await;
        if follows(&response) {
            node.inner.acquaintances.join_cluster(cluster);
        }
        if connection.send(None, &response).await.is_err() {
            return;
        }
    }
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
    /// The cluster of whoever has opened the connection, and the first request of one that
    /// does not greet; `None` if nothing more is to be said.
    async fn greet(
        &self,
        connection: &mut Connection<W::Stream>,
    ) -> Option<(u64, Option<PeerRequest<W>>)> {
        let acquaintances = &self.inner.acquaintances;
        let hello = match connection.receive_first().await {
            Ok(Some(First::Hello(hello))) => hello,
            Ok(Some(First::Request(request))) if acquaintances.serves_unknown() => {
                return Some((0, Some(request)));
            }
            _ => return None,
        };
        let checked = acquaintances.check(&hello);
        let greeting = match &checked {
            Ok(()) => Greeting::Hello(acquaintances.hello(hello.from)),
            Err(why) => {
                tracing::warn!("refused {}: {why}", node_name(hello.from));
                Greeting::Refused(why.clone())
            }
        };
        connection.answer_greeting(&greeting).await.ok()?;
        checked.ok().map(|()| (hello.cluster, None))
    }

    /// A call arrived at `at` from a leader that this node follows.
    fn note_leader(&self, at: Instant) {
        let heard_at = self.inner.leader_heard_at.get();
        self.inner.leader_heard_at.set(heard_at.max(Some(at)));
    }

    async fn answer_peer(&self, request: PeerRequest<W>) -> PeerResponse<W> {
        let raft = &self.inner.raft;
        let failed = |e: String| PeerResponse::Failed(e);
        match request {
            PeerRequest::Append(rpc) => {
                let begun = W::now();
                let carries_entries = !rpc.entries.is_empty();
                let result = raft.append_entries(rpc).await;
                if !matches!(result, Err(_) | Ok(AppendEntriesResponse::HigherVote(_))) {
                    self.note_leader(begun);
                }
                if carries_entries {
                    self.inner.work.note_handled(W::now() - begun);
                    self.tell_work();
                }
                result.map_or_else(|e| failed(e.to_string()), PeerResponse::Append)
            }
            PeerRequest::PreVote(rpc) => raft
                .pre_vote(rpc)
                .await
                .map_or_else(|e| failed(e.to_string()), PeerResponse::Vote),
            PeerRequest::Vote(rpc) => raft
                .vote(rpc)
                .await
                .map_or_else(|e| failed(e.to_string()), PeerResponse::Vote),
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
            PeerRequest::TransferLeader(rpc) => match raft.handle_transfer_leader(rpc).await {
                Ok(Ok(())) => PeerResponse::TransferLeader,
                Ok(Err(e)) => failed(e.to_string()),
                Err(e) => failed(e.to_string()),
            },
            PeerRequest::ReadIndex => self
                .confirm(ReadPolicy::ReadIndex)
                .await
                .map_or_else(|e| failed(e.to_string()), PeerResponse::ReadIndex),
        }
    }
    /// Takes in a piece of a snapshot, and installs it when it is complete.
    async fn take_piece(&self, piece: SnapshotPiece<W>) -> io::Result<PeerResponse<W>> {
        let known = self.inner.raft.metrics().borrow_watched().vote;
        if known > piece.vote {
            return Ok(PeerResponse::Snapshot(SnapshotResponse::new(known)));
        }
        self.note_leader(W::now());
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
        installed
            .map(PeerResponse::Snapshot)
            .map_err(io::Error::other)
    }
}
