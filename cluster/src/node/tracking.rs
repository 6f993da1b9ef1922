//! The stream of invalidations that a leader pushes to clients with caches of their own.
//!
//! `CACHE.TRACK FROM index` turns a connection into a stream. The node pushes
//! `["invalidate", index, key…]` for every entry after `index` that changed keys, in log
//! order and without a gap, or `["flush", index]` where it cannot, or where an entry changed
//! every key: the client must then forget every copy. `["upto", index]` says that everything
//! up to `index` has been pushed; it is sent once when the stream begins, and once for each
//! `PING` of the client, after a round of heartbeats has proved that this node still leads.
//! So a client knows how old its copies may be by its own clock alone: as old as the last
//! `PING` that was answered, whatever links and leaders did meanwhile.
//!
//! A client may rely on this: a copy with version v is current as of that `PING`, as long as
//! no invalidation of its key with an index above v has arrived. A copy must not be kept if
//! such an invalidation arrived while it was being fetched. After a broken stream the client
//! asks for its last index, and keeps its copies unless it gets a `flush`. Index 0
//! begins from now, for clients without copies.
//!
//! A node that stops leading ends its streams with an error. It keeps nothing for a client:
//! one that reads too slowly for the ring of [`crate::raft::invalidations`] gets a `flush`.

use std::io;
use std::pin::pin;

use bytes::BytesMut;
use futures_util::future::{Either, select};
use openraft::ReadPolicy;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::settings::READ_BYTES;
use super::{Node, NodeError};
use crate::planted::{self, Bug};
use crate::protocol::{self, Call, ConnectionCall, Decoder, Push, wire};
use crate::raft::RaftWorld;

/// Serves one stream until its client goes away or this node stops leading.
pub(super) async fn serve<W: RaftWorld>(
    node: Node<W>,
    mut stream: W::Stream,
    mut input: BytesMut,
    from: u64,
) -> io::Result<()> {
    let mut output = BytesMut::new();
    let mut tracking = match Tracking::start(node, from, &mut output).await {
        Ok(tracking) => tracking,
        Err(e) => return end(stream, output, &e).await,
    };
    let mut decoder = Decoder::default();
    loop {
        loop {
            match decoder.next(&mut input) {
                Ok(None) => break,
                Ok(Some(args)) if args.is_empty() => {}
                Ok(Some(args)) => match protocol::parse(&args) {
                    Ok(Call::Connection(ConnectionCall::Ping(None))) => {
                        if let Err(e) = tracking.confirm(&mut output).await {
                            return end(stream, output, &e).await;
                        }
                    }
                    _ => {
                        let only = NodeError::Invalid("a stream takes nothing but PING".into());
                        return end(stream, output, &only).await;
                    }
                },
                Err(e) => return end(stream, output, &NodeError::Invalid(e.to_string())).await,
            }
        }
        let node = tracking.node.clone();
        // Listens before it looks, so that nothing applied in between goes unnoticed.
        let applied = node.inner.machine.applied_some();
        let leads = tracking.term != 0 && node.leading_term() == tracking.term;
        if !leads || node.is_stopping() {
            let moved = node.redirect();
            return end(stream, output, &moved).await;
        }
        tracking.push(&mut output);
        if !output.is_empty() {
            stream.write_all(&output).await?;
            stream.flush().await?;
            output.clear();
        }
        input.reserve(READ_BYTES.max(input.len()));
        match select(pin!(stream.read_buf(&mut input)), pin!(applied)).await {
            Either::Left((Ok(0), _)) => return Ok(()),
            Either::Left((read, _)) => read.map(|_| ())?,
            Either::Right(_) => {}
        }
    }
}

/// What was pushed, and then why there is no more.
async fn end<S: AsyncWriteExt + Unpin>(
    mut stream: S,
    mut output: BytesMut,
    why: &NodeError,
) -> io::Result<()> {
    wire::error(&mut output, &why.to_resp(0));
    stream.write_all(&output).await?;
    stream.shutdown().await
}

struct Tracking<W: RaftWorld> {
    node: Node<W>,
    /// The term in which this node leads.
    term: u64,
    /// Everything up to this index has been pushed.
    sent: u64,
}

impl<W: RaftWorld> Tracking<W> {
    async fn start(node: Node<W>, from: u64, out: &mut BytesMut) -> Result<Self, NodeError> {
        node.confirm(ReadPolicy::ReadIndex).await?;
        let applied = node.applied_index();
        let begins_now = from == 0 || planted::active(Bug::ResumedFromNow);
        let mut tracking = Self {
            term: node.leading_term(),
            node,
            sent: if begins_now { applied } else { from },
        };
        if tracking.sent > applied {
            // No leader has shown the client an index that this one has not applied.
            Push::Flush(applied).write(out);
            tracking.sent = applied;
        }
        tracking.push(out);
        Push::UpTo(tracking.sent).write(out);
        Ok(tracking)
    }

    /// Answers a `PING`: this node leads, and the client has everything up to here.
    async fn confirm(&mut self, out: &mut BytesMut) -> Result<(), NodeError> {
        self.node.confirm(ReadPolicy::ReadIndex).await?;
        self.push(out);
        Push::UpTo(self.sent).write(out);
        Ok(())
    }

    /// Writes what was applied since the last push.
    fn push(&mut self, out: &mut BytesMut) {
        let applied = self.node.applied_index();
        if !self.push_from_ring(out) {
            Push::Flush(applied).write(out);
        }
        self.sent = applied;
    }

    /// False if the ring no longer holds all that is to be pushed.
    fn push_from_ring(&self, out: &mut BytesMut) -> bool {
        let invalidations = self.node.inner.machine.invalidations();
        let Some(changes) = invalidations.since(self.sent) else {
            return false;
        };
        for (index, changed) in changes {
            if changed.all || changed.keys.len() > protocol::MAX_PUSHED_KEYS {
                Push::Flush(*index).write(out);
            } else {
                Push::write_invalidate(out, *index, &changed.keys);
            }
        }
        true
    }
}
