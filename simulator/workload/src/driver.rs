//! Sends an operation to the cluster under test, through the driver of one client.
//!
//! A workload decides what is asked and when, and records it; a driver carries one operation
//! to the system and reports what the client learnt.

use std::future::Future;
use std::pin::Pin;

use squall_cluster::protocol::Push;
use squall_cluster::state::command::Once;
use squall_world::Instant;

use squall_history::{Action, Outcome};

/// A future of the simulation, which runs on one thread.
pub type LocalFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// Sends one operation at a time for one client.
pub trait ClientDriver {
    /// Does `action` and reports what the client learnt by `deadline`.
    ///
    /// [`Outcome::Unknown`] if it may or may not have taken effect, [`Outcome::Failed`] only
    /// if it certainly has not: a check believes it.
    fn issue<'a>(&'a mut self, action: &'a Action, deadline: Instant) -> LocalFuture<'a, Outcome>;

    /// Whether the system has the operation of this name at all. What it has not is not asked
    /// where a workload can do without. Unless said otherwise, it has all but `depth`: few can
    /// tell how many messages are in the hands of consumers.
    fn offers(&self, operation: &str) -> bool {
        operation != "depth"
    }
}

/// Makes the driver of a client; clients are numbered.
pub type Drivers = Box<dyn Fn(usize) -> Box<dyn ClientDriver>>;

/// One operation on its way.
pub(super) struct Request<'a> {
    pub(super) action: &'a Action,
    pub(super) extras: Extras<'a>,
    pub(super) deadline: Instant,
}

/// What Squall's own protocol can add to an operation.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Extras<'a> {
    /// Size of a value whose action does not hold it.
    pub(super) bytes: u64,
    /// Executes it once, however often it is sent.
    pub(super) once: Option<Once>,
    /// An acquire that dies rather than wait for an older session.
    pub(super) wait_die: bool,
    /// The producer of a publish, and the number of its first message.
    pub(super) producer: Option<(&'a str, u64)>,
}

/// What a client sends its operations on.
pub(super) trait Connection {
    /// Whether the system has the operation of this name.
    fn offers(&self, _operation: &str) -> bool {
        true
    }

    /// Whether another client may go on with it: it keeps nothing that the next operation of
    /// its client rests on.
    fn is_shareable(&self) -> bool {
        true
    }

    fn send<'a>(&'a mut self, request: Request<'a>) -> LocalFuture<'a, Outcome>;

    /// Asks once for the invalidations of cached keys after `index`; `None` if that did not
    /// succeed by `deadline`.
    fn track(
        &mut self,
        index: u64,
        deadline: Instant,
    ) -> LocalFuture<'_, Option<Box<dyn Invalidations>>>;
}

/// A stream of invalidations. It ends with its first error, which is in words.
pub(super) trait Invalidations {
    /// The next message. May be given up and asked again.
    fn next(&mut self) -> LocalFuture<'_, Result<Push, String>>;

    /// Asks for a [`Push::UpTo`].
    fn ping(&mut self, deadline: Instant) -> LocalFuture<'_, Result<(), String>>;
}

/// Connections of one world: to these addresses, for the client of this number.
pub(super) type Connect = Box<dyn Fn(&[String], usize) -> Box<dyn Connection>>;

/// The driver of a system that is not Squall's own cluster.
pub(super) struct Foreign(pub(super) Box<dyn ClientDriver>);

impl Connection for Foreign {
    fn offers(&self, operation: &str) -> bool {
        self.0.offers(operation)
    }

    /// A driver may keep its client's sessions, and the values that it has read, itself.
    fn is_shareable(&self) -> bool {
        false
    }

    fn send<'a>(&'a mut self, request: Request<'a>) -> LocalFuture<'a, Outcome> {
        self.0.issue(request.action, request.deadline)
    }

    fn track(
        &mut self,
        _index: u64,
        _deadline: Instant,
    ) -> LocalFuture<'_, Option<Box<dyn Invalidations>>> {
        Box::pin(async { None })
    }
}
