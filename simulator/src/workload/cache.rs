//! Cache clients: get, set, and now and then compare-and-set.

use bytes::Bytes;
use rand::RngExt;
use squall_cluster::state::command::{CacheCommand, Command, Query, SetCondition};
use squall_cluster::world::World;

use super::{Caller, Over, chance, payload};
use crate::history::{Action, Outcome};
use crate::plan::WorkloadKind;

/// Of the writes, how many are conditional; parts per million.
const CAS_PPM: u32 = 200_000;

pub(super) async fn run<W: World>(mut caller: Caller<W>) {
    // The last key read, and its version.
    let mut seen = None;
    // Ends when the workload is over.
    while step(&mut caller, &mut seen).await.is_ok() {}
}

async fn step<W: World>(
    caller: &mut Caller<W>,
    seen: &mut Option<(String, u64)>,
) -> Result<(), Over> {
    let WorkloadKind::Cache {
        keys, reads_ppm, ..
    } = caller.shared.plan.kind
    else {
        unreachable!("a cache client has a cache workload")
    };
    let intended_us = caller.next().await?;
    let number = caller.rng.random_range(0..keys.max(1));
    let key = key_name(&caller.shared.plan.name, number);
    if chance(&mut caller.rng, reads_ppm) {
        let (action, query) = get(&key);
        if let Outcome::Value { version, .. } = caller.read(intended_us, action, query).await {
            *seen = Some((key, version));
        }
        return Ok(());
    }
    let value = caller.fresh_value();
    let bytes = caller.shared.plan.payload_bytes;
    let conditional = chance(&mut caller.rng, CAS_PPM);
    let (action, command) = match seen.take().filter(|_| conditional) {
        Some((key, version)) => compare_and_set(&key, version, &value, bytes),
        None => set(&key, &value, bytes),
    };
    caller.write(intended_us, action, command, 0).await;
    Ok(())
}

/// Workloads do not share keys.
pub(super) fn key_name(workload: &str, number: u64) -> String {
    format!("{workload}-{number}")
}

pub(super) fn get(key: &str) -> (Action, Query) {
    let action = Action::Get { key: key.into() };
    let query = Query::Get {
        keys: vec![Bytes::copy_from_slice(key.as_bytes())],
    };
    (action, query)
}

pub(super) fn set(key: &str, value: &str, bytes: u64) -> (Action, Command) {
    let action = Action::Set {
        key: key.into(),
        value: value.into(),
        bytes,
    };
    (action, put(key, value, bytes, SetCondition::Always))
}

fn compare_and_set(key: &str, version: u64, value: &str, bytes: u64) -> (Action, Command) {
    let action = Action::CompareAndSet {
        key: key.into(),
        version,
        value: value.into(),
    };
    let condition = SetCondition::IfVersion(version);
    (action, put(key, value, bytes, condition))
}

fn put(key: &str, value: &str, bytes: u64, condition: SetCondition) -> Command {
    Command::Cache(CacheCommand::Set {
        key: Bytes::copy_from_slice(key.as_bytes()),
        value: payload(value, bytes),
        ttl_ms: None,
        keep_ttl: false,
        condition,
    })
}
