//! What programs that play with real nodes have in common.

#![allow(dead_code)] // each of them uses its own part of this

pub mod nodes;
pub mod program;
