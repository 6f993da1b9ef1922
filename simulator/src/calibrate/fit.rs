//! Finding costs that explain what processes used.
//!
//! Simulating a load counts what each process did for an operation: how often it woke up,
//! ran a task, received, sent, synced. Those counts times the costs must give the processor
//! time that was measured, at every load; a question that a node answers at once is a load of
//! known counts. What the measurements leave open is kept in the proportion that such work
//! has on Linux in general ([`SHAPE`]). Costs change when things happen, and with it the
//! counts, so it is done in a few rounds.

use std::time::Duration;

use super::Shape;
use super::load::{Load, Seen};
use super::profile::{self, Hardware};
use super::wire::Questions;
use super::{CalibrateError, Measurements, scenario};
use crate::history::{EventKind, History};
use crate::plan::Costs;
use crate::scenario::Profile;
use squall_engine::processor::Usage;

/// Costs of system calls on a virtual machine, in proportion: wakeup, task, receive, send,
/// sync, a KiB of log to take in and store.
const SHAPE: Counts = [6_000.0, 700.0, 3_000.0, 8_000.0, 15_000.0, 5_000.0];
/// What a node does to answer a question: as above.
const ANSWER: Counts = [1.0, 1.0, 1.0, 1.0, 0.0, 0.0];
/// How much the shape counts against the measurements.
const TRUST_IN_SHAPE: f64 = 0.005;
const ROUNDS: usize = 3;
/// Of coordinate descent; it has converged long before.
const STEPS: usize = 500;
/// Nothing arrives sooner.
const LEAST_LATENCY_NS: u64 = 1_000;
/// Shorter loads show as much in virtual time.
const LONGEST: Duration = Duration::from_secs(3);

pub(super) struct Fitted {
    pub node: Costs,
    pub client: Costs,
    pub latencies_ns: Vec<u64>,
    pub simulated: Vec<Load>,
}

/// In the order of [`SHAPE`].
type Counts = [f64; 6];

pub(super) fn fit(measured: &Measurements) -> Result<Fitted, CalibrateError> {
    let (mut node, mut client) = (costs(SHAPE), costs(without_sync(SHAPE)));
    let latencies_ns = latencies(&measured.questions);
    for _ in 0..ROUNDS {
        let played = play_all(measured, node, client, &latencies_ns)?;
        let pairs = || measured.loads.iter().zip(&played);
        let leader = pairs().map(|(load, played)| (played.leader, load.leader_ns));
        let followers = pairs().map(|(load, played)| (played.follower, load.follower_ns));
        let answer = std::iter::once((ANSWER, measured.questions.node_ns));
        let of_nodes: Vec<_> = leader.chain(followers).chain(answer).collect();
        let of_clients: Vec<_> = pairs()
            .map(|(load, played)| (played.client, load.client_ns))
            .collect();
        node = costs(solve(&of_nodes, SHAPE));
        client = costs(solve(&of_clients, without_sync(SHAPE)));
    }
    let played = play_all(measured, node, client, &latencies_ns)?;
    Ok(Fitted {
        simulated: played
            .iter()
            .map(|played| played.load(node, client))
            .collect(),
        node,
        client,
        latencies_ns,
    })
}

/// Clients sync nothing.
fn without_sync([wakeup, task, receive, send, _, kib]: Counts) -> Counts {
    [wakeup, task, receive, send, 0.0, kib]
}

fn costs([wakeup, task, receive, send, sync, kib]: Counts) -> Costs {
    let ns = |cost: f64| cost.round() as u64;
    Costs {
        wakeup_ns: ns(wakeup),
        task_ns: ns(task),
        receive_ns: ns(receive),
        send_ns: ns(send),
        sync_ns: ns(sync),
        kib_ns: ns(kib),
    }
}

/// What a message takes beside what its sender and its receiver do: half of what a round trip
/// leaves for the two.
fn latencies(questions: &Questions) -> Vec<u64> {
    let both_ends = questions.node_ns + questions.asker_ns;
    let one_way =
        |round_trip: &u64| (round_trip.saturating_sub(both_ends) / 2).max(LEAST_LATENCY_NS);
    questions.round_trips_ns.iter().map(one_way).collect()
}

/// One load as it went in simulation.
struct Played {
    shape: Shape,
    seen: Seen,
    leader: Counts,
    follower: Counts,
    client: Counts,
}

impl Played {
    fn load(&self, node: Costs, client: Costs) -> Load {
        let used = |counts: &Counts, costs: Costs| dot(counts, &array(costs)).round() as u64;
        Load {
            shape: self.shape,
            thousandths_per_second: self.seen.thousandths_per_second,
            p50_us: self.seen.p50_us,
            p99_us: self.seen.p99_us,
            leader_ns: used(&self.leader, node),
            follower_ns: used(&self.follower, node),
            client_ns: used(&self.client, client),
        }
    }
}

fn play_all(
    measured: &Measurements,
    node: Costs,
    client: Costs,
    latencies_ns: &[u64],
) -> Result<Vec<Played>, CalibrateError> {
    let text = profile::hardware(&Hardware {
        cores: measured.cores,
        syncs_ns: &measured.syncs_ns,
        latencies_ns,
        node,
        client,
    });
    let profile = Profile::parse(&text, "the calibration's own profile");
    let profile = profile.map_err(|e| CalibrateError::Simulation(e.to_string()))?;
    let loads = measured.loads.iter();
    loads
        .map(|load| play(measured, load.shape, &profile).map_err(CalibrateError::Simulation))
        .collect()
}

fn play(measured: &Measurements, shape: Shape, profile: &Profile) -> Result<Played, String> {
    let length = measured.length.min(LONGEST);
    let plan = scenario::plan(measured.nodes, shape, length, Some(profile))?;
    let run = squall_sim::run(&plan).map_err(|e| e.to_string())?;
    let leader = leader(&run.history).ok_or("no node led")?;
    let seen = Seen::of(&run.history).ok_or("nothing was acknowledged")?;
    let acknowledged = acknowledged(&run.history) as f64;
    let (of_clients, of_nodes) = run.usage.split_last().ok_or("nothing was counted")?;
    let counts = |usage: &Usage| array_of(usage).map(|count| count / acknowledged);
    let mut follower = Counts::default();
    let others = of_nodes
        .iter()
        .enumerate()
        .filter(|(node, _)| *node != leader);
    for (_, usage) in others {
        for (sum, count) in follower.iter_mut().zip(counts(usage)) {
            *sum += count / (measured.nodes - 1) as f64;
        }
    }
    Ok(Played {
        shape,
        seen,
        leader: counts(&of_nodes[leader]),
        follower,
        client: counts(of_clients),
    })
}

/// Counts are of the whole run, so operations are, too.
fn acknowledged(history: &History) -> u64 {
    let events = history.events.iter();
    let is_ack = |kind: &EventKind| matches!(kind, EventKind::Return { outcome, .. } if outcome.is_acknowledged());
    events.filter(|event| is_ack(&event.kind)).count().max(1) as u64
}

/// Index of the node that led last: in an undisturbed run, all the time.
fn leader(history: &History) -> Option<usize> {
    use squall_world::event::NodeEvent;
    let mut events = history.events.iter().rev();
    let node = events.find_map(|event| match &event.kind {
        EventKind::Node {
            node,
            event: NodeEvent::Leader { .. },
        } => Some(node),
        _ => None,
    })?;
    let number: usize = node.strip_prefix("node-")?.parse().ok()?;
    number.checked_sub(1)
}

fn array(costs: Costs) -> Counts {
    let Costs {
        wakeup_ns,
        task_ns,
        receive_ns,
        send_ns,
        sync_ns,
        kib_ns,
    } = costs;
    [wakeup_ns, task_ns, receive_ns, send_ns, sync_ns, kib_ns].map(|ns| ns as f64)
}

fn array_of(usage: &Usage) -> Counts {
    let Usage {
        wakeups,
        tasks,
        receives,
        sends,
        syncs,
        bytes,
    } = *usage;
    let [wakeups, tasks, receives, sends, syncs, bytes] =
        [wakeups, tasks, receives, sends, syncs, bytes].map(|count| count as f64);
    [wakeups, tasks, receives, sends, syncs, bytes / 1_024.0]
}

fn dot(counts: &Counts, costs: &Counts) -> f64 {
    counts
        .iter()
        .zip(costs)
        .map(|(count, cost)| count * cost)
        .sum()
}

/// Costs that explain the measurements (counts, nanoseconds) best: least squares of relative
/// errors, with the shape as what is expected beforehand, none below zero.
fn solve(measurements: &[(Counts, u64)], shape: Counts) -> Counts {
    let known = || measurements.iter().filter(|(_, ns)| *ns > 0);
    // The shape in the size that explains the measurements on the whole.
    let explained: f64 = known()
        .map(|(counts, ns)| dot(counts, &shape) / *ns as f64)
        .sum();
    let count = known().count() as f64;
    if explained <= 0.0 || count == 0.0 {
        return Counts::default();
    }
    let expected = shape.map(|cost| cost * count / explained);
    let mut costs = expected;
    for _ in 0..STEPS {
        for index in 0..costs.len() {
            if expected[index] == 0.0 {
                continue;
            }
            // Where the error, a parabola in this cost, is least.
            let prior = TRUST_IN_SHAPE / (expected[index] * expected[index]);
            let (mut up, mut down) = (prior * expected[index], prior);
            for (counts, ns) in known() {
                let ns = *ns as f64;
                let without = dot(counts, &costs) - counts[index] * costs[index];
                up += counts[index] * (ns - without) / (ns * ns);
                down += counts[index] * counts[index] / (ns * ns);
            }
            costs[index] = (up / down).max(0.0);
        }
    }
    costs
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOADS: [Counts; 3] = [
        [6.0, 30.0, 9.0, 9.0, 1.0, 0.3],
        [2.0, 24.0, 5.0, 5.0, 0.4, 0.3],
        [0.5, 20.0, 3.0, 3.0, 0.1, 0.3],
    ];

    fn within(found: f64, wanted: f64, share: f64) -> bool {
        (found - wanted).abs() <= wanted * share
    }

    #[test]
    fn costs_of_the_expected_shape_are_found_whatever_their_size() {
        let true_costs = SHAPE.map(|cost| cost * 2.5);
        let measured = LOADS.map(|counts| (counts, dot(&counts, &true_costs) as u64));
        let found = solve(&measured, SHAPE);
        for (found, wanted) in found.iter().zip(true_costs) {
            assert!(within(*found, wanted, 0.01), "{found} is not {wanted}");
        }
    }

    #[test]
    fn measurements_count_more_than_the_shape() {
        // Waking up costs four times what was expected.
        let true_costs = [24_000.0, 700.0, 3_000.0, 8_000.0, 15_000.0, 5_000.0];
        let measured = LOADS.map(|counts| (counts, dot(&counts, &true_costs) as u64));
        let found = solve(&measured, SHAPE);
        for (counts, ns) in &measured {
            let explained = dot(counts, &found);
            assert!(
                within(explained, *ns as f64, 0.05),
                "{explained} is not {ns}"
            );
        }
        assert!(found[0] > 12_000.0, "{found:?}");
    }

    #[test]
    fn what_nobody_used_costs_nothing() {
        assert_eq!(solve(&[(LOADS[0], 0)], SHAPE), Counts::default());
        let of_clients = solve(&[(LOADS[0], 100_000)], without_sync(SHAPE));
        assert_eq!(of_clients[4], 0.0);
    }

    #[test]
    fn a_message_takes_what_a_round_trip_leaves_for_it() {
        let questions = Questions {
            round_trips_ns: vec![15_000, 60_000],
            node_ns: 12_000,
            asker_ns: 8_000,
        };
        assert_eq!(latencies(&questions), [1_000, 20_000]);
    }
}
