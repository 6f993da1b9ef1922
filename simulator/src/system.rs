//! A cluster of your own in the simulation.
//!
//! Implement [`System`], which runs a node and makes a client, and [`ClientDriver`], which issues
//! an operation. Then [`crate::testing::Simulation::system`] runs it in tests, and
//! [`crate::cli::main_for`] makes a command like `squall` for it: the engine, the faults, the
//! histories, the checks, sweeps, replay and shrinking are the same for every system.
//!
//! `docs/your-own-cluster.md` leads through an example, a primary-backup register in the
//! crate `examples/primary-backup`.

pub use squall_cluster::storage::{Disk, DiskFile};
pub use squall_world::{Instant, World, timeout, timeout_at};

pub use crate::check::linearizability::Specification;
pub use crate::check::{Findings, OwnCheck, linearizable};
pub use crate::history::{Action, Call, Delivered, NodeEvent, Operation, OperationClass, Outcome};
pub use crate::workload::service::{Probe, Role, Service, Services};
pub use crate::workload::shipped;
pub use crate::workload::{Audit, Client, ClientDriver, LocalFuture, Over};
pub use squall_sim::disk::SimDisk;
pub use squall_sim::system::{CallFailed, NodeContext, System, call};
pub use squall_sim::world::SimWorld;
