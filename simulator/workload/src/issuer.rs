//! The client of a system that is not Squall's own cluster.
//!
//! A workload decides what is asked and when, and records it; an issuer carries one
//! operation to the system and says what came of it.

use std::future::Future;
use std::pin::Pin;

use squall_world::Instant;

use squall_history::{Action, Outcome};

/// A future of the simulation, which runs on one thread.
pub type LocalFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// Sends one operation at a time for one client.
pub trait Issuer {
    /// Does `action` and says what the client learnt by `deadline`.
    ///
    /// [`Outcome::Unknown`] if it may or may not have taken effect, [`Outcome::Failed`] only
    /// if it certainly has not: a check believes it.
    fn issue<'a>(&'a mut self, action: &'a Action, deadline: Instant) -> LocalFuture<'a, Outcome>;
}

/// Makes the issuer of a client; clients are numbered.
pub type Issuers = Box<dyn Fn(usize) -> Box<dyn Issuer>>;
