//! A cluster on containers with nothing to do, for whoever wants to measure it.
//!
//! Its nodes are those of any run: the same image, the same arguments, networks and volumes
//! of the same kind. Who borrows it works on a thread of its own, so it may block as it likes
//! while this one listens to the nodes and to whoever wants the work to end.

use std::path::PathBuf;
use std::rc::Rc;

use tokio::sync::oneshot;

use super::cluster::Cluster;
use super::lab::{DATA, Lab};
use super::{DockerError, Options, in_lab};
use squall_plan::plan::Plan;

/// A node that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lent {
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
pub fn lend<T: Send + 'static>(
    plan: &Plan,
    options: &Options,
    work: impl FnOnce(Vec<Lent>) -> T + Send + 'static,
) -> Result<T, DockerError> {
    in_lab(plan, options, async |lab| {
        borrow(plan, options, lab, work).await
    })
}

#[allow(clippy::disallowed_methods)] // real threads on real machines
async fn borrow<T: Send + 'static>(
    plan: &Plan,
    options: &Options,
    lab: Rc<Lab>,
    work: impl FnOnce(Vec<Lent>) -> T + Send + 'static,
) -> Result<T, DockerError> {
    let cluster = Cluster::set_up(plan, options, lab).await?;
    let story = async {
        cluster.form().await?;
        let nodes = lent(&cluster)?;
        let (done, finished) = oneshot::channel();
        // Nobody waits for the result of work that was interrupted.
        std::thread::spawn(move || done.send(work(nodes)).map_err(drop));
        let result = finished.await;
        result.map_err(|_| DockerError::Run("what was measuring the nodes panicked".into()))
    };
    cluster.unless_it_fails(story).await
}

fn lent(cluster: &Cluster) -> Result<Vec<Lent>, DockerError> {
    let machines = cluster.machines.iter().map(|machine| {
        let pid = machine.pid().and_then(|pid| u32::try_from(pid).ok());
        let pid = pid.filter(|pid| *pid > 0).ok_or_else(|| {
            let name = machine.name();
            DockerError::Run(format!("{name} has ended: {:?}", machine.last_words()))
        })?;
        Ok(Lent {
            address: machine.address.clone(),
            pid,
            directory: format!("/proc/{pid}/root{DATA}").into(),
        })
    });
    machines.collect()
}
