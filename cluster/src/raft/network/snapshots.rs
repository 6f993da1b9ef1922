//! Sends snapshots to peers: in pieces, or whole to a node of the release before.

use std::io;
use std::time::Duration;

use openraft::error::{NetworkError, RPCError};
use openraft::raft::SnapshotResponse;

use super::super::snapshot::{PIECE_BYTES, SMALL_BYTES, SnapshotData, SnapshotPiece};
use super::super::wire::{PeerRequest, PeerResponse};
use super::super::{RaftWorld, Snapshot, SnapshotMeta, TypeConfig, Vote};
use super::{PeerClient, RpcError, confused, network_error, transfer_time};
use crate::storage::{Disk, SnapshotFile};
use crate::world::point::Point;

/// How long a peer may take for a piece of a snapshot, beyond what its bytes need.
const PIECE_LIMIT: Duration = Duration::from_secs(4);

impl<W: RaftWorld> PeerClient<W> {
    /// Sends the snapshot in pieces, from where the peer has it already. There is no limit to
    /// the whole, only to how long the peer may take for a piece. A large one is paced: sent as
    /// fast as it can be, it would take clients of both sides the processor and the network.
    pub(super) async fn send_snapshot(
        &self,
        vote: Vote<W>,
        snapshot: Snapshot<W>,
    ) -> Result<SnapshotResponse<TypeConfig<W>>, RpcError<W>> {
        let SnapshotData::Stored(file) = snapshot.snapshot else {
            return Err(network_error(
                io::ErrorKind::InvalidInput,
                "it is not stored",
            ));
        };
        let total = file.len();
        let acquaintances = &self.network.acquaintances;
        if acquaintances.greeting_of(self.target).is_none() && acquaintances.serves_unknown() {
            return self.send_whole(vote, snapshot.meta, &file).await;
        }
        // A small one is there before its receiver could say that it has some of it.
        let is_large = total > SMALL_BYTES;
        let mut asks = is_large;
        let mut offset = 0;
        loop {
            let most = if is_large { PIECE_BYTES } else { SMALL_BYTES };
            let bytes = if asks { 0 } else { most.min(total - offset) };
            if is_large {
                self.network.pace.pass::<W>(bytes).await;
            }
            let data = file.read_at(offset, bytes as usize).await;
            let piece = SnapshotPiece {
                vote,
                meta: snapshot.meta.clone(),
                total,
                offset,
                data: data
                    .map_err(|e| RPCError::Network(NetworkError::new(&e)))?
                    .into(),
            };
            W::pass(Point::SnapshotBeforeSend).await;
            // The last piece is answered when all of it is decoded, saved at the rate at which
            // it was sent, and installed.
            let limit = match offset + bytes == total {
                true => PIECE_LIMIT + transfer_time(total) + self.network.pace.time_of(total),
                false => PIECE_LIMIT + transfer_time(bytes),
            };
            match self.call(PeerRequest::SnapshotPiece(piece), limit).await? {
                PeerResponse::Snapshot(response) => return Ok(response),
                PeerResponse::SnapshotUpTo(have) if have < total && (asks || have > offset) => {
                    asks = false;
                    offset = have;
                }
                _ => return Err(confused()),
            }
        }
    }

    /// Sends the snapshot to a node of the release before, which knows no pieces.
    async fn send_whole(
        &self,
        vote: Vote<W>,
        meta: SnapshotMeta<W>,
        file: &SnapshotFile<<W::Disk as Disk>::File>,
    ) -> Result<SnapshotResponse<TypeConfig<W>>, RpcError<W>> {
        let data = file.read_at(0, file.len() as usize).await;
        let data = data.map_err(|e| RPCError::Network(NetworkError::new(&e)))?;
        let request = PeerRequest::Snapshot {
            vote,
            meta,
            data: data.into(),
        };
        let limit = PIECE_LIMIT + transfer_time(file.len());
        match self.call(request, limit).await? {
            PeerResponse::Snapshot(response) => Ok(response),
            _ => Err(confused()),
        }
    }
}
