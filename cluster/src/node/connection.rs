//! One connection: what it remembers, and how each of its commands is begun or answered.

use std::task::Context;

use bytes::{Bytes, BytesMut};

use super::Node;
use super::pipeline::{Asked, Gathered, Kind, Outcome, Pipeline, Work};
use crate::protocol::{
    self, Call, CommandError, ConnectionCall, ReadMode, ReplyStyle, RespVersion, wire,
};
use crate::raft::RaftWorld;
use crate::state::command::{Command, LockCommand, Query, Reply};

/// What comes after a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    Continue,
    Close,
    /// The connection becomes a stream of invalidations.
    Track {
        from: u64,
    },
}

pub(super) struct Connection<W: RaftWorld> {
    pub(super) node: Node<W>,
    pub(super) id: u64,
    /// Set by `CLIENT SETNAME`.
    name: Bytes,
    pub(super) version: RespVersion,
    /// How reads are served unless a command says otherwise.
    mode: ReadMode,
    pub(super) pipeline: Pipeline,
    /// The next command, which may not begin yet.
    pub(super) held: Option<Arrived>,
    pub(super) then: Then,
    /// The client sends no more.
    pub(super) is_ending: bool,
}

/// A command that has arrived.
pub(super) struct Arrived {
    args: Vec<Bytes>,
    call: Result<Call, CommandError>,
}

impl Arrived {
    pub(super) fn new(args: Vec<Bytes>) -> Self {
        let call = protocol::parse(&args);
        Self { args, call }
    }
}

/// Reads of one mode that are going to be answered from one moment of the state.
#[derive(Default)]
pub(super) struct Reads {
    mode: Option<ReadMode>,
    queries: Vec<Query>,
    asked: Vec<Asked>,
}

impl<W: RaftWorld> Connection<W> {
    pub(super) fn new(node: Node<W>, id: u64) -> Self {
        Self {
            node,
            id,
            name: Bytes::new(),
            version: RespVersion::default(),
            mode: ReadMode::Linearizable,
            pipeline: Pipeline::default(),
            held: None,
            then: Then::Continue,
            is_ending: false,
        }
    }

    /// Begins a command, or holds it if it may not begin yet.
    pub(super) fn begin(
        &mut self,
        cx: &mut Context<'_>,
        arrived: Arrived,
        writes: &mut Gathered,
        reads: &mut Reads,
        output: &mut BytesMut,
    ) {
        let kind = kind_of(&arrived);
        if kind != Some(Kind::Write) {
            self.propose(cx, writes);
        }
        if kind != Some(Kind::Read) {
            self.look_up(cx, reads);
        }
        if kind.is_some_and(|kind| !self.pipeline.may_begin(kind)) {
            self.held = Some(arrived);
            return;
        }
        self.node.inner.counters.note_command();
        let args = arrived.args;
        match arrived.call {
            Err(e) => self
                .pipeline
                .answer(output, |out| wire::error(out, &e.to_string())),
            Ok(Call::Write {
                once,
                command,
                style,
                wait_ms,
            }) => {
                let asked = Asked { args, style };
                if once.is_none() && Gathered::may_share(&command, style) {
                    if !writes.takes(&asked) {
                        self.propose(cx, writes);
                    }
                    return writes.push(command, asked);
                }
                self.propose(cx, writes);
                let node = self.node.clone();
                let work = async move {
                    let reply = node.write(once, command, wait_ms).await?;
                    Ok(Outcome::Replies(vec![reply]))
                };
                let kind = kind.expect("a write has a kind");
                self.pipeline.begin(cx, kind, vec![asked], Box::pin(work));
            }
            Ok(Call::Read { mode, query, style }) => {
                let mode = mode.unwrap_or(self.mode);
                if reads.mode.is_some_and(|other| other != mode) {
                    self.look_up(cx, reads);
                }
                reads.mode = Some(mode);
                reads.queries.push(query);
                reads.asked.push(Asked { args, style });
            }
            Ok(Call::Admin(call)) => {
                let node = self.node.clone();
                let work = async move {
                    let lines = node.administer(call).await?;
                    let mut answer = BytesMut::new();
                    super::info::encode_lines(&mut answer, &lines);
                    Ok(Outcome::Written(answer))
                };
                self.begin_alone(cx, args, Box::pin(work));
            }
            Ok(Call::Connection(call)) => {
                let mut answer = BytesMut::new();
                self.answer(call, &mut answer);
                self.pipeline.answer(output, |out| out.unsplit(answer));
            }
            Ok(Call::Track { from }) => self.then = Then::Track { from },
        }
    }

    fn begin_alone(&mut self, cx: &mut Context<'_>, args: Vec<Bytes>, work: Work) {
        let style = ReplyStyle::Full;
        let asked = vec![Asked { args, style }];
        self.pipeline.begin(cx, Kind::Alone, asked, work);
    }

    /// Proposes the gathered writes, in one entry if they are several.
    pub(super) fn propose(&mut self, cx: &mut Context<'_>, writes: &mut Gathered) {
        let Some((command, asked)) = std::mem::take(writes).into_command() else {
            return;
        };
        let node = self.node.clone();
        let work = async move {
            let replies = match node.write(None, command, 0).await? {
                Reply::Transaction(replies) => replies.unwrap_or_default(),
                reply => vec![reply],
            };
            Ok(Outcome::Replies(replies))
        };
        self.pipeline.begin(cx, Kind::Write, asked, Box::pin(work));
    }

    /// Answers the gathered reads.
    pub(super) fn look_up(&mut self, cx: &mut Context<'_>, reads: &mut Reads) {
        let reads = std::mem::take(reads);
        let Some(mode) = reads.mode else { return };
        let node = self.node.clone();
        let work = async move {
            let replies = node.read(mode, &reads.queries).await?;
            Ok(Outcome::Replies(replies))
        };
        self.pipeline
            .begin(cx, Kind::Read, reads.asked, Box::pin(work));
    }

    /// Commands that concern the connection or this node alone.
    fn answer(&mut self, call: ConnectionCall, out: &mut BytesMut) {
        match call {
            ConnectionCall::Ping(None) => wire::simple(out, "PONG"),
            ConnectionCall::Ping(Some(text)) | ConnectionCall::Echo(text) => wire::bulk(out, &text),
            ConnectionCall::Quit => {
                wire::simple(out, "OK");
                self.then = Then::Close;
            }
            ConnectionCall::Hello { name } => {
                self.name = name.unwrap_or_else(|| self.name.clone());
                let role = if self.node.is_leading() {
                    "master"
                } else {
                    "replica"
                };
                protocol::encode_hello(out, self.version, self.id, role);
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
    }
}

/// `None`: answered in its turn, whatever else is on its way.
fn kind_of(arrived: &Arrived) -> Option<Kind> {
    match arrived.call.as_ref().ok()? {
        Call::Write {
            command, wait_ms, ..
        } if *wait_ms > 0 || waits(command) => Some(Kind::Alone),
        Call::Write { .. } => Some(Kind::Write),
        Call::Read { .. } => Some(Kind::Read),
        Call::Connection(ConnectionCall::Ping(_) | ConnectionCall::Echo(_)) => None,
        Call::Connection(_) | Call::Admin(_) | Call::Track { .. } => Some(Kind::Alone),
    }
}

fn waits(command: &Command) -> bool {
    matches!(
        command,
        Command::Lock(LockCommand::Acquire { wait_ms: 1.., .. })
    )
}
