//! Worlds in which a plan is executed. Each turns a plan into a history; nothing flows back.

pub mod sim;
