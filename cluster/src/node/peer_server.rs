//! The other nodes' side of this node: answers their calls, one connection a task.

use openraft::ReadPolicy;
use openraft::raft::AppendEntriesResponse;

use super::Node;
use crate::event::NodeEvent;
use crate::raft::wire::{Connection, PeerRequest, PeerResponse};
use crate::raft::{RaftWorld, Snapshot};
use crate::world::Instant;

pub(super) async fn serve<W: RaftWorld>(node: Node<W>, mut listener: W::Listener) {
    loop {
        let stream = super::client_server::accept::<W>(&mut listener).await;
        W::spawn(answer(node.clone(), Connection::new(stream)));
    }
}

async fn answer<W: RaftWorld>(node: Node<W>, mut connection: Connection<W::Stream>) {
    // A connection that breaks or talks nonsense is dropped; the peer opens another.
    while let Ok(Some(request)) = connection.receive::<PeerRequest<W>>().await {
        if node.inner.stopping.get() && matches!(request, PeerRequest::ReadIndex) {
            return;
        }
        let response = node.answer_peer(request).await;
        if connection.send(&response).await.is_err() {
            return;
        }
    }
}

impl<W: RaftWorld> Node<W> {
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
                W::emit(NodeEvent::SnapshotArrived {
                    index: meta.last_log_id.map_or(0, |id| id.index),
                });
                let snapshot = Snapshot::<W> {
                    meta,
                    snapshot: data,
                };
                raft.install_full_snapshot(vote, snapshot)
                    .await
                    .map_or_else(|e| failed(e.to_string()), PeerResponse::Snapshot)
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
}
