//! The simulated disk keeps the contract of a disk, and the cluster's stores keep openraft's
//! on top of it; its faults are met, and what they damage is noticed.

use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use squall::fault::DiskFault;
use squall::plan::{DiskPlan, Seed};
use squall_cluster::raft::TypeConfig;
use squall_cluster::raft::log_store::LogStore;
use squall_cluster::raft::state_machine::StateMachine;
use squall_cluster::state::Limits;
use squall_cluster::storage::contract::check_disk_contract;
use squall_cluster::storage::{Disk, DiskFile, OpenError, Record, Recovered, Wal};
use squall_engine::executor;
use squall_engine::solo;
use squall_sim::disk::SimDisk;
use squall_sim::world::SimWorld;

fn disk() -> SimDisk {
    let plan = DiskPlan {
        sync_min_us: 200,
        sync_max_us: 2_000,
        measured_sync: None,
    };
    SimDisk::new(&plan, 1, Seed(1).rng())
}

#[test]
fn the_simulated_disk_keeps_the_contract() {
    solo::block_on(Seed(1), async { check_disk_contract(disk()).await });
}

struct OnSimDisk;

type Stores = ((), LogStore<SimWorld>, StateMachine<SimWorld>);

impl StoreBuilder<TypeConfig<SimWorld>, LogStore<SimWorld>, StateMachine<SimWorld>> for OnSimDisk {
    async fn build(&self) -> Result<Stores, StorageError<TypeConfig<SimWorld>>> {
        let disk = disk();
        let machine = StateMachine::open(disk.clone(), Limits::default()).await;
        let log = LogStore::open(disk, 1, None, |_| ()).await;
        Ok((
            (),
            log.expect("an empty disk has no damaged log"),
            machine.expect("an empty disk has no damaged snapshot"),
        ))
    }
}

#[test]
fn the_stores_keep_openrafts_contract_on_the_simulated_disk() {
    let suite = async { Suite::test_all(OnSimDisk).await.map_err(|e| e.to_string()) };
    solo::block_on(Seed(1), suite).expect("openraft's suite passes");
}

/// A log of `count` synced batches, sealed as it is when a node rests.
async fn log(disk: &SimDisk, count: u64) -> Wal<SimDisk> {
    let (mut wal, _) = Wal::open(disk.clone()).await.expect("an empty disk");
    for index in 1..=count {
        wal.write(&[entry(index)]).await.expect("no fault yet");
        wal.sync().await.expect("no fault yet");
    }
    wal.seal().await.expect("no fault yet");
    wal
}

fn entry(index: u64) -> Record {
    let data = vec![index as u8; 100].into();
    Record::Entry { index, data }
}

async fn reopened(disk: &SimDisk) -> Result<Recovered, OpenError> {
    Wal::open(disk.clone())
        .await
        .map(|(_, recovered)| recovered)
}

/// What was written last may be torn; nothing before it, and never without notice.
#[test]
fn damage_to_a_log_at_rest_is_always_refused() {
    for seed in 0..200 {
        solo::block_on(Seed(seed), async move {
            let plan = DiskPlan {
                sync_min_us: 200,
                sync_max_us: 2_000,
                measured_sync: None,
            };
            let disk = SimDisk::new(&plan, seed, Seed(seed).rng());
            drop(log(&disk, 40).await);
            let what = disk.rot().expect("the log is long enough");
            match reopened(&disk).await {
                Err(OpenError::Damaged { .. } | OpenError::NotOurs { .. }) => {}
                Err(OpenError::Version { .. }) => {}
                other => panic!("seed {seed}: {what}: {other:?}"),
            }
        });
    }
}

/// Nobody can know that it had been synced: the log opens, and is shorter.
#[test]
fn a_log_that_has_lost_its_end_is_a_shorter_one() {
    for seed in 0..50 {
        solo::block_on(Seed(seed), async move {
            let plan = DiskPlan {
                sync_min_us: 200,
                sync_max_us: 2_000,
                measured_sync: None,
            };
            let disk = SimDisk::new(&plan, seed, Seed(seed).rng());
            drop(log(&disk, 40).await);
            disk.lose_power();
            let [before, after] = disk.lose_tail(1_000).expect("there is a log");
            assert!((500..=1_000).contains(&(before.len() - after.len())));
            let recovered = reopened(&disk).await.expect("no damage shows");
            let entries: Vec<u64> = recovered.entries.into_keys().collect();
            let left = entries.len() as u64;
            assert_eq!(entries, Vec::from_iter(1..=left), "seed {seed}");
            // A batch of one entry takes 153 bytes, the empty one at the end 40.
            assert!((33..=36).contains(&left), "seed {seed}: {left}");
        });
    }
    let all = solo::block_on(Seed(1), async {
        let disk = disk();
        drop(log(&disk, 40).await);
        disk.lose_tail(1 << 30).expect("there is a log");
        reopened(&disk).await.expect("no damage shows")
    });
    assert_eq!(all, Recovered::default());
}

/// A node that dies while it replaces a snapshot leaves two, and reads only the newer one.
#[test]
fn rot_strikes_what_is_still_read() {
    solo::block_on(Seed(1), async {
        let disk = disk();
        for name in [
            "snapshot-00000000000000000001",
            "snapshot-00000000000000000002",
        ] {
            let file = disk.open(name, true).await.expect("an empty disk");
            file.write_at(0, &[7; 100]).await.expect("no fault");
            file.sync().await.expect("no fault");
        }
        for _ in 0..20 {
            let what = disk.rot().expect("there are two snapshots");
            assert!(what.ends_with("of snapshot-00000000000000000002"), "{what}");
        }
    });
}

#[test]
fn rot_of_a_file_that_was_just_renamed_is_there_to_be_read() {
    solo::block_on(Seed(1), async {
        let disk = disk();
        let name = "snapshot-00000000000000000001";
        let file = disk.open("snapshot-00000000000000000001.tmp", true).await;
        let file = file.expect("an empty disk");
        file.write_at(0, &[7; 100]).await.expect("no fault");
        file.sync().await.expect("no fault");
        drop(file);
        let renamed = disk.rename("snapshot-00000000000000000001.tmp", name).await;
        renamed.expect("no fault");
        // A process that dies here has not synced the directory yet; the next one does.
        let what = disk.rot().expect("there is a snapshot");
        disk.sync_dir().await.expect("no fault");
        let file = disk.open(name, false).await.expect("it is there");
        let found = file.read_at(0, 100).await.expect("no fault");
        assert_ne!(found, [7; 100], "{what}");
    });
}

#[test]
fn rot_in_the_very_last_batch_is_refused_too() {
    solo::block_on(Seed(1), async {
        let disk = disk();
        let wal = log(&disk, 10).await;
        let end = wal.bytes();
        drop(wal);
        let file = disk.open("wal", false).await.expect("there is a log");
        // Behind it is the empty batch of 40 bytes, and nothing else.
        file.write_at(end - 41, &[0xff]).await.expect("no fault");
        let refused = reopened(&disk).await;
        assert!(
            matches!(refused, Err(OpenError::Damaged { .. })),
            "{refused:?}"
        );
    });
}

#[test]
fn a_misdirected_write_is_noticed_at_the_next_start() {
    solo::block_on(Seed(1), async {
        let disk = disk();
        let mut wal = log(&disk, 40).await;
        disk.install(7, DiskFault::MisdirectedWrite);
        wal.write(&[entry(41)])
            .await
            .expect("the disk says nothing");
        wal.sync().await.expect("the disk says nothing");
        assert_eq!(disk.met(7), 1);
        wal.write(&[entry(42)])
            .await
            .expect("only one write goes astray");
        wal.sync().await.expect("the disk says nothing");
        assert_eq!(disk.lift(7), 1);
        drop(wal);
        let refused = reopened(&disk).await;
        assert!(
            matches!(refused, Err(OpenError::Damaged { .. })),
            "{refused:?}"
        );
    });
}

#[test]
fn a_torn_write_is_cut_off_and_nothing_else() {
    solo::block_on(Seed(1), async {
        let disk = disk();
        let mut wal = log(&disk, 5).await;
        assert!(!disk.is_writing());
        wal.write(&[entry(6)]).await.expect("no fault yet");
        assert!(disk.is_writing());
        drop(wal);
        let what = disk.tear().expect("a write was under way");
        let recovered = reopened(&disk).await.expect("a torn tail is normal");
        assert_eq!(recovered.entries.len(), 5, "{what}");
        assert!(recovered.torn_bytes > 0, "{what}");
    });
}

#[test]
fn failing_operations_meet_their_fault_and_the_log_gives_up() {
    for (id, fault) in [
        (1, DiskFault::FailingSync),
        (2, DiskFault::WriteError),
        (3, DiskFault::Full),
    ] {
        solo::block_on(Seed(1), async move {
            let disk = disk();
            let mut wal = log(&disk, 5).await;
            disk.install(id, fault);
            let written = wal.write(&[entry(6)]).await;
            let failed = match written {
                Ok(()) => wal.sync().await.is_err(),
                Err(_) => true,
            };
            assert!(failed, "{}", fault.kind());
            assert!(disk.lift(id) > 0, "{}", fault.kind());
            // Healed or not: nobody knows what is on the disk before it is read again.
            assert!(wal.sync().await.is_err(), "{}", fault.kind());
            drop(wal);
            let recovered = reopened(&disk).await.expect("the disk works again");
            assert!(recovered.entries.len() >= 5, "{}", fault.kind());
        });
    }
}

#[test]
fn reads_fail_and_syncs_drag_while_the_fault_lasts() {
    solo::block_on(Seed(1), async {
        let disk = disk();
        drop(log(&disk, 5).await);
        disk.install(1, DiskFault::ReadError);
        let refused = reopened(&disk).await;
        assert!(matches!(refused, Err(OpenError::Io(_))), "{refused:?}");
        assert!(disk.lift(1) > 0);
        let by_us = 50_000;
        disk.install(2, DiskFault::SlowSync(by_us));
        let (mut wal, _) = Wal::open(disk.clone()).await.expect("readable again");
        let before = executor::current().now();
        wal.sync().await.expect("slow is not broken");
        let took_us = (executor::current().now() - before) / 1_000;
        assert!((50_200..=52_000).contains(&took_us), "{took_us} us");
        assert!(disk.lift(2) > 0);
    });
}

#[test]
fn clocks_go_wrong_from_a_moment_on_and_never_back() {
    solo::block_on(Seed(1), async {
        let executor = executor::current();
        let host = executor.host();
        let second = 1_000_000_000;
        let (local, wall_ms) = (executor.local_now(), executor.local_wall_ms());
        executor.set_clock(host, 5_000_000, 100_000);
        assert_eq!(executor.local_now(), local);
        assert_eq!(executor.local_wall_ms(), wall_ms + 5_000);
        executor.sleep_until_local(local + 11 * second).await;
        // A clock that runs 10% fast counts 11 s in 10 s.
        assert_eq!(executor.now() / second, 10);
        assert!(executor.local_now() >= local + 11 * second);
        executor.set_clock(host, 0, 0);
        let counted = executor.local_now();
        executor.sleep_until_local(counted + second).await;
        assert_eq!(executor.local_now(), counted + second);
    });
}
