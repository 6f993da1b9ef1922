//! Worlds in which a plan is executed. Each turns a plan into a history; nothing flows back.
//!
//! What leads through a run is the same in every world: [`phases`], [`nemesis`] with
//! [`install`], and [`operator`], over whatever machines a world offers ([`site`]).

pub mod docker;
mod install;
mod link;
mod moments;
mod nemesis;
mod operator;
mod phases;
pub mod resources;
pub mod sim;
mod site;
