//! One connection: what it remembers, and how each of its commands is begun.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::task::Context;

use bytes::{Bytes, BytesMut};

use super::Node;
use super::access::User;
use super::clients::Client;
use super::command_stats::{CommandStats, Number};
use super::gathered::Transaction;
use super::near_cache::NearCache;
use super::pipeline::{Asked, Gathered, Kind, Outcome, Pipeline};
use super::settings::READ_BYTES;
use crate::protocol::{
    self, AdminCall, Call, ClientCall, CommandError, ConnectionCall, Flags, ReadMode, ReplyMode,
    ReplyStyle, RespVersion, ScriptCall, Spec, TransactionCall, wire,
};
use crate::raft::RaftWorld;
use crate::state::command::{Command, LockCommand, Query, Reply};
use crate::world::Instant;

/// What comes after a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    Continue,
    Close,
    /// The connection becomes a stream of invalidations.
    Track {
        from: u64,
    },
    /// A backup is sent over the connection, and then it ends.
    Backup,
}

pub(super) struct Connection<W: RaftWorld> {
    pub(super) node: Node<W>,
    pub(super) client: Rc<Client>,
    /// `None`: nobody yet.
    pub(super) user: Option<User>,
    pub(super) version: RespVersion,
    /// How reads are served unless a command says otherwise.
    pub(super) mode: ReadMode,
    /// A node that does not lead answers reads as it stands.
    pub(super) is_read_only: bool,
    pub(super) replies: ReplyMode,
    pub(super) transaction: Option<Transaction>,
    /// Keys and their versions, for the next transaction.
    pub(super) watched: Rc<RefCell<BTreeMap<Bytes, u64>>>,
    pub(super) pipeline: Pipeline,
    /// Who wants to hear of changes.
    pub(super) near_cache: Option<NearCache>,
    /// When the client last asked, or was answered.
    pub(super) idle_since: Instant,
    /// The next command, which may not begin yet.
    pub(super) held: Option<Arrived>,
    pub(super) then: Then,
    /// The client sends no more.
    pub(super) is_ending: bool,
    /// Most bytes that were in the buffer of what was read.
    pub(super) most_input: usize,
    /// Room that the next read makes.
    pub(super) read_bytes: usize,
}

/// A command that has arrived.
pub(super) struct Arrived {
    pub(super) command: Number,
    pub(super) args: Vec<Bytes>,
    pub(super) call: Result<Call, String>,
}

/// Reads of one mode that are going to be answered from one moment of the state.
#[derive(Default)]
pub(super) struct Reads {
    mode: Option<ReadMode>,
    queries: Vec<Query>,
    asked: Vec<Asked>,
}

impl Reads {
    pub(super) fn len(&self) -> usize {
        self.queries.len()
    }
}

impl<W: RaftWorld> Connection<W> {
    pub(super) fn new(node: Node<W>, client: Rc<Client>) -> Self {
        let user = node.access().anybody().cloned();
        Self {
            node,
            client,
            user,
            version: RespVersion::default(),
            mode: ReadMode::Linearizable,
            is_read_only: false,
            replies: ReplyMode::On,
            transaction: None,
            watched: Rc::default(),
            pipeline: Pipeline::default(),
            near_cache: None,
            idle_since: W::now(),
            held: None,
            then: Then::Continue,
            is_ending: false,
            most_input: 0,
            read_bytes: READ_BYTES,
        }
    }

    /// Understands a command and decides whether this client may give it.
    pub(super) fn arrive(&self, args: Vec<Bytes>) -> Arrived {
        let counters = &self.node.inner.counters;
        counters.note_command();
        let command = args.first().and_then(|name| Spec::find_at(name));
        let call = self.allow(command, &args).and_then(|()| {
            let call = match protocol::parse(&args).map_err(|e| e.to_string())? {
                Call::Connection(ConnectionCall::Script(ScriptCall::Evaluate { digest, args })) => {
                    let script = self.node.inner.scripts.find(&digest);
                    let script = script.ok_or(CommandError::NoScript.to_string())?;
                    script.call(&args).map_err(|e| e.to_string())?
                }
                Call::Read {
                    query: Query::RandomKey { .. },
                    mode,
                    style,
                } => Call::Read {
                    query: Query::RandomKey {
                        salt: counters.commands(),
                    },
                    mode,
                    style,
                },
                call => call,
            };
            Ok(call)
        });
        Arrived {
            command,
            args,
            call,
        }
    }

    /// An error for what this client may not do; what is no command is for the parser to say.
    fn allow(&self, command: Number, args: &[Bytes]) -> Result<(), String> {
        let Some(spec) = command.map(|at| Spec::all()[at]) else {
            return Ok(());
        };
        self.client.last.set((W::now(), spec.name));
        if self.node.access().is_open() || spec.flags.has(Flags::NO_AUTH) {
            return Ok(());
        }
        let Some(user) = &self.user else {
            return Err("NOAUTH Authentication required.".into());
        };
        // Under `ONCE` and `READ` one may do what one may do without them.
        let mut asked = Some((spec, args));
        while let Some((spec, args)) = asked {
            if !user.may_run(spec, args) {
                return Err(format!(
                    "NOPERM User {} has no permissions to run the '{}' command",
                    user.name, spec.name
                ));
            }
            let mut keys = spec.keys_of(args).into_iter();
            let sees_all = spec.flags.has(Flags::SLOW) && !user.may_touch_all();
            if sees_all || !keys.all(|key| user.may_touch(key)) {
                return Err("NOPERM No permissions to access a key".into());
            }
            asked = spec.within(args);
        }
        Ok(())
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
        let chooses = matches!(
            arrived.call,
            Ok(Call::Connection(ConnectionCall::Client(
                ClientCall::Caching(_)
            )))
        );
        self.begin_one(cx, arrived, writes, reads, output);
        let has_begun = self.held.is_none() && self.transaction.is_none() && !chooses;
        if let Some(near_cache) = self.near_cache.as_mut().filter(|_| has_begun) {
            near_cache.forget_choice();
        }
    }

    fn begin_one(
        &mut self,
        cx: &mut Context<'_>,
        arrived: Arrived,
        writes: &mut Gathered,
        reads: &mut Reads,
        output: &mut BytesMut,
    ) {
        let kind = self.kind_of(&arrived);
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
        let is_silent = self.replies != ReplyMode::On;
        if self.replies == ReplyMode::Skip {
            self.replies = ReplyMode::On;
        }
        let command = arrived.command;
        let asked = |style| Asked {
            command,
            args: arrived.args,
            style,
            is_silent,
        };
        if self.transaction.is_some() && kind.is_none() {
            let asked = asked(ReplyStyle::Full);
            return self.gather(arrived.call, asked, output);
        }
        match arrived.call {
            Err(text) => {
                self.stats().note_rejected(command, &text);
                self.say(is_silent, output, |out| wire::error(out, &text));
            }
            Ok(Call::Write {
                once,
                command,
                style,
                wait_ms,
            }) => {
                let asked = asked(style);
                if kind == Some(Kind::Write)
                    && once.is_none()
                    && Gathered::may_share(&command, style)
                    && self.node.takes_transactions()
                {
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
                let mode = mode.unwrap_or_else(|| self.read_mode());
                if reads.mode.is_some_and(|other| other != mode) {
                    self.look_up(cx, reads);
                }
                reads.mode = Some(mode);
                if let Some(near_cache) = &mut self.near_cache {
                    near_cache.note(&query);
                }
                reads.queries.push(query);
                reads.asked.push(asked(style));
            }
            Ok(Call::Admin(AdminCall::Backup)) => {
                self.stats().note_ok(command);
                self.then = Then::Backup;
            }
            Ok(Call::Admin(call)) => {
                let node = self.node.clone();
                let work = async move {
                    let lines = node.administer(call).await?;
                    let mut answer = BytesMut::new();
                    super::info::encode_lines(&mut answer, &lines);
                    Ok(Outcome::Written(answer))
                };
                let kind = kind.expect("an operator's command has a kind");
                let asked = vec![asked(ReplyStyle::Full)];
                self.pipeline.begin(cx, kind, asked, Box::pin(work));
            }
            Ok(Call::Connection(call)) => match self.work_of(call) {
                Ok(work) => {
                    let kind = kind.expect("what is work has a kind");
                    let asked = vec![asked(ReplyStyle::Full)];
                    self.pipeline.begin(cx, kind, asked, work);
                }
                Err(call) => {
                    let turns = matches!(call, ConnectionCall::Client(ClientCall::Reply(_)));
                    let mut answer = BytesMut::new();
                    self.answer(call, &mut answer);
                    self.stats().note_answer(command, &answer);
                    let is_silent = if turns {
                        self.replies != ReplyMode::On
                    } else {
                        is_silent
                    };
                    self.say(is_silent, output, |out| out.unsplit(answer));
                }
            },
            Ok(Call::Track { from }) => {
                self.stats().note_ok(command);
                self.then = Then::Track { from };
            }
        }
    }

    pub(super) fn stats(&self) -> &CommandStats {
        &self.node.inner.counters.by_command
    }

    /// Answers in turn, whatever else is on its way.
    pub(super) fn say(
        &mut self,
        is_silent: bool,
        output: &mut BytesMut,
        write: impl FnOnce(&mut BytesMut),
    ) {
        if !is_silent {
            self.pipeline.answer(output, write);
        }
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

    pub(super) fn read_mode(&self) -> ReadMode {
        let follows = self.node.leading_term() == 0;
        if self.is_read_only && follows && self.mode == ReadMode::Linearizable {
            return ReadMode::Local;
        }
        self.mode
    }

    /// `None`: answered in its turn, whatever else is on its way.
    fn kind_of(&self, arrived: &Arrived) -> Option<Kind> {
        let call = arrived.call.as_ref().ok()?;
        if self.transaction.is_some() && !ends_transaction(call) {
            return None;
        }
        match call {
            Call::Write {
                command, wait_ms, ..
            } if *wait_ms > 0 || waits(command) => Some(Kind::Waiting),
            // It waits until every member knows it, and nothing may overtake it.
            Call::Write { command, .. } if command.level() > self.node.level() => Some(Kind::Alone),
            Call::Write { .. } => Some(Kind::Write),
            Call::Read { .. } => Some(Kind::Read),
            Call::Connection(
                ConnectionCall::Ping(_)
                | ConnectionCall::Echo(_)
                | ConnectionCall::Fixed(_)
                | ConnectionCall::Transaction(TransactionCall::Begin),
            ) => None,
            Call::Connection(ConnectionCall::Wait { .. }) => Some(Kind::Waiting),
            Call::Connection(_) | Call::Admin(_) | Call::Track { .. } => Some(Kind::Alone),
        }
    }
}

fn ends_transaction(call: &Call) -> bool {
    matches!(
        call,
        Call::Connection(
            ConnectionCall::Quit
                | ConnectionCall::Reset
                | ConnectionCall::Transaction(TransactionCall::Execute | TransactionCall::Discard)
        )
    )
}

fn waits(command: &Command) -> bool {
    matches!(
        command,
        Command::Lock(LockCommand::Acquire { wait_ms: 1.., .. })
    )
}
