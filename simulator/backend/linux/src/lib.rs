//! Runs, breaks and observes real nodes on Linux, whatever starts their processes.
//!
//! Who starts them is a [`host`]: containers and ordinary processes are two. On top of one, a
//! [`cluster`] has a [`machine`] for each node, which hears the node's events (`node_status`)
//! or asks for them ([`poll`]), and shows all of them to the harness as a [`site`].
//!
//! Below, processes are signalled and seen to end ([`process`]), links between network
//! namespaces ([`netns`]) are cut and made worse ([`links`]: `rules`, `packets`) and probed
//! (`observe`, `link_probe`), and what processes use is read from the kernel's accounts
//! ([`sampler`]). Nothing here knows of containers, images or engines.

#![warn(missing_docs)]

pub mod clock;
pub mod cluster;
pub mod host;
mod lacks;
mod link_probe;
pub mod links;
pub mod machine;
pub mod netns;
mod node_log;
mod node_status;
mod observe;
mod packets;
pub mod poll;
pub mod process;
mod rules;
pub mod run_owner;
pub mod sampler;
pub mod site;
pub mod squall_node;

// For [`real_nodes_lack`].
#[doc(hidden)]
pub use squall_backend::backend::Lacks;

/// Whether faults of links are possible on this machine.
///
/// # Errors
/// Why they are not.
pub fn links_can_be_broken() -> Result<(), String> {
    rules::must_be_possible()?;
    if rustix::process::geteuid().is_root() {
        Ok(())
    } else {
        Err("only root may enter the networks of other processes".into())
    }
}
