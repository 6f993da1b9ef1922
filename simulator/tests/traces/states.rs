//! Compares the states of nodes seen from within with those that nodes reported.

use std::collections::BTreeMap;

use squall::backends::TraceFilter;
use squall::backends::trace::ProcessState;
use squall::history::{EventKind, NodeEvent};

use crate::{scenario, traced};

#[test]
fn nodes_stand_where_they_said_last_that_they_do() {
    let scenario = scenario("failure-recovery.toml", &[]);
    let times: Vec<i64> = (1..120).map(|step| step * 100_000 + 50).collect();
    let filter = TraceFilter {
        messages: false,
        states_at_us: times.clone(),
        ..TraceFilter::default()
    };
    let run = traced(&scenario, 1, Some(filter), None);
    assert!(run.traced.messages.is_empty(), "they were not asked for");
    let states = &run.traced.states;
    assert!(states.len() >= 5 * times.len() / 2, "{}", states.len());
    let reported = |node: &str| -> Vec<(i64, Option<u64>)> {
        let events = run
            .history
            .events
            .iter()
            .filter_map(|event| match &event.kind {
                EventKind::Node {
                    node: of,
                    event: said,
                } if of == node => {
                    let applied = match said {
                        NodeEvent::Applied { index, .. } => Some(*index),
                        NodeEvent::Started { applied, .. } => Some(*applied),
                        NodeEvent::Stopped { .. } => None,
                        _ => return None,
                    };
                    Some((event.at_us as i64, applied))
                }
                _ => None,
            });
        events.collect()
    };
    let reported: BTreeMap<&str, Vec<(i64, Option<u64>)>> = states
        .iter()
        .map(|state| (state.node.as_str(), reported(&state.node)))
        .collect();
    let (mut down, mut compared) = (0, 0);
    for state in states {
        let reported = &reported[state.node.as_str()];
        let next = reported.partition_point(|(at_us, _)| *at_us <= state.at_us);
        let before = reported[..next].last().and_then(|(_, applied)| *applied);
        let Some(least) = before else {
            assert_eq!(state.process, ProcessState::Down, "{state:?}");
            assert_eq!(state.standing, None);
            down += 1;
            continue;
        };
        let Some(standing) = &state.standing else {
            continue;
        };
        // Nodes report now and then, so it lies between what they reported before and after.
        assert!(standing.applied >= least, "{least} before: {state:?}");
        if let Some((_, Some(most))) = reported.get(next) {
            assert!(standing.applied <= *most, "{most} after: {state:?}");
            compared += 1;
        }
        assert!(standing.applied <= standing.commit, "{state:?}");
        assert!(standing.first_log <= standing.last_log + 1, "{state:?}");
    }
    assert!(
        down > 10 && compared > 300,
        "{down} down, {compared} compared"
    );
}
