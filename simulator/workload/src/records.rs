//! Cache clients that keep records: insert, select, update and delete in stated shares.
//!
//! The clients of a workload are the processes of one application: they know which records
//! there are, insert under numbers that are never used again, and touch nothing that was
//! deleted. A record that may or may not have been inserted is left alone; the audit looks
//! at all numbers that were used.

use bytes::Bytes;
use rand::RngExt;
use squall_cluster::state::command::{CacheCommand, Command};
use squall_world::World;

use super::cache::{Reader, key_name, set};
use super::{Caller, Over};
use squall_history::Action;
use squall_plan::plan::{Records, WorkloadKind};

/// The records that are there, as far as their application knows.
#[derive(Default)]
pub(super) struct Live {
    numbers: Vec<u64>,
    /// Inserted since operations count.
    inserted: u64,
}

/// What is done next.
enum Step {
    Insert,
    Select(u64),
    Update(u64),
    Delete(u64),
}

pub(super) async fn run<W: World>(mut caller: Caller<W>) {
    let WorkloadKind::Cache { mix, .. } = caller.shared.plan.kind.clone() else {
        unreachable!("a cache client has a cache workload")
    };
    let records = mix.records.expect("started for a mix of records");
    let mut reader = Reader::new(&caller, &mix);
    // Ends when the workload is over.
    while step(&mut caller, &mut reader, &records).await.is_ok() {}
}

async fn step<W: World>(
    caller: &mut Caller<W>,
    reader: &mut Reader<W>,
    records: &Records,
) -> Result<(), Over> {
    let intended_us = caller.next().await?;
    let workload = caller.shared.plan.name.clone();
    match choose(caller, records) {
        Step::Select(number) => {
            reader
                .read(caller, intended_us, &key_name(&workload, number))
                .await;
        }
        Step::Update(number) => {
            let (value, bytes) = (caller.fresh_value(), caller.payload_bytes());
            let (action, command) = set(&key_name(&workload, number), &value, bytes);
            caller.write(intended_us, action, command, 0).await;
        }
        Step::Insert => {
            let number = next_number(caller);
            let (value, bytes) = (caller.fresh_value(), caller.payload_bytes());
            let (action, command) = set(&key_name(&workload, number), &value, bytes);
            let outcome = caller.write(intended_us, action, command, 0).await;
            if outcome.is_acknowledged() {
                caller.shared.records.borrow_mut().numbers.push(number);
            }
        }
        Step::Delete(number) => {
            let (action, command) = delete(&key_name(&workload, number));
            caller.write(intended_us, action, command, 0).await;
        }
    }
    Ok(())
}

fn choose<W: World>(caller: &mut Caller<W>, records: &Records) -> Step {
    let mut live = caller.shared.records.borrow_mut();
    let is_counting = caller.setting.counting.get();
    if live.numbers.is_empty() || is_counting && live.inserted < records.inserts {
        live.inserted += u64::from(is_counting);
        return Step::Insert;
    }
    let point = caller.rng.random_range(0..1_000_000);
    let place = caller.rng.random_range(0..live.numbers.len());
    let up_to_select = records.insert_ppm + records.select_ppm;
    if point < records.insert_ppm {
        Step::Insert
    } else if point < up_to_select {
        Step::Select(live.numbers[place])
    } else if point < up_to_select + records.update_ppm {
        Step::Update(live.numbers[place])
    } else {
        // Nobody asks for it from now on.
        Step::Delete(live.numbers.swap_remove(place))
    }
}

/// A number that no record of the workload has had.
fn next_number<W: World>(caller: &Caller<W>) -> u64 {
    let mut used = caller.setting.records.borrow_mut();
    let next = used.entry(caller.shared.plan.name.clone()).or_default();
    *next += 1;
    *next - 1
}

fn delete(key: &str) -> (Action, Command) {
    let action = Action::Delete { key: key.into() };
    let command = Command::Cache(CacheCommand::Delete {
        keys: vec![Bytes::copy_from_slice(key.as_bytes())],
    });
    (action, command)
}
