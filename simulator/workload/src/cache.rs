//! The cache: clients get, set, and now and then compare and set.
//!
//! Lists, which are values of the cache as well, are in [`lists`].
//!
//! As the workload's mix says, some writes count on keys of their own, exactly once; some
//! operations are on keys with a lifetime; keys may be evicted; and reads are served by
//! lease, or by one node that may be behind. The audit reads every key that lasts.

use std::time::Duration;

use bytes::Bytes;
use rand::RngExt;
use squall_cluster::protocol;
use squall_cluster::state::command::{
    CacheCommand, Command, Lifetime, Query, Reply, SetCondition, Versioned,
};

use super::asked::{Asked, payload, value_of};
use super::driver::Extras;
use super::keys::{counter_name, get, key_name, volatile_name};
use super::reader::Reader;
use super::service::{Probe, Role, Service};
use super::{
    Audit, Client, LocalFuture, Over, cache_audit, chance, lists, near, random_duration, records,
    sometimes,
};
use squall_history::{self as history, Action, Found, Outcome};
use squall_plan::plan::{CacheMix, WorkloadKind, WorkloadPlan};

pub(super) struct Cache;

impl Service for Cache {
    fn name(&self) -> history::Service {
        history::Service::Cache
    }

    fn roles(&self, workload: &WorkloadPlan) -> Vec<Role> {
        let WorkloadKind::Cache { clients, mix, .. } = &workload.kind else {
            unreachable!("a cache client has a cache workload")
        };
        let workers = mix.lists.map_or(0, |lists| lists.workers);
        let workers = Role {
            rests: false,
            ..Role::beside("worker", workers)
        };
        let near = Role::beside("near", mix.near);
        vec![Role::of_load("", *clients), near, workers]
    }

    fn run(&self, role: &'static str, client: Client) -> LocalFuture<'static, ()> {
        let WorkloadKind::Cache { mix, .. } = client.shared.plan.kind.clone() else {
            unreachable!("a cache client has a cache workload")
        };
        match role {
            "near" => Box::pin(near::run(client)),
            "worker" => Box::pin(lists::run_worker(client)),
            _ if mix.lists.is_some() => Box::pin(lists::run(client)),
            _ if mix.records.is_some() => Box::pin(records::run(client)),
            _ => Box::pin(run(client, mix)),
        }
    }

    fn probe(&self) -> Option<Box<dyn Probe>> {
        Some(Box::new(CacheProbe))
    }

    fn audit<'a>(&'a self, audit: &'a mut Audit) -> LocalFuture<'a, ()> {
        Box::pin(async {
            let reads = cache_audit::keys(audit).into_iter().map(get);
            let ranges = cache_audit::lists(audit).into_iter();
            let ranges = ranges.map(|list| Action::ListRange { list });
            audit.read_all(reads.chain(ranges).collect()).await;
            if let Some(capacity) = cache_audit::capacity(audit) {
                audit.ask(Action::CacheSize { capacity }).await;
            }
        })
    }
}

/// What a node is asked; `bytes` is the size of a value whose action does not hold it.
pub(super) fn asked(action: &Action, bytes: u64) -> Asked {
    if action.is_of_list() {
        return lists::asked(action);
    }
    let set =
        |key: &str, value: &str, bytes: u64, ttl_ms: Option<u64>, condition| CacheCommand::Set {
            key: name(key),
            value: payload(value, bytes),
            ttl_ms,
            keep_ttl: false,
            condition,
        };
    let read = |mode, key: &str| {
        Asked::Read(
            mode,
            Query::Get {
                keys: vec![name(key)],
            },
        )
    };
    Asked::Write(Command::Cache(match action {
        Action::Set { key, value, bytes } => set(key, value, *bytes, None, SetCondition::Always),
        Action::SetVolatile {
            key,
            value,
            bytes,
            ttl_ms,
        } => set(key, value, *bytes, *ttl_ms, SetCondition::Always),
        Action::CompareAndSet {
            key,
            version,
            value,
        } => set(key, value, bytes, None, SetCondition::IfVersion(*version)),
        Action::Delete { key } => CacheCommand::Delete {
            keys: vec![name(key)],
        },
        Action::Increment { key, by } => CacheCommand::Increment {
            key: name(key),
            by: *by,
        },
        Action::Get { key, lease } => {
            return read(lease.then_some(protocol::ReadMode::Lease), key);
        }
        Action::GetFrom { key, bound_ms, .. } => {
            let mode = match *bound_ms {
                Some(bound_ms) => protocol::ReadMode::Stale { bound_ms },
                None => protocol::ReadMode::Local,
            };
            return read(Some(mode), key);
        }
        Action::GetMany { keys } => {
            let keys = keys.iter().map(|key| name(key)).collect();
            return Asked::Read(None, Query::Get { keys });
        }
        Action::Ttl { key } => return Asked::Read(None, Query::Ttl { key: name(key) }),
        Action::CacheSize { .. } => return Asked::Read(None, Query::CacheSize),
        other => unreachable!("the cache is not asked {other:?}"),
    }))
}

fn name(key: &str) -> Bytes {
    Bytes::copy_from_slice(key.as_bytes())
}

/// What a reply says in the terms of the history; back if it answers something else.
pub(super) fn answer(action: &Action, reply: Reply) -> Result<Outcome, Reply> {
    if action.is_of_list() {
        return lists::answer(reply);
    }
    Ok(match (reply, action) {
        (Reply::Values(values), Action::GetMany { .. }) => Outcome::Values {
            values: values.iter().map(|value| found(value.as_ref())).collect(),
        },
        (Reply::Values(values), _) => {
            let Found { value, version } = found(values.first().and_then(Option::as_ref));
            Outcome::Value { value, version }
        }
        (Reply::Stored { version }, _) => {
            version.map_or(Outcome::Mismatch, |version| Outcome::Stored { version })
        }
        (Reply::Deleted(_), _) => Outcome::Stored { version: 0 },
        (Reply::Integer { value, version }, _) => Outcome::Counted { value, version },
        (Reply::Size(entries), _) => Outcome::Size { entries },
        (Reply::Lifetime(lifetime), _) => Outcome::Answered {
            value: match lifetime {
                Lifetime::Absent => "absent".into(),
                Lifetime::Forever => "forever".into(),
                Lifetime::Remaining { ms } => ms.into(),
            },
        },
        (other, _) => return Err(other),
    })
}

/// What a key held.
fn found(entry: Option<&Versioned>) -> Found {
    Found {
        value: entry.map(|entry| value_of(&entry.value)),
        version: entry.map_or(0, |entry| entry.version),
    }
}

/// Of the operations on keys that may be evicted, how many ask for the size of the cache;
/// parts per million.
const SIZE_PPM: u32 = 50_000;
/// Of the writes with a lifetime, how many take it away again; parts per million.
const LASTING_PPM: u32 = 500_000;

async fn run(mut client: Client, mix: CacheMix) {
    if mix.rounds > 0 {
        return count_on_all(client, &mix).await;
    }
    let mut reader = Reader::new(&client, &mix);
    // The last key read, and its version.
    let mut seen = None;
    // Ends when the workload is over.
    while step(&mut client, &mut reader, &mix, &mut seen)
        .await
        .is_ok()
    {}
}

async fn step(
    client: &mut Client,
    reader: &mut Reader,
    mix: &CacheMix,
    seen: &mut Option<(String, u64)>,
) -> Result<(), Over> {
    let WorkloadKind::Cache {
        keys, reads_ppm, ..
    } = client.shared.plan.kind
    else {
        unreachable!("a cache client has a cache workload")
    };
    let intended_us = client.next().await?;
    let workload = client.shared.plan.name.clone();
    if let Some(number) = preload(client, mix.preload.min(keys)) {
        set_plain(client, intended_us, number, mix).await;
        return Ok(());
    }
    if let Some(operation) = client.draw_also() {
        let action = also(operation.to_owned(), client, mix);
        client.ask(intended_us, action).await;
        return Ok(());
    }
    let number = client.draw_key();
    if let Some(fill_us) = mix.fill_us {
        aside(client, reader, intended_us, number, reads_ppm, fill_us, mix).await;
        return Ok(());
    }
    if mix.evicted || sometimes(&mut client.rng, mix.expiring_ppm) {
        volatile(client, reader, intended_us, number, reads_ppm, mix).await;
        return Ok(());
    }
    if chance(&mut client.rng, reads_ppm) {
        if mix.multi_get > 1 {
            get_many(client, intended_us, number, mix.multi_get).await;
            return Ok(());
        }
        let key = key_name(&workload, number);
        if let Outcome::Value { version, .. } = reader.read(client, intended_us, &key).await {
            *seen = Some((key, version));
        }
        return Ok(());
    }
    if sometimes(&mut client.rng, mix.increments_ppm) {
        increment(client, intended_us, counter_name(&workload, number), mix).await;
        return Ok(());
    }
    let key = key_name(&workload, number);
    let value = client.fresh_value();
    let bytes = client.payload_bytes();
    let conditional = chance(&mut client.rng, mix.cas_ppm);
    let action = match seen.take().filter(|_| conditional) {
        Some((key, version)) => Action::CompareAndSet {
            key,
            version,
            value,
        },
        None => Action::Set { key, value, bytes },
    };
    let extras = Extras {
        bytes,
        ..Extras::default()
    };
    client.ask_with(intended_us, action, extras).await;
    Ok(())
}

/// An operation that the workload sends beside what it does.
fn also(operation: String, client: &mut Client, mix: &CacheMix) -> Action {
    let number = client.draw_key();
    let workload = &client.shared.plan.name;
    let key = if mix.evicted || mix.expiring_ppm > 0 {
        volatile_name(workload, number)
    } else {
        key_name(workload, number)
    };
    match operation.as_str() {
        "ttl" => Action::Ttl { key },
        other => unreachable!("clients of the cache do not send {other} by share"),
    }
}

/// Reads up to so many different keys at once, `first` among them.
async fn get_many(client: &mut Client, intended_us: Option<u64>, first: u64, most: u64) {
    let count = client.rng.random_range(1..=most);
    let mut numbers = vec![first];
    for _ in 1..count {
        let number = client.draw_key();
        if !numbers.contains(&number) {
            numbers.push(number);
        }
    }
    let workload = &client.shared.plan.name;
    let keys: Vec<String> = (numbers.into_iter())
        .map(|number| key_name(workload, number))
        .collect();
    client.ask(intended_us, Action::GetMany { keys }).await;
}

/// The next key to be set before anything else, if any is left.
fn preload(client: &Client, preload: u64) -> Option<u64> {
    let done = &client.shared.preloaded;
    let number = done.get();
    (number < preload).then(|| {
        done.set(number + 1);
        number
    })
}

async fn set_plain(client: &mut Client, intended_us: Option<u64>, number: u64, mix: &CacheMix) {
    let key = key_name(&client.shared.plan.name, number);
    let value = client.fresh_value();
    let bytes = client.payload_bytes();
    let action = match mix.fill_ttl_ms.filter(|_| mix.fill_us.is_some()) {
        None => Action::Set { key, value, bytes },
        ttl_ms => Action::SetVolatile {
            key,
            value,
            bytes,
            ttl_ms,
        },
    };
    client.ask(intended_us, action).await;
}

/// A cache before something slower: what is not found is got from there, and kept. A write
/// goes to both.
async fn aside(
    client: &mut Client,
    reader: &mut Reader,
    intended_us: Option<u64>,
    number: u64,
    reads_ppm: u32,
    (fill_min_us, fill_max_us): (u64, u64),
    mix: &CacheMix,
) {
    if chance(&mut client.rng, reads_ppm) {
        let key = key_name(&client.shared.plan.name, number);
        let outcome = reader.read(client, intended_us, &key).await;
        if !matches!(outcome, Outcome::Value { value: None, .. }) {
            return;
        }
        let [min, max] = [fill_min_us, fill_max_us].map(Duration::from_micros);
        let fill = random_duration(&mut client.rng, min, max);
        client.sleep(fill).await;
        return set_plain(client, None, number, mix).await;
    }
    set_plain(client, intended_us, number, mix).await;
}

/// Counts on every key, so many times, beginning with another key than the client before.
async fn count_on_all(mut client: Client, mix: &CacheMix) {
    let WorkloadKind::Cache { keys, .. } = client.shared.plan.kind else {
        unreachable!("a cache client has a cache workload")
    };
    // What a vote counts for must not depend on a warm-up.
    client.wait_for_count().await;
    for turn in 0..keys * mix.rounds {
        let Ok(intended_us) = client.next().await else {
            return;
        };
        let number = (client.index + turn) % keys;
        let key = counter_name(&client.shared.plan.name, number);
        increment(&mut client, intended_us, key, mix).await;
    }
}

/// Counts by one, and asks again until it is known whether that happened.
async fn increment(client: &mut Client, intended_us: Option<u64>, key: String, mix: &CacheMix) {
    let action = Action::Increment { key, by: 1 };
    let Some(once) = client.next_once(&mix.retries, &action).await else {
        return;
    };
    let extras = Extras {
        once: Some(once),
        ..Extras::default()
    };
    client
        .ask_until_known(intended_us, action, extras, mix.retries)
        .await;
}

/// Reads or writes a key that may vanish by itself.
async fn volatile(
    client: &mut Client,
    reader: &Reader,
    intended_us: Option<u64>,
    number: u64,
    reads_ppm: u32,
    mix: &CacheMix,
) {
    if mix.evicted && chance(&mut client.rng, SIZE_PPM) {
        let capacity = mix.capacity;
        client
            .ask(intended_us, Action::CacheSize { capacity })
            .await;
        return;
    }
    let key = volatile_name(&client.shared.plan.name, number);
    if chance(&mut client.rng, reads_ppm) {
        let lease = matches!(reader, Reader::Leader { lease: true });
        client.ask(intended_us, Action::Get { key, lease }).await;
        return;
    }
    let value = client.fresh_value();
    let bytes = client.payload_bytes();
    let lasts = match mix.evicted {
        true => !sometimes(&mut client.rng, mix.expiring_ppm),
        false => chance(&mut client.rng, LASTING_PPM),
    };
    let ttl_ms = (!lasts).then_some(mix.ttl_ms);
    let action = Action::SetVolatile {
        key,
        value,
        bytes,
        ttl_ms,
    };
    client.ask(intended_us, action).await;
}

/// Sets a key of its own.
struct CacheProbe;

impl Probe for CacheProbe {
    fn ask<'a>(&'a mut self, client: &'a mut Client) -> LocalFuture<'a, Outcome> {
        let set = Action::Set {
            key: client.name.clone(),
            value: client.fresh_value(),
            bytes: 0,
        };
        Box::pin(client.ask(None, set))
    }
}
