//! Triggers that matter, recognised while they happen.
//!
//! A fault may wait for one: an election, a snapshot on its way, a change of membership, the
//! instant after an acknowledgement. They are read off the same events that the history
//! records, so what a fault reacted to can be seen there.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use squall_world::World;
use tokio::sync::Notify;

use squall_fault::{TRIGGERS, Trigger};
use squall_history::{EventKind, NodeEvent, Outcome};

/// Who waits for which moment.
#[derive(Default)]
pub struct Triggers {
    waiting: [Waiters; TRIGGERS.len()],
}

#[derive(Default)]
struct Waiters {
    rings: Notify,
    waiters: Cell<usize>,
    /// What rang it last, in words.
    last: RefCell<String>,
}

impl Triggers {
    fn waiters(&self, moment: Trigger) -> &Waiters {
        let index = TRIGGERS.iter().position(|trigger| *trigger == moment);
        &self.waiting[index.expect("points are waited for elsewhere")]
    }

    /// Looks at an event that is being recorded.
    pub fn observe(&self, kind: &EventKind) {
        let Some(moment) = moment_of(kind) else {
            return;
        };
        let waiters = self.waiters(moment);
        if waiters.waiters.get() > 0 {
            *waiters.last.borrow_mut() = describe(kind);
            waiters.rings.notify_waiters();
        }
    }

    /// Waits for the next such moment; what it was, or `None` if there is none within `limit`.
    pub async fn next<W: World>(
        self: &Rc<Self>,
        moment: Trigger,
        limit: Duration,
    ) -> Option<String> {
        let waiters = self.waiters(moment);
        waiters.waiters.set(waiters.waiters.get() + 1);
        let rung = squall_world::timeout::<W, _>(limit, waiters.rings.notified()).await;
        waiters.waiters.set(waiters.waiters.get() - 1);
        rung.ok().map(|()| waiters.last.borrow().clone())
    }
}

fn moment_of(kind: &EventKind) -> Option<Trigger> {
    match kind {
        EventKind::Node { event, .. } => match event {
            NodeEvent::Election { .. } => Some(Trigger::Election),
            NodeEvent::SnapshotArrived { .. } => Some(Trigger::Snapshot),
            NodeEvent::Membership { .. } => Some(Trigger::Membership),
            _ => None,
        },
        EventKind::Return {
            outcome:
                Outcome::Granted { .. }
                | Outcome::Released
                | Outcome::Published { .. }
                | Outcome::Settled { valid: true }
                | Outcome::Stored { .. }
                | Outcome::Counted { .. }
                | Outcome::Popped { value: Some(_) },
            ..
        } => Some(Trigger::Acknowledgement),
        _ => None,
    }
}

fn describe(kind: &EventKind) -> String {
    match kind {
        EventKind::Node { node, event } => match event {
            NodeEvent::Election { term, .. } => format!("{node} stands for term {term}"),
            NodeEvent::SnapshotArrived { index } => {
                format!("a snapshot up to {index} arrives at {node}")
            }
            NodeEvent::Membership { index, .. } => {
                format!("the configuration of index {index} comes into force on {node}")
            }
            _ => node.clone(),
        },
        EventKind::Return { op, .. } => format!("operation {op} is acknowledged"),
        _ => String::new(),
    }
}
