//! Names the keys of cache workloads.

use squall_history::Action;

/// Workloads do not share keys.
pub(super) fn key_name(workload: &str, number: u64) -> String {
    format!("{workload}-{number}")
}

pub(super) fn volatile_name(workload: &str, number: u64) -> String {
    format!("{workload}-volatile-{number}")
}

pub(super) fn counter_name(workload: &str, number: u64) -> String {
    format!("{workload}-count-{number}")
}

pub(super) fn list_name(workload: &str, number: u64) -> String {
    format!("{workload}-list-{number}")
}

pub(super) fn get(key: String) -> Action {
    Action::Get { key, lease: false }
}
