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
//! one that reads too slowly for the ring of [`crate::raft::invalidations`] gets a `flush`, and one
//! that takes nothing at all is given up, as on any connection.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::task::Poll;

use bytes::BytesMut;
use futures_util::future::{Either, select};
use openraft::ReadPolicy;
use tokio::io::AsyncReadExt;

use super::clients::Client;
use super::settings::READ_BYTES;
use super::{Node, NodeError};
use crate::planted::{self, Bug};
use crate::protocol::{self, Call, ConnectionCall, Decoder, Push, wire};
use crate::raft::RaftWorld;
use crate::world::{self, Instant};

/// Serves one stream until its client goes away or this node stops leading.
pub(super) async fn serve<W: RaftWorld>(
    node: Node<W>,
    client: &Client,
    mut stream: W::Stream,
    mut input: BytesMut,
    from: u64,
) -> io::Result<()> {
    let mut output = BytesMut::new();
    let started = Tracking::start(node, from, &mut output);
    let mut tracking = match client.unless_killed(started).await? {
        Ok(tracking) => tracking,
        Err(e) => return end::<W>(client, stream, output, &e).await,
    };
    let mut decoder = Decoder::default();
    let mut idle_since = W::now();
    loop {
        loop {
            match decoder.next(&mut input) {
                Ok(None) => break,
                Ok(Some(args)) if args.is_empty() => {}
                Ok(Some(args)) => match protocol::parse(&args) {
                    Ok(Call::Connection(ConnectionCall::Ping(None))) => {
                        let confirmed = tracking.confirm(&mut output);
                        if let Err(e) = client.unless_killed(confirmed).await? {
                            return end::<W>(client, stream, output, &e).await;
                        }
                    }
                    _ => {
                        let only = NodeError::Invalid("a stream takes nothing but PING".into());
                        return end::<W>(client, stream, output, &only).await;
                    }
                },
                Err(e) => {
                    let wrong = NodeError::Invalid(e.to_string());
                    return end::<W>(client, stream, output, &wrong).await;
                }
            }
        }
        let node = tracking.node.clone();
        // Listens before it looks, so that nothing applied in between goes unnoticed.
        let applied = node.inner.machine.applied_some();
        let leads = tracking.term != 0 && node.leading_term() == tracking.term;
        if !leads || node.is_stopping() {
            let moved = node.redirect();
            return end::<W>(client, stream, output, &moved).await;
        }
        tracking.push(&mut output);
        input.reserve(READ_BYTES.max(input.len()));
        client.note_buffers(input.capacity() + output.capacity());
        if !output.is_empty() {
            client.write::<W>(&mut stream, &output).await?;
            output.clear();
            idle_since = W::now();
        }
        let read = async {
            match select(pin!(stream.read_buf(&mut input)), pin!(applied)).await {
                Either::Left((read, _)) => Some(read),
                Either::Right(_) => None,
            }
        };
        let deadline = node.inner.settings.idle_timeout();
        let deadline = deadline.map(|limit| idle_since + limit);
        match unless_ended::<W>(client, deadline, read).await? {
            None => {}
            Some(Ok(0)) => return Ok(()),
            Some(read) => {
                read?;
                idle_since = W::now();
            }
        }
    }
}

/// Waits for what the client sends or for changes. `None`: there may be some to push, or the
/// settings have changed by which it waits. An error once somebody has ended the connection, or
/// it has been idle for too long.
async fn unless_ended<W: RaftWorld>(
    client: &Client,
    deadline: Option<Instant>,
    read: impl Future<Output = Option<io::Result<usize>>>,
) -> io::Result<Option<io::Result<usize>>> {
    let looks = poll_fn(|_| match client.must_look() {
        true => Poll::Ready(None),
        false => Poll::Pending,
    });
    // Whoever has it look again wakes the task through what watches for its end.
    let read = client.unless_killed(async {
        match select(pin!(read), looks).await {
            Either::Left((read, _)) | Either::Right((read, _)) => read,
        }
    });
    match deadline {
        None => read.await,
        Some(deadline) => {
            let read = world::timeout_at::<W, _>(deadline, read).await;
            read.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        }
    }
}

/// What was pushed, and then why there is no more.
async fn end<W: RaftWorld>(
    client: &Client,
    mut stream: W::Stream,
    mut output: BytesMut,
    why: &NodeError,
) -> io::Result<()> {
    wire::error(&mut output, &why.to_resp(0));
    client.write_last::<W>(&mut stream, &output).await
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
