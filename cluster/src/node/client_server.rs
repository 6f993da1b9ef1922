//! The clients' side of a node: RESP connections, one task each.
//!
//! Commands are begun as they arrive ([`super::pipeline`]) and answered in order; replies are
//! written together when none is ready any more. A malformed stream ends its own connection
//! after an error, as in Redis; nothing a client sends reaches another connection. Who hangs up
//! while a command of his waits for others ends the wait.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use futures_util::future::{Either, select};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::connection::{Connection, Reads, Then};
use super::near_cache::NearCache;
use super::pipeline::Gathered;
use super::sending::WRITE_LIMIT;
use super::settings::READ_BYTES;
use super::turn::Turn;
use super::{Inner, Node, backup, tracking};
use crate::protocol::{Decoder, wire};
use crate::raft::RaftWorld;
use crate::world;

/// Replies are sent when this much has gathered, even if more commands wait.
const FLUSH_BYTES: usize = 64 * 1024;
/// A buffer that was larger than this is not kept when it is empty.
const KEPT_BYTES: usize = 2 * FLUSH_BYTES;
/// No read of a client makes more room than this, beside what is there already.
const MOST_READ_BYTES: usize = 16 * 1024;
/// No more than this is read of a client whose next command may not begin yet.
const MOST_BEHIND_BYTES: usize = 64 * 1024;
/// A client that sends more than this behind a command that waits is given up: the wait may last
/// for ever, and the end of a client is only read behind everything that it has sent.
const MOST_BEHIND_A_WAIT_BYTES: usize = 1024 * 1024;
/// Rest after a failed accept (out of file descriptors, say), before the next.
const ACCEPT_REST: Duration = Duration::from_millis(50);

pub(super) async fn serve<W: RaftWorld>(node: Node<W>, mut listener: W::Listener) {
    loop {
        let stream = accept::<W>(&mut listener).await;
        let id = node.inner.counters.note_connection();
        let is_encrypted = node.inner.security.is_for_clients();
        if !has_space(&node) {
            node.inner.counters.note_rejected();
            // Who expects TLS could not read why.
            if !is_encrypted {
                W::spawn(turn_away::<W>(stream));
            }
            continue;
        }
        let address = W::peer_name(&stream);
        if !is_encrypted {
            W::spawn(enter(&node, id, address).run(stream));
            continue;
        }
        let node = node.clone();
        let place = node.inner.handshakes.add();
        W::spawn(async move {
            let handshake = node.inner.security.accept_client::<W>(stream);
            match place.until(handshake).await {
                Some(Ok(stream)) => enter(&node, id, address).run(stream).await,
                Some(Err(e)) => tracing::debug!("no TLS with a client: {e}"),
                None => tracing::debug!("no TLS with a client: others took its place"),
            }
        });
    }
}

/// Makes room for one more client. Those who have not done their part of the handshake count,
/// and make room, the oldest first; whether there is any.
fn has_space<W: RaftWorld>(node: &Node<W>) -> bool {
    let Inner {
        clients,
        handshakes,
        counters,
        settings,
        ..
    } = &*node.inner;
    let most = settings.max_clients();
    if clients.count() as u64 >= most {
        return false;
    }
    while (clients.count() + handshakes.count()) as u64 >= most && handshakes.drop_oldest() {
        counters.note_rejected();
    }
    true
}

/// A client is served from now on.
fn enter<W: RaftWorld>(node: &Node<W>, id: u64, address: String) -> Connection<W> {
    let client = node.inner.clients.add(id, address, W::now());
    Connection::new(node.clone(), client)
}

/// Tells a client that there are too many.
async fn turn_away<W: RaftWorld>(mut stream: W::Stream) {
    let text = b"-ERR max number of clients reached (--max-clients, CONFIG SET maxclients)\r\n";
    let reported = async {
        stream.write_all(text).await?;
        stream.shutdown().await
    };
    // Whether it listened or not: it is gone.
    let _ = world::timeout::<W, _>(WRITE_LIMIT, reported).await;
}

/// The next connection; errors of single connections are waited out.
pub(super) async fn accept<W: RaftWorld>(listener: &mut W::Listener) -> W::Stream {
    loop {
        match W::accept(listener).await {
            Ok(stream) => return stream,
            Err(e) => {
                tracing::warn!("accept failed: {e}");
                W::sleep(ACCEPT_REST).await;
            }
        }
    }
}

/// What ended a wait.
enum Woken {
    Answers,
    /// There may be changes to push to the client, or of the settings by which it waits.
    Changes,
    Read(io::Result<usize>),
    /// Somebody ended the connection, or it was idle for too long.
    Ended,
}

impl<W: RaftWorld> Connection<W> {
    /// Serves the client until the connection ends.
    async fn run(self, stream: W::Stream) {
        let (node, id) = (self.node.clone(), self.client.id);
        // A connection that breaks is gone, and nobody is left to tell.
        drop(self.serve(stream).await);
        node.inner.clients.remove(id);
    }

    async fn serve(mut self, mut stream: W::Stream) -> io::Result<()> {
        let mut decoder = Decoder::default();
        let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
        loop {
            let begin = |cx: &mut Context<'_>| {
                Poll::Ready(self.begin_all(cx, &mut decoder, &mut input, &mut output))
            };
            let is_cut_short = poll_fn(begin).await;
            if is_cut_short {
                world::yield_now().await;
            }
            let answered = poll_fn(|cx| {
                let version = self.version;
                let stats = &self.node.inner.counters.by_command;
                let pipeline = &mut self.pipeline;
                let polled = pipeline.poll_answers(cx, version, stats, &mut output, FLUSH_BYTES);
                Poll::Ready(polled.is_ready())
            });
            let answered = answered.await;
            if answered {
                self.idle_since = W::now();
            }
            if self.pipeline.is_empty()
                && let Some(near_cache) = &mut self.near_cache
            {
                near_cache.push(&self.node, &mut output);
            }
            if answered && output.len() < FLUSH_BYTES {
                continue;
            }
            if !output.is_empty() {
                self.note_buffers(&input, &output);
                self.client.write::<W>(&mut stream, &output).await?;
                output.clear();
                if output.capacity() > KEPT_BYTES {
                    output = BytesMut::new();
                }
            }
            if answered || is_cut_short {
                continue;
            }
            if self.pipeline.is_empty() {
                match self.then {
                    Then::Close => return self.client.write_last::<W>(&mut stream, &[]).await,
                    Then::Track { from } => {
                        return tracking::serve(self.node, &self.client, stream, input, from).await;
                    }
                    Then::Backup => return backup::serve(self.node, &self.client, stream).await,
                    Then::Continue if self.is_ending => return Ok(()),
                    Then::Continue => {}
                }
            }
            if self.is_ending && self.pipeline.is_waiting() {
                // Nothing would tell that the client has gone altogether.
                return Ok(());
            }
            if self.pipeline.is_waiting() && input.len() > MOST_BEHIND_A_WAIT_BYTES {
                return self.give_up(&mut stream).await;
            }
            self.note_buffers(&input, &output);
            match self.wait(&mut stream, &mut input, &mut output).await {
                Woken::Answers => self.idle_since = W::now(),
                Woken::Read(Ok(read @ 1..)) => {
                    self.idle_since = W::now();
                    self.fit_reads(read, &input);
                }
                Woken::Changes => {}
                Woken::Ended => return Ok(()),
                // Whoever waited for others is gone; what was begun is answered, for a client
                // that has only ended its own side.
                Woken::Read(_) if self.pipeline.is_waiting() => return Ok(()),
                Woken::Read(_) => self.is_ending = true,
            }
        }
    }

    /// Ends the wait of a client whose end could not be seen, and says why.
    async fn give_up(&self, stream: &mut W::Stream) -> io::Result<()> {
        let text = format!(
            "ERR Protocol error: more than {MOST_BEHIND_A_WAIT_BYTES} bytes behind a command that \
             waits"
        );
        self.stats().note_error(&text);
        let mut output = BytesMut::new();
        wire::error(&mut output, &text);
        self.client.write_last::<W>(stream, &output).await
    }

    /// Whether more may be taken from the client, beside so many reads that are going to begin.
    fn has_space(&self, reads: usize) -> bool {
        self.pipeline.has_space(self.node.is_crowded(), reads)
    }

    fn note_buffers(&self, input: &BytesMut, output: &BytesMut) {
        let near = self.near_cache.as_ref().map_or(0, NearCache::bytes);
        let gathered = self.transaction_bytes();
        let bytes = input.capacity() + output.capacity() + self.pipeline.bytes() + near + gathered;
        self.client.note_buffers(bytes);
        self.client.waits.set(self.pipeline.is_waiting());
    }

    /// Has the next read take as much as the client sends at a time: what is read together is
    /// begun together, and writes share an entry.
    fn fit_reads(&mut self, read: usize, input: &BytesMut) {
        if input.len() == input.capacity() {
            self.read_bytes = (2 * self.read_bytes).min(MOST_READ_BYTES);
        } else if read < self.read_bytes / 4 {
            self.read_bytes = (self.read_bytes / 2).max(READ_BYTES);
        }
    }

    /// Waits until the first in line is answered, or the client sends more.
    async fn wait(
        &mut self,
        stream: &mut W::Stream,
        input: &mut BytesMut,
        output: &mut BytesMut,
    ) -> Woken {
        let may_begin = self.held.is_none() && self.has_space(0);
        let must_watch = self.pipeline.is_waiting();
        let takes_more = may_begin || must_watch || input.len() < MOST_BEHIND_BYTES;
        let reads = !self.is_ending && takes_more;
        if input.is_empty() && self.most_input > KEPT_BYTES {
            *input = BytesMut::new();
            self.most_input = 0;
        }
        if reads {
            input.reserve(self.read_bytes.max(input.len()));
        }
        let is_idle = self.pipeline.is_empty();
        let idle_timeout = self.node.inner.settings.idle_timeout();
        let (pipeline, version, client) = (&mut self.pipeline, self.version, &self.client);
        let stats = &self.node.inner.counters.by_command;
        let answers = poll_fn(|cx| {
            if client.poll_killed(cx).is_ready() {
                return Poll::Ready(Woken::Ended);
            }
            if client.must_look() {
                return Poll::Ready(Woken::Changes);
            }
            let polled = pipeline.poll_answers(cx, version, stats, output, FLUSH_BYTES);
            polled.map(|()| Woken::Answers)
        });
        if !reads {
            return answers.await;
        }
        let both = async {
            match select(answers, pin!(stream.read_buf(input))).await {
                Either::Left((woken, _)) => woken,
                Either::Right((read, _)) => Woken::Read(read),
            }
        };
        // Listens before it looks, so that nothing applied in between goes unnoticed.
        let applied = self.node.inner.machine.applied_some();
        let near_cache = self.near_cache.as_ref().filter(|_| is_idle);
        if near_cache.is_some_and(|near_cache| near_cache.has_changes(&self.node)) {
            return Woken::Changes;
        }
        let woken = async {
            if near_cache.is_none() {
                return both.await;
            }
            match select(pin!(both), pin!(applied)).await {
                Either::Left((woken, _)) => woken,
                Either::Right(_) => Woken::Changes,
            }
        };
        match idle_timeout.filter(|_| is_idle) {
            None => woken.await,
            Some(limit) => {
                let deadline = self.idle_since + limit;
                let woken = world::timeout_at::<W, _>(deadline, woken).await;
                woken.unwrap_or(Woken::Ended)
            }
        }
    }

    /// Begins whatever the client has sent and may begin now. What may not is held, with
    /// everything behind it. Whether there may be more that could begin: a client whose commands
    /// take long, or have long answers, lets others go first.
    fn begin_all(
        &mut self,
        cx: &mut Context<'_>,
        decoder: &mut Decoder,
        input: &mut BytesMut,
        output: &mut BytesMut,
    ) -> bool {
        let mut writes = Gathered::default();
        let mut reads = Reads::default();
        self.most_input = self.most_input.max(input.len());
        if self.near_cache.is_some() && !self.pipeline.is_empty() {
            return false;
        }
        let turn = Turn::begin::<W>();
        let mut is_cut_short = false;
        while self.then == Then::Continue {
            let next = match self.held.take() {
                Some(held) => Ok(Some(held)),
                None if !self.has_space(reads.len()) => break,
                None if output.len() >= FLUSH_BYTES || turn.is_over::<W>() => {
                    is_cut_short = true;
                    break;
                }
                None => (decoder.next(input)).map(|args| args.map(|args| self.arrive(args))),
            };
            match next {
                Ok(None) => break,
                Ok(Some(arrived)) => self.begin(cx, arrived, &mut writes, &mut reads, output),
                Err(e) => {
                    self.propose(cx, &mut writes);
                    self.look_up(cx, &mut reads);
                    let text = e.to_string();
                    self.stats().note_error(&text);
                    let write = |out: &mut BytesMut| wire::error(out, &text);
                    self.pipeline.answer(output, write);
                    self.then = Then::Close;
                }
            }
            if self.held.is_some() {
                break;
            }
        }
        self.propose(cx, &mut writes);
        self.look_up(cx, &mut reads);
        is_cut_short
    }
}
