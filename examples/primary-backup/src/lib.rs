//! A replicated register that is no Raft: a primary, and backups that copy it.
//!
//! Beside a register of values, whose operations Squall knows as those of a cache, there are
//! registers that keep the largest number: the service `max`, which Squall does not know.
//!
//! Clients write to the primary. It gives each write a number, sends it to every backup that
//! is alive, waits until they have it, and only then answers. When backups no longer hear
//! from the primary, the one with the lowest number takes over, in a view of a higher
//! number. Everything is in memory; a node that starts again copies what the others have.
//!
//! This is the protocol of Alsberg and Day, "A principle for resilient sharing of distributed
//! resources" (1976), and it rests on their assumption: nodes stop, and whoever is silent has
//! stopped. It survives a kill of the primary, and no partition at all; its scenarios stay
//! within that.
//!
//! `early_ack` plants the mistake that asynchronous replication makes: the primary answers
//! first and copies afterwards, so that whoever takes over may not have what was promised.

#![warn(missing_docs)]

mod client;
mod max;
mod node;
mod store;

use std::rc::Rc;
use std::sync::Arc;

use squall::system::{ClientDriver, LocalFuture, NodeContext, Services, System, shipped};

pub use max::MaxRegisters;

/// The system under test.
#[derive(Debug, Clone, Copy, Default)]
pub struct PrimaryBackup {
    /// Answers before the backups have the write.
    pub early_ack: bool,
}

impl System for PrimaryBackup {
    fn run_node(&self, node: NodeContext) -> LocalFuture<'static, String> {
        let early_ack = self.early_ack;
        Box::pin(async move { Rc::new(node::Node::new(node, early_ack)).run().await })
    }

    fn services(&self) -> Services {
        let mut services = shipped();
        services.push(Arc::new(MaxRegisters));
        services
    }

    fn client(&self, addresses: &[String], number: usize) -> Box<dyn ClientDriver> {
        Box::new(client::Client::new(addresses, number))
    }
}
