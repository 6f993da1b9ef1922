//! Scenarios put together in code.
//!
//! A draft becomes the text of a scenario, so that everything that reads scenario files
//! checks it, stores it with a run, and shrinks it. It knows the common keys; the others are
//! said with `set`.

use toml::{Table, Value};

use crate::shrink;

/// A scenario in the making.
#[derive(Clone)]
pub(super) struct Draft {
    name: String,
    pub(super) workloads: Vec<Workload>,
    pub(super) faults: Vec<Fault>,
}

impl Draft {
    pub(super) fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            workloads: Vec::new(),
            faults: Vec::new(),
        }
    }

    /// As a scenario file.
    pub(super) fn text(&self) -> String {
        let mut document = Table::new();
        document.insert("name".into(), self.name.clone().into());
        let phases = [("warmup", "1s"), ("chaos", "5s"), ("serve", "500ms")];
        let phases = phases.map(|(key, value)| (key.to_owned(), Value::from(value)));
        document.insert("phases".into(), Table::from_iter(phases).into());
        let mut put = |key: &str, tables: Vec<Table>| {
            if !tables.is_empty() {
                let tables = tables.into_iter().map(Value::Table).collect();
                document.insert(key.to_owned(), Value::Array(tables));
            }
        };
        put(
            "workload",
            self.workloads.iter().map(|w| w.0.clone()).collect(),
        );
        put("fault", self.faults.iter().map(|f| f.0.clone()).collect());
        shrink::write(&document)
    }
}

/// Clients of one service: a `[[workload]]`.
#[derive(Debug, Clone)]
pub struct Workload(Table);

impl Workload {
    /// Clients that take and release locks.
    pub fn lock() -> Self {
        Self::of("lock")
    }

    /// Producers and consumers.
    pub fn queue() -> Self {
        Self::of("queue")
    }

    /// Clients that read and write keys.
    pub fn cache() -> Self {
        Self::of("cache")
    }

    fn of(service: &str) -> Self {
        let table = Table::from_iter([("service".to_owned(), Value::from(service))]);
        Self(table)
    }

    /// How many clients; of a queue, [`Workload::producers`] and [`Workload::consumers`].
    pub fn clients(self, clients: i64) -> Self {
        self.set("clients", clients)
    }

    /// Of a queue: clients that publish.
    pub fn producers(self, producers: i64) -> Self {
        self.set("producers", producers)
    }

    /// Of a queue: clients that receive.
    pub fn consumers(self, consumers: i64) -> Self {
        self.set("consumers", consumers)
    }

    /// The pause between two operations of a client: `"20ms"`.
    pub fn think(self, pause: &str) -> Self {
        self.set("think", pause)
    }

    /// Operations of the whole workload, whatever the service does: `"200/s"`.
    pub fn rate(self, rate: &str) -> Self {
        self.set("rate", rate)
    }

    /// Any other key of a `[[workload]]`.
    pub fn set(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0.insert(key.to_owned(), value.into());
        self
    }
}

/// Something that goes wrong: a `[[fault]]`.
#[derive(Debug, Clone)]
pub struct Fault(Table);

impl Fault {
    /// The processes die, and start again when the fault is over.
    pub fn kill<'a>(targets: impl IntoIterator<Item = &'a str>) -> Self {
        Self::on("kill", targets)
    }

    /// The processes stand still.
    pub fn pause<'a>(targets: impl IntoIterator<Item = &'a str>) -> Self {
        Self::on("pause", targets)
    }

    /// The machines lose power, and what they had not synced.
    pub fn power_loss<'a>(targets: impl IntoIterator<Item = &'a str>) -> Self {
        Self::on("power_loss", targets)
    }

    /// The nodes are cut off from all others.
    pub fn isolate<'a>(targets: impl IntoIterator<Item = &'a str>) -> Self {
        Self::on("isolate", targets)
    }

    /// No message passes between the two sides.
    pub fn partition<'a>(
        one: impl IntoIterator<Item = &'a str>,
        other: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let sides = Value::Array(vec![list(one), list(other)]);
        Self::new("partition", sides)
    }

    /// Any action of a `[[fault]]`.
    pub fn new(action: &str, value: impl Into<Value>) -> Self {
        let at = ("at".to_owned(), Value::from("0s"));
        Self(Table::from_iter([at, (action.to_owned(), value.into())]))
    }

    fn on<'a>(action: &str, targets: impl IntoIterator<Item = &'a str>) -> Self {
        Self::new(action, list(targets))
    }

    /// When it happens, from the start of the phase of faults.
    pub fn at(self, time: &str) -> Self {
        self.set("at", time)
    }

    /// When it is over; without this, with the phase.
    pub fn lasting(self, time: &str) -> Self {
        self.set("for", time)
    }

    /// Any other key of a `[[fault]]`.
    pub fn set(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0.insert(key.to_owned(), value.into());
        self
    }
}

fn list<'a>(targets: impl IntoIterator<Item = &'a str>) -> Value {
    Value::Array(targets.into_iter().map(Value::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;
    use crate::scenario::Scenario;

    #[test]
    fn a_draft_is_a_scenario() {
        let mut draft = Draft::named("drafted");
        draft
            .workloads
            .push(Workload::queue().producers(3).rate("50/s"));
        draft
            .workloads
            .push(Workload::lock().clients(2).think("5ms"));
        draft
            .faults
            .push(Fault::partition(["leader"], ["all"]).at("1s"));
        draft
            .faults
            .push(Fault::kill(["any"]).at("2s").lasting("1s"));
        draft
            .faults
            .push(Fault::new("transfer", "follower").at("4s"));
        let scenario = Scenario::parse(&draft.text(), "the scenario").expect("it is valid");
        let plan = Plan::resolve(&scenario, 1).expect("it is valid");
        let kinds: Vec<_> = plan.faults.iter().map(|f| f.action.kind().name()).collect();
        assert_eq!(kinds, ["partition", "kill", "transfer"]);
        assert_eq!(plan.workloads.len(), 2);
    }
}
