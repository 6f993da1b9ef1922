//! Limits that a run must keep ([`objective`]), numbers that print alike everywhere
//! ([`fixed`]), and figures of earlier runs to compare with ([`baseline`]).

pub mod baseline;
pub mod fixed;
pub mod objective;
