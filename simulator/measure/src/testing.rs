//! Hand-built histories for the tests of measures and reports.
//!
//! A script takes events in any order and sorts them by time; events of the same instant
//! keep the order in which they were scripted.

use squall_history::{
    Action, Delivered, Event, EventKind, FaultEvent, FaultStatus, History, NodeEvent, Outcome,
    Phase,
};

/// A history in the making. Times are microseconds.
pub struct Script {
    events: Vec<Event>,
    next_op: u64,
    client: Option<String>,
}

impl Default for Script {
    fn default() -> Self {
        Self::new()
    }
}

impl Script {
    /// Without events; each operation is of a client of its own.
    pub fn new() -> Self {
        Self {
            events: Vec::new(),
            next_op: 1,
            client: None,
        }
    }

    /// Operations from here on are of this client; until then each is of a client of its own.
    pub fn by(&mut self, client: &str) -> &mut Self {
        self.client = Some(client.to_owned());
        self
    }

    /// The operation that was scripted last is sent again.
    pub fn retry(&mut self, at_us: u64, before: Outcome) -> &mut Self {
        let op = self.next_op - 1;
        self.push(at_us, EventKind::retry(op, before))
    }

    /// A phase begins.
    pub fn phase(&mut self, at_us: u64, phase: Phase) -> &mut Self {
        self.push(at_us, EventKind::Phase { phase })
    }

    /// A node reports about itself.
    pub fn node(&mut self, at_us: u64, node: &str, event: NodeEvent) -> &mut Self {
        self.push(
            at_us,
            EventKind::Node {
                node: node.into(),
                event,
            },
        )
    }

    /// A node becomes leader and commits its first entry, whose index is ten times the term.
    pub fn leader(&mut self, at_us: u64, node: &str, term: u64, commit_us: u64) -> &mut Self {
        self.node(at_us, node, NodeEvent::Leader { term });
        self.node(
            commit_us,
            node,
            NodeEvent::FirstCommit {
                term,
                index: 10 * term,
            },
        )
    }

    /// A node asks whether it would be elected.
    pub fn election(&mut self, at_us: u64, node: &str, term: u64) -> &mut Self {
        self.node(
            at_us,
            node,
            NodeEvent::Election {
                term,
                pre_vote: true,
            },
        )
    }

    /// A fault that is installed and, if a time is given, healed.
    pub fn fault(
        &mut self,
        fault: usize,
        kind: &str,
        targets: &[&str],
        at_us: u64,
        healed_us: Option<u64>,
    ) -> &mut Self {
        self.fault_status(fault, kind, targets, at_us, FaultStatus::Installed);
        if let Some(healed_us) = healed_us {
            self.fault_status(fault, kind, targets, healed_us, FaultStatus::Healed);
        }
        self
    }

    /// A partition that cuts these off from a majority.
    pub fn partition(
        &mut self,
        targets: &[&str],
        cut_off: &[&str],
        at_us: u64,
        healed_us: Option<u64>,
    ) -> &mut Self {
        self.fault(0, "partition", targets, at_us, healed_us);
        let cut_off: Vec<String> = cut_off.iter().map(|node| (*node).to_owned()).collect();
        let faults = self.events.iter_mut().rev();
        let mut installed = faults.filter_map(|event| match &mut event.kind {
            EventKind::Fault(fault) if fault.status == FaultStatus::Installed => Some(fault),
            _ => None,
        });
        if let Some(fault) = installed.next() {
            fault.cut_off = cut_off;
        }
        self
    }

    /// One event in the life of a fault.
    ///
    /// # Panics
    /// `kind` is no kind of fault.
    pub fn fault_status(
        &mut self,
        fault: usize,
        kind: &str,
        targets: &[&str],
        at_us: u64,
        status: FaultStatus,
    ) -> &mut Self {
        let targets = targets.iter().map(|target| (*target).to_owned()).collect();
        self.push(
            at_us,
            EventKind::Fault(FaultEvent {
                fault,
                kind: kind.parse().expect("tests know the kinds of faults"),
                targets,
                cut_off: Vec::new(),
                drift_ppm: None,
                status,
            }),
        )
    }

    /// An operation with any outcome; `None` leaves it outstanding.
    pub fn op(
        &mut self,
        invoked_us: u64,
        action: Action,
        returned: Option<(u64, Outcome)>,
    ) -> &mut Self {
        self.intended(None, invoked_us, action, returned)
    }

    /// A get of key `k` that finds nothing.
    pub fn get(&mut self, invoked_us: u64, returned_us: u64) -> &mut Self {
        self.op(invoked_us, get("k"), Some((returned_us, value(None, 0))))
    }

    /// The same, sent later than a schedule wanted it.
    pub fn open_loop_get(
        &mut self,
        intended_us: u64,
        invoked_us: u64,
        returned_us: u64,
    ) -> &mut Self {
        let returned = Some((returned_us, value(None, 0)));
        self.intended(Some(intended_us), invoked_us, get("k"), returned)
    }

    /// Gets, one every `every_us`, each answered after `latency_us`.
    pub fn gets(
        &mut self,
        from_us: u64,
        to_us: u64,
        every_us: usize,
        latency_us: u64,
    ) -> &mut Self {
        for at_us in (from_us..to_us).step_by(every_us) {
            self.get(at_us, at_us + latency_us);
        }
        self
    }

    /// A receive and the `(id, value)` messages it brought.
    pub fn received(
        &mut self,
        invoked_us: u64,
        returned_us: u64,
        action: Action,
        messages: &[(u64, &str)],
    ) -> &mut Self {
        let messages = messages
            .iter()
            .map(|(id, value)| Delivered {
                id: *id,
                receipt: *id,
                deliveries: 1,
                value: (*value).to_owned(),
            })
            .collect();
        self.op(
            invoked_us,
            action,
            Some((returned_us, Outcome::Received { messages })),
        )
    }

    /// Closes the script with the end of the run.
    pub fn end(&mut self, at_us: u64) -> History {
        self.phase(at_us, Phase::End);
        let mut events = std::mem::take(&mut self.events);
        events.sort_by_key(|event| event.at_us);
        History { events }
    }

    fn intended(
        &mut self,
        intended_us: Option<u64>,
        invoked_us: u64,
        action: Action,
        returned: Option<(u64, Outcome)>,
    ) -> &mut Self {
        let op = self.next_op;
        self.next_op += 1;
        let client = match &self.client {
            Some(client) => client.clone(),
            None => format!("client-{op}"),
        };
        self.push(
            invoked_us,
            EventKind::Invoke {
                op,
                client,
                intended_us,
                action,
            },
        );
        if let Some((returned_us, outcome)) = returned {
            self.push(returned_us, EventKind::Return { op, outcome });
        }
        self
    }

    fn push(&mut self, at_us: u64, kind: EventKind) -> &mut Self {
        self.events.push(Event { at_us, kind });
        self
    }
}

/// A linearizable get.
pub fn get(key: &str) -> Action {
    Action::Get {
        key: key.into(),
        lease: false,
    }
}

/// What a get is answered; `None` and 0 of an absent key.
pub fn value(value: Option<&str>, version: u64) -> Outcome {
    Outcome::Value {
        value: value.map(str::to_owned),
        version,
    }
}

/// Refused: no effect.
pub fn failed() -> Outcome {
    Outcome::Failed {
        why: "refused".into(),
    }
}

/// Timed out: it may have had an effect.
pub fn unknown() -> Outcome {
    Outcome::Unknown {
        why: "timed out".into(),
    }
}
