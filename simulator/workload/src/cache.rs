//! Cache clients: get, set, and now and then compare-and-set.
//!
//! As the workload's mix says, some writes count on keys of their own, exactly once; some
//! operations are on keys with a lifetime; keys may be evicted; and reads are served by
//! lease, or by one node that may be behind.

use std::time::Duration;

use bytes::Bytes;
use rand::RngExt;
use squall_cluster::client::Client;
use squall_cluster::protocol;
use squall_cluster::state::command::{CacheCommand, Command, Query, SetCondition, Versioned};
use squall_world::World;

use super::{Caller, Over, chance, outcome_of, payload, random_duration, sometimes};
use squall_history::{Action, Found, Outcome};
use squall_plan::plan::{CacheMix, ReadMode, WorkloadKind};

/// Of the operations on keys that may be evicted, how many ask for the size of the cache;
/// parts per million.
const SIZE_PPM: u32 = 50_000;
/// Of the writes with a lifetime, how many take it away again; parts per million.
const LASTING_PPM: u32 = 500_000;

pub(super) async fn run<W: World>(mut caller: Caller<W>) {
    let WorkloadKind::Cache { mix, .. } = caller.shared.plan.kind.clone() else {
        unreachable!("a cache client has a cache workload")
    };
    if mix.rounds > 0 {
        return count_on_all(caller, &mix).await;
    }
    let mut reader = Reader::new(&caller, &mix);
    // The last key read, and its version.
    let mut seen = None;
    // Ends when the workload is over.
    while step(&mut caller, &mut reader, &mix, &mut seen)
        .await
        .is_ok()
    {}
}

async fn step<W: World>(
    caller: &mut Caller<W>,
    reader: &mut Reader<W>,
    mix: &CacheMix,
    seen: &mut Option<(String, u64)>,
) -> Result<(), Over> {
    let WorkloadKind::Cache {
        keys, reads_ppm, ..
    } = caller.shared.plan.kind
    else {
        unreachable!("a cache client has a cache workload")
    };
    let intended_us = caller.next().await?;
    let workload = caller.shared.plan.name.clone();
    if let Some(number) = preload(caller, mix.preload.min(keys)) {
        set_plain(caller, intended_us, number, mix).await;
        return Ok(());
    }
    let number = caller.draw_key();
    if let Some(fill_us) = mix.fill_us {
        aside(caller, reader, intended_us, number, reads_ppm, fill_us, mix).await;
        return Ok(());
    }
    if mix.evicted || sometimes(&mut caller.rng, mix.expiring_ppm) {
        volatile(caller, intended_us, number, reads_ppm, mix).await;
        return Ok(());
    }
    if chance(&mut caller.rng, reads_ppm) {
        if mix.multi_get > 1 {
            get_many(caller, intended_us, number, mix.multi_get).await;
            return Ok(());
        }
        let key = key_name(&workload, number);
        if let Outcome::Value { version, .. } = reader.read(caller, intended_us, &key).await {
            *seen = Some((key, version));
        }
        return Ok(());
    }
    if sometimes(&mut caller.rng, mix.increments_ppm) {
        increment(caller, intended_us, counter_name(&workload, number), mix).await;
        return Ok(());
    }
    let key = key_name(&workload, number);
    let value = caller.fresh_value();
    let bytes = caller.payload_bytes();
    let conditional = chance(&mut caller.rng, mix.cas_ppm);
    let (action, command) = match seen.take().filter(|_| conditional) {
        Some((key, version)) => compare_and_set(&key, version, &value, bytes),
        None => set(&key, &value, bytes),
    };
    caller.write(intended_us, action, command, 0).await;
    Ok(())
}

/// Reads up to so many different keys at once, `first` among them.
async fn get_many<W: World>(
    caller: &mut Caller<W>,
    intended_us: Option<u64>,
    first: u64,
    most: u64,
) {
    let count = caller.rng.random_range(1..=most);
    let mut numbers = vec![first];
    for _ in 1..count {
        let number = caller.draw_key();
        if !numbers.contains(&number) {
            numbers.push(number);
        }
    }
    let workload = &caller.shared.plan.name;
    let keys: Vec<String> = (numbers.into_iter())
        .map(|number| key_name(workload, number))
        .collect();
    let query = Query::Get {
        keys: (keys.iter())
            .map(|key| Bytes::copy_from_slice(key.as_bytes()))
            .collect(),
    };
    let action = Action::GetMany { keys };
    caller.read(intended_us, action, query).await;
}

/// The next key to be set before anything else, if any is left.
fn preload<W: World>(caller: &Caller<W>, preload: u64) -> Option<u64> {
    let done = &caller.shared.preloaded;
    let number = done.get();
    (number < preload).then(|| {
        done.set(number + 1);
        number
    })
}

async fn set_plain<W: World>(
    caller: &mut Caller<W>,
    intended_us: Option<u64>,
    number: u64,
    mix: &CacheMix,
) {
    let key = key_name(&caller.shared.plan.name, number);
    let value = caller.fresh_value();
    let bytes = caller.payload_bytes();
    let (action, command) = match mix.fill_ttl_ms.filter(|_| mix.fill_us.is_some()) {
        Some(ttl_ms) => set_volatile(key, value, bytes, Some(ttl_ms)),
        None => set(&key, &value, bytes),
    };
    caller.write(intended_us, action, command, 0).await;
}

/// A cache before something slower: what is not found is got from there, and kept. A write
/// goes to both.
async fn aside<W: World>(
    caller: &mut Caller<W>,
    reader: &mut Reader<W>,
    intended_us: Option<u64>,
    number: u64,
    reads_ppm: u32,
    (fill_min_us, fill_max_us): (u64, u64),
    mix: &CacheMix,
) {
    if chance(&mut caller.rng, reads_ppm) {
        let key = key_name(&caller.shared.plan.name, number);
        let outcome = reader.read(caller, intended_us, &key).await;
        if !matches!(outcome, Outcome::Value { value: None, .. }) {
            return;
        }
        let [min, max] = [fill_min_us, fill_max_us].map(Duration::from_micros);
        W::sleep(random_duration(&mut caller.rng, min, max)).await;
        return set_plain(caller, None, number, mix).await;
    }
    set_plain(caller, intended_us, number, mix).await;
}

/// Counts on every key, so many times, beginning with another key than the client before.
async fn count_on_all<W: World>(mut caller: Caller<W>, mix: &CacheMix) {
    let WorkloadKind::Cache { keys, .. } = caller.shared.plan.kind else {
        unreachable!("a cache client has a cache workload")
    };
    // What a vote counts for must not depend on a warm-up.
    caller.wait_for_count().await;
    for turn in 0..keys * mix.rounds {
        let Ok(intended_us) = caller.next().await else {
            return;
        };
        let number = (caller.index + turn) % keys;
        let key = counter_name(&caller.shared.plan.name, number);
        increment(&mut caller, intended_us, key, mix).await;
    }
}

/// Counts by one, and asks again until it is known whether that happened.
async fn increment<W: World>(
    caller: &mut Caller<W>,
    intended_us: Option<u64>,
    key: String,
    mix: &CacheMix,
) {
    let Some(once) = caller.next_once().await else {
        return;
    };
    let command = Command::Cache(CacheCommand::Increment {
        key: Bytes::copy_from_slice(key.as_bytes()),
        by: 1,
    });
    let action = Action::Increment { key, by: 1 };
    let retries = mix.retries;
    caller
        .write_once(intended_us, action, command, Some(once), retries)
        .await;
}

/// Reads or writes a key that may vanish by itself.
async fn volatile<W: World>(
    caller: &mut Caller<W>,
    intended_us: Option<u64>,
    number: u64,
    reads_ppm: u32,
    mix: &CacheMix,
) {
    if mix.evicted && chance(&mut caller.rng, SIZE_PPM) {
        let (action, query) = size(mix.capacity);
        caller.read(intended_us, action, query).await;
        return;
    }
    let key = format!("{}-volatile-{number}", caller.shared.plan.name);
    if chance(&mut caller.rng, reads_ppm) {
        let (action, query) = get(&key);
        caller.read(intended_us, action, query).await;
        return;
    }
    let value = caller.fresh_value();
    let bytes = caller.payload_bytes();
    let lasts = mix.evicted || chance(&mut caller.rng, LASTING_PPM);
    let ttl_ms = (!lasts).then_some(mix.ttl_ms);
    let (action, command) = set_volatile(key, value, bytes, ttl_ms);
    caller.write(intended_us, action, command, 0).await;
}

/// How a client reads.
pub(super) enum Reader<W: World> {
    /// As it writes: through the leader.
    Leader { lease: bool },
    /// From one node, by a connection of its own.
    Node {
        name: String,
        client: Client<W>,
        mode: protocol::ReadMode,
        bound_ms: Option<u64>,
    },
}

impl<W: World> Reader<W> {
    pub(super) fn new(caller: &Caller<W>, mix: &CacheMix) -> Self {
        let (mode, bound_ms) = match mix.mode {
            ReadMode::Linearizable => return Reader::Leader { lease: false },
            ReadMode::Lease => return Reader::Leader { lease: true },
            ReadMode::Stale { bound_ms } => {
                (protocol::ReadMode::Stale { bound_ms }, Some(bound_ms))
            }
            ReadMode::Local => (protocol::ReadMode::Local, None),
        };
        let addresses = &caller.setting.addresses;
        let node = caller.index as usize % addresses.len();
        Reader::Node {
            name: format!("node-{}", node + 1),
            client: Client::new(vec![addresses[node].clone()], 0),
            mode,
            bound_ms,
        }
    }

    pub(super) async fn read(
        &mut self,
        caller: &mut Caller<W>,
        intended_us: Option<u64>,
        key: &str,
    ) -> Outcome {
        let (_, query) = get(key);
        let Reader::Node {
            name,
            client,
            mode,
            bound_ms,
        } = self
        else {
            let lease = matches!(self, Reader::Leader { lease: true });
            let mode = lease.then_some(protocol::ReadMode::Lease);
            let action = Action::Get {
                key: key.into(),
                lease,
            };
            return caller.read_as(mode, intended_us, action, query).await;
        };
        let action = Action::GetFrom {
            key: key.into(),
            node: name.clone(),
            bound_ms: *bound_ms,
        };
        let deadline = caller.deadline(0);
        let recorder = &caller.setting.recorder;
        let op = recorder.invoke(&caller.name, intended_us, action.clone());
        let result = client.read(Some(*mode), &query, deadline).await;
        let outcome = outcome_of(&action, result);
        recorder.complete(op, outcome.clone());
        outcome
    }
}

/// What a key held, in the terms of the history.
pub(super) fn found(entry: Option<&Versioned>) -> Found {
    Found {
        value: entry.map(|entry| super::value_of(&entry.value)),
        version: entry.map_or(0, |entry| entry.version),
    }
}

/// Workloads do not share keys.
pub(super) fn key_name(workload: &str, number: u64) -> String {
    format!("{workload}-{number}")
}

pub(super) fn counter_name(workload: &str, number: u64) -> String {
    format!("{workload}-count-{number}")
}

pub(super) fn get(key: &str) -> (Action, Query) {
    let action = Action::Get {
        key: key.into(),
        lease: false,
    };
    let query = Query::Get {
        keys: vec![Bytes::copy_from_slice(key.as_bytes())],
    };
    (action, query)
}

pub(super) fn size(capacity: u64) -> (Action, Query) {
    (Action::CacheSize { capacity }, Query::CacheSize)
}

pub(super) fn set(key: &str, value: &str, bytes: u64) -> (Action, Command) {
    let action = Action::Set {
        key: key.into(),
        value: value.into(),
        bytes,
    };
    (action, put(key, value, bytes, None, SetCondition::Always))
}

/// Sets a key that may vanish by itself.
fn set_volatile(key: String, value: String, bytes: u64, ttl_ms: Option<u64>) -> (Action, Command) {
    let command = put(&key, &value, bytes, ttl_ms, SetCondition::Always);
    let action = Action::SetVolatile {
        key,
        value,
        bytes,
        ttl_ms,
    };
    (action, command)
}

fn compare_and_set(key: &str, version: u64, value: &str, bytes: u64) -> (Action, Command) {
    let action = Action::CompareAndSet {
        key: key.into(),
        version,
        value: value.into(),
    };
    let condition = SetCondition::IfVersion(version);
    (action, put(key, value, bytes, None, condition))
}

fn put(
    key: &str,
    value: &str,
    bytes: u64,
    ttl_ms: Option<u64>,
    condition: SetCondition,
) -> Command {
    Command::Cache(CacheCommand::Set {
        key: Bytes::copy_from_slice(key.as_bytes()),
        value: payload(value, bytes),
        ttl_ms,
        keep_ttl: false,
        condition,
    })
}
