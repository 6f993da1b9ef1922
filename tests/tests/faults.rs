//! Each kind of fault does what it says: seen in histories, not in the nemesis's word for it.
//!
//! The shipped scenarios of disks, clocks, members, crash loops and clients run once each;
//! they must pass with every fault installed, and leave the traces that only the real thing
//! leaves. What many seeds bring about is for `squall sweep` and not for here.

use squall::backends::{LogFilter, TraceFilter};
use squall::history::{Action, EventKind, FaultStatus, History, NodeEvent, Outcome, Phase};
use squall::report::RunVerdict;
use squall::run::{self, Context};
use squall::scenario::Scenario;
use squall_sim::SimBackend;
use squall_tests::repository;

fn history_of(name: &str) -> History {
    let path = repository().join(format!("scenarios/{name}.toml"));
    let scenario = Scenario::load(path).expect("the repository's scenario is valid");
    let judged = run::run(&scenario, 1, "").expect("the simulation works");
    assert_eq!(
        judged.report.verdict,
        RunVerdict::Pass,
        "{}",
        judged.report.reason
    );
    for fault in &judged.plan.faults {
        let installed = faults(&judged.history)
            .any(|(_, f)| f.fault == fault.id && f.status == FaultStatus::Installed);
        assert!(installed, "{} was not installed", fault.action);
    }
    judged.history
}

fn faults(history: &History) -> impl Iterator<Item = (u64, &squall::history::FaultEvent)> {
    history.events.iter().filter_map(|event| match &event.kind {
        EventKind::Fault(fault) => Some((event.at_us, fault)),
        _ => None,
    })
}

/// What nodes said, in order.
fn nodes(history: &History) -> impl Iterator<Item = (&str, &NodeEvent)> {
    history.events.iter().filter_map(|event| match &event.kind {
        EventKind::Node { node, event } => Some((node.as_str(), event)),
        _ => None,
    })
}

#[test]
fn connections_that_are_reset_cost_answers_but_no_process_and_no_write() {
    let history = history_of("connection-reset");
    let counts = history.events.iter().filter_map(|event| match &event.kind {
        EventKind::Note { text } => text
            .split_once(": ")?
            .1
            .split_once(" connections were reset"),
        _ => None,
    });
    let counts: Vec<u64> = counts.map(|(count, _)| count.parse().unwrap()).collect();
    assert_eq!(counts.len(), 15, "{counts:?}");
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
    let unanswered = history.events.iter().filter(|event| match &event.kind {
        EventKind::Return { outcome, .. } => matches!(outcome, Outcome::Unknown { .. }),
        _ => false,
    });
    assert!(unanswered.count() > 0, "no client lost an answer");
    let chaos = phase_us(&history, Phase::Chaos)..phase_us(&history, Phase::Heal);
    let stopped = history.events.iter().filter(|event| match &event.kind {
        EventKind::Node { event: what, .. } => {
            matches!(what, NodeEvent::Stopped { .. }) && chaos.contains(&event.at_us)
        }
        _ => false,
    });
    assert_eq!(stopped.count(), 0);
}

fn phase_us(history: &History, phase: Phase) -> u64 {
    let begins = |event: &&squall::history::Event| event.kind == EventKind::Phase { phase };
    history
        .events
        .iter()
        .find(begins)
        .expect("a run has all phases")
        .at_us
}

#[test]
fn damaged_disks_stop_nodes_and_damaged_nodes_are_replaced() {
    let history = history_of("disk-damage");
    let said = |words: &str| {
        nodes(&history)
            .filter(|(_, event)| match event {
                NodeEvent::Stopped { why } | NodeEvent::Damaged { why } => why.contains(words),
                _ => false,
            })
            .count()
    };
    assert!(said("input/output error (sync)") > 0);
    assert!(said("input/output error (write)") > 0);
    assert!(said("input/output error (read)") > 0);
    assert!(said("no storage space") > 0);
    // Rot and the misdirected write.
    assert_eq!(said("does not start: storage"), 3, "with the read error");
    let replaced = nodes(&history).filter(|(_, event)| **event == NodeEvent::Replaced);
    assert_eq!(replaced.count(), 2);
}

/// Where the loss does not show the node starts, and is sent again what is missing; where it does
/// it refuses, and is replaced.
#[test]
fn logs_that_have_lost_their_end_are_sent_it_again_or_refused() {
    let history = history_of("lost-tail");
    let gone = history.events.iter().filter(|event| match &event.kind {
        EventKind::Note { text } => text.contains("entries that were synced are gone"),
        _ => false,
    });
    assert_eq!(gone.count(), 7);
    let refused = nodes(&history).filter(|(_, event)| match event {
        NodeEvent::Stopped { why } => {
            why.contains("its log is missing") || why.contains("its last vote")
        }
        _ => false,
    });
    let refused = refused.count();
    let replaced = nodes(&history).filter(|(_, event)| **event == NodeEvent::Replaced);
    assert!(refused >= 2, "{refused}");
    assert_eq!(replaced.count(), refused);
}

const TWO_LOGS: &str = r#"
name = "two-logs"
summary = "Two of three logs lose the same end, while the leader that has it is cut off."
[cluster]
nodes = 3
[phases]
warmup = "1s"
chaos = "6s"
converge = "3s"
serve = "1s"
[probe]
enabled = false
[[workload]]
service = "cache"
clients = 4
keys = 100
reads = "20%"
think = { min = "10ms", max = "40ms" }
[[fault]]
at = "1s"
isolate = ["leader"]
for = "3s"
[[fault]]
at = "1s"
disk = ["follower", "follower"]
lost_tail = "4KiB"
for = "500ms"
"#;

/// That is more than a cluster survives: what is lost is seen. The third node has applied it. It
/// says so once, and its leader does not ask it as fast as it refuses.
#[test]
fn a_node_that_has_what_all_others_have_lost_says_so_once_and_is_not_asked_without_end() {
    let scenario = Scenario::parse(TWO_LOGS, "two-logs.toml").expect("it is valid");
    let backend = SimBackend {
        log: Some(LogFilter::warnings()),
        trace: Some(TraceFilter::default()),
        ..SimBackend::default()
    };
    let judged = run::run_on(&backend, &scenario, 1, "", Context::default());
    let judged = judged.expect("the simulation works");
    let verdict = judged.report.verdict;
    assert_eq!(verdict, RunVerdict::Violation, "{}", judged.report.reason);
    let said = judged.logs.lines.iter();
    let mut said = said.filter(|line| line.text.contains(" cannot follow "));
    let first = said.next().expect("it says so");
    assert_eq!(said.next(), None, "it says so again");
    let asked = judged.traced.messages.iter().filter(|message| {
        let is_late = (6_000_000..8_000_000).contains(&message.sent_us);
        is_late && message.to.node().as_ref() == Some(&first.node)
    });
    let asked = asked
        .filter(|message| message.from.node().is_some())
        .count();
    // Twice: where the logs part, and what stands there. And there are heartbeats.
    assert!(
        (20..200).contains(&asked),
        "{asked} messages in two seconds"
    );
}

/// A node that lost what it had stored starts again only after some node has applied a
/// configuration without it.
#[test]
fn nobody_comes_back_with_an_empty_disk_before_it_was_removed() {
    let history = history_of("membership-churn");
    let mut voters: Vec<String> = Vec::new();
    let mut replaced = 0;
    for (node, event) in nodes(&history) {
        match event {
            NodeEvent::Membership { voters: now, .. } => voters.clone_from(now),
            NodeEvent::Replaced => {
                replaced += 1;
                assert!(
                    !voters.iter().any(|voter| voter == node),
                    "{node} had a vote"
                );
            }
            _ => {}
        }
    }
    assert_eq!(replaced, 2);
    let joined = nodes(&history).any(|(_, event)| match event {
        NodeEvent::Membership { voters, .. } => voters.iter().any(|voter| voter == "node-6"),
        _ => false,
    });
    assert!(joined, "the spare became a voter");
}

#[test]
fn clocks_go_wrong_and_nobody_is_cheated() {
    history_of("clock-skew");
}

/// A piece of a snapshot takes as long as several elections, and while it is sent new ones are
/// saved.
#[test]
fn over_a_narrow_link_an_empty_node_catches_up_and_nobody_is_deposed() {
    let text = r#"
name = "narrow"
[network]
bandwidth = "512KB/s"
[cluster]
nodes = 3
snapshot_every = 20
[phases]
warmup = "10s"
chaos = "40s"
[probe]
enabled = false
[[workload]]
service = "cache"
clients = 2
keys = 40
payload = "60KiB"
reads = "20%"
think = "400ms"
[[fault]]
at = "2s"
wipe = ["follower"]
for = "3s"
"#;
    let scenario = Scenario::parse(text, "narrow.toml").expect("a valid scenario");
    for seed in 1..=2 {
        let judged = run::run(&scenario, seed, "").expect("the simulation works");
        let report = judged.report;
        assert_eq!(
            report.verdict,
            RunVerdict::Pass,
            "{seed}: {}",
            report.reason
        );
        let elections = nodes(&judged.history)
            .filter(|(_, event)| matches!(event, NodeEvent::Leader { .. }))
            .count();
        assert_eq!(elections, 1, "{seed}");
        let installed = nodes(&judged.history)
            .filter(|(_, event)| matches!(event, NodeEvent::SnapshotInstalled { .. }))
            .count();
        assert!(installed > 0, "{seed}");
    }
}

#[test]
fn a_crash_loop_crashes_again_and_again() {
    let history = history_of("crash-loop");
    let (_, first) = faults(&history).next().expect("there are faults");
    let victim = &first.targets[0];
    let killed = nodes(&history).filter(|(node, event)| {
        let killed = matches!(event, NodeEvent::Stopped { why } if why == "killed");
        node == victim && killed
    });
    assert!(killed.count() >= 10);
}

#[test]
fn clients_crash_in_the_middle_of_an_operation() {
    let history = history_of("client-crash");
    let mut clients: Vec<&str> = Vec::new();
    for event in &history.events {
        if let EventKind::Invoke { client, action, .. } = &event.kind
            && !matches!(action, Action::Check { .. })
        {
            clients.push(client);
        }
    }
    let successors = clients.iter().filter(|client| client.contains('~'));
    assert!(
        successors.count() > 100,
        "clients that crashed have successors"
    );
    let asked = squall::history::operations(&history);
    let unanswered = asked.iter().filter(|operation| operation.outcome.is_none());
    assert!(
        unanswered.count() > 0,
        "a crash leaves an operation without an answer"
    );
}

/// openraft 0.10.0-alpha.37 panics in a debug build when a leader that has just been removed
/// is asked for another change. The operator's next change comes at once here.
#[test]
fn a_removed_leader_makes_no_further_change() {
    let text = r#"
name = "removed-leader"
[cluster]
spares = 1
[phases]
warmup = "1s"
chaos = "6s"
[[workload]]
service = "cache"
think = "50ms"
[[fault]]
at = "1s"
member = { remove = "leader" }
for = "3s"
[[fault]]
at = "1s"
member = { add = "node-6" }
for = "3s"
"#;
    let scenario = Scenario::parse(text, "removed-leader.toml").expect("a valid scenario");
    let judged = run::run(&scenario, 1, "").expect("the simulation works");
    assert_eq!(
        judged.report.verdict,
        RunVerdict::Pass,
        "{}",
        judged.report.reason
    );
    let installed = faults(&judged.history).filter(|(_, f)| f.status == FaultStatus::Installed);
    assert_eq!(installed.count(), 2);
}

/// Without a budget the chaos may take more than a cluster can bear, and the verdict says so.
#[test]
fn a_majority_that_is_gone_is_a_legitimate_excuse() {
    let text = r#"
name = "majority-wiped"
[phases]
warmup = "1s"
chaos = "5s"
converge = "5s"
[[workload]]
service = "cache"
think = "50ms"
[[fault]]
at = "1s"
wipe = ["majority"]
for = "1s"
"#;
    let scenario = Scenario::parse(text, "majority-wiped.toml").expect("a valid scenario");
    let judged = run::run(&scenario, 1, "").expect("the simulation works");
    assert_eq!(judged.report.verdict, RunVerdict::ObjectiveMissed);
    let reason = &judged.report.reason;
    assert!(
        reason.contains("fault 0 was not undone: node-1 could not be removed in time"),
        "{reason}"
    );
    assert!(
        reason.contains("unavailability was legitimate since"),
        "{reason}"
    );
}

/// Every kind of fault at once, twice, and to the byte.
#[test]
fn chaos_of_every_kind_repeats_itself() {
    let path = repository().join("scenarios/chaos.toml");
    let settings = [("phases.chaos", "10s"), ("chaos.swarm", "false")];
    let settings = settings.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let scenario = Scenario::load_with(path, &settings).expect("the repository's scenario");
    let digest = || {
        let judged = run::run(&scenario, 3, "").expect("the simulation works");
        assert_eq!(
            judged.report.verdict,
            RunVerdict::Pass,
            "{}",
            judged.report.reason
        );
        judged.history.sha256(&run::header(&judged.plan))
    };
    assert_eq!(digest(), digest());
}

/// A new leader's disk failed before its first entry was committed. Its announcement asked a Raft
/// that had ended again and again, without a rest in between, and kept the process from ending.
#[test]
fn a_leader_whose_raft_has_ended_ends_as_well() {
    let path = repository().join("scenarios/chaos-blackouts.toml");
    let scenario = Scenario::load(path).expect("the repository's scenario");
    let judged = run::run(&scenario, 162, "").expect("the simulation works");
    let reason = &judged.report.reason;
    assert_eq!(judged.report.verdict, RunVerdict::Pass, "{reason}");
}

/// A leader that is asked to stop waits for its successor; when another fault kills it meanwhile,
/// the process that is started in its place was asked nothing. It was killed ten seconds later.
#[test]
fn a_node_that_was_killed_while_it_stopped_is_not_killed_again() {
    let text = r#"
name = "stop-overtaken"
[cluster]
nodes = 3
[phases]
warmup = "1s"
chaos = "14s"
[[workload]]
service = "cache"
think = "50ms"
[[fault]]
at = "900ms"
isolate = ["leader"]
for = "1s"
[[fault]]
at = "1s"
stop = ["node-1", "node-2", "node-3"]
for = "3s"
[[fault]]
at = "1050ms"
kill = ["all"]
for = "500ms"
"#;
    let scenario = Scenario::parse(text, "stop-overtaken.toml").expect("a valid scenario");
    let judged = run::run(&scenario, 1, "").expect("the simulation works");
    let reason = &judged.report.reason;
    assert_eq!(judged.report.verdict, RunVerdict::Pass, "{reason}");
    let last_healed = faults(&judged.history).map(|(at_us, _)| at_us).max();
    assert!(last_healed < Some(6_000_000), "{last_healed:?}");
    let killed = nodes(&judged.history);
    let killed = killed
        .filter(|(_, event)| matches!(event, NodeEvent::Stopped { why } if why == "killed"))
        .count();
    assert_eq!(killed, 3);
}
