//! `MULTI` and its kin: commands are gathered by the connection and executed as one entry of
//! the log, or, if they only read, as one read. What cannot be part of that is refused when it
//! is given, and then nothing is executed.

use bytes::{Bytes, BytesMut};

use super::NodeError;
use super::connection::Connection;
use super::gathered::Transaction;
use super::pipeline::{Asked, Outcome, Work, step};
use crate::protocol::{Call, ConnectionCall, ReplyStyle, TransactionCall, wire};
use crate::raft::RaftWorld;
use crate::state::command::{Command, Found, Query, QueueCommand, Reply, Step};

/// Most commands and bytes of one transaction.
const MOST_STEPS: usize = 4_096;
const MOST_BYTES: usize = 16 * 1024 * 1024;
/// Most keys that are watched, and most bytes of them: they go into the entry of a transaction.
const MOST_WATCHED: usize = 4_096;
const MOST_WATCHED_BYTES: usize = 4 * 1024 * 1024;

impl<W: RaftWorld> Connection<W> {
    /// Adds a command to the transaction.
    pub(super) fn gather(
        &mut self,
        call: Result<Call, String>,
        asked: Asked,
        output: &mut BytesMut,
    ) {
        let (command, is_silent) = (asked.command, asked.is_silent);
        let step = call.and_then(|call| {
            if self.node.leading_term() == 0 {
                // As nodes of a Redis Cluster answer for what is not theirs.
                return Err(self.node.redirect().to_resp(call.slot()));
            }
            step_of(call, &asked)
        });
        let transaction = self.transaction.as_mut().expect("it was begun");
        let step = step.and_then(|step| {
            transaction.bytes += asked.args.iter().map(|arg| arg.len()).sum::<usize>();
            if transaction.steps.len() >= MOST_STEPS || transaction.bytes > MOST_BYTES {
                return Err(format!(
                    "ERR a transaction has at most {MOST_STEPS} commands of {MOST_BYTES} bytes"
                ));
            }
            Ok(step)
        });
        let error = match step {
            Ok(step) => {
                transaction.steps.push(step);
                None
            }
            Err(text) => {
                transaction.is_broken = true;
                Some(text)
            }
        };
        let count = transaction.steps.len();
        self.client.gathered.set(Some(count));
        match &error {
            None => self.stats().note_ok(command),
            Some(text) => self.stats().note_rejected(command, text),
        }
        self.say(is_silent, output, |out| match error {
            None => wire::simple(out, "QUEUED"),
            Some(text) => wire::error(out, &text),
        });
    }

    /// The work that `EXEC` and `WATCH` are; the call itself if it is answered at once.
    pub(super) fn work_of_transaction(
        &mut self,
        call: TransactionCall,
    ) -> Result<Work, TransactionCall> {
        match call {
            TransactionCall::Execute => match self.transaction.take() {
                Some(transaction) if !transaction.is_broken => {
                    self.client.gathered.set(None);
                    Ok(self.execute(transaction))
                }
                other => {
                    self.transaction = other;
                    Err(TransactionCall::Execute)
                }
            },
            TransactionCall::Watch(keys) => {
                let (node, watched) = (self.node.clone(), self.watched.clone());
                let mode = self.read_mode();
                Ok(Box::pin(async move {
                    let mut keys = keys;
                    keys.sort_unstable();
                    keys.dedup();
                    keys.retain(|key| !watched.borrow().contains_key(key));
                    let count = watched.borrow().len() + keys.len();
                    let bytes = bytes_of(watched.borrow().keys().chain(&keys));
                    if count > MOST_WATCHED || bytes > MOST_WATCHED_BYTES {
                        return Err(NodeError::Invalid(format!(
                            "at most {MOST_WATCHED} keys of {MOST_WATCHED_BYTES} bytes are \
                             watched; UNWATCH forgets them"
                        )));
                    }
                    let query = Query::Get { keys: keys.clone() };
                    let replies = node
                        .read_together(mode, std::slice::from_ref(&query))
                        .await?;
                    let versions: Vec<u64> = match replies.into_iter().next() {
                        Some(Reply::Values(values)) => {
                            let values = values.iter();
                            let version = values.map(|it| it.as_ref().map_or(0, |it| it.version));
                            version.collect()
                        }
                        Some(Reply::Found(found)) => {
                            let found = found.iter();
                            let version = found.map(|it| it.as_ref().map_or(0, Found::version));
                            version.collect()
                        }
                        // Nothing is watched then, so it must not look as if it were.
                        refused => {
                            return Ok(Outcome::Replies(refused.into_iter().collect()));
                        }
                    };
                    watched.borrow_mut().extend(keys.into_iter().zip(versions));
                    Ok(Outcome::Replies(vec![Reply::Done]))
                }))
            }
            call => Err(call),
        }
    }

    pub(super) fn answer_transaction(&mut self, call: &TransactionCall, out: &mut BytesMut) {
        match call {
            TransactionCall::Begin => {
                self.transaction = Some(Transaction::default());
                self.client.gathered.set(Some(0));
                wire::simple(out, "OK");
            }
            TransactionCall::Execute if self.end_transaction() => wire::error(
                out,
                "EXECABORT Transaction discarded because of previous errors.",
            ),
            TransactionCall::Execute => wire::error(out, "ERR EXEC without MULTI"),
            TransactionCall::Discard if self.end_transaction() => wire::simple(out, "OK"),
            TransactionCall::Discard => wire::error(out, "ERR DISCARD without MULTI"),
            TransactionCall::Unwatch => {
                self.watched.borrow_mut().clear();
                wire::simple(out, "OK");
            }
            TransactionCall::Watch(_) => unreachable!("watching takes a read"),
        }
    }

    /// Whether there was a transaction. Nothing is watched any more.
    pub(super) fn end_transaction(&mut self) -> bool {
        self.watched.borrow_mut().clear();
        self.client.gathered.set(None);
        self.transaction.take().is_some()
    }

    /// Bytes of what is gathered and watched.
    pub(super) fn transaction_bytes(&self) -> usize {
        let gathered = self.transaction.as_ref().map_or(0, |it| it.bytes);
        gathered + bytes_of(self.watched.borrow().keys())
    }

    fn execute(&mut self, transaction: Transaction) -> Work {
        let watched = std::mem::take(&mut *self.watched.borrow_mut());
        let (steps, styles): (Vec<Step>, Vec<ReplyStyle>) = transaction.steps.into_iter().unzip();
        let (node, mode) = (self.node.clone(), self.read_mode());
        if let Some(near_cache) = &mut self.near_cache {
            for step in &steps {
                if let Step::Read(query) = step {
                    near_cache.note(query);
                }
            }
        }
        let only_reads = steps.iter().all(|step| matches!(step, Step::Read(_)));
        Box::pin(async move {
            let replies = if watched.is_empty() && only_reads {
                let queries = steps.into_iter().filter_map(|step| match step {
                    Step::Read(query) => Some(query),
                    _ => None,
                });
                let queries: Vec<Query> = queries.collect();
                if queries.is_empty() {
                    return Ok(Outcome::Array(Vec::new()));
                }
                node.read_together(mode, &queries).await?
            } else {
                if steps.iter().any(looks_at_many) {
                    return Err(NodeError::Invalid(
                        "what looks at all keys, names or holders (KEYS, SCAN, LOCK.INFO and the \
                         like) cannot be in a transaction that writes or watches"
                            .into(),
                    ));
                }
                let watched = watched.into_iter().collect();
                match node
                    .write(None, Command::Transaction { watched, steps }, 0)
                    .await?
                {
                    Reply::Transaction(Some(replies)) => replies,
                    reply => return Ok(Outcome::Replies(vec![reply])),
                }
            };
            Ok(Outcome::Array(styles.into_iter().zip(replies).collect()))
        })
    }
}

/// Whether the step looks at as much as there is. That is for reads, between which others are
/// served: as part of an entry it would hold up every member, and again whenever it is replayed.
fn looks_at_many(step: &Step) -> bool {
    matches!(
        step,
        Step::Read(
            Query::Keys { .. }
                | Query::Scan { .. }
                | Query::ScanOf { .. }
                | Query::List { .. }
                | Query::Lock { .. }
        )
    )
}

fn bytes_of<'a>(keys: impl Iterator<Item = &'a Bytes>) -> usize {
    keys.map(Bytes::len).sum()
}

/// The call as a step of a transaction, and how its reply is shown.
fn step_of(call: Call, asked: &Asked) -> Result<(Step, ReplyStyle), String> {
    let refused = || {
        let name = String::from_utf8_lossy(&asked.args[0]).to_ascii_uppercase();
        Err(format!(
            "ERR {name:.64} cannot be part of a transaction: offered are the commands of the \
             cache, and those of queues that do not receive"
        ))
    };
    match call {
        Call::Connection(ConnectionCall::Transaction(TransactionCall::Begin)) => {
            Err("ERR MULTI calls can not be nested".into())
        }
        Call::Connection(ConnectionCall::Transaction(TransactionCall::Watch(_))) => {
            Err("ERR WATCH inside MULTI is not allowed".into())
        }
        Call::Read {
            mode: None,
            query,
            style,
        } => Ok((Step::Read(query), style)),
        Call::Write {
            command: Command::Queue(QueueCommand::Receive { .. }),
            ..
        } => refused(),
        Call::Write {
            once: None,
            command,
            style,
            ..
        } => match step(command) {
            Some(step) => Ok((step, style)),
            None => refused(),
        },
        _ => refused(),
    }
}
