//! Other systems under test.
//!
//! A system is a file: how each node starts, when it is up, who leads, what can be asked, and
//! what is promised ([`SystemFile`]). Clients speak its protocol: Redis, etcd, NATS, or that
//! of a program that its file names. This crate starts no node: a backend takes a [`Launch`] for each,
//! [`SystemFile::drivers`] for the clients and [`SystemFile::status`] for who leads.
//!
//! Some systems ship ([`shipped`]); `docs/your-system.md` says how to add one.

mod check;
mod command;
#[cfg(any(feature = "nats", feature = "redis"))]
mod deliveries;
mod drivers;
#[cfg(feature = "etcd")]
mod etcd;
mod file;
mod fit;
mod initiate;
mod launch;
#[cfg(feature = "nats")]
mod nats;
mod offer;
mod on;
mod outcome;
mod program;
#[cfg(feature = "redis")]
mod redis;
mod role;
mod schema;
pub mod shipped;
mod status;
mod table;
mod template;
#[cfg(test)]
mod testing;

pub use command::Output;
pub use file::SystemFile;
pub use fit::Fit;
pub use launch::{After, Launch, ReadyWhen, Side};
pub use on::On;
pub use role::{Role, Status};
pub use schema::schema;
pub use squall_check::Promises;
pub use table::{CLIENT_PORT, Package, Protocol, Ready, ReadyBy, Table, Versions};
pub use template::Member;
