//! The real world with a disk in memory, for tests and benchmarks of what stores.

use std::future::Future;
use std::io;

use squall_cluster::event::NodeEvent;
use squall_cluster::storage::MemoryDisk;
use squall_cluster::world::tls::Handshake;
use squall_cluster::world::{Instant, RealStream, RealWorld, World};
use tokio::net::TcpListener;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct MemoryWorld;

impl World for MemoryWorld {
    type Stream = RealStream;
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
    async fn accept(listener: &mut TcpListener) -> io::Result<RealStream> {
        RealWorld::accept(listener).await
    }
    async fn connect(address: &str) -> io::Result<RealStream> {
        RealWorld::connect(address).await
    }
    async fn secure(stream: RealStream, handshake: &Handshake) -> io::Result<RealStream> {
        RealWorld::secure(stream, handshake).await
    }
    fn certificates_of(stream: &RealStream) -> Vec<Vec<u8>> {
        RealWorld::certificates_of(stream)
    }
    fn emit(_: NodeEvent) {}
}
