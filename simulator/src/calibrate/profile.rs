//! The profile as a file: the figures, and in comments where they come from.

use super::{Calibration, Load, Measurements};
use crate::fault::text::fine_duration_text;
use crate::measure::distribution::nearest_rank;
use crate::plan::Costs;
use crate::report::{PerSecond, duration};

/// What `[hardware]` holds.
pub(super) struct Hardware<'a> {
    pub cores: Option<u64>,
    /// Nanoseconds, in rising order.
    pub syncs_ns: &'a [u64],
    pub latencies_ns: &'a [u64],
    pub node: Costs,
    pub client: Costs,
}

/// The file: `place` says where it was measured, `date` when, `version` by what.
pub fn profile(calibration: &Calibration, place: &str, date: &str, version: &str) -> String {
    let Calibration {
        measured,
        node,
        client,
        latencies_ns,
        simulated,
    } = calibration;
    let Measurements {
        cores,
        nodes,
        syncs_ns,
        questions,
        loads,
        length: _,
    } = measured;
    let mut out = format!(
        "# Measured by squall calibrate {version} on {date}: {nodes} nodes, {place}.\n\
         #\n\
         # Waiting for the disk to sync 256 bytes, all nodes at a time: {}.\n\
         # Round trips of a PING: {}. Processor time of one: {} of the node, {} of\n\
         # the thread that asks.\n\
         #\n\
         # Closed loops of clients that set or get 64 bytes, measured, and simulated with this\n\
         # profile. Processor time is that of an operation.\n\
         #\n\
         # clients                per second        p50        p99     leader  follower    client\n",
        spread(syncs_ns),
        spread(&questions.round_trips_ns),
        fine_duration_text(rounded(questions.node_ns)),
        fine_duration_text(rounded(questions.asker_ns)),
    );
    for (measured, simulated) in loads.iter().zip(simulated) {
        out += &line(measured, "measured");
        out += &line(simulated, "simulated");
    }
    out.push('\n');
    out + &hardware(&Hardware {
        cores: *cores,
        syncs_ns,
        latencies_ns,
        node: *node,
        client: *client,
    })
}

fn spread(sorted_ns: &[u64]) -> String {
    let at = |per_mille| nearest_rank(sorted_ns, per_mille).map_or(0, |ns| ns / 1_000);
    format!(
        "p50 {}, p99 {} ({} of them)",
        duration(at(500)),
        duration(at(990)),
        sorted_ns.len()
    )
}

fn line(load: &Load, how: &str) -> String {
    format!(
        "# {:>3} {} {how:<10} {:>11.1} {:>10} {:>10} {:>10} {:>9} {:>9}\n",
        load.shape.clients,
        if load.shape.reads {
            "that get"
        } else {
            "that set"
        },
        PerSecond::of(load.thousandths_per_second),
        duration(load.p50_us),
        duration(load.p99_us),
        duration(load.leader_ns / 1_000),
        duration(load.follower_ns / 1_000),
        duration(load.client_ns / 1_000),
    )
}

/// The table by itself.
pub(super) fn hardware(hardware: &Hardware) -> String {
    let mut out = "[hardware]\n".to_owned();
    if let Some(cores) = hardware.cores {
        out += &format!(
            "cores = {cores}                             # nodes and clients share them\n"
        );
    }
    out += "\n[hardware.disk]\n";
    out += &format!("sync = {}\n", quantiles(hardware.syncs_ns));
    out += "\n[hardware.network]                    # one way, without the work at both ends\n";
    out += &format!("latency = {}\n", quantiles(hardware.latencies_ns));
    out += "\n[hardware.node]                       # processor time\n";
    out += &costs(&hardware.node);
    out += "\n[hardware.client]\n";
    out + &costs(&hardware.client)
}

/// As the scenario's parser reads it.
fn quantiles(sorted_ns: &[u64]) -> String {
    let at = |per_mille| nearest_rank(sorted_ns, per_mille).unwrap_or(0);
    let named = [
        ("min", sorted_ns.first().copied().unwrap_or(0)),
        ("p10", at(100)),
        ("p50", at(500)),
        ("p90", at(900)),
        ("p99", at(990)),
        ("p999", at(999)),
        ("max", sorted_ns.last().copied().unwrap_or(0)),
    ];
    let pairs = named.map(|(name, ns)| format!("{name} = \"{}\"", fine_duration_text(rounded(ns))));
    format!("{{ {} }}", pairs.join(", "))
}

/// To three digits or so; more would claim too much.
fn rounded(ns: u64) -> u64 {
    let unit = 10_u64.pow(ns.max(1).ilog10().saturating_sub(2));
    (ns + unit / 2) / unit * unit
}

fn costs(costs: &Costs) -> String {
    let named = [
        ("wakeup", costs.wakeup_ns),
        ("task", costs.task_ns),
        ("receive", costs.receive_ns),
        ("send", costs.send_ns),
        ("sync", costs.sync_ns),
        ("kib", costs.kib_ns),
    ];
    let line = |(name, ns)| format!("{name} = \"{}\"\n", fine_duration_text(rounded(ns)));
    named.map(line).concat()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::calibrate::{Questions, Shape};
    use crate::scenario::Profile;

    const COSTS: Costs = Costs {
        wakeup_ns: 5_432,
        task_ns: 700,
        receive_ns: 3_000,
        send_ns: 8_125,
        sync_ns: 0,
        kib_ns: 2_000,
    };

    fn load(clients: u64) -> Load {
        Load {
            shape: Shape {
                clients,
                reads: false,
            },
            thousandths_per_second: 1_234_567,
            p50_us: 800,
            p99_us: 4_000,
            leader_ns: 210_000,
            follower_ns: 90_000,
            client_ns: 40_000,
        }
    }

    #[test]
    fn what_is_written_is_a_profile() {
        let measured = Measurements {
            cores: Some(2),
            nodes: 5,
            syncs_ns: vec![200_000, 234_567, 9_000_000],
            questions: Questions {
                round_trips_ns: vec![60_000, 70_000],
                node_ns: 12_000,
                asker_ns: 9_000,
            },
            loads: vec![load(1)],
            length: Duration::from_secs(5),
        };
        let calibration = Calibration {
            measured,
            node: COSTS,
            client: COSTS,
            latencies_ns: vec![1_000, 12_345],
            simulated: vec![load(1)],
        };
        let text = profile(&calibration, "here", "2026-01-31T23:59:59Z", "0.1.0");
        Profile::parse(&text, "hardware.toml").expect(&text);
        assert!(text.contains("p50 = \"235us\""), "{text}");
        assert!(text.contains("max = \"9ms\""), "{text}");
        assert!(text.contains("wakeup = \"5.43us\""), "{text}");
        assert!(text.contains("5 nodes, here."), "{text}");
    }

    #[test]
    fn figures_are_rounded_to_three_digits() {
        assert_eq!(
            [0, 7, 999, 12_345, 9_996_000].map(rounded),
            [0, 7, 999, 12_300, 10_000_000]
        );
    }
}
