//! Backups: a node's state as of now, sent to a client.
//!
//! `RAFT.BACKUP` is answered with one bulk string, however large, and the end of the connection:
//! a snapshot file as nodes keep it, with its versions and checksums. It is taken for the asking,
//! after a leader has confirmed how far the state must be, so all that was acknowledged before
//! is in it; any member can be asked. Nothing of the file is held in memory but the piece that is
//! on its way.

use std::io;
use std::time::Duration;

use openraft::async_runtime::watch::WatchReceiver;

use super::clients::Client;
use super::{Node, NodeError};
use crate::protocol::{ReadMode, wire};
use crate::raft::RaftWorld;
use crate::storage::{Disk, SnapshotFile};
use crate::world;

/// Bytes that are read and sent at a time.
const PIECE_BYTES: u64 = 1 << 20;
/// A snapshot that is not there after so long does not come.
const SNAPSHOT_LIMIT: Duration = Duration::from_secs(600);
/// Rest between two looks whether it is there.
const LOOK: Duration = Duration::from_millis(10);

type File<W> = SnapshotFile<<<W as world::World>::Disk as Disk>::File>;

/// Sends a backup, or why there is none.
pub(super) async fn serve<W: RaftWorld>(
    node: Node<W>,
    client: &Client,
    mut stream: W::Stream,
) -> io::Result<()> {
    let mut output = bytes::BytesMut::new();
    let file = match client.unless_killed(node.take_snapshot()).await? {
        Ok(file) => file,
        Err(e) => {
            wire::error(&mut output, &e.to_resp(0));
            return client.write_last::<W>(&mut stream, &output).await;
        }
    };
    let total = file.file_len();
    let head = format!("${total}\r\n");
    client.write::<W>(&mut stream, head.as_bytes()).await?;
    let mut at = 0;
    while at < total {
        let piece = file.read_file_at(at, PIECE_BYTES.min(total - at) as usize);
        let piece = piece.await?;
        client.write::<W>(&mut stream, &piece).await?;
        at += piece.len() as u64;
    }
    client.write_last::<W>(&mut stream, b"\r\n").await
}

impl<W: RaftWorld> Node<W> {
    /// A snapshot that has everything acknowledged before this was called.
    async fn take_snapshot(&self) -> Result<File<W>, NodeError> {
        self.make_recent(ReadMode::Stale { bound_ms: 0 }).await?;
        let target = self.applied_index();
        let deadline = W::now() + SNAPSHOT_LIMIT;
        while self.snapshot_index() < Some(target) {
            if W::now() >= deadline || self.is_stopping() {
                let why = "the snapshot is not there yet; the node's log may say why";
                return Err(NodeError::NotNow(why.into()));
            }
            // Ignored while one is being built, which may have begun before.
            self.snapshot().await?;
            W::sleep(LOOK).await;
        }
        let saved = self.inner.machine.saved_snapshot().await;
        let saved = saved.map_err(|e| NodeError::NotNow(e.to_string()))?;
        saved.ok_or_else(|| NodeError::NotNow("the snapshot is gone".into()))
    }

    /// The last entry in the newest snapshot.
    fn snapshot_index(&self) -> Option<u64> {
        let metrics = self.inner.raft.metrics();
        let metrics = metrics.borrow_watched();
        metrics.snapshot.map(|id| id.index)
    }
}
