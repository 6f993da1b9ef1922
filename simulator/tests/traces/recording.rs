//! Tests the recording of messages, and that it changes nothing in a run.

use std::collections::BTreeMap;

use squall::backends::trace::{Content, Fate, Hold, Message, Party};
use squall::backends::{LogFilter, TraceFilter};
use squall::history::{EventKind, FaultStatus, OperationClass, operations};

use crate::{scenario, traced, with_messages};

#[test]
fn history_is_the_same_with_and_without_a_trace() {
    let runs = [
        ("chaos.toml", 1..=3, &[("phases.chaos", "10s")][..]),
        ("power-loss.toml", 1..=2, &[]),
        ("lossy-network.toml", 1..=1, &[]),
    ];
    for (name, seeds, settings) in runs {
        let scenario = scenario(name, settings);
        for seed in seeds {
            let plain = traced(&scenario, seed, None, None);
            let mut log = LogFilter::default();
            log.add("debug").expect("a level is a filter");
            let filter = TraceFilter {
                states_at_us: (0..200).map(|step| step * 50_000).collect(),
                ..TraceFilter::default()
            };
            let full = traced(&scenario, seed, Some(filter), Some(log));
            assert!(!full.traced.messages.is_empty() && !full.traced.states.is_empty());
            assert!(
                plain.history == full.history,
                "{name} seed {seed}: a trace changes the history"
            );
        }
    }
}

#[test]
fn every_answered_operation_has_its_call_and_its_answer() {
    let scenario = scenario("failure-recovery.toml", &[]);
    let run = with_messages(&scenario, 1);
    let mut answers: BTreeMap<u64, Vec<&Message>> = BTreeMap::new();
    for message in &run.traced.messages {
        if let (Some(op), Content::Answer { .. }) = (message.op, &message.content) {
            answers.entry(op).or_default().push(message);
        }
    }
    let mut seen = 0;
    for operation in operations(&run.history) {
        let acknowledged = operation.outcome.is_some_and(|o| o.is_acknowledged());
        if !acknowledged || !operation.action.is_remote() {
            continue;
        }
        seen += 1;
        let (invoked_us, returned_us) = (operation.invoked_us, operation.returned_us);
        let of_op = answers.get(&operation.op).map_or(&[][..], Vec::as_slice);
        let heard = of_op.iter().find(|answer| {
            answer
                .read_us()
                .is_some_and(|at_us| Some(at_us as u64) == returned_us)
        });
        let heard = heard.unwrap_or_else(|| panic!("{operation:?} has no answer: {of_op:?}"));
        let asked = heard.answers.expect("an answer answers a call");
        let call = run
            .traced
            .messages
            .iter()
            .find(|message| message.number == asked);
        let call = call.expect("all messages are kept");
        assert_eq!(call.op, Some(operation.op), "{operation:?}");
        assert!(call.sent_us >= invoked_us as i64, "{operation:?}");
        let is_lock = operation.action.info().class == OperationClass::Control;
        let Content::Call { command } = &call.content else {
            panic!("an answer answers a call, not {call:?}");
        };
        let key = operation.action.key().filter(|_| !is_lock);
        assert!(
            key.is_none_or(|key| command.contains(key)),
            "{command}: {operation:?}"
        );
    }
    assert!(seen > 1_000, "{seen} operations");
}

#[test]
fn messages_between_nodes_say_what_raft_does() {
    let scenario = scenario("failure-recovery.toml", &[]);
    let run = with_messages(&scenario, 1);
    let named = |name: &str| {
        let messages = run.traced.messages.iter();
        messages
            .filter(|message| message.content.name() == name)
            .count()
    };
    for name in [
        "append",
        "heartbeat",
        "appended",
        "pre-vote",
        "vote",
        "vote-granted",
        "hello",
    ] {
        assert!(
            named(name) > 0,
            "no {name} among the messages of a failover"
        );
    }
    assert_eq!(named("unreadable"), 0);
    // A leader is one by the votes of a majority.
    let elected = run
        .history
        .events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::Node {
                node,
                event: squall::history::NodeEvent::Leader { term },
            } if event.at_us > 0 => Some((node.clone(), *term, event.at_us)),
            _ => None,
        });
    let mut elections = 0;
    for (node, term, at_us) in elected {
        elections += 1;
        let granted = run.traced.messages.iter().filter(|message| {
            message.content.name() == "vote-granted"
                && message.content.term() == Some(term)
                && message.to.node().as_ref() == Some(&node)
                && message
                    .read_us()
                    .is_some_and(|read_us| read_us <= at_us as i64)
        });
        assert!(
            granted.count() >= 2,
            "{node} leads term {term} of five nodes"
        );
    }
    assert!(elections > 0, "the leader dies, so another comes");
}

#[test]
fn a_cut_link_holds_what_is_sent_over_it_and_names_the_fault() {
    let scenario = scenario("planted/mc-01.toml", &[]);
    let run = with_messages(&scenario, 1);
    let faults = run
        .history
        .events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::Fault(fault) => Some((event.at_us as i64, fault)),
            _ => None,
        });
    let faults: Vec<_> = faults.collect();
    let [(from_us, cut), (to_us, healed)] = faults[..] else {
        panic!("one fault is installed and healed: {faults:?}");
    };
    assert_eq!(
        (&cut.status, &healed.status),
        (&FaultStatus::Installed, &FaultStatus::Healed)
    );
    let is_cut_off = |party: Party| party.node().is_some_and(|node| cut.cut_off.contains(&node));
    let mut crossing = 0;
    for message in &run.traced.messages {
        let between_nodes = message.from.node().is_some() && message.to.node().is_some();
        let crosses = between_nodes && is_cut_off(message.from) != is_cut_off(message.to);
        let holds = message.held.contains(&Hold::Cut { fault: 0 });
        if !crosses {
            assert!(!holds, "{message:?} does not cross the cut");
        } else if (from_us..to_us).contains(&message.sent_us) {
            crossing += 1;
            assert!(holds, "{message:?}");
            let ended_us = message.ended_us().unwrap_or(i64::MAX);
            assert!(ended_us >= to_us, "{message:?} passed the cut");
        }
    }
    assert!(crossing > 0, "nothing met the cut");
}

#[test]
fn what_a_dead_process_would_have_got_is_lost() {
    let scenario = scenario("failure-recovery.toml", &[]);
    let run = with_messages(&scenario, 1);
    let downs: BTreeMap<String, i64> = run
        .history
        .events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::Node {
                node,
                event: squall::history::NodeEvent::Stopped { .. },
            } => Some((node.clone(), event.at_us as i64)),
            _ => None,
        })
        .collect();
    assert_eq!(downs.len(), 2, "the leader and a follower die");
    let mut lost = 0;
    for message in &run.traced.messages {
        let Some(down_us) = message.to.node().and_then(|node| downs.get(&node)) else {
            continue;
        };
        if let (Fate::Arrived { at_us, .. }, true) = (message.fate, message.sent_us < *down_us) {
            assert!(
                at_us <= *down_us,
                "{message:?} reached a process that was gone"
            );
        }
        lost += usize::from(matches!(message.fate, Fate::Lost { .. }));
    }
    assert!(lost > 0, "something was on its way to them");
}

#[test]
fn memory_is_bounded_and_what_was_dropped_is_counted() {
    let scenario = scenario("quiet.toml", &[("phases.chaos", "1s")]);
    let all = with_messages(&scenario, 1);
    let filter = TraceFilter {
        most: 100,
        ..TraceFilter::default()
    };
    let some = traced(&scenario, 1, Some(filter), None).traced;
    assert_eq!(some.messages.len(), 100);
    assert_eq!(some.messages, all.traced.messages[..100]);
    assert_eq!(some.dropped as usize, all.traced.messages.len() - 100);
    assert_eq!(all.traced.dropped, 0);
}

#[test]
fn a_window_has_what_was_under_way_in_it_whatever_came_before() {
    let scenario = scenario("quiet.toml", &[("phases.chaos", "1s")]);
    let all = with_messages(&scenario, 1).traced;
    let (from_us, to_us) = (1_000_000, 1_100_000);
    let filter = TraceFilter {
        from_us: Some(from_us),
        to_us: Some(to_us),
        // Enough for the window, not for the run.
        most: 2_000,
        ..TraceFilter::default()
    };
    let some = traced(&scenario, 1, Some(filter), None).traced;
    let is_within = |message: &&Message| {
        let is_over = message.ended_us().is_some_and(|at_us| at_us < from_us);
        !is_over && message.sent_us <= to_us
    };
    let expected: Vec<&Message> = all.messages.iter().filter(is_within).collect();
    assert!(all.messages.len() > 2_000 && !expected.is_empty());
    assert_eq!(some.messages.iter().collect::<Vec<_>>(), expected);
    assert_eq!(some.dropped, 0);
}
