//! Records what happened in a run; checks and measures see nothing else.
//!
//! A history is a sequence of [`Event`]s in the order of the clock of record (virtual time
//! in a simulation, the controller's clock on containers). It holds what clients asked and
//! received, what was done to the cluster, and what the nodes said about themselves. It
//! knows no backend, so both worlds are judged by the same code, and a stored history can
//! be judged again. Stored as JSON lines, one event a line ([`jsonl`]).
//!
//! Sources: Jepsen's operation histories (invoke / ok / fail / info) and Herlihy & Wing,
//! "Linearizability" (1990).

#![warn(missing_docs)]

mod action;
mod action_table;
mod backend_info;
pub mod event;
pub mod jsonl;
mod line;
pub mod lists;
pub mod operation;
mod outcome;
pub mod recorder;
pub mod resources;
mod service;
pub mod unordered;
pub mod window;

pub use action::{
    Action, Call, ListEnd, OPERATIONS, OperationClass, OperationInfo, operation_names,
};
pub use backend_info::BackendInfo;
pub use event::{
    Event, EventKind, FaultEvent, FaultStatus, HarnessEvent, LoadEvent, LoadUnit, NodeEvent, Phase,
    PointCounts, Served, StreamEvent, StressLimit, Timed, Work,
};
pub use operation::{Operation, PROBE, dead_lettered_from, dead_letters_of, operations, start_us};
pub use outcome::{Delivered, Found, Holder, Outcome};
pub use recorder::{Observed, Observer, Recorder, Seen};
pub use service::{Name, Service};
pub use window::Window;

/// A complete recorded run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    /// In order of `at_us`; events of the same instant in the order they happened.
    pub events: Vec<Event>,
}
