//! Squall's own node as a system of processes.

use std::path::Path;

use squall_linux::squall_node::{self, NodeArguments};
use squall_workload::service::Services;
use squall_workload::{Drivers, shipped};

use super::launch::{Launch, NodeContext, NodeSystem, Observer, Program, Ready};

/// `squall-node`, from a binary of this machine.
pub(super) struct SquallNode {
    binary: String,
    planted: Option<String>,
}

impl SquallNode {
    /// The node at `given`, or the one that can be found, which makes the bug `planted`.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn find(given: Option<&Path>, planted: Option<&str>) -> Result<Self, String> {
        let binary = squall_node::find(given)?;
        // It starts in a directory of its own.
        let binary = std::fs::canonicalize(&binary)
            .map_err(|e| format!("{}: {e}", binary.display()))?
            .into_os_string();
        let binary = binary.into_string();
        Ok(Self {
            binary: binary.map_err(|path| format!("{path:?} is no path in UTF-8"))?,
            planted: planted.map(str::to_owned),
        })
    }
}

impl NodeSystem for SquallNode {
    fn name(&self) -> &str {
        "squall-node"
    }

    fn launch(&self, node: &NodeContext) -> Result<Launch, String> {
        let planted = self.planted.as_deref();
        let arguments = NodeArguments::new(&node.cluster, &node.members(), planted);
        let address = node.address();
        let mut argv = vec![self.binary.clone()];
        // Where it starts.
        argv.extend(arguments.of(node.index, &address, ".", node.is_newcomer));
        Ok(Launch {
            files: Vec::new(),
            main: Program {
                argv,
                ..Program::default()
            },
            sides: Vec::new(),
            address,
            ready: Ready::Connects,
        })
    }

    fn observer(&self, _addresses: &[String]) -> Observer {
        Observer::Events
    }

    fn takes_commands(&self) -> bool {
        true
    }

    fn drivers(&self, _addresses: &[String]) -> Option<Drivers> {
        None
    }

    fn services(&self) -> Services {
        shipped()
    }
}
