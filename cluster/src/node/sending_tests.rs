use tokio::io::{AsyncReadExt, DuplexStream};

use super::*;
use crate::event::NodeEvent;
use crate::node::clients::Clients;
use crate::protocol::KillFilter;
use crate::storage::MemoryDisk;
use crate::world::Instant;

/// A world in which every time has come already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Hasty;

impl World for Hasty {
    type Stream = DuplexStream;
    type Listener = ();
    type Sleep = std::future::Ready<()>;
    type Disk = MemoryDisk;

    fn now() -> Instant {
        Instant(0)
    }
    fn wall_clock_ms() -> u64 {
        0
    }
    fn sleep_until(_: Instant) -> Self::Sleep {
        std::future::ready(())
    }
    fn spawn(_: impl Future<Output = ()> + 'static) {}
    fn random_u64() -> u64 {
        0
    }
    async fn listen(_: &str) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
    async fn accept((): &mut ()) -> io::Result<DuplexStream> {
        Err(io::ErrorKind::Unsupported.into())
    }
    async fn connect(_: &str) -> io::Result<DuplexStream> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn emit(_: NodeEvent) {}
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime
        .expect("the system grants an event loop")
        .block_on(test);
}

#[test]
fn who_takes_nothing_in_time_is_given_up() {
    run(async {
        let client = Clients::default().add(1, String::new(), Instant(0));
        let (mut near, mut far) = tokio::io::duplex(8);
        let sent = client
            .write::<Hasty>(&mut near, b"more than it takes")
            .await;
        assert_eq!(sent.map_err(|e| e.kind()), Err(io::ErrorKind::TimedOut));
        let mut taken = [0; 8];
        far.read_exact(&mut taken).await.expect("it is there");
        assert_eq!(&taken, b"more tha");
        // What is taken at once is in time, whatever the clock says.
        let sent = client.write_last::<Hasty>(&mut near, b"it fits").await;
        assert_eq!(sent.map_err(|e| e.kind()), Ok(()));
    });
}

#[test]
fn nothing_more_is_sent_on_a_connection_that_somebody_ends() {
    run(async {
        let clients = Clients::default();
        let client = clients.add(1, String::new(), Instant(0));
        let ended = clients.kill(&KillFilter::default(), 2);
        assert_eq!(ended, 1);
        let waits = client.unless_killed(std::future::pending::<()>()).await;
        let error = io::ErrorKind::ConnectionAborted;
        assert_eq!(waits.map_err(|e| e.kind()), Err(error));
    });
}
