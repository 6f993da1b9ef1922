//! Limits that a run must keep ([`objective`]), limits that notify somebody as a run works
//! ([`alert`]), numbers that print alike everywhere ([`fixed`]), and figures of earlier runs to
//! compare with ([`baseline`]).

#![warn(missing_docs)]

pub mod alert;
pub mod baseline;
pub mod fixed;
pub mod objective;
