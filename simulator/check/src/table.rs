//! The checks, a row each: the list that runs, the report's names and the table in
//! `docs/checks.md` are made from it.
//!
//! In the order of the report: is there anything to judge, then data, then Raft, then
//! recovery. A row says what is promised; why the evidence suffices, and what is left
//! unchecked, stands at the head of the check's file.

use super::result::{CheckResult, Judge, Verdict};
use super::view::View;
use super::*;
use squall_history::Service;

/// One check.
#[derive(Clone, Copy)]
pub struct Check {
    /// Unique: `lock_exclusion`.
    pub name: &'static str,
    /// The property's number: `L1`; several are separated by a blank. Some properties have
    /// more than one check.
    pub property: &'static str,
    /// The property in one sentence.
    pub promise: &'static str,
    /// Where the property comes from.
    pub source: &'static str,
    /// Whose operations it judges; none for a check of the cluster or the run as a whole.
    pub services: &'static [Service],
    /// What [`super::CheckResult::checked`] counts, in the plural.
    pub counted: &'static str,
    /// Every run of our own cluster gives it something to judge, so that nothing means
    /// `Unknown`.
    pub(super) is_expected: bool,
    pub(super) judge: fn(&View, &mut Judge),
}

const ALL: &[Service] = &[];
const LOCK: &[Service] = &[Service::Lock];
const QUEUE: &[Service] = &[Service::Queue];
const CACHE: &[Service] = &[Service::Cache];

impl Check {
    /// Whether `id` is its name or one of its properties.
    pub fn is_called(&self, id: &str) -> bool {
        is_called(self.name, self.property, id)
    }

    /// The result of what was judged.
    pub(super) fn result(&self, judge: Judge) -> CheckResult {
        let counted = self.counted;
        let (verdict, mut detail) = match (judge.first_violation, judge.first_unknown) {
            (Some(what), _) if judge.violations == 1 => (Verdict::Fail, what),
            (Some(what), _) => (
                Verdict::Fail,
                format!("{} violations; the first: {what}", judge.violations),
            ),
            (None, Some(why)) => (Verdict::Unknown, why),
            (None, None) if judge.checked > 0 => {
                (Verdict::Pass, format!("{} {counted} judged", judge.checked))
            }
            (None, None) if self.is_expected => (
                Verdict::Unknown,
                format!("the history holds no {counted}, so nothing is known"),
            ),
            (None, None) => (
                Verdict::NotJudged,
                judge
                    .first_passed_over
                    .unwrap_or_else(|| format!("no {counted}")),
            ),
        };
        if let Some((count, what)) = judge.excused {
            detail += &format!("; {count} {what}");
        }
        CheckResult {
            name: self.name.to_owned(),
            property: self.property.to_owned(),
            verdict,
            detail,
            evidence: judge.evidence,
            checked: judge.checked,
        }
    }
}

/// Whether `id` names the check of this name and property: `L1`, `lock_exclusion`.
pub fn is_called(name: &str, property: &str, id: &str) -> bool {
    name == id || property.split(' ').any(|property| property == id)
}

/// All checks; the first is the gate for the others.
pub const CHECKS: [Check; 58] = [
    Check {
        name: "well_formed",
        property: "harness",
        promise: "The history itself is sound: numbering, pairing, phases, time.",
        source: "Herlihy & Wing, \"Linearizability\" (1990)",
        services: ALL,
        counted: "events",
        is_expected: false,
        judge: well_formed::check,
    },
    Check {
        name: "load",
        property: "harness",
        promise: "Every service that was asked acknowledged something, also while faults were injected.",
        source: "TigerBeetle's VOPR",
        services: ALL,
        counted: "acknowledged operations",
        is_expected: true,
        judge: load::check,
    },
    Check {
        name: "faults",
        property: "harness",
        promise: "Each fault took effect, and one that ends processes ended them.",
        source: "this harness's own rule",
        services: ALL,
        counted: "fault events",
        is_expected: false,
        judge: faults::check,
    },
    Check {
        name: "lost_grants",
        property: "L9",
        promise: "An acknowledged grant is durable: a session that lives on keeps its lock.",
        source: "Raft, §5.4",
        services: LOCK,
        counted: "grants",
        is_expected: false,
        judge: lost_grants::check,
    },
    Check {
        name: "lock_looks",
        property: "L9",
        promise: "A look at a lock shows every grant and release that was acknowledged before.",
        source: "Herlihy & Wing, \"Linearizability\" (1990)",
        services: LOCK,
        counted: "looks at locks",
        is_expected: false,
        judge: lock_looks::check,
    },
    Check {
        name: "lost_writes",
        property: "R1",
        promise: "An acknowledged write survives crashes and power loss.",
        source: "Raft, §5.4.3 and §8; Jepsen's set checker",
        services: CACHE,
        counted: "written keys",
        is_expected: false,
        judge: lost_writes::check,
    },
    Check {
        name: "disk_refusals",
        property: "R1",
        promise: "A node refuses its disk only if a fault may have damaged it.",
        source: "Mohan et al., \"ARIES\" (1992)",
        services: ALL,
        counted: "starts of nodes",
        is_expected: false,
        judge: disk_refusals::check,
    },
    Check {
        name: "lock_exclusion",
        property: "L1",
        promise: "Mutual exclusion in log order, shared and exclusive.",
        source: "Courtois, Heymans & Parnas (1971)",
        services: LOCK,
        counted: "grants and releases",
        is_expected: false,
        judge: lock_exclusion::check,
    },
    Check {
        name: "lock_tokens",
        property: "L2",
        promise: "Fencing tokens rise strictly per lock and are never reused.",
        source: "Burrows, \"The Chubby lock service\" (2006), §2.4",
        services: LOCK,
        counted: "grants",
        is_expected: false,
        judge: lock_tokens::check,
    },
    Check {
        name: "fenced_resource",
        property: "L3",
        promise: "A fenced resource accepts no token older than one that it accepted before.",
        source: "Kleppmann, \"How to do distributed locking\" (2016)",
        services: LOCK,
        counted: "accepted tokens",
        is_expected: false,
        judge: fenced_resource::check,
    },
    Check {
        name: "lock_fairness",
        property: "L4",
        promise: "First come, first served; no waiter is overtaken.",
        source: "Mellor-Crummey & Scott (1991)",
        services: LOCK,
        counted: "waits",
        is_expected: false,
        judge: lock_fairness::check,
    },
    Check {
        name: "lock_once",
        property: "L7",
        promise: "Acquire and release take effect exactly once, however often they are sent.",
        source: "Ongaro, \"Consensus\" (2014), §6.3",
        services: LOCK,
        counted: "releases and looks",
        is_expected: false,
        judge: lock_once::check,
    },
    Check {
        name: "lock_wakeups",
        property: "L8",
        promise: "No lost wake-up: a free lock has no waiters, and an ended wait leaves the queue.",
        source: "Birrell, \"An introduction to programming with threads\" (1989)",
        services: LOCK,
        counted: "looks and waits",
        is_expected: false,
        judge: lock_wakeups::check,
    },
    Check {
        name: "lock_answers",
        property: "L8",
        promise: "A wait that is over is answered, also to a client that asks again.",
        source: "Ongaro, \"Consensus\" (2014), §6.3",
        services: LOCK,
        counted: "waits",
        is_expected: false,
        judge: lock_answers::check,
    },
    Check {
        name: "session_ttl",
        property: "L5",
        promise: "A session never expires before its TTL after the last acknowledged keep-alive.",
        source: "Gray & Cheriton, \"Leases\" (1989)",
        services: LOCK,
        counted: "answers to sessions",
        is_expected: false,
        judge: session_ttl::check,
    },
    Check {
        name: "dead_sessions",
        property: "L6",
        promise: "What a dead session holds is free within its TTL and a grace.",
        source: "Gray & Cheriton, \"Leases\" (1989)",
        services: LOCK,
        counted: "locks that dead sessions left",
        is_expected: false,
        judge: dead_sessions::check,
    },
    Check {
        name: "queue_conservation",
        property: "Q1",
        promise: "No acknowledged message is lost.",
        source: "Jepsen's total-queue checker",
        services: QUEUE,
        counted: "acknowledged messages",
        is_expected: false,
        judge: queue_conservation::check,
    },
    Check {
        name: "queue_phantom",
        property: "Q2",
        promise: "Nothing is delivered that was not published.",
        source: "Jepsen's total-queue checker",
        services: QUEUE,
        counted: "deliveries",
        is_expected: false,
        judge: queue_phantom::check,
    },
    Check {
        name: "queue_redelivery",
        property: "Q3",
        promise: "An acknowledged message is not delivered again.",
        source: "AMQP 1.0, part 2",
        services: QUEUE,
        counted: "acknowledged acks",
        is_expected: false,
        judge: queue_redelivery::check,
    },
    Check {
        name: "queue_visibility",
        property: "Q4",
        promise: "A delivered message is not delivered again before its visibility timeout.",
        source: "visibility timeout of Amazon SQS",
        services: QUEUE,
        counted: "redeliveries",
        is_expected: false,
        judge: queue_visibility::check,
    },
    Check {
        name: "queue_receipts",
        property: "Q4",
        promise: "One valid receipt a message, and it is valid while the message is hidden.",
        source: "receipt handles of Amazon SQS",
        services: QUEUE,
        counted: "used receipts",
        is_expected: false,
        judge: queue_receipts::check,
    },
    Check {
        name: "queue_duplicates",
        property: "Q6",
        promise: "One publish makes one message, also when it is sent again.",
        source: "Ongaro, \"Consensus\" (2014), §6.3",
        services: QUEUE,
        counted: "deliveries",
        is_expected: false,
        judge: queue_duplicates::check,
    },
    Check {
        name: "queue_dead_letters",
        property: "Q5",
        promise: "A message is dead-lettered exactly when its deliveries reach the limit, once.",
        source: "redrive policy of Amazon SQS",
        services: QUEUE,
        counted: "messages with a limit",
        is_expected: false,
        judge: queue_dead_letters::check,
    },
    Check {
        name: "queue_deliveries",
        property: "Q5",
        promise: "A delivery tells exactly how often its message was delivered.",
        source: "receive counts of Amazon SQS",
        services: QUEUE,
        counted: "deliveries",
        is_expected: false,
        judge: queue_deliveries::check,
    },
    Check {
        name: "queue_group_order",
        property: "Q7",
        promise: "Messages of a group are delivered in publish order, one at a time.",
        source: "Amazon SQS FIFO queues",
        services: QUEUE,
        counted: "messages in groups",
        is_expected: false,
        judge: queue_group_order::check,
    },
    Check {
        name: "queue_delay",
        property: "Q8",
        promise: "A delayed message is not delivered before its delay has passed.",
        source: "message timers of Amazon SQS",
        services: QUEUE,
        counted: "delayed messages",
        is_expected: false,
        judge: queue_delay::check,
    },
    Check {
        name: "queue_priority",
        property: "Q9",
        promise: "Of the ready messages the one of the highest priority goes first.",
        source: "AMQP 1.0, §3.2.1",
        services: QUEUE,
        counted: "deliveries",
        is_expected: false,
        judge: queue_priority::check,
    },
    Check {
        name: "queue_depth",
        property: "Q10",
        promise: "The depth limit is exact, and a batch is taken in whole or not at all.",
        source: "RabbitMQ, `reject-publish`",
        services: QUEUE,
        counted: "limits and batches",
        is_expected: false,
        judge: queue_depth::check,
    },
    Check {
        name: "queue_stuck",
        property: "Q11",
        promise: "What is hidden or delayed comes back when its time is over.",
        source: "visibility timeout of Amazon SQS",
        services: QUEUE,
        counted: "looks at queues",
        is_expected: false,
        judge: queue_stuck::check,
    },
    Check {
        name: "cache_linearizable",
        property: "C1",
        promise: "The cache is linearizable per key.",
        source: "Herlihy & Wing, \"Linearizability\" (1990)",
        services: CACHE,
        counted: "cache operations",
        is_expected: false,
        judge: cache_linearizable::check,
    },
    Check {
        name: "cache_multi_get",
        property: "C1",
        promise: "Keys that are read together are read at one index of the log.",
        source: "Herlihy & Wing, \"Linearizability\" (1990)",
        services: CACHE,
        counted: "reads of several keys",
        is_expected: false,
        judge: cache_multi_get::check,
    },
    Check {
        name: "cache_staleness",
        property: "C2",
        promise: "A bounded-stale read is at most as old as its bound.",
        source: "Bermbach & Tai (2011)",
        services: CACHE,
        counted: "reads with a bound",
        is_expected: false,
        judge: cache_staleness::check,
    },
    Check {
        name: "cache_phantom",
        property: "C2",
        promise: "No read, however old it may be, shows what nobody wrote.",
        source: "consistency levels of Azure Cosmos DB",
        services: CACHE,
        counted: "values that may be old",
        is_expected: false,
        judge: cache_phantom::check,
    },
    Check {
        name: "cache_session",
        property: "C3",
        promise: "A client that reads from one node never sees a key go back.",
        source: "Terry et al., \"Session guarantees\" (1994)",
        services: CACHE,
        counted: "reads from single nodes",
        is_expected: false,
        judge: cache_session::check,
    },
    Check {
        name: "cache_invalidation",
        property: "C8",
        promise: "Invalidations come without a gap, and resume exactly.",
        source: "client-side caching of Redis; watches of etcd",
        services: CACHE,
        counted: "messages of streams",
        is_expected: false,
        judge: cache_invalidation::check,
    },
    Check {
        name: "cache_copies",
        property: "C8",
        promise: "No copy is served that its client had to forget.",
        source: "Nishtala et al., \"Scaling Memcache at Facebook\" (2013), §3.2.1",
        services: CACHE,
        counted: "reads from copies",
        is_expected: false,
        judge: cache_copies::check,
    },
    Check {
        name: "cache_lifetime",
        property: "C5",
        promise: "A lifetime is exact by log time.",
        source: "`EXPIRE` of Redis",
        services: CACHE,
        counted: "reads of keys that may vanish",
        is_expected: false,
        judge: cache_lifetime::check,
    },
    Check {
        name: "cache_capacity",
        property: "C6",
        promise: "The cache never holds more keys than its capacity.",
        source: "`maxmemory` of Redis",
        services: CACHE,
        counted: "looks at a cache that had to evict",
        is_expected: false,
        judge: cache_capacity::check,
    },
    Check {
        name: "cache_cas",
        property: "C7",
        promise: "Compare-and-set is atomic.",
        source: "Herlihy, \"Wait-free synchronization\" (1991), §3.4",
        services: CACHE,
        counted: "successful compare-and-sets",
        is_expected: false,
        judge: cache_cas::check,
    },
    Check {
        name: "cache_statistics",
        property: "C9",
        promise: "Hits and misses add up to gets at every node.",
        source: "`INFO` of Redis",
        services: CACHE,
        counted: "reports of nodes",
        is_expected: false,
        judge: cache_statistics::check,
    },
    Check {
        name: "list_values",
        property: "C10",
        promise: "A value of a list is taken at most once, and only if it was pushed.",
        source: "Jepsen's total-queue checker",
        services: CACHE,
        counted: "values of lists",
        is_expected: false,
        judge: list_values::check,
    },
    Check {
        name: "list_conservation",
        property: "C11",
        promise: "No acknowledged value of a list is lost, and a move neither loses nor doubles one.",
        source: "Jepsen's total-queue checker",
        services: CACHE,
        counted: "acknowledged pushes",
        is_expected: false,
        judge: list_conservation::check,
    },
    Check {
        name: "list_linearizable",
        property: "C12",
        promise: "Lists are linearizable: first in, first out, and a move is one step.",
        source: "Herlihy & Wing, \"Linearizability\" (1990)",
        services: CACHE,
        counted: "operations on lists",
        is_expected: false,
        judge: list_linearizable::check,
    },
    Check {
        name: "list_wakeups",
        property: "C13",
        promise: "No lost wake-up: who waits for a list is given what is there within a moment.",
        source: "Birrell, \"An introduction to programming with threads\" (1989)",
        services: CACHE,
        counted: "waits for lists",
        is_expected: false,
        judge: list_wakeups::check,
    },
    Check {
        name: "exactly_once",
        property: "R3",
        promise: "An operation of a session and sequence takes effect exactly once.",
        source: "Ongaro, \"Consensus\" (2014), §6.3",
        services: CACHE,
        counted: "increments",
        is_expected: false,
        judge: exactly_once::check,
    },
    Check {
        name: "state_agreement",
        property: "R2 C4",
        promise: "Nodes at the same applied index hold the same state.",
        source: "Schneider, \"State machine approach\" (1990)",
        services: ALL,
        counted: "applied indexes",
        is_expected: true,
        judge: state_agreement::check,
    },
    Check {
        name: "configurations",
        property: "R5",
        promise: "One configuration at a time: two that follow each other share a majority.",
        source: "Ongaro, \"Consensus\" (2014), §4",
        services: ALL,
        counted: "configurations",
        is_expected: false,
        judge: configurations::check,
    },
    Check {
        name: "crashes",
        property: "crash",
        promise: "No node panics.",
        source: "TigerBeetle's `TIGER_STYLE.md`",
        services: ALL,
        counted: "starts and ends of processes",
        is_expected: false,
        judge: crashes::check,
    },
    Check {
        name: "election_safety",
        property: "raft",
        promise: "At most one leader in a term.",
        source: "Ongaro & Ousterhout (2014), figure 3",
        services: ALL,
        counted: "elections",
        is_expected: true,
        judge: election_safety::check,
    },
    Check {
        name: "log_matching",
        property: "raft",
        promise: "Committed entries at the same index are the same on all nodes.",
        source: "Ongaro & Ousterhout (2014), §5.3",
        services: ALL,
        counted: "committed entries",
        is_expected: true,
        judge: log_matching::check,
    },
    Check {
        name: "leader_completeness",
        property: "raft",
        promise: "A leader has every entry that was committed in earlier terms.",
        source: "Ongaro & Ousterhout (2014), §5.4",
        services: ALL,
        counted: "first commits",
        is_expected: true,
        judge: leader_completeness::check,
    },
    Check {
        name: "monotonic_term",
        property: "raft",
        promise: "A node's term never goes back.",
        source: "Ongaro & Ousterhout (2014), figure 2",
        services: ALL,
        counted: "reported terms",
        is_expected: true,
        judge: monotonic::terms,
    },
    Check {
        name: "monotonic_vote",
        property: "raft",
        promise: "A node votes once a term, also over restarts.",
        source: "Ongaro & Ousterhout (2014), figure 2",
        services: ALL,
        counted: "votes",
        is_expected: true,
        judge: monotonic::votes,
    },
    Check {
        name: "monotonic_index",
        property: "raft",
        promise: "A process's commit and applied indexes never go back.",
        source: "Ongaro & Ousterhout (2014), figure 2",
        services: ALL,
        counted: "reported indexes",
        is_expected: true,
        judge: monotonic::indexes,
    },
    Check {
        name: "majority_serves",
        property: "R4",
        promise: "While some nodes are gone, a majority that is left alone serves in time.",
        source: "Ongaro & Ousterhout (2014), §2",
        services: ALL,
        counted: "stretches",
        is_expected: false,
        judge: majority_serves::check,
    },
    Check {
        name: "liveness",
        property: "R4",
        promise: "After the last heal the cluster converges in time, and the audit finishes.",
        source: "TigerBeetle's VOPR, liveness mode",
        services: ALL,
        counted: "recoveries",
        is_expected: false,
        judge: liveness::check,
    },
    Check {
        name: "services_served",
        property: "R4",
        promise: "After the last heal every service that is asked acknowledges at a rate.",
        source: "etcd's robustness tests",
        services: ALL,
        counted: "services asked after the heal",
        is_expected: false,
        judge: services_served::check,
    },
    Check {
        name: "clients_served",
        property: "R4",
        promise: "After the last heal every client that asks is answered.",
        source: "TigerBeetle's VOPR, liveness mode",
        services: ALL,
        counted: "clients that asked after the heal",
        is_expected: false,
        judge: clients_served::check,
    },
];

/// The checks as a Markdown table, as it stands in `docs/checks.md`.
pub fn markdown() -> String {
    let mut table =
        String::from("| property | check | promise | judged | source |\n|---|---|---|---|---|\n");
    for check in &CHECKS {
        let Check {
            name,
            property,
            promise,
            counted,
            source,
            ..
        } = check;
        table += &format!("| {property} | `{name}` | {promise} | {counted} | {source} |\n");
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = CHECKS.iter().map(|check| check.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), CHECKS.len());
    }

    #[test]
    fn the_documentation_holds_the_table() {
        let docs = include_str!("../../../docs/checks.md");
        let table = markdown();
        assert!(docs.contains(&table), "docs/checks.md must hold:\n{table}");
    }
}
