//! A cluster of containers to measure: the nodes of any run on containers, without a story.

use std::time::Duration;

use super::{CalibrateError, Effort, Measurements, Shape, Target, measure, processor, scenario};
use squall_docker::{IdleNode, Options};

/// The engine and the disk have some work left when containers have started.
const SETTLE: Duration = Duration::from_secs(2);

/// Has a cluster of `nodes` nodes formed on containers, measures it, and removes it. `tell`
/// hears about progress.
///
/// # Errors
/// There can be no containers here, they or the measurement failed, or it was interrupted.
/// Whatever was made is removed also then.
#[allow(clippy::disallowed_methods)] // real time on real machines
pub fn measure_containers(
    nodes: usize,
    options: &Options,
    effort: Effort,
    tell: impl Fn(&str) + Send + 'static,
) -> Result<Measurements, CalibrateError> {
    // Its load is played by the measurement; what counts here is the cluster it asks for.
    let shape = Shape {
        clients: 1,
        reads: false,
    };
    let plan = scenario::plan(nodes, shape, effort.load, None);
    let plan = plan.map_err(CalibrateError::Simulation)?;
    tell("starting containers …");
    squall_docker::with_idle_cluster(&plan, options, move |lent| {
        std::thread::sleep(SETTLE);
        measure(&target(lent), effort, &tell)
    })?
}

fn target(lent: Vec<IdleNode>) -> Target {
    Target {
        addresses: lent.iter().map(|node| node.address.clone()).collect(),
        processes: lent.iter().map(|node| node.pid).collect(),
        directories: lent.into_iter().map(|node| node.directory).collect(),
        // All of them are on this machine.
        cores: Some(processor::cores()),
    }
}
