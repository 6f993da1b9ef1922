//! Runs an idle cluster on containers for measurements from outside.
//!
//! Its nodes are those of any run: the same image, the same arguments, networks and volumes
//! of the same kind. The measuring code has a thread of its own and may block, while this
//! thread reads what the nodes say and waits for an interruption.

use std::path::PathBuf;
use std::rc::Rc;

use tokio::sync::oneshot;

use super::host::Containers;
use super::run_resources::{DATA, RunResources};
use super::{DockerError, Options, in_run, set_up};
use squall_linux::cluster::Cluster;
use squall_plan::plan::Plan;

/// A node that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdleNode {
    /// Where clients reach it, `host:port`.
    pub address: String,
    /// Its process, as this machine numbers it.
    pub pid: u32,
    /// Where it keeps its data, as this machine sees it; only root may look.
    pub directory: PathBuf,
}

/// Forms the cluster of the plan on containers, has `work` done with its nodes, and removes
/// it. Of the plan, only the cluster counts. Work that was interrupted is left to itself.
///
/// # Errors
/// The engine cannot be used, the cluster did not form, or a node ended; or the work was
/// interrupted. Whatever was made is removed also then.
pub fn with_idle_cluster<T: Send + 'static>(
    plan: &Plan,
    options: &Options,
    work: impl FnOnce(Vec<IdleNode>) -> T + Send + 'static,
) -> Result<T, DockerError> {
    in_run(plan, options, async |resources| {
        measured_by(plan, options, resources, work).await
    })
}

#[allow(clippy::disallowed_methods)] // real threads on real machines
async fn measured_by<T: Send + 'static>(
    plan: &Plan,
    options: &Options,
    resources: Rc<RunResources>,
    work: impl FnOnce(Vec<IdleNode>) -> T + Send + 'static,
) -> Result<T, DockerError> {
    let cluster = set_up(plan, options, resources).await?;
    let story = async {
        cluster.form().await?;
        let nodes = nodes_of(&cluster)?;
        let (done, finished) = oneshot::channel();
        // Nobody waits for the result of work that was interrupted.
        std::thread::spawn(move || done.send(work(nodes)).map_err(drop));
        let result = finished.await;
        result.map_err(|_| "what was measuring the nodes panicked".to_owned())
    };
    let done = cluster.unless_it_fails(story).await;
    done.map_err(DockerError::Run)
}

fn nodes_of(cluster: &Cluster<Containers>) -> Result<Vec<IdleNode>, String> {
    let machines = cluster.machines().iter().map(|machine| {
        let pid = machine.pid().and_then(|pid| u32::try_from(pid).ok());
        let pid = pid.filter(|pid| *pid > 0).ok_or_else(|| {
            let name = machine.name();
            format!("{name} has ended: {:?}", machine.last_words())
        })?;
        Ok(IdleNode {
            address: machine.address().to_owned(),
            pid,
            directory: format!("/proc/{pid}/root{DATA}").into(),
        })
    });
    machines.collect()
}
