//! The classic `turmoil` engine as a [`World`]: the same nodes, another simulation.
//!
//! It exists only to be compared with. Hosts run on tokio runtimes whose clocks `turmoil`
//! moves tick by tick; what nodes say about themselves is not kept, in this world's favour.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use squall_world::event::NodeEvent;
use squall_world::{Instant, World};
use turmoil::net::{TcpListener, TcpStream};

use crate::turmoil_disk::TurmoilDisk;

/// Where clocks start, so that subtracting a timeout never hits zero.
const START: Duration = Duration::from_secs(3_600);
/// A deadline too far away to represent is as good as this.
const FAR: Duration = Duration::from_secs(365 * 86_400);

thread_local! {
    static RNG: RefCell<ChaCha8Rng> = RefCell::new(ChaCha8Rng::seed_from_u64(0));
}

/// Starts this thread's random numbers.
pub fn seed(seed: u64) {
    RNG.set(ChaCha8Rng::seed_from_u64(seed));
}

/// A host of the `turmoil` simulation on this thread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct TurmoilWorld;

impl World for TurmoilWorld {
    type Stream = TcpStream;
    type Listener = TcpListener;
    type Sleep = tokio::time::Sleep;
    type Disk = TurmoilDisk;

    fn now() -> Instant {
        // Nothing reads the clock outside a host but what is dropped there.
        let elapsed = turmoil::sim_elapsed().unwrap_or_default();
        Instant(0) + START + elapsed
    }

    fn wall_clock_ms() -> u64 {
        turmoil::since_epoch().unwrap_or_default().as_millis() as u64
    }

    #[allow(clippy::disallowed_methods)] // the seam itself; the runtime's clock is virtual
    fn sleep_until(deadline: Instant) -> Self::Sleep {
        tokio::time::sleep((deadline - Self::now()).min(FAR))
    }

    #[allow(clippy::disallowed_methods)] // the seam itself
    fn spawn(task: impl Future<Output = ()> + 'static) {
        tokio::task::spawn_local(task);
    }

    fn random_u64() -> u64 {
        RNG.with_borrow_mut(Rng::next_u64)
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

    fn emit(_: NodeEvent) {}
}
