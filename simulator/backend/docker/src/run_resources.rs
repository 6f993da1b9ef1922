//! Creates the containers, networks and volumes of a run under one label, and removes them.
//!
//! For each node there are two containers: one that does nothing but hold a network (an
//! address, and the rules of faults), and one in it that runs the node. So a node that is
//! killed and started again finds its network as it was, and while it is dead the kernel of
//! its "machine" answers for it, as it would on a machine of its own.

use futures_util::future::{join_all, try_join_all};
use squall_cluster::raft::node_name;
use squall_world::{RealWorld, World};

use super::DockerError;
use super::engine::{Engine, Labels, MarkedKind, Spec};
use squall_linux::run_owner::{Life, Owner};

/// Bears the run's id.
const RUN: &str = "org.squall.run";
/// Bears who owns it.
const OWNER: &str = "org.squall.owner";
/// Where a node keeps its data, in its container.
pub(super) const DATA: &str = "/data";

/// What one run has on the engine.
pub(super) struct RunResources {
    pub engine: Engine,
    image: String,
    run: String,
    labels: Labels,
}

/// What stands for a machine of its own.
pub(super) struct Holder {
    /// Of the container that holds the network.
    pub container: String,
    /// Of its only process.
    pub pid: i32,
    /// Address in the run's network.
    pub ip: String,
}

impl RunResources {
    /// Makes nothing yet.
    pub(super) fn new(engine: Engine, image: String) -> Self {
        let run = format!("{:016x}", RealWorld::random_u64());
        let labels = vec![(RUN, run.clone()), (OWNER, Owner::me().to_text())];
        Self {
            engine,
            image,
            run,
            labels,
        }
    }

    /// Makes the network, and a holder and a volume for each of `count` nodes.
    pub(super) async fn set_up(&self, count: usize) -> Result<Vec<Holder>, DockerError> {
        let network = self.name("net");
        self.engine.create_network(&network, &self.labels).await?;
        try_join_all((0..count).map(async |node| {
            self.create_volume(node).await?;
            let spec = Spec {
                name: self.name(&format!("machine-{}", node + 1)),
                image: self.image.clone(),
                command: vec!["--hold".into()],
                labels: self.labels.clone(),
                network: network.clone(),
                volume: None,
            };
            let container = self.engine.create(spec).await?;
            self.engine.start(&container).await?;
            let pid = self.engine.state(&container).await?.pid;
            let pid = pid.ok_or_else(|| {
                DockerError::Run("the container that holds a network ended by itself".into())
            })?;
            let ip = self.engine.address(&container, &network).await?;
            Ok(Holder { container, pid, ip })
        }))
        .await
    }

    /// Creates the container of a node's process; its id.
    pub(super) async fn create_node(
        &self,
        node: usize,
        holder: &Holder,
        command: Vec<String>,
    ) -> Result<String, DockerError> {
        let spec = Spec {
            name: self.name(&node_name(node as u64 + 1)),
            image: self.image.clone(),
            command,
            labels: self.labels.clone(),
            network: format!("container:{}", holder.container),
            volume: Some((self.volume(node), DATA.into())),
        };
        self.engine.create(spec).await
    }

    /// Throws a node's container and all that it had stored away, and gives it an empty
    /// volume.
    pub(super) async fn renew(&self, node: usize, container: &str) -> Result<(), DockerError> {
        (self.engine.remove(MarkedKind::Container, container)).await?;
        let volume = self.volume(node);
        self.engine.remove(MarkedKind::Volume, &volume).await?;
        self.create_volume(node).await
    }

    async fn create_volume(&self, node: usize) -> Result<(), DockerError> {
        let volume = self.volume(node);
        self.engine.create_volume(&volume, &self.labels).await
    }

    fn volume(&self, node: usize) -> String {
        self.name(&format!("data-{}", node + 1))
    }

    fn name(&self, what: &str) -> String {
        format!("squall-{}-{what}", self.run)
    }

    /// Removes all that the run has made, whatever state it is in.
    pub(super) async fn tear_down(&self) -> Result<(), DockerError> {
        remove_run(&self.engine, &self.run).await
    }
}

/// Removes what runs have left behind whose process is dead; how many there were.
pub(super) async fn sweep(engine: &Engine) -> Result<usize, DockerError> {
    let mut runs: Vec<String> = Vec::new();
    for marked in engine.marked(RUN, None).await? {
        let owner = marked.labels.get(OWNER).and_then(|text| Owner::parse(text));
        let is_dead = owner.is_some_and(|owner| owner.life() == Life::Dead);
        runs.extend(marked.labels.get(RUN).filter(|_| is_dead).cloned());
    }
    runs.sort_unstable();
    runs.dedup();
    for run in &runs {
        remove_run(engine, run).await?;
    }
    Ok(runs.len())
}

async fn remove_run(engine: &Engine, run: &str) -> Result<(), DockerError> {
    let marked = engine.marked(RUN, Some(run)).await?;
    let kinds = [
        MarkedKind::Container,
        MarkedKind::Network,
        MarkedKind::Volume,
    ];
    let mut failed = Ok(());
    for kind in kinds {
        let of_kind = marked.iter().filter(|marked| marked.kind == kind);
        let removed = join_all(of_kind.map(|marked| engine.remove(kind, &marked.id))).await;
        // What cannot be removed must not keep the rest.
        failed = removed.into_iter().fold(failed, Result::and);
    }
    failed
}
