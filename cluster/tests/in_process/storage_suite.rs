//! openraft's contract for log stores and state machines, put to ours.
//!
//! The suite is openraft's (`openraft::testing::log`), run over the real disk and over the one
//! in memory. It covers neither crashes, which are tested with the storage itself, nor what a
//! failing disk does to a node, which is tested here.

use std::time::Duration;

use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use squall_cluster::client::{CallError, Client};
use squall_cluster::node::Node;
use squall_cluster::raft::log_store::LogStore;
use squall_cluster::raft::state_machine::StateMachine;
use squall_cluster::raft::{Members, RaftWorld, TypeConfig};
use squall_cluster::state::Limits;
use squall_cluster::state::command::{CacheCommand, Command};
use squall_cluster::storage::{MemoryDisk, RealDisk};
use squall_cluster::world::{self, RealWorld, World};
use tempfile::TempDir;

use crate::memory_world::MemoryWorld;
use crate::nodes::{free_address, options, run};

async fn open<W: RaftWorld>(disk: W::Disk) -> (LogStore<W>, StateMachine<W>) {
    let machine = StateMachine::open(disk.clone(), Limits::default()).await;
    let log = LogStore::open(disk, 1, None, |_| ()).await;
    (
        log.expect("an empty disk has no damaged log"),
        machine.expect("an empty disk has no damaged snapshot"),
    )
}

struct OnRealDisk;

impl StoreBuilder<TypeConfig<RealWorld>, LogStore<RealWorld>, StateMachine<RealWorld>, TempDir>
    for OnRealDisk
{
    async fn build(
        &self,
    ) -> Result<
        (TempDir, LogStore<RealWorld>, StateMachine<RealWorld>),
        StorageError<TypeConfig<RealWorld>>,
    > {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let disk = RealDisk::open(directory.path()).expect("a fresh directory is free");
        let (log, machine) = open(disk).await;
        Ok((directory, log, machine))
    }
}

#[test]
fn the_stores_keep_openrafts_contract_on_a_real_disk() {
    run(Suite::test_all(OnRealDisk)).expect("openraft's suite passes");
}

struct OnMemoryDisk;

impl StoreBuilder<TypeConfig<MemoryWorld>, LogStore<MemoryWorld>, StateMachine<MemoryWorld>>
    for OnMemoryDisk
{
    async fn build(
        &self,
    ) -> Result<
        ((), LogStore<MemoryWorld>, StateMachine<MemoryWorld>),
        StorageError<TypeConfig<MemoryWorld>>,
    > {
        let (log, machine) = open(MemoryDisk::new()).await;
        Ok(((), log, machine))
    }
}

#[test]
fn the_stores_keep_openrafts_contract_on_a_disk_in_memory() {
    run(Suite::test_all(OnMemoryDisk)).expect("openraft's suite passes");
}

#[test]
fn a_node_whose_disk_fails_to_sync_acknowledges_nothing_and_ends_at_once() {
    run(async {
        let address = free_address();
        let members = Members::from([(1, address.clone())]);
        let options = options(1, &address, &members);
        let disk = MemoryDisk::new();
        let node = Node::<MemoryWorld>::start(options, disk.clone()).await;
        let node = node.expect("the port is free and the disk is empty");
        let mut client = Client::<MemoryWorld>::new(vec![address], 0);
        let command = Command::Cache(CacheCommand::Increment {
            key: "counter".into(),
            by: 1,
        });
        let patience = Duration::from_secs(10);
        let mut write = async || {
            let deadline = MemoryWorld::now() + patience;
            client.write(None, &command, 0, deadline).await
        };
        write().await.expect("the disk works so far");

        disk.fail_sync(1);
        let answer = write().await;
        assert!(
            matches!(answer, Err(CallError::Indefinite(_))),
            "{answer:?}"
        );
        let ended = world::timeout::<MemoryWorld, _>(Duration::from_secs(1), node.ended()).await;
        let why = ended.expect("the node ends at once");
        assert!(why.contains("the disk failed to sync"), "{why}");
        assert!(!node.is_stopping(), "nobody asked it to");
    });
}
