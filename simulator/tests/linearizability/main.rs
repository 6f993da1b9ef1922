//! Linearizability of whole history files: known verdicts, edits of a good history, and
//! files that are damaged or meant to be trouble.

#[path = "../command/mod.rs"]
mod command;

mod edits;
mod files;
mod known;
mod trouble;
