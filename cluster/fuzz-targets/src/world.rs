//! A world in memory: pipes for sockets, and a clock that goes on when everybody waits.

#![allow(clippy::disallowed_methods)] // the seam of this world

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::mem::ManuallyDrop;
use std::time::Duration;

use squall_cluster::event::NodeEvent;
use squall_cluster::storage::MemoryDisk;
use squall_cluster::world::{Instant, World};
use tokio::io::DuplexStream;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Bytes that a connection holds which nobody has read yet.
const PIPE_BYTES: usize = 64 * 1024;
/// So that subtracting a timeout never hits zero.
const HEAD_START: Duration = Duration::from_secs(3_600);

thread_local! {
    // Not dropped with its thread: whoever listens would be woken without an event loop.
    static LISTENERS: RefCell<ManuallyDrop<BTreeMap<String, UnboundedSender<DuplexStream>>>> =
        const { RefCell::new(ManuallyDrop::new(BTreeMap::new())) };
    static BEGUN: Cell<Option<tokio::time::Instant>> = const { Cell::new(None) };
    static DRAWN: Cell<u64> = const { Cell::new(0) };
}

/// The world of this thread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct FuzzWorld;

/// An event loop for the world, as it was at its beginning.
pub fn begin() -> Runtime {
    LISTENERS.with_borrow_mut(|all| all.clear());
    BEGUN.set(None);
    DRAWN.set(0);
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    runtime.expect("the system grants an event loop")
}

impl World for FuzzWorld {
    type Stream = DuplexStream;
    type Listener = UnboundedReceiver<DuplexStream>;
    type Sleep = tokio::time::Sleep;
    type Disk = MemoryDisk;

    fn now() -> Instant {
        let now = tokio::time::Instant::now();
        let begun = BEGUN.get().unwrap_or(now);
        BEGUN.set(Some(begun));
        let passed = HEAD_START + (now - begun);
        Instant(passed.as_nanos() as u64)
    }

    fn wall_clock_ms() -> u64 {
        Self::now().0 / 1_000_000
    }

    fn sleep_until(deadline: Instant) -> Self::Sleep {
        let rest = (deadline - Self::now()).min(Duration::from_secs(365 * 86_400));
        tokio::time::sleep(rest)
    }

    fn spawn(task: impl Future<Output = ()> + 'static) {
        tokio::task::spawn_local(task);
    }

    /// SplitMix64.
    fn random_u64() -> u64 {
        let drawn = DRAWN.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
        DRAWN.set(drawn);
        let mixed = (drawn ^ (drawn >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    async fn listen(address: &str) -> io::Result<Self::Listener> {
        let (sender, listener) = unbounded_channel();
        LISTENERS.with_borrow_mut(|all| all.insert(address.to_owned(), sender));
        Ok(listener)
    }

    async fn accept(listener: &mut Self::Listener) -> io::Result<DuplexStream> {
        let accepted = listener.recv().await;
        accepted.ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    async fn connect(address: &str) -> io::Result<DuplexStream> {
        let (near, far) = tokio::io::duplex(PIPE_BYTES);
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        LISTENERS.with_borrow(|all| {
            let listener = all.get(address).ok_or_else(refused)?;
            listener.send(far).map_err(|_| refused())
        })?;
        Ok(near)
    }

    fn emit(_: NodeEvent) {}
}
