//! The seam to whatever starts the processes of nodes: an engine of containers, or this machine
//! itself.
//!
//! A [`Host`] starts the process of a node, empties its disk, and says where meters find it.
//! When that is done, to which node, and what is recorded of it, is the same for all hosts
//! ([`crate::machine`], [`crate::site`], [`crate::cluster`]). Errors are in words: they end the
//! run, and say nothing about the cluster.

#![allow(async_fn_in_trait)] // single-threaded by design: no future here needs `Send`

use std::pin::Pin;

use bytes::Bytes;
use futures_util::Stream;

use super::process::Signal;
use super::sampler::{Accounts, Network};

/// Where a process of a node writes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// Standard output of the node's process.
    Out,
    /// Its standard error.
    Err,
    /// Both, of the process of this number beside it.
    Side(usize),
}

/// What a process has written; pieces may end anywhere.
#[derive(Debug, Clone)]
pub struct Output {
    /// Who wrote it.
    pub source: Source,
    /// What.
    pub bytes: Bytes,
}

/// All that the processes of a node write, until they end.
pub type OutputStream = Pin<Box<dyn Stream<Item = Output>>>;

/// A process that has been started.
pub struct Started<P> {
    /// The process.
    pub process: P,
    /// What it writes, from its first word.
    pub output: OutputStream,
}

/// The process of a node, with whatever runs beside it and shares its fate.
pub trait HostProcess: 'static {
    /// Its number on this machine.
    fn pid(&self) -> i32;

    /// Sends the signal; to a process that has ended it means nothing.
    ///
    /// # Errors
    /// It is not permitted.
    async fn signal(&self, signal: Signal) -> Result<(), String>;

    /// Resolves when the process has ended.
    ///
    /// # Errors
    /// It cannot be seen.
    async fn ended(&self) -> Result<(), String>;

    /// Waits until nothing is left of a process that has ended, so that it can be started
    /// again; its exit code, if that is known.
    ///
    /// # Errors
    /// It cannot be seen.
    async fn settled(&self) -> Result<Option<i64>, String>;

    /// Whether all of it stands still that has not ended.
    fn is_stopped(&self) -> bool;

    /// Whether nothing of it stands still.
    fn is_resumed(&self) -> bool {
        !self.is_stopped()
    }

    /// Who counts what it uses.
    fn accounts(&self) -> Accounts;
}

/// Where nodes run.
pub trait Host: 'static {
    /// A node's process.
    type Process: HostProcess;

    /// Starts the process of a node on what it had stored. A newcomer belongs to no cluster
    /// and waits to be added to one.
    ///
    /// # Errors
    /// It could not be started.
    async fn start(&self, node: usize, is_newcomer: bool)
    -> Result<Started<Self::Process>, String>;

    /// Throws away what a node had stored, whose process is down.
    ///
    /// # Errors
    /// It cannot be removed.
    async fn renew(&self, node: usize) -> Result<(), String>;

    /// Who counts what goes over a node's network.
    fn network(&self, node: usize) -> Network;

    /// Waits until the nodes, all of which have just been started for the first time, can be
    /// asked, and makes a cluster of them where they do not do so by themselves.
    ///
    /// # Errors
    /// One cannot be asked in time, or no cluster was made; which and why.
    async fn settle(&self) -> Result<(), String> {
        Ok(())
    }
}
