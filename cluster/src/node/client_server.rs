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

use super::connection::{Arrived, Connection, Reads, Then};
use super::pipeline::Gathered;
use super::{Node, tracking};
use crate::protocol::{Decoder, wire};
use crate::raft::RaftWorld;

/// Replies are sent when this much has gathered, even if more commands wait.
const FLUSH_BYTES: usize = 64 * 1024;
/// No more than this is read of a client whose next command may not begin yet.
const MOST_BEHIND_BYTES: usize = 64 * 1024;
/// Read buffers grow by at least this much.
pub(super) const READ_BYTES: usize = 1024;
/// Rest after a failed accept (out of file descriptors, say), before the next.
const ACCEPT_REST: Duration = Duration::from_millis(50);

pub(super) async fn serve<W: RaftWorld>(node: Node<W>, mut listener: W::Listener) {
    loop {
        let stream = accept::<W>(&mut listener).await;
        let id = node.inner.counters.note_connection();
        let connection = Connection::new(node.clone(), id);
        W::spawn(async move {
            // A broken connection is its client's affair.
            let _ = connection.run(stream).await;
        });
    }
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
    Read(io::Result<usize>),
}

impl<W: RaftWorld> Connection<W> {
    async fn run(mut self, mut stream: W::Stream) -> io::Result<()> {
        let mut decoder = Decoder::default();
        let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
        loop {
            let begin = |cx: &mut Context<'_>| {
                self.begin_all(cx, &mut decoder, &mut input, &mut output);
                Poll::Ready(())
            };
            poll_fn(begin).await;
            let answered = poll_fn(|cx| {
                let version = self.version;
                let polled = self
                    .pipeline
                    .poll_answers(cx, version, &mut output, FLUSH_BYTES);
                Poll::Ready(polled.is_ready())
            });
            let answered = answered.await;
            if answered && output.len() < FLUSH_BYTES {
                continue;
            }
            if !output.is_empty() {
                stream.write_all(&output).await?;
                output.clear();
            }
            if answered {
                continue;
            }
            if self.pipeline.is_empty() {
                match self.then {
                    Then::Close => return stream.shutdown().await,
                    Then::Track { from } => {
                        return tracking::serve(self.node, stream, input, from).await;
                    }
                    Then::Continue if self.is_ending => return Ok(()),
                    Then::Continue => {}
                }
            }
            match self.wait(&mut stream, &mut input, &mut output).await {
                Woken::Answers => {}
                Woken::Read(Ok(1..)) => {}
                // Whoever waited for others is gone; what was begun is answered, for a client
                // that has only ended its own side.
                Woken::Read(_) if self.pipeline.is_waiting() => return Ok(()),
                Woken::Read(_) => self.is_ending = true,
            }
        }
    }

    /// Waits until the first in line is answered, or the client sends more.
    async fn wait(
        &mut self,
        stream: &mut W::Stream,
        input: &mut BytesMut,
        output: &mut BytesMut,
    ) -> Woken {
        let is_behind = self.held.is_some() || !self.pipeline.has_space();
        let reads = !self.is_ending && !(is_behind && input.len() >= MOST_BEHIND_BYTES);
        if reads {
            input.reserve(READ_BYTES.max(input.len()));
        }
        let (pipeline, version) = (&mut self.pipeline, self.version);
        let answers = poll_fn(|cx| pipeline.poll_answers(cx, version, output, FLUSH_BYTES));
        if !reads {
            answers.await;
            return Woken::Answers;
        }
        match select(answers, pin!(stream.read_buf(input))).await {
            Either::Left(_) => Woken::Answers,
            Either::Right((read, _)) => Woken::Read(read),
        }
    }

    /// Begins whatever the client has sent and may begin now. What may not is held, with
    /// everything behind it.
    fn begin_all(
        &mut self,
        cx: &mut Context<'_>,
        decoder: &mut Decoder,
        input: &mut BytesMut,
        output: &mut BytesMut,
    ) {
        let mut writes = Gathered::default();
        let mut reads = Reads::default();
        while self.then == Then::Continue {
            let next = match self.held.take() {
                Some(held) => Ok(Some(held)),
                None if !self.pipeline.has_space() => break,
                None => decoder.next(input).map(|args| args.map(Arrived::new)),
            };
            match next {
                Ok(None) => break,
                Ok(Some(arrived)) => self.begin(cx, arrived, &mut writes, &mut reads, output),
                Err(e) => {
                    self.propose(cx, &mut writes);
                    self.look_up(cx, &mut reads);
                    let write = |out: &mut BytesMut| wire::error(out, &e.to_string());
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
    }
}
