//! Containers as a [`Host`]: nodes start in containers, with volumes for their disks.

use std::cell::RefCell;
use std::rc::Rc;

use squall_cluster::raft::node_name;
use squall_linux::host::{Host, Started};
use squall_linux::sampler::Network;
use squall_linux::squall_node::NodeArguments;

use super::DockerError;
use super::process::Process;
use super::run_resources::{DATA, Holder, RunResources};

/// Containers of one run.
pub(super) struct Containers {
    pub resources: Rc<RunResources>,
    pub holders: Vec<Holder>,
    pub addresses: Vec<String>,
    pub arguments: NodeArguments,
    /// The container of each node that was created.
    pub created: RefCell<Vec<Option<String>>>,
}

impl Containers {
    /// The node's container, which is created when it is first wanted.
    async fn container(&self, node: usize, is_newcomer: bool) -> Result<String, DockerError> {
        let known = self.created.borrow()[node].clone();
        if let Some(container) = known {
            return Ok(container);
        }
        let command = (self.arguments).of(node, &self.addresses[node], DATA, is_newcomer);
        let holder = &self.holders[node];
        let created = self.resources.create_node(node, holder, command).await?;
        self.created.borrow_mut()[node] = Some(created.clone());
        Ok(created)
    }

    async fn start_process(
        &self,
        node: usize,
        is_newcomer: bool,
    ) -> Result<Started<Process>, DockerError> {
        let container = self.container(node, is_newcomer).await?;
        let engine = &self.resources.engine;
        // Before the first word.
        let output = engine.attach(&container).await?;
        engine.start(&container).await?;
        Ok(Started {
            process: Process::of(engine, &container).await?,
            output: Box::pin(output),
        })
    }
}

impl Host for Containers {
    type Process = Process;

    async fn start(&self, node: usize, is_newcomer: bool) -> Result<Started<Process>, String> {
        let started = self.start_process(node, is_newcomer).await;
        started.map_err(|e| format!("{}: {e}", node_name(node as u64 + 1)))
    }

    async fn renew(&self, node: usize) -> Result<(), String> {
        let known = self.created.borrow_mut()[node].take();
        let Some(container) = known else {
            return Ok(());
        };
        let renewed = self.resources.renew(node, &container).await;
        renewed.map_err(|e| e.to_string())
    }

    fn network(&self, node: usize) -> Network {
        Network::Of(self.holders[node].pid)
    }
}
