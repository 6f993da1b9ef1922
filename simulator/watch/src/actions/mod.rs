//! Runs the actions of an alert when it begins or ends: commands and webhooks.
//!
//! Each action of each alert has a thread and a bounded queue of its own, so that the run waits
//! for none of them and a slow receiver holds up no other. A notice of a begin or an end is
//! tried once: something that may have arrived is not sent again, and what failed is reported.

mod command;
mod notice;
#[cfg(test)]
mod tests;
mod webhook;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use squall_objective::alert::{ActionOutcome, Alert, AlertAction};

use crate::alerts::Change;
pub use notice::{Notice, Source};

/// What actions may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// One of them.
    pub deadline: Duration,
    /// Those that are under way or wait when the run is over.
    pub patience: Duration,
    /// So many wait for one action; beyond that nothing more is tried.
    pub waiting: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(5),
            patience: Duration::from_secs(10),
            waiting: 64,
        }
    }
}

/// What became of notices, in the order in which they were sent.
#[derive(Debug, Default)]
struct Notices {
    done: BTreeMap<u64, ActionOutcome>,
    /// Under way, or waiting.
    pending: BTreeMap<u64, ActionOutcome>,
}

#[derive(Debug, Default)]
struct Shared {
    notices: Mutex<Notices>,
    /// Something is no longer pending.
    ended: Condvar,
    /// Nothing more is to be begun, and what runs is to end.
    is_over: AtomicBool,
}

impl Shared {
    fn notices(&self) -> MutexGuard<'_, Notices> {
        // What a thread that panicked has left is complete: it changes one entry at a time.
        self.notices.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, number: u64, failed: Option<String>) {
        let mut notices = self.notices();
        if let Some(outcome) = notices.pending.remove(&number) {
            notices
                .done
                .insert(number, ActionOutcome { failed, ..outcome });
        }
        drop(notices);
        self.ended.notify_all();
    }
}

/// A notice on its way to one action.
struct Errand {
    number: u64,
    notice: Notice,
}

/// The actions of a plan's alerts.
pub struct Actions {
    source: Source,
    alerts: Vec<Alert>,
    /// By alert, and by its actions.
    queues: Vec<Vec<SyncSender<Errand>>>,
    shared: Arc<Shared>,
    limits: Limits,
    next: u64,
}

impl Actions {
    /// Starts a thread for each action.
    ///
    /// # Errors
    /// The machine gives no more threads.
    pub fn start(source: Source, alerts: &[Alert], limits: Limits) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let mut queues = Vec::new();
        for alert in alerts {
            let mut of_alert = Vec::new();
            for action in &alert.actions {
                let (queue, errands) = sync_channel(limits.waiting);
                let (action, shared) = (action.clone(), shared.clone());
                let name = "alert action".to_owned();
                thread::Builder::new()
                    .name(name)
                    .spawn(move || carry_out(&action, &errands, &shared, limits.deadline))?;
                of_alert.push(queue);
            }
            queues.push(of_alert);
        }
        Ok(Self {
            source,
            alerts: alerts.to_vec(),
            queues,
            shared,
            limits,
            next: 0,
        })
    }

    /// Has everything done that is to be done about a change; waits for nothing.
    pub fn tell(&mut self, change: &Change) {
        let alert = &self.alerts[change.alert];
        let notice = Notice::of(&self.source, alert, change);
        for (action, queue) in alert.actions.iter().zip(&self.queues[change.alert]) {
            let number = self.next;
            self.next += 1;
            let outcome = ActionOutcome {
                alert: alert.name.clone(),
                spell: change.spell,
                status: change.status,
                action: action.to_string(),
                failed: None,
            };
            self.shared.notices().pending.insert(number, outcome);
            let errand = Errand {
                number,
                notice: notice.clone(),
            };
            let failed = match queue.try_send(errand) {
                Ok(()) => continue,
                Err(TrySendError::Full(_)) => {
                    format!(
                        "not tried: {} earlier ones wait to be done",
                        self.limits.waiting
                    )
                }
                Err(TrySendError::Disconnected(_)) => "not tried: its thread has ended".into(),
            };
            self.shared.end(number, Some(failed));
        }
    }

    /// What became of everything, in the order in which notices were sent. Waits for what is under
    /// way, as long as the limits say.
    pub fn finish(self) -> Vec<ActionOutcome> {
        let patience = self.limits.patience;
        // Threads end when nothing waits any more.
        drop(self.queues);
        let notices = self.shared.notices();
        let waited = (self.shared.ended)
            .wait_timeout_while(notices, patience, |notices| !notices.pending.is_empty());
        let (mut notices, _) = waited.unwrap_or_else(PoisonError::into_inner);
        self.shared.is_over.store(true, Ordering::SeqCst);
        let left = std::mem::take(&mut notices.pending);
        for (number, outcome) in left {
            let failed = Some(format!("not done {patience:?} after the end of the run"));
            notices
                .done
                .insert(number, ActionOutcome { failed, ..outcome });
        }
        std::mem::take(&mut notices.done).into_values().collect()
    }
}

fn carry_out(
    action: &AlertAction,
    errands: &Receiver<Errand>,
    shared: &Shared,
    deadline: Duration,
) {
    while let Ok(errand) = errands.recv() {
        if shared.is_over.load(Ordering::SeqCst) {
            return;
        }
        let done = match action {
            AlertAction::Command(words) => {
                command::run(words, &errand.notice, deadline, &shared.is_over)
            }
            AlertAction::Webhook(address) => webhook::post(address, &errand.notice, deadline),
        };
        shared.end(errand.number, done.err());
    }
}
