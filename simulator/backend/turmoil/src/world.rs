//! Classic `turmoil` as a [`World`]: the same nodes on another simulation.

use std::future::Future;
use std::io;
use std::time::Duration;

use squall_world::event::NodeEvent;
use squall_world::{Instant, World};
use turmoil::net::{TcpListener, TcpStream};

use super::disk::TurmoilDisk;
use super::host;

/// Where monotonic clocks start, so that subtracting a timeout never hits zero.
const START: Duration = Duration::from_secs(3_600);
/// Where wall clocks start: 2025-01-01T00:00:00Z.
const WALL_START_MS: u64 = 1_735_689_600_000;
/// A deadline too far away to represent is as good as this.
const FAR: Duration = Duration::from_secs(365 * 86_400);

/// A host of the `turmoil` simulation on this thread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct TurmoilWorld;

impl World for TurmoilWorld {
    type Stream = TcpStream;
    type Listener = TcpListener;
    type Sleep = tokio::time::Sleep;
    type Disk = TurmoilDisk;

    fn now() -> Instant {
        Instant(0) + START + host::elapsed()
    }

    fn wall_clock_ms() -> u64 {
        WALL_START_MS + host::elapsed().as_millis() as u64
    }

    fn sleep_until(deadline: Instant) -> Self::Sleep {
        host::sleep((deadline - Self::now()).min(FAR))
    }

    fn spawn(task: impl Future<Output = ()> + 'static) {
        host::spawn(task);
    }

    fn random_u64() -> u64 {
        host::random_u64()
    }

    async fn listen(address: &str) -> io::Result<TcpListener> {
        TcpListener::bind(address).await
    }

    async fn accept(listener: &mut TcpListener) -> io::Result<TcpStream> {
        listener.accept().await.map(|(stream, _)| stream)
    }

    async fn connect(address: &str) -> io::Result<TcpStream> {
        TcpStream::connect(address).await
    }

    fn emit(event: NodeEvent) {
        host::emit(event);
    }
}
