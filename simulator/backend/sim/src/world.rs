//! The simulated [`World`]: what a node sees of a simulation.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::rc::Rc;

use squall_world::event::NodeEvent;
use squall_world::point::Point;
use squall_world::{Instant, World};
use turmoil_net::shim::tokio::net::TcpListener;

use super::disk::SimDisk;
use super::points;
use super::stream::SimStream;
use squall_engine::executor::{self, HostId, Sleep};

/// Receives events of nodes.
pub type EventSink = Rc<dyn Fn(HostId, NodeEvent)>;

thread_local! {
    static SINK: RefCell<Option<EventSink>> = const { RefCell::new(None) };
}

/// Sets what receives events of nodes on this thread.
pub fn set_event_sink(sink: Option<EventSink>) {
    SINK.with_borrow_mut(|slot| *slot = sink);
}

/// A node of the simulation that runs on this thread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct SimWorld;

impl World for SimWorld {
    type Stream = SimStream;
    type Listener = TcpListener;
    type Sleep = Sleep;
    type Disk = SimDisk;

    fn now() -> Instant {
        Instant(executor::current().local_now())
    }

    fn wall_clock_ms() -> u64 {
        executor::current().local_wall_ms()
    }

    fn sleep_until(deadline: Instant) -> Sleep {
        executor::current().sleep_until_local(deadline.0)
    }

    fn spawn(task: impl Future<Output = ()> + 'static) {
        executor::current().spawn(task);
    }

    fn random_u64() -> u64 {
        executor::current().random_u64()
    }

    async fn listen(address: &str) -> io::Result<TcpListener> {
        TcpListener::bind(address).await
    }

    async fn accept(listener: &mut TcpListener) -> io::Result<SimStream> {
        let (stream, _) = listener.accept().await?;
        Ok(SimStream::from(stream))
    }

    async fn connect(address: &str) -> io::Result<SimStream> {
        SimStream::connect(address).await
    }

    async fn pass(point: Point) {
        points::pass(point).await;
    }

    fn emit(event: NodeEvent) {
        let sink = SINK.with_borrow(Option::clone);
        if let Some(sink) = sink {
            sink(executor::current().host(), event);
        }
    }
}
