//! The clients' side of a node: RESP connections, one task each.
//!
//! Commands of a connection are executed in order, and their replies are written together
//! when no further command is waiting. A malformed stream ends its own connection after an
//! error, as in Redis; nothing a client sends reaches another connection.

use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Node, tracking};
use crate::protocol::{self, Call, ConnectionCall, Decoder, ReadMode, wire};
use crate::raft::RaftWorld;

/// Replies are sent when this much has gathered, even if more commands wait.
const FLUSH_BYTES: usize = 64 * 1024;
/// Read buffers grow by at least this much.
pub(super) const READ_BYTES: usize = 1024;
/// Rest after a failed accept (out of file descriptors, say), before the next.
const ACCEPT_REST: Duration = Duration::from_millis(50);

pub(super) async fn serve<W: RaftWorld>(node: Node<W>, mut listener: W::Listener) {
    loop {
        let stream = accept::<W>(&mut listener).await;
        let id = node.inner.counters.note_connection();
        let connection = Connection {
            node: node.clone(),
            id,
            name: Bytes::new(),
            mode: ReadMode::Linearizable,
        };
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

struct Connection<W: RaftWorld> {
    node: Node<W>,
    id: u64,
    /// Set by `CLIENT SETNAME`.
    name: Bytes,
    /// How reads are served unless a command says otherwise.
    mode: ReadMode,
}

/// Whether the connection goes on after a command.
#[derive(PartialEq, Eq)]
enum Then {
    Continue,
    Close,
    /// The connection becomes a stream of invalidations.
    Track {
        from: u64,
    },
}

impl<W: RaftWorld> Connection<W> {
    async fn run(mut self, mut stream: W::Stream) -> io::Result<()> {
        let mut decoder = Decoder::default();
        let mut input = BytesMut::new();
        let mut output = BytesMut::new();
        loop {
            match decoder.next(&mut input) {
                Ok(Some(args)) if args.is_empty() => {}
                Ok(Some(args)) => {
                    match self.execute(&args, &mut output).await {
                        Then::Continue => {}
                        Then::Close => {
                            stream.write_all(&output).await?;
                            return stream.shutdown().await;
                        }
                        Then::Track { from } => {
                            stream.write_all(&output).await?;
                            return tracking::serve(self.node, stream, input, from).await;
                        }
                    }
                    if output.len() >= FLUSH_BYTES {
                        stream.write_all(&output).await?;
                        output.clear();
                    }
                }
                Ok(None) => {
                    if !output.is_empty() {
                        stream.write_all(&output).await?;
                        output.clear();
                    }
                    input.reserve(READ_BYTES.max(input.len()));
                    if stream.read_buf(&mut input).await? == 0 {
                        return Ok(());
                    }
                }
                Err(e) => {
                    wire::error(&mut output, &e.to_string());
                    stream.write_all(&output).await?;
                    return stream.shutdown().await;
                }
            }
        }
    }

    async fn execute(&mut self, args: &[Bytes], out: &mut BytesMut) -> Then {
        let call = match protocol::parse(args) {
            Ok(call) => call,
            Err(e) => {
                wire::error(out, &e.to_string());
                return Then::Continue;
            }
        };
        self.node.inner.counters.note_command();
        let slot = args.get(1).map_or(0, |key| protocol::slot(key));
        let result = match call {
            Call::Write {
                once,
                command,
                style,
                wait_ms,
            } => (self.node.write(once, command, wait_ms).await).map(|reply| (style, reply)),
            Call::Read { mode, query, style } => {
                let mode = mode.unwrap_or(self.mode);
                (self.node.read(mode, &query).await).map(|reply| (style, reply))
            }
            Call::Connection(call) => return self.answer(call, out),
            Call::Track { from } => return Then::Track { from },
            Call::Admin(call) => {
                match self.node.administer(call).await {
                    Ok(lines) => super::info::encode_lines(out, &lines),
                    Err(e) => wire::error(out, &e.to_resp(slot)),
                }
                return Then::Continue;
            }
        };
        match result {
            Ok((style, reply)) => protocol::encode(out, style, &reply),
            Err(e) => wire::error(out, &e.to_resp(slot)),
        }
        Then::Continue
    }

    /// Commands that concern the connection or this node alone.
    fn answer(&mut self, call: ConnectionCall, out: &mut BytesMut) -> Then {
        match call {
            ConnectionCall::Ping(None) => wire::simple(out, "PONG"),
            ConnectionCall::Ping(Some(text)) | ConnectionCall::Echo(text) => wire::bulk(out, &text),
            ConnectionCall::Quit => {
                wire::simple(out, "OK");
                return Then::Close;
            }
            ConnectionCall::Hello { name } => {
                self.name = name.unwrap_or_else(|| self.name.clone());
                let role = match self.node.is_leading() {
                    true => "master",
                    false => "replica",
                };
                protocol::encode_hello(out, self.id, role);
            }
            ConnectionCall::ClientSetName(name) => {
                self.name = name;
                wire::simple(out, "OK");
            }
            ConnectionCall::Select | ConnectionCall::ClientSetInfo => wire::simple(out, "OK"),
            ConnectionCall::ClientGetName => wire::bulk(out, &self.name),
            ConnectionCall::ClientId => wire::integer(out, self.id as i64),
            ConnectionCall::CommandTable => wire::array(out, 0),
            ConnectionCall::CommandCount => {
                wire::integer(out, protocol::COMMAND_NAMES.len() as i64);
            }
            ConnectionCall::ConfigGet(names) => {
                wire::array(out, names.len() * 2);
                for name in names {
                    wire::bulk(out, &name);
                    wire::bulk(out, b"");
                }
            }
            ConnectionCall::Consistency(mode) => {
                self.mode = mode;
                wire::simple(out, "OK");
            }
            ConnectionCall::Info { sections } => {
                wire::bulk(out, self.node.info(&sections).as_bytes());
            }
            ConnectionCall::Cluster(call) => self.node.describe_cluster(&call, out),
            ConnectionCall::Time => {
                let now_ms = W::wall_clock_ms();
                wire::array(out, 2);
                wire::bulk(out, (now_ms / 1_000).to_string().as_bytes());
                wire::bulk(out, (now_ms % 1_000 * 1_000).to_string().as_bytes());
            }
        }
        Then::Continue
    }
}
