//! The command line as its users meet it: real processes, exact words, documented exit codes.

#[path = "../command/mod.rs"]
mod command;

mod alerts;
mod compare;
mod containers;
mod dashboard;
mod explore;
mod hardware;
mod help;
mod histories;
mod logs;
mod machines;
mod output;
mod refusals;
mod reports;
mod run_dirs;
mod schema;
mod systems;
mod traces;
mod trends;
mod verdicts;
