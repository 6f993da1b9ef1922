//! The closed loops that are measured and simulated: clients that set keys, or get them,
//! without a pause.

use std::time::Duration;

use crate::plan::Plan;
use crate::scenario::{Profile, Scenario};

/// A closed loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Each with one operation outstanding.
    pub clients: u64,
    /// All clients get keys; otherwise all set them.
    pub reads: bool,
}

/// Not measured: connections are opened, the leader is found.
pub(super) const WARMUP: Duration = Duration::from_secs(1);

/// What is measured is the chaos phase, in which nothing is wrong.
pub(super) fn plan(
    nodes: usize,
    shape: Shape,
    length: Duration,
    profile: Option<&Profile>,
) -> Result<Plan, String> {
    let text = format!(
        r#"name = "calibration"
[cluster]
nodes = {nodes}
snapshot_every = 100_000
[phases]
warmup = "{}ms"
chaos = "{}ms"
serve = "1ms"
[probe]
enabled = false
[[workload]]
service = "cache"
clients = {}
reads = "{}%"
cas = "0%"
think = "0s"
payload = "64B"
"#,
        WARMUP.as_millis(),
        length.as_millis(),
        shape.clients,
        if shape.reads { 100 } else { 0 },
    );
    let scenario = Scenario::parse_on(&text, "the calibration's own load", profile, &[]);
    let scenario = scenario.map_err(|e| e.to_string())?;
    Plan::resolve(&scenario, 1).map_err(|e| e.to_string())
}
