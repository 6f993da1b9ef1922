//! The parts of the benchmark.

use crate::engine::{self, classic, ours};
use crate::figures::Figures;

pub struct Part {
    pub name: &'static str,
    pub title: &'static str,
    pub target: Option<Target>,
    /// The part that does the same on our engine, for a part on classic `turmoil`.
    pub rival: Option<&'static str>,
    pub run: fn() -> Result<Figures, String>,
}

#[derive(Clone, Copy)]
pub enum Target {
    /// At least so many simulated seconds in a second of the machine's time.
    SimulatedSeconds(f64),
    /// At least so many committed operations in a second of the machine's time.
    Operations(f64),
}

/// No part may take more memory than this.
pub const PEAK_TARGET_BYTES: u64 = 300_000_000;

const FAULTS: &str = include_str!("../kill-every-5s.toml");
const CLOSED_LOOP: &str = include_str!("../closed-loop.toml");
const IDLE: &str = include_str!("../idle.toml");
const FIFTY_NODES: &str = include_str!("../fifty-nodes.toml");

/// A tenth of [`FAULTS`].
const SIXTY_SECONDS: [(&str, &str); 3] = [
    ("phases.chaos", "60s"),
    ("fault.0.repeat.times", "3"),
    ("fault.1.repeat.times", "3"),
];

/// Order matters: what stands next to each other has run under about the same load of the
/// machine, and is compared.
pub const PARTS: [Part; 7] = [
    Part {
        name: "idle",
        title: "five nodes, nothing to do, 600 s",
        target: None,
        rival: None,
        run: || engine::run(IDLE, &[], ours),
    },
    Part {
        name: "fifty-nodes",
        title: "fifty nodes, five clients at 200 ms, 60 s",
        target: None,
        rival: None,
        run: || engine::run(FIFTY_NODES, &[], ours),
    },
    Part {
        name: "faults-probed",
        title: "as faults, with a probe every 100 ms, 10 ms around faults",
        target: None,
        rival: None,
        run: || engine::run(FAULTS, &[("probe.enabled", "true")], ours),
    },
    Part {
        name: "faults",
        title: "five nodes, five clients at 200 ms, kill or restart every 5 s, 600 s",
        target: Some(Target::SimulatedSeconds(300.0)),
        rival: None,
        run: || engine::run(FAULTS, &[], ours),
    },
    Part {
        name: "faults-turmoil",
        title: "as faults, 60 s on classic turmoil 0.7.2, tick of 1 ms",
        target: None,
        rival: Some("faults"),
        run: || engine::run(FAULTS, &SIXTY_SECONDS, classic),
    },
    Part {
        name: "closed-loop",
        title: "five nodes, twenty clients that never think, 60 s",
        target: Some(Target::Operations(40_000.0)),
        rival: None,
        run: || engine::run(CLOSED_LOOP, &[], ours),
    },
    Part {
        name: "closed-loop-turmoil",
        title: "as closed-loop, 20 s on classic turmoil 0.7.2, tick of 1 ms",
        target: None,
        rival: Some("closed-loop"),
        run: || engine::run(CLOSED_LOOP, &[("phases.chaos", "20s")], classic),
    },
];
