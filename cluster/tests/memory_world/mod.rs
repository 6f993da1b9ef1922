//! The real world with a disk in memory, for tests and benchmarks of what stores.

use std::future::Future;
use std::io;

use squall_cluster::event::NodeEvent;
use squall_cluster::storage::MemoryDisk;
use squall_cluster::world::{Instant, RealWorld, World};
use tokio::net::{TcpListener, TcpStream};

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct MemoryWorld;

impl World for MemoryWorld {
    type Stream = TcpStream;
    type Listener = TcpListener;
    type Sleep = <RealWorld as World>::Sleep;
    type Disk = MemoryDisk;

    fn now() -> Instant {
        RealWorld::now()
    }
    fn wall_clock_ms() -> u64 {
        RealWorld::wall_clock_ms()
    }
    fn sleep_until(deadline: Instant) -> Self::Sleep {
        RealWorld::sleep_until(deadline)
    }
    fn spawn(task: impl Future<Output = ()> + 'static) {
        RealWorld::spawn(task);
    }
    fn random_u64() -> u64 {
        RealWorld::random_u64()
    }
    async fn listen(address: &str) -> io::Result<TcpListener> {
        RealWorld::listen(address).await
    }
    async fn accept(listener: &mut TcpListener) -> io::Result<TcpStream> {
        RealWorld::accept(listener).await
    }
    async fn connect(address: &str) -> io::Result<TcpStream> {
        RealWorld::connect(address).await
    }
    fn emit(_: NodeEvent) {}
}
