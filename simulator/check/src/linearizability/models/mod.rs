//! Sequential objects that people test most: register, keys with append, lock, queue, lists,
//! counter. One file each, as plain as a textbook has it.
//!
//! Values are numbers ([`Symbol`]) given by whoever reads the history, so that states stay
//! small. Nothing here knows where the calls come from.

pub mod counter;
pub mod deques;
pub mod kv;
pub mod lock;
pub mod queue;
pub mod register;

/// Stands for a value of the history; equal values have equal symbols.
pub type Symbol = u32;

#[cfg(test)]
#[path = "models_tests.rs"]
mod tests;
