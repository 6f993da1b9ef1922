//! Faults: what can be done to a cluster, and to which nodes.
//!
//! The vocabulary that scenarios, plans, backends, histories and reports share: one table of
//! kinds ([`kind`]), one enum of actions ([`Action`]), targets, triggers, and quantities with
//! their units. It knows neither how a backend does a fault nor when one is due. Targets stay
//! roles until the fault fires ([`mod@resolve`]), because who leads then is not known before.

#![warn(missing_docs)]

mod action;
mod detail;
pub mod kind;
pub mod resolve;
mod target;
#[cfg(test)]
mod tests;
pub mod text;
mod trigger;
pub mod unit;

pub use action::Action;
pub use detail::*;
pub use kind::{Capability, FaultKind};
pub use resolve::{Roles, resolve};
pub use squall_world::point::{PassedBy, Point};
pub use target::{Target, node_name};
pub use trigger::{TRIGGERS, Trigger};
