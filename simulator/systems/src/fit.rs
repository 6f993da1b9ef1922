//! Fits a scenario to a system: what the system cannot be asked is left out, and said.
//!
//! Everything is an override, as `--set` makes them, so that it stands in the plan, and a replay
//! or a shrunk scenario has it too.

use squall_check::CHECKS;
use squall_history::Service;
use squall_plan::scenario::{Scenario, Workload};
use toml::Spanned;

use crate::file::SystemFile;
use crate::table::Protocol;

/// What a scenario becomes on a system.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fit {
    /// Overrides: keys and values.
    pub settings: Vec<(String, String)>,
    /// A line for everything that is left out, in order.
    pub notes: Vec<String>,
}

/// A key of workloads that asks for more than the plain operations.
struct Key {
    name: &'static str,
    /// Whether the workload has it, and it asks for anything.
    is_asked: fn(&Workload) -> bool,
    /// What it says when it asks for nothing; `None`: it cannot say so, and the workload is
    /// left out.
    off: Option<&'static str>,
    /// The operation that it needs; empty: what only Squall's own protocol can say.
    operation: &'static str,
}

fn above<T: Copy>(written: &Option<Spanned<T>>, is_above: fn(T) -> bool) -> bool {
    written
        .as_ref()
        .is_some_and(|value| is_above(*value.get_ref()))
}

macro_rules! keys {
    ($($name:ident $off:expr, $operation:literal, $is_asked:expr;)*) => {
        &[$(Key {
            name: stringify!($name),
            is_asked: |workload| above(&workload.$name, $is_asked),
            off: $off,
            operation: $operation,
        },)*]
    };
}

const KEYS: &[Key] = keys! {
    exactly_once None, "", |_| true;
    rounds None, "", |_| true;
    lists None, "", |_| true;
    retries Some("0%"), "", |share| share.0 > 0;
    reuse Some("0%"), "", |share| share.0 > 0;
    crash Some("0%"), "", |share| share.0 > 0;
    cancel Some("0%"), "", |share| share.0 > 0;
    wait_die Some("0%"), "", |share| share.0 > 0;
    increments Some("0%"), "", |share| share.0 > 0;
    near Some("0"), "", |count| count > 0;
    mode Some("linearizable"), "", |mode| mode != squall_plan::scenario::workload::ReadMode::Linearizable;
    shared Some("0%"), "", |share| share.0 > 0;
    watchers Some("0"), "inspect", |count| count > 0;
    batch Some("1"), "publish_batch", |count| count > 1;
    delayed Some("0%"), "publish_batch", |share| share.0 > 0;
    priorities Some("1"), "publish_batch", |count| count > 1;
    groups Some("0"), "publish_batch", |count| count > 0;
    max_depth None, "configure", |count| count > 0;
    max_deliveries None, "configure", |count| count > 0;
    nack Some("0%"), "nack", |share| share.0 > 0;
    expiring Some("0%"), "set_volatile", |share| share.0 > 0;
    evicted None, "cache_size", |is| is;
    multi_get Some("1"), "get_many", |count| count > 1;
    cas Some("0%"), "compare_and_set", |share| share.0 > 0;
};

/// Checks that have nothing to judge without an operation.
const NEEDS: &[(&str, &str)] = &[
    ("fenced_resource", "check"),
    ("lock_looks", "inspect"),
    // Who cannot look sees no lock that stays held.
    ("dead_sessions", "inspect"),
    ("lock_wakeups", "inspect"),
    ("lock_answers", "cancel"),
    ("queue_dead_letters", "configure"),
    ("queue_depth", "configure"),
    ("queue_group_order", "publish_batch"),
    ("queue_delay", "publish_batch"),
    ("queue_priority", "publish_batch"),
    ("queue_stuck", "depth"),
    ("cache_multi_get", "get_many"),
    ("cache_staleness", "get_from"),
    ("cache_phantom", "get_from"),
    ("cache_session", "get_from"),
    ("cache_invalidation", "get_near"),
    ("cache_copies", "get_near"),
    ("cache_lifetime", "set_volatile"),
    ("cache_capacity", "cache_size"),
    ("cache_cas", "compare_and_set"),
    ("list_values", "list_push"),
    ("list_conservation", "list_push"),
    ("list_linearizable", "list_push"),
    ("list_wakeups", "list_blocking_pop"),
    ("exactly_once", "once"),
];

/// Checks of a log that only Squall's own nodes report.
const OF_THE_LOG: &[&str] = &["R2", "R5", "raft", "C9", "disk_refusals", "configurations"];

impl SystemFile {
    /// What a scenario becomes on this system. Squall's own cluster can do all of it.
    pub fn fit(&self, scenario: &Scenario) -> Fit {
        let mut fit = Fit::default();
        if self.protocol() == Protocol::Squall {
            return fit;
        }
        let asked = *scenario.cluster.nodes.get_ref();
        let nodes = self.node_count(asked);
        if nodes != asked {
            fit.set("cluster.nodes", &nodes.to_string());
            let counts = self
                .table
                .nodes
                .as_ref()
                .map(|counts| counts.get_ref().clone());
            let counts: Vec<String> = counts
                .unwrap_or_default()
                .iter()
                .map(u64::to_string)
                .collect();
            fit.note(format!(
                "{} has {} nodes: {nodes} instead of {asked}",
                self.name(),
                counts.join(" or ")
            ));
        }
        let mut asked = Vec::new();
        for (index, workload) in scenario.workloads.iter().enumerate() {
            let workload = workload.get_ref();
            if workload.is_enabled() && self.fit_workload(index, workload, &mut fit) {
                asked.push(workload.service());
            }
        }
        self.fit_demands(scenario, &asked, &mut fit);
        fit
    }

    /// Whether the workload stays.
    fn fit_workload(&self, index: usize, workload: &Workload, fit: &mut Fit) -> bool {
        let (name, service) = (self.name(), workload.service().name());
        let number = index + 1;
        let mut leave_out = |why: String| {
            fit.set(&format!("workload.{index}.enabled"), "false");
            fit.note(format!("{why}: workload {number} ({service}) is left out"));
        };
        if !self.table.service.names().contains(&workload.service()) {
            leave_out(format!("{name} offers no service {service}"));
            return false;
        }
        let is_missing = |key: &&Key| {
            (key.is_asked)(workload) && (key.operation.is_empty() || !self.offers(key.operation))
        };
        let missing: Vec<&Key> = KEYS.iter().filter(is_missing).collect();
        if let Some(key) = missing.iter().find(|key| key.off.is_none()) {
            leave_out(format!("{name} cannot be asked for `{}`", key.name));
            return false;
        }
        for key in missing {
            let off = key
                .off
                .expect("a key that cannot be switched off was looked for before");
            fit.set(&format!("workload.{index}.{}", key.name), off);
            fit.note(format!(
                "{name} cannot be asked for `{}`: workload {number} ({service}) goes without",
                key.name
            ));
        }
        true
    }

    /// A scenario cannot demand that something is judged that the system is not asked.
    fn fit_demands(&self, scenario: &Scenario, asked: &[Service], fit: &mut Fit) {
        let demands = scenario.must_judge.iter().map(Spanned::get_ref);
        let (kept, left): (Vec<&String>, Vec<&String>) =
            demands.partition(|id| self.can_judge(id, asked));
        if left.is_empty() {
            return;
        }
        let kept: Vec<String> = kept.iter().map(|id| format!("{id:?}")).collect();
        fit.set("must_judge", &format!("[{}]", kept.join(", ")));
        for id in left {
            fit.note(format!(
                "{} gives {id} nothing to judge: it is not demanded",
                self.name()
            ));
        }
    }

    fn can_judge(&self, id: &str, asked: &[Service]) -> bool {
        let mut rows = CHECKS.iter().filter(|row| row.is_called(id));
        rows.any(|row| {
            let of_log = OF_THE_LOG.iter().any(|id| row.is_called(id));
            let mut needs = NEEDS.iter().filter(|(check, _)| *check == row.name);
            let is_of_asked =
                row.services.is_empty() || row.services.iter().any(|s| asked.contains(s));
            // Tokens of a system without fencing tell no order.
            let is_fenced = row.name != "lock_tokens"
                || self
                    .table
                    .service
                    .lock
                    .as_ref()
                    .is_some_and(|lock| lock.promises.fencing);
            !of_log
                && is_of_asked
                && is_fenced
                && needs.all(|(_, operation)| self.offers(operation))
        })
    }

    /// What is promised, for whoever judges.
    pub fn promises(&self) -> squall_check::Promises {
        let mut promises = self.table.service.promises();
        if !matches!(self.protocol(), Protocol::Squall | Protocol::Etcd) {
            promises.leave_out_raft();
        }
        promises
    }
}

impl Fit {
    fn set(&mut self, key: &str, value: &str) {
        self.settings.push((key.to_owned(), value.to_owned()));
    }

    fn note(&mut self, line: String) {
        self.notes.push(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCENARIO: &str = r#"
name = "t"
must_judge = ["L1", "lost_grants", "Q1", "Q3", "C1", "lost_writes", "R2", "R4"]
[[workload]]
service = "lock"
shared = "25%"
watchers = 1
[[workload]]
service = "queue"
priorities = 3
[[workload]]
service = "cache"
multi_get = 4
[[workload]]
service = "cache"
lists = { push = "50%", pop = "50%" }
"#;

    fn fitted(name: &str) -> (Fit, Scenario) {
        let system = SystemFile::load(name).unwrap_or_else(|why| panic!("{why}"));
        let scenario = Scenario::parse(SCENARIO, "t.toml").expect("a scenario");
        let fit = system.fit(&scenario);
        let scenario = Scenario::parse_with(SCENARIO, "t.toml", &fit.settings);
        let scenario = scenario.unwrap_or_else(|why| panic!("{name}: {why}"));
        let services = system.services();
        let services: Vec<_> = services.iter().map(|service| service.name()).collect();
        let is_foreign = system.protocol() != Protocol::Squall;
        let offered = scenario.check_offer(&services, is_foreign);
        offered.unwrap_or_else(|why| panic!("{name}: {why}"));
        (fit, scenario)
    }

    #[test]
    fn a_system_is_asked_what_it_has_and_the_rest_is_said() {
        let (fit, scenario) = fitted("etcd");
        let kept: Vec<&str> = scenario
            .must_judge
            .iter()
            .map(|id| id.get_ref().as_str())
            .collect();
        assert_eq!(kept, ["L1", "lost_grants", "C1", "lost_writes", "R4"]);
        let names: Vec<String> = scenario
            .named_workloads()
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(names, ["lock", "cache"]);
        let notes = fit.notes.join("\n");
        for line in [
            "etcd cannot be asked for `shared`: workload 1 (lock) goes without",
            "etcd offers no service queue: workload 2 (queue) is left out",
            "etcd cannot be asked for `lists`: workload 4 (cache) is left out",
            "etcd gives Q1 nothing to judge: it is not demanded",
            "etcd gives R2 nothing to judge: it is not demanded",
        ] {
            assert!(notes.contains(line), "{line}\n{notes}");
        }
        // It has transactions over several keys.
        assert!(!notes.contains("multi_get"), "{notes}");
    }

    #[test]
    fn every_system_that_ships_takes_what_it_is_fitted_to() {
        for name in crate::shipped::names() {
            let (fit, scenario) = fitted(name);
            assert_eq!(name == "squall", fit == Fit::default(), "{name}");
            assert!(!scenario.named_workloads().is_empty(), "{name}");
        }
    }

    #[test]
    fn one_server_is_one_node() {
        let (fit, _) = fitted("redis");
        assert!(fit.settings.contains(&("cluster.nodes".into(), "1".into())));
        assert!(
            fit.notes[0].contains("redis has 1 nodes: 1 instead of"),
            "{:?}",
            fit.notes
        );
    }
}
