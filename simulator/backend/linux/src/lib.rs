//! Breaks and observes real processes on Linux, however they were started.
//!
//! Processes are signalled and seen to end ([`process`]), links between network namespaces
//! are cut and made worse ([`links`]: `netns`, `rules`, `packets`) and probed
//! (`observe`, `link_probe`), and what processes use is read from the kernel's accounts
//! ([`sampler`]). Whoever uses this layer says which processes and namespaces there are: nothing
//! here knows of containers, images or engines.

#![warn(missing_docs)]

pub mod clock;
mod link_probe;
pub mod links;
mod netns;
mod observe;
mod packets;
pub mod process;
mod rules;
pub mod run_owner;
pub mod sampler;

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
