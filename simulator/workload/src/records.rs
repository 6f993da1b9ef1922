//! Cache clients that keep records: insert, select, update and delete in stated shares.
//!
//! The clients of a workload are the processes of one application: they know which records
//! there are, insert under numbers that are never used again, and touch nothing that was
//! deleted. A record that may or may not have been inserted is left alone; the audit looks
//! at all numbers that were used.

use rand::RngExt;

use super::keys::key_name;
use super::reader::Reader;
use super::{Client, Over};
use squall_history::Action;
use squall_plan::plan::{Records, WorkloadKind};

/// What is done next.
enum Step {
    Insert,
    Select(u64),
    Update(u64),
    Delete(u64),
}

pub(super) async fn run(mut client: Client) {
    let WorkloadKind::Cache { mix, .. } = client.shared.plan.kind.clone() else {
        unreachable!("a cache client has a cache workload")
    };
    let records = mix.records.expect("started for a mix of records");
    let mut reader = Reader::new(&client, &mix);
    // Ends when the workload is over.
    while step(&mut client, &mut reader, &records).await.is_ok() {}
}

async fn step(client: &mut Client, reader: &mut Reader, records: &Records) -> Result<(), Over> {
    let intended_us = client.next().await?;
    let workload = client.shared.plan.name.clone();
    match choose(client, records) {
        Step::Select(number) => {
            reader
                .read(client, intended_us, &key_name(&workload, number))
                .await;
        }
        Step::Update(number) => {
            let set = set(client, key_name(&workload, number));
            client.ask(intended_us, set).await;
        }
        Step::Insert => {
            let number = next_number(client);
            let set = set(client, key_name(&workload, number));
            let outcome = client.ask(intended_us, set).await;
            if outcome.is_acknowledged() {
                client.shared.records.borrow_mut().numbers.push(number);
            }
        }
        Step::Delete(number) => {
            let key = key_name(&workload, number);
            client.ask(intended_us, Action::Delete { key }).await;
        }
    }
    Ok(())
}

fn choose(client: &mut Client, records: &Records) -> Step {
    let mut live = client.shared.records.borrow_mut();
    let is_counting = client.context.counting.get();
    if live.numbers.is_empty() || is_counting && live.inserted < records.inserts {
        live.inserted += u64::from(is_counting);
        return Step::Insert;
    }
    let point = client.rng.random_range(0..1_000_000);
    let place = client.rng.random_range(0..live.numbers.len());
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
fn next_number(client: &Client) -> u64 {
    let mut used = client.context.records.borrow_mut();
    let next = used.entry(client.shared.plan.name.clone()).or_default();
    *next += 1;
    *next - 1
}

fn set(client: &mut Client, key: String) -> Action {
    Action::Set {
        key,
        value: client.fresh_value(),
        bytes: client.payload_bytes(),
    }
}
