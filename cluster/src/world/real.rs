//! The real world: tokio on the operating system.
//!
//! The node runs on a current-thread tokio runtime inside a `LocalSet`, as Redis runs on one
//! thread: what a node does is then ordered, and the cluster code needs no locks.

use std::future::Future;
use std::io;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rand::Rng;
use tokio::net::{TcpListener, TcpStream};

use super::{Instant, World};
use crate::event::NodeEvent;
use crate::storage::RealDisk;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct RealWorld;

/// Start of the process's monotonic clock.
#[allow(clippy::disallowed_methods)] // the seam itself
fn start() -> tokio::time::Instant {
    static START: OnceLock<tokio::time::Instant> = OnceLock::new();
    *START.get_or_init(tokio::time::Instant::now)
}

/// The machine's monotonic clock (`CLOCK_MONOTONIC`), microseconds. Unlike [`World::now`] of
/// this world it is the same for every process and container of a machine.
pub fn machine_clock_us() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000 + now.tv_nsec as u64 / 1_000
}

impl World for RealWorld {
    type Stream = TcpStream;
    type Listener = TcpListener;
    type Sleep = tokio::time::Sleep;
    type Disk = RealDisk;

    fn now() -> Instant {
        // One hour of head start, so that subtracting a timeout never hits zero.
        Instant(3_600_000_000_000 + start().elapsed().as_nanos() as u64)
    }

    #[allow(clippy::disallowed_methods)] // the seam itself
    fn wall_clock_ms() -> u64 {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or(Duration::ZERO)
            .as_millis() as u64
    }

    #[allow(clippy::disallowed_methods)] // the seam itself
    fn sleep_until(deadline: Instant) -> Self::Sleep {
        let from_start = Duration::from_nanos(deadline.0.saturating_sub(3_600_000_000_000));
        // A deadline too far away to represent is as good as a year from now.
        let at = start()
            .checked_add(from_start)
            .unwrap_or_else(|| start() + Duration::from_secs(365 * 86_400));
        tokio::time::sleep_until(at)
    }

    #[allow(clippy::disallowed_methods)] // the seam itself
    fn spawn(task: impl Future<Output = ()> + 'static) {
        tokio::task::spawn_local(task);
    }

    #[allow(clippy::disallowed_methods)] // the seam itself
    fn random_u64() -> u64 {
        rand::rng().next_u64()
    }

    async fn listen(address: &str) -> io::Result<TcpListener> {
        TcpListener::bind(address).await
    }

    async fn accept(listener: &mut TcpListener) -> io::Result<TcpStream> {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    async fn connect(address: &str) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    #[allow(clippy::disallowed_methods)] // the seam itself
    async fn compute<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
        // A planted bug is active on the thread that chose it.
        #[cfg(feature = "planted")]
        let work = {
            let bug = crate::planted::current();
            move || {
                crate::planted::activate(bug);
                work()
            }
        };
        let done = tokio::task::spawn_blocking(work).await;
        done.expect("the work does not panic, and the runtime outlives its tasks")
    }

    /// One JSON object a line on standard output, stamped with the wall clock and with the
    /// machine's monotonic clock, which all processes of a machine share.
    fn emit(event: NodeEvent) {
        #[derive(serde::Serialize)]
        struct Line {
            wall_ms: u64,
            monotonic_us: u64,
            #[serde(flatten)]
            event: NodeEvent,
        }
        let line = Line {
            wall_ms: Self::wall_clock_ms(),
            monotonic_us: machine_clock_us(),
            event,
        };
        let text = serde_json::to_string(&line).expect("an event is plain data");
        // A closed standard output must not bring the node down.
        let _ = io::Write::write_all(&mut io::stdout().lock(), format!("{text}\n").as_bytes());
    }
}
