//! Leads a plan through its phases in any world: [`phases`], [`nemesis`] with [`install`], and
//! [`operator`], over whatever machines a world offers ([`site`]). Nothing flows back: a run
//! ends as a history. What makes a world a backend is the trait [`backend::Backend`].

#![warn(missing_docs)]

pub mod backend;
pub mod contract;
pub mod install;
pub mod link;
pub mod log;
pub mod nemesis;
pub mod operator;
pub mod phases;
pub mod points;
pub mod resources;
pub mod site;
pub mod trace;
pub mod triggers;
pub mod wait;
