//! Scenarios as they are written ([`scenario`]), and plans, with every choice drawn from the
//! seed ([`plan`]).

#![warn(missing_docs)]

pub mod plan;
pub mod scenario;
