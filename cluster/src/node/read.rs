//! Reads: how recent an answer is, and at what price.
//!
//! Linearizable reads use Raft's read index (dissertation §6.4): the leader proves with a
//! round of heartbeats that it still leads. Lease reads trust the leader's lease, which
//! needs clocks that run at nearly the same rate. Bounded-stale reads are answered by any
//! node from a read index obtained within the bound, local reads by any node as it stands.

use std::time::Duration;

use bytes::Bytes;
use openraft::async_runtime::watch::WatchReceiver;
use openraft::error::{LinearizableReadError, RaftError};
use openraft::{LinearizerOption, ReadPolicy};

use super::turn::Turn;
use super::write::ENDED;
use super::{Node, NodeError};
use crate::planted::{self, Bug};
use crate::protocol::ReadMode;
use crate::raft::wire::{PeerRequest, PeerResponse};
use crate::raft::{NodeId, RaftWorld, peer_address};
use crate::state::command::{CacheCommand, Command, Query, Refusal, Reply};
use crate::state::{Effort, LARGEST_REPLY};
use crate::world::point::Point;
use crate::world::{self, Instant};

/// A leader or follower gives up on a read after this long.
const READ_LIMIT: Duration = Duration::from_secs(5);
/// Most keys, values and names that the reads of one transaction look at together: a tenth of a
/// second.
const MOST_LOOKED_AT: usize = 1 << 21;
/// Keys reported as read in one entry.
const TOUCH_BATCH: usize = 64;

/// A commit index that was the leader's at some moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReadPoint {
    index: u64,
    asked_at: Instant,
}

impl<W: RaftWorld> Node<W> {
    /// Answers each of the queries, in order; others may be served between two of them.
    pub(super) async fn read(
        &self,
        mode: ReadMode,
        queries: &[Query],
    ) -> Result<Vec<Reply>, NodeError> {
        self.read_recent(mode, queries, false).await
    }

    /// Answers all of the queries from one moment of the state. How much they may look at together
    /// has a limit, since nobody else is served meanwhile.
    pub(super) async fn read_together(
        &self,
        mode: ReadMode,
        queries: &[Query],
    ) -> Result<Vec<Reply>, NodeError> {
        self.read_recent(mode, queries, true).await
    }

    async fn read_recent(
        &self,
        mode: ReadMode,
        queries: &[Query],
        together: bool,
    ) -> Result<Vec<Reply>, NodeError> {
        let arrived = W::now();
        #[cfg(feature = "planted")]
        if let Some(replies) = self.read_apart(mode, queries).await {
            return replies;
        }
        let early = match planted::active(Bug::ReadBeforeConfirmed) {
            true => Some(self.answer_now(queries, arrived, together).await),
            false => None,
        };
        let is_unconfirmed = planted::active(Bug::HoldersUnconfirmed)
            && self.inner.machine.leading_term() != 0
            && queries
                .iter()
                .all(|query| matches!(query, Query::Lock { .. }));
        if !is_unconfirmed {
            self.make_recent(mode).await?;
        }
        W::pass(Point::ReadConfirmed).await;
        match early {
            Some(replies) => Ok(replies),
            None => Ok(self.answer_now(queries, arrived, together).await),
        }
    }

    /// What the state says as it is, to queries that arrived then. All replies are there at once:
    /// values they share with the state, and what they need beside that has a limit together.
    async fn answer_now(&self, queries: &[Query], arrived: Instant, together: bool) -> Vec<Reply> {
        let mut places_left = LARGEST_REPLY;
        let mut looks_left = MOST_LOOKED_AT;
        let mut turn = Turn::begin::<W>();
        let mut replies = Vec::with_capacity(queries.len());
        for query in queries {
            if together {
                let looked_at = self.inner.machine.state().looked_at_to_read(query);
                // One by itself is always answered.
                match looks_left.checked_sub(looked_at) {
                    Some(left) => looks_left = left,
                    None if replies.is_empty() => looks_left = 0,
                    None => {
                        replies.push(Reply::Refused(Refusal::TooMuchWork));
                        continue;
                    }
                }
            } else {
                turn.pass::<W>().await;
            }
            let reply = self.answer(query, arrived);
            let places = places_left.checked_sub(reply.place_bytes());
            replies.push(match places {
                Some(left) if reply.payload_bytes() <= LARGEST_REPLY => {
                    places_left = left;
                    reply
                }
                _ => Reply::Refused(Refusal::ReplyTooLarge),
            });
        }
        replies
    }

    fn answer(&self, query: &Query, arrived: Instant) -> Reply {
        let keys = query.keys_read().len();
        if keys > 0 {
            self.inner.counters.note_gets(keys as u64);
        }
        let mut effort = Effort::of_one_read();
        let reply = self.inner.machine.state().read_within(query, &mut effort);
        self.note_read(query, &reply);
        self.inner.work.note_read(query, W::now() - arrived);
        self.tell_work();
        reply
    }

    /// Makes sure that this node's state is as recent as the mode asks for.
    pub(super) async fn make_recent(&self, mode: ReadMode) -> Result<(), NodeError> {
        match mode {
            ReadMode::Linearizable => {
                let leads = self.inner.machine.leading_term() != 0;
                let confirmed = leads && planted::active(Bug::ReadUnconfirmed)
                    || leads && !self.is_leading() && planted::active(Bug::ReadIndexTooEarly);
                if !confirmed {
                    self.confirm(ReadPolicy::ReadIndex).await?;
                }
            }
            #[cfg(feature = "planted")]
            ReadMode::Lease if self.has_kept_lease() => {}
            ReadMode::Lease => {
                // A voter with shorter timers keeps no promise for so long, and one that does not
                // greet does not know of promises.
                let acquaintances = &self.inner.acquaintances;
                let lease = if acquaintances.leases_agree() && !acquaintances.serves_unknown() {
                    let promised = W::now() - self.inner.network.ask_promises();
                    self.inner.options.raft.read_lease().min(promised)
                } else {
                    Duration::ZERO
                };
                // Without an answer of a quorum that is so young, this asks for one.
                self.confirm(LinearizerOption::new(Some(lease), true))
                    .await?;
                #[cfg(feature = "planted")]
                self.keep_lease();
            }
            ReadMode::Stale { bound_ms } => {
                self.catch_up(Duration::from_millis(bound_ms)).await?;
            }
            ReadMode::Local => {}
        }
        Ok(())
    }

    /// Makes sure that this node leads and has applied all that was committed; the index.
    pub(super) async fn confirm(
        &self,
        policy: impl Into<LinearizerOption>,
    ) -> Result<u64, NodeError> {
        #[cfg(feature = "planted")]
        let policy = match self.read_index_alone(policy.into()).await {
            Ok(index) => return Ok(index),
            Err(policy) => policy,
        };
        let confirmed = self.inner.raft.ensure_linearizable(policy);
        match world::timeout::<W, _>(READ_LIMIT, confirmed).await {
            Err(_) => Err(NodeError::NotNow("no quorum answered in time".into())),
            Ok(Ok(read)) => Ok(read.index()),
            Ok(Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(_)))) => {
                Err(self.await_redirect().await)
            }
            Ok(Err(RaftError::APIError(LinearizableReadError::QuorumNotEnough(_)))) => {
                Err(NodeError::NotNow("no quorum confirmed this read".into()))
            }
            Ok(Err(RaftError::Fatal(_))) => Err(NodeError::NotNow(ENDED.into())),
        }
    }

    /// Makes sure that what this node has applied is at most `bound` old.
    async fn catch_up(&self, bound: Duration) -> Result<(), NodeError> {
        self.must_follow()?;
        let fresh = |point: &ReadPoint| W::now() - point.asked_at <= bound;
        let point = match self.inner.read_point.get().filter(fresh) {
            Some(point) => point,
            None => self.ask_read_point().await?,
        };
        W::pass(Point::ReadPointKnown).await;
        let deadline = W::now() + READ_LIMIT;
        while self.inner.machine.applied_index() < point.index {
            let applied = self.inner.machine.applied_some();
            if world::timeout_at::<W, _>(deadline, applied).await.is_err() {
                return Err(NodeError::NotNow("this node lags too far behind".into()));
            }
        }
        Ok(())
    }

    async fn ask_read_point(&self) -> Result<ReadPoint, NodeError> {
        let asked_at = W::now();
        let index = if self.inner.machine.leading_term() != 0 {
            self.confirm(ReadPolicy::ReadIndex).await?
        } else {
            let (id, leader) = self.leader().ok_or(NodeError::NoLeader)?;
            self.ask_leader(id, &leader).await?
        };
        let point = ReadPoint { index, asked_at };
        self.inner.read_point.set(Some(point));
        Ok(point)
    }

    async fn ask_leader(&self, id: NodeId, leader: &str) -> Result<u64, NodeError> {
        let address = peer_address(leader).ok_or(NodeError::NoLeader)?;
        let call = self
            .inner
            .network
            .call(id, &address, &PeerRequest::ReadIndex, READ_LIMIT);
        match call.await {
            Ok(PeerResponse::ReadIndex(index)) => Ok(index),
            Ok(_) => Err(NodeError::NotNow("the leader's answer is confused".into())),
            Err(e) => Err(NodeError::NotNow(format!("the leader did not answer: {e}"))),
        }
    }

    /// Counts hits and misses, and tells the replicas about reads when the cache is nearly
    /// full, since eviction must be decided identically on all of them.
    fn note_read(&self, query: &Query, reply: &Reply) {
        let keys = query.keys_read();
        let is_found: Vec<bool> = match reply {
            Reply::Values(values) => values.iter().map(Option::is_some).collect(),
            Reply::Found(found) => found.iter().map(Option::is_some).collect(),
            _ => {
                let state = self.inner.machine.state();
                keys.iter().map(|key| state.list_length(key) > 0).collect()
            }
        };
        if keys.is_empty() {
            return;
        }
        let hits = is_found.iter().filter(|is_found| **is_found).count() as u64;
        self.inner
            .counters
            .note_reads(hits, is_found.len() as u64 - hits);
        if !self.is_leading() || !self.cache_is_nearly_full() {
            return;
        }
        let mut touched = self.inner.touched.borrow_mut();
        let found = keys.iter().zip(is_found).filter(|(_, is_found)| *is_found);
        touched.extend(found.map(|(key, _)| key.clone()));
        if touched.len() < TOUCH_BATCH {
            return;
        }
        let mut keys: Vec<Bytes> = std::mem::take(&mut *touched);
        keys.sort_unstable();
        keys.dedup();
        let node = self.clone();
        W::spawn(async move {
            // A lost hint costs nothing but a worse victim.
            let _ = node
                .propose(None, Command::Cache(CacheCommand::Touch { keys }))
                .await;
        });
    }

    fn cache_is_nearly_full(&self) -> bool {
        let state = self.inner.machine.state();
        let capacity = state.limits().cache_entries;
        state.cache_stats().entries >= capacity - capacity / 10
    }

    /// The leader's id and client address. `None` once its process is known to be gone or it
    /// has been silent for an election timeout: whoever is sent to it finds no service.
    pub(super) fn leader(&self) -> Option<(u64, String)> {
        let (id, address) = {
            let metrics = self.inner.raft.server_metrics();
            let metrics = metrics.borrow_watched();
            let id = metrics.current_leader?;
            let membership = metrics.membership_config.membership();
            (id, membership.get_node(&id)?.addr.clone())
        };
        let heard_at = self.inner.allegiance.heard_at();
        let holds = if id == self.id() {
            self.has_quorum()
        } else {
            !self.inner.allegiance.is_gone()
                && heard_at.is_some_and(|at| W::now() - at <= self.lease())
        };
        holds.then_some((id, address))
    }
}
