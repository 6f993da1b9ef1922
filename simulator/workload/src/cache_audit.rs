//! Lists the keys and lists of the cache that the audit reads back.

use super::Audit;
use super::keys::{counter_name, key_name, list_name};
use squall_history as history;
use squall_plan::plan::WorkloadKind;

/// The keys that do not vanish by themselves.
pub(super) fn keys(audit: &Audit) -> Vec<String> {
    let mut names = Vec::new();
    for workload in audit.workloads(history::Service::Cache) {
        if let WorkloadKind::Cache { keys, mix, .. } = &workload.kind {
            let numbers = || 0..(*keys).max(1);
            if mix.records.is_some() {
                let used = &audit.client.context.records;
                let used = used.borrow().get(&workload.name).copied();
                let numbers = 0..used.unwrap_or(0);
                names.extend(numbers.map(|number| key_name(&workload.name, number)));
                continue;
            }
            if mix.lists.is_some() {
                continue;
            }
            let lasts = mix.fill_us.is_none() || mix.fill_ttl_ms.is_none();
            if !mix.evicted && lasts && mix.rounds == 0 {
                names.extend(numbers().map(|number| key_name(&workload.name, number)));
            }
            if mix.increments_ppm > 0 || mix.rounds > 0 {
                names.extend(numbers().map(|number| counter_name(&workload.name, number)));
            }
        }
    }
    names.extend(audit.probes(history::Service::Cache));
    names
}

/// The lists of all workloads.
pub(super) fn lists(audit: &Audit) -> Vec<String> {
    let workloads = audit.workloads(history::Service::Cache);
    let of_lists = workloads.filter_map(|workload| match &workload.kind {
        WorkloadKind::Cache { keys, mix, .. } if mix.lists.is_some() => {
            Some((0..*keys).map(|number| list_name(&workload.name, number)))
        }
        _ => None,
    });
    of_lists.flatten().collect()
}

/// How many keys the cache may hold, where a workload tries it.
pub(super) fn capacity(audit: &Audit) -> Option<u64> {
    let mut workloads = audit.workloads(history::Service::Cache);
    workloads.find_map(|workload| match &workload.kind {
        WorkloadKind::Cache { mix, .. } if mix.evicted => Some(mix.capacity),
        _ => None,
    })
}
