//! The real world: tokio on the operating system.
//!
//! The node runs on a current-thread tokio runtime inside a `LocalSet`, as Redis runs on one
//! thread: what a node does is then ordered, and the cluster code needs no locks.
//!
//! Events go through an [`Outlet`]: whoever reads standard output may stall.

use std::future::Future;
use std::io;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rand::Rng;
use tokio::net::{TcpListener, TcpStream};

use super::{Instant, World};
use crate::disk::RealDisk;
use crate::event::NodeEvent;
use crate::outlet::Outlet;
use crate::stream::RealStream;
use crate::tls::Handshake;

/// The real world: this machine's clock, network and disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct RealWorld;

/// Silence after which the other end of a connection is asked whether it is there, and the time
/// between two such questions, of which the system sends nine.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// How long the last event of a process may take to be written.
const LAST_EVENT_LIMIT: Duration = Duration::from_secs(1);

/// Nanoseconds of a clock of the system.
fn clock_ns(clock: rustix::time::ClockId) -> u64 {
    let now = rustix::time::clock_gettime(clock);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// The clock of leases and timeouts (`CLOCK_BOOTTIME`): unlike the monotonic one it counts
/// the time that the machine was suspended, in which others may have elected a leader.
#[cfg(target_os = "linux")]
const CLOCK: rustix::time::ClockId = rustix::time::ClockId::Boottime;
#[cfg(not(target_os = "linux"))]
const CLOCK: rustix::time::ClockId = rustix::time::ClockId::Monotonic;

/// The machine's monotonic clock (`CLOCK_MONOTONIC`), microseconds. Unlike [`World::now`] of
/// this world it is the same for every process and container of a machine.
pub fn machine_clock_us() -> u64 {
    clock_ns(rustix::time::ClockId::Monotonic) / 1_000
}

impl World for RealWorld {
    type Stream = RealStream;
    type Listener = TcpListener;
    type Sleep = tokio::time::Sleep;
    type Disk = RealDisk;

    fn now() -> Instant {
        // One hour of head start, so that subtracting a timeout never hits zero.
        Instant(3_600_000_000_000 + clock_ns(CLOCK))
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
        // A deadline too far away to represent is as good as a year from now.
        let rest = (deadline - Self::now()).min(Duration::from_secs(365 * 86_400));
        tokio::time::sleep(rest)
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

    async fn accept(listener: &mut TcpListener) -> io::Result<RealStream> {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        // Who is gone without a word, for lack of power or network, is found out.
        rustix::net::sockopt::set_socket_keepalive(&stream, true)?;
        rustix::net::sockopt::set_tcp_keepidle(&stream, KEEPALIVE_IDLE)?;
        rustix::net::sockopt::set_tcp_keepintvl(&stream, KEEPALIVE_INTERVAL)?;
        Ok(stream.into())
    }

    async fn connect(address: &str) -> io::Result<RealStream> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(stream.into())
    }

    async fn secure(stream: RealStream, handshake: &Handshake) -> io::Result<RealStream> {
        stream.secure(handshake).await
    }

    fn certificates_of(stream: &RealStream) -> Vec<Vec<u8>> {
        stream.certificates()
    }

    fn peer_name(stream: &RealStream) -> String {
        let peer = stream.peer_addr();
        peer.map_or(String::new(), |address| address.to_string())
    }

    #[allow(clippy::disallowed_methods)] // the seam itself
    async fn compute<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
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
        // After these the process may end at any moment.
        let is_last = matches!(
            line.event,
            NodeEvent::Stopped { .. } | NodeEvent::Damaged { .. }
        );
        let text = serde_json::to_string(&line).expect("an event is plain data");
        write_event(format!("{text}\n"), is_last);
    }
}

/// Has the line written; waits for it, though not for long, if it may be the last.
fn write_event(line: String, is_last: bool) {
    static OUTLET: OnceLock<Outlet> = OnceLock::new();

    let outlet = OUTLET.get_or_init(|| Outlet::new(io::stdout()));
    match outlet.write(line.into_bytes()) {
        Ok(()) if is_last => outlet.flush(LAST_EVENT_LIMIT),
        Ok(()) => {}
        Err(lost) if lost.is_power_of_two() => {
            tracing::warn!("standard output is not read: {lost} events were lost");
        }
        Err(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_counts_on_and_a_sleep_ends_at_its_deadline() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("the system grants an event loop");
        runtime.block_on(async {
            let begun = RealWorld::now();
            RealWorld::sleep(Duration::from_millis(20)).await;
            let passed = RealWorld::now() - begun;
            assert!(passed >= Duration::from_millis(20), "{passed:?}");
            // A deadline in the past, and one that nobody lives to see.
            RealWorld::sleep_until(begun).await;
            let far = RealWorld::sleep_until(Instant(u64::MAX));
            assert!(!far.is_elapsed());
        });
    }
}
