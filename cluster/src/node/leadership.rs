//! Announces a new leader's term in the log, and expires deadlines while it leads.
//!
//! A new leader's first entry is [`Command::NewLeader`], which gives every lease its full
//! length again; until it is applied the node refuses writes, so no entry of the term comes
//! before it.

use std::time::Duration;

use openraft::async_runtime::watch::WatchReceiver;

use super::Node;
use super::log_clock::LogClock;
use crate::raft::RaftWorld;
use crate::state::command::Command;
use crate::world;
use crate::world::point::Point;

/// Commits `NewLeader` at the start of every term this node leads, and sends waiting clients
/// away when it no longer does.
pub(super) async fn announce<W: RaftWorld>(node: Node<W>) {
    let inner = &node.inner;
    let retry = Duration::from_millis(inner.options.raft.heartbeat_ms / 4).max(MIN_RETRY);
    let mut answers = inner.raft.data_metrics();
    while !inner.stopping.get() {
        let term = inner.machine.leading_term();
        if term == 0 {
            inner.machine.abandon_waiters();
        }
        if term == 0 || inner.machine.leader_ready_term() == term {
            inner.leading_changed.notified().await;
            continue;
        }
        let clock = LogClock::start::<W>(inner.machine.state().clock_ms());
        inner.log_clock.set(clock);
        W::pass(Point::LeaderElected).await;
        if node.propose(None, Command::NewLeader).await.is_err() {
            // Without a quorum's acknowledgement yet, or about to learn of a newer leader.
            let heard = world::timeout::<W, _>(retry, answers.changed()).await;
            if matches!(heard, Ok(Err(_))) {
                // Raft has ended, and will acknowledge nothing more. To ask again would keep
                // the process too busy to end as well.
                return;
            }
            continue;
        }
        node.finish_change();
    }
}

const MIN_RETRY: Duration = Duration::from_millis(5);
/// How long the leader rests when nothing has a deadline.
const IDLE: Duration = Duration::from_secs(60);
/// While some deadline is kept in served time, an idle leader has the log tell the time this
/// often: what the log does not know of, the next leader takes for time without a leader.
const CLOCK_EVERY: Duration = Duration::from_secs(5);

/// Proposes what is due while this node leads.
pub(super) async fn expire<W: RaftWorld>(node: Node<W>) {
    let inner = &node.inner;
    let without_quorum = Duration::from_millis(inner.options.raft.heartbeat_ms);
    while !inner.stopping.get() {
        #[cfg(feature = "planted")]
        node.publish_dead_letters().await;
        if !node.is_leading() {
            inner.machine.applied_some().await;
            continue;
        }
        if !node.has_quorum() {
            W::sleep(without_quorum).await;
            continue;
        }
        let now_ms = node.log_time_ms();
        let due = inner.machine.state().due(now_ms);
        if let Some(command) = due {
            W::pass(Point::ExpiryDue).await;
            if node.propose(None, command).await.is_err() {
                W::sleep(MIN_RETRY).await;
            }
            continue;
        }
        let next_ms = inner.machine.state().next_due_ms();
        let rest = next_ms.map_or(IDLE, |at| Duration::from_millis(at.saturating_sub(now_ms)));
        let tells_time = inner.machine.state().counts_served_time() && rest > CLOCK_EVERY;
        let rest = if tells_time { CLOCK_EVERY } else { rest };
        // An entry applied meanwhile may bring an earlier deadline.
        let applied = world::timeout::<W, _>(rest, inner.machine.applied_some()).await;
        if tells_time && applied.is_err() {
            let sessions = Vec::new();
            // The next round tries again.
            let _ = node.propose(None, Command::Expire { sessions }).await;
        }
    }
}
