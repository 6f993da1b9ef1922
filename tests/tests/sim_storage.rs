//! The simulated disk keeps the contract of a disk, and the cluster's stores keep openraft's
//! on top of it.

use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use squall::backend::sim::disk::SimDisk;
use squall::backend::sim::solo;
use squall::backend::sim::world::SimWorld;
use squall::plan::{DiskPlan, Seed};
use squall_cluster::raft::TypeConfig;
use squall_cluster::raft::log_store::LogStore;
use squall_cluster::raft::state_machine::StateMachine;
use squall_cluster::state::Limits;
use squall_cluster::storage::contract::check_disk_contract;

fn disk() -> SimDisk {
    let plan = DiskPlan {
        sync_min_us: 200,
        sync_max_us: 2_000,
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
        let log = LogStore::open(disk, 1, |_| ()).await;
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
