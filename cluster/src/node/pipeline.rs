//! The commands of one connection that are on their way, answered in the order of asking.
//!
//! Whatever a client has sent is begun together: writes that can share an entry of the log are
//! proposed in one, reads share one proof that this node leads. What a client may rely on is
//! what it would see if each command waited for the one before: reads begin when the writes
//! before them are answered, writes when the reads before them are, and everything else when
//! nothing is on its way. Only the first job is waited for; the others were polled once, which
//! hands them to Raft in order, and keep their answers until it is their turn.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};

use super::NodeError;
use super::command_stats::{CommandStats, Number};
use crate::protocol::{self, ReplyStyle, RespVersion, wire};
use crate::state::command::{
    CacheCommand, Command, ListCommand, QueueCommand, Reply, SetCondition, Step, StringCommand,
};

/// Most commands of a connection on their way at a time.
const MOST_COMMANDS: usize = 1_024;
/// The same while there are very many of all connections.
const MOST_OF_A_CROWD: usize = 16;
/// Most bytes of their arguments; one command may have more by itself.
const MOST_BYTES: usize = 4 * 1024 * 1024;
/// Most commands that share an entry, and most bytes of their arguments.
const MOST_STEPS: usize = 128;
const MOST_STEP_BYTES: usize = 64 * 1024;

/// What may be on its way together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Writes that end with their entry.
    Write,
    Read,
    /// Nothing else: what concerns the connection or the node, and transactions.
    Alone,
    /// Nothing else, and it may wait for other clients: it ends with its own.
    Waiting,
}

impl Kind {
    fn shares(self) -> bool {
        matches!(self, Self::Write | Self::Read)
    }
}

/// A command, as much of it as its answer needs.
pub(super) struct Asked {
    pub(super) command: Number,
    /// The name first.
    pub(super) args: Vec<Bytes>,
    pub(super) style: ReplyStyle,
    /// It is not to be answered.
    pub(super) is_silent: bool,
}

impl Asked {
    fn bytes(&self) -> usize {
        self.args.iter().map(Bytes::len).sum()
    }

    /// The slot of its key: for a redirection, so it need not be fast.
    fn slot(&self) -> u16 {
        protocol::parse(&self.args).map_or(0, |call| call.slot())
    }
}

/// What a job comes to: a reply for each of its commands, or an error for all of them.
pub(super) enum Outcome {
    Replies(Vec<Reply>),
    /// Of a transaction a client asked for: one array.
    Array(Vec<(ReplyStyle, Reply)>),
    /// An answer as it is sent.
    Written(BytesMut),
}

pub(super) type Work = Pin<Box<dyn Future<Output = Result<Outcome, NodeError>>>>;

struct Job {
    asked: Vec<Asked>,
    bytes: usize,
    work: Work,
}

enum Slot {
    /// An answer that waits for its turn.
    Answered(BytesMut),
    Running(Job),
    /// What is left to write of a job's answers.
    Replies(std::vec::IntoIter<(Number, ReplyStyle, Reply)>),
}

/// Everything that was begun and not yet answered.
#[derive(Default)]
pub(super) struct Pipeline {
    slots: VecDeque<Slot>,
    /// Of the jobs in `slots`, which have it in common.
    kind: Option<Kind>,
    jobs: usize,
    commands: usize,
    bytes: usize,
}

impl Pipeline {
    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Bytes of what is on its way: arguments, and answers that wait for their turn.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether more may be taken from the connection, beside so many commands that are going to
    /// begin.
    pub(super) fn has_space(&self, is_crowded: bool, gathered: usize) -> bool {
        let most = match is_crowded {
            true => MOST_OF_A_CROWD,
            false => MOST_COMMANDS,
        };
        self.commands + gathered < most && self.bytes < MOST_BYTES
    }

    pub(super) fn may_begin(&self, kind: Kind) -> bool {
        match self.kind {
            None => kind.shares() || self.is_empty(),
            Some(running) => running == kind && kind.shares(),
        }
    }

    /// Whether what is on its way may wait for other clients.
    pub(super) fn is_waiting(&self) -> bool {
        self.kind == Some(Kind::Waiting)
    }

    /// An answer that is known already, in its turn.
    pub(super) fn answer(&mut self, out: &mut BytesMut, write: impl FnOnce(&mut BytesMut)) {
        if self.is_empty() {
            return write(out);
        }
        let mut answer = BytesMut::new();
        write(&mut answer);
        self.commands += 1;
        self.bytes += answer.len();
        self.slots.push_back(Slot::Answered(answer));
    }

    /// Begins a job; [`Pipeline::may_begin`] allows it.
    pub(super) fn begin(
        &mut self,
        cx: &mut Context<'_>,
        kind: Kind,
        asked: Vec<Asked>,
        work: Work,
    ) {
        let bytes = asked.iter().map(Asked::bytes).sum();
        let mut job = Job { asked, bytes, work };
        self.kind = Some(kind);
        self.jobs += 1;
        self.commands += job.asked.len();
        self.bytes += bytes;
        // What is ready at once is only noted: its turn may not have come.
        if let Poll::Ready(outcome) = job.work.as_mut().poll(cx) {
            job.work = Box::pin(std::future::ready(outcome));
        }
        self.slots.push_back(Slot::Running(job));
    }

    /// Writes the answers of whatever is first in line and ready, until `enough` bytes are
    /// there; pending if there is none.
    pub(super) fn poll_answers(
        &mut self,
        cx: &mut Context<'_>,
        version: RespVersion,
        stats: &CommandStats,
        out: &mut BytesMut,
        enough: usize,
    ) -> Poll<()> {
        let mut progress = Poll::Pending;
        while out.len() < enough {
            match self.slots.front_mut() {
                None => break,
                Some(Slot::Answered(answer)) => {
                    out.extend_from_slice(answer);
                    self.commands -= 1;
                    self.bytes -= answer.len();
                    self.slots.pop_front();
                }
                Some(Slot::Replies(replies)) => match replies.next() {
                    Some((command, style, reply)) => {
                        let at = out.len();
                        protocol::encode(out, version, style, &reply);
                        stats.note_answer(command, &out[at..]);
                    }
                    None => drop(self.slots.pop_front()),
                },
                Some(Slot::Running(job)) => {
                    let Poll::Ready(outcome) = job.work.as_mut().poll(cx) else {
                        break;
                    };
                    self.end_first(version, stats, out, outcome);
                }
            }
            progress = Poll::Ready(());
        }
        progress
    }

    /// The job that is first in line has come to this.
    fn end_first(
        &mut self,
        version: RespVersion,
        stats: &CommandStats,
        out: &mut BytesMut,
        outcome: Result<Outcome, NodeError>,
    ) {
        let Some(Slot::Running(job)) = self.slots.pop_front() else {
            unreachable!("a job was just polled there");
        };
        self.jobs -= 1;
        self.commands -= job.asked.len();
        self.bytes -= job.bytes;
        if self.jobs == 0 {
            self.kind = None;
        }
        let is_silent = job.asked.iter().any(|asked| asked.is_silent);
        let first = job.asked.first().and_then(|asked| asked.command);
        let replies: Vec<(Number, ReplyStyle, Reply)> = match outcome {
            Ok(Outcome::Replies(replies)) => {
                let all = job.asked.iter().zip(replies);
                let (silent, answered): (Vec<_>, Vec<_>) =
                    all.partition(|(asked, _)| asked.is_silent);
                // They count as what their client would have read.
                let mut unread = BytesMut::new();
                for (asked, reply) in silent {
                    unread.clear();
                    protocol::encode(&mut unread, version, asked.style, &reply);
                    stats.note_answer(asked.command, &unread);
                }
                let answered = answered.into_iter();
                answered
                    .map(|(asked, reply)| (asked.command, asked.style, reply))
                    .collect()
            }
            // What is more than one reply, or none, has a job to itself.
            Ok(Outcome::Array(_)) if is_silent => return stats.note_ok(first),
            Ok(Outcome::Written(answer)) if is_silent => {
                return stats.note_answer(first, &answer);
            }
            Ok(Outcome::Array(replies)) => {
                stats.note_ok(first);
                wire::array(out, replies.len());
                // The steps were counted when they were queued.
                let replies = replies.into_iter();
                replies.map(|(style, reply)| (None, style, reply)).collect()
            }
            Ok(Outcome::Written(answer)) => {
                stats.note_answer(first, &answer);
                return out.unsplit(answer);
            }
            Err(e) => {
                for asked in &job.asked {
                    let text = e.to_resp(asked.slot());
                    stats.note_failed(asked.command, &text);
                    if !asked.is_silent {
                        wire::error(out, &text);
                    }
                }
                return;
            }
        };
        self.slots.push_front(Slot::Replies(replies.into_iter()));
    }
}

/// Writes that are going to share an entry.
#[derive(Default)]
pub(super) struct Gathered {
    commands: Vec<Command>,
    asked: Vec<Asked>,
    bytes: usize,
}

impl Gathered {
    /// Whether a command may be a step of a transaction that its client did not ask for: what
    /// replies with values or looks through a list has a limit there, and what replies with its
    /// entry's index, or is proposed again, needs an entry to itself.
    pub(super) fn may_share(command: &Command, style: ReplyStyle) -> bool {
        match command {
            Command::Cache(CacheCommand::Set { condition, .. }) => {
                matches!(style, ReplyStyle::Status | ReplyStyle::Flag)
                    && !matches!(condition, SetCondition::IfVersion(_))
            }
            Command::Cache(CacheCommand::Increment { .. }) => style == ReplyStyle::Number,
            Command::Cache(_) => true,
            Command::Queue(command) => !matches!(command, QueueCommand::Receive { .. }),
            Command::String(command) => !matches!(
                command,
                StringCommand::Set { give_old: true, .. }
                    | StringCommand::GetDelete { .. }
                    | StringCommand::GetExpire { .. }
                    | StringCommand::Copy { .. }
            ),
            Command::List(command) => matches!(
                command,
                ListCommand::Push { .. } | ListCommand::Set { .. } | ListCommand::Trim { .. }
            ),
            _ => false,
        }
    }

    /// Whether one more has a place in the same entry.
    pub(super) fn takes(&self, asked: &Asked) -> bool {
        self.commands.is_empty()
            || self.commands.len() < MOST_STEPS && self.bytes + asked.bytes() <= MOST_STEP_BYTES
    }

    pub(super) fn push(&mut self, command: Command, asked: Asked) {
        self.bytes += asked.bytes();
        self.commands.push(command);
        self.asked.push(asked);
    }

    /// The command for the log; `None` if nothing was gathered.
    pub(super) fn into_command(mut self) -> Option<(Command, Vec<Asked>)> {
        if self.commands.len() < 2 {
            return Some((self.commands.pop()?, self.asked));
        }
        let steps = self
            .commands
            .into_iter()
            .map(|command| step(command).expect("only what may share an entry is gathered"));
        let command = Command::Transaction {
            watched: Vec::new(),
            steps: steps.collect(),
        };
        Some((command, self.asked))
    }
}

/// The command as a step of a transaction, if it can be one.
pub(super) fn step(command: Command) -> Option<Step> {
    match command {
        Command::Cache(command) => Some(Step::Cache(command)),
        Command::Queue(command) => Some(Step::Queue(command)),
        Command::String(command) => Some(Step::String(command)),
        Command::List(command) => Some(Step::List(command)),
        _ => None,
    }
}
