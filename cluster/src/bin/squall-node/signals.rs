//! Requests to stop: SIGTERM, SIGINT, and the end of standard input where it is listened to.
//!
//! The end of standard input is how a parent stops its children without sending signals, and
//! it works even when the parent was killed: the kernel closes the pipe.

use std::io;
use std::pin::pin;

use futures_util::future::{Either, select};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

pub struct StopRequests {
    terminate: Signal,
    interrupt: Signal,
    end_of_input: Option<oneshot::Receiver<()>>,
}

impl StopRequests {
    /// From now on, signals no longer end the process by themselves.
    pub fn listen(stop_on_eof: bool) -> Result<Self, String> {
        let failed = |e: io::Error| format!("cannot listen for signals: {e}");
        Ok(Self {
            terminate: signal(SignalKind::terminate()).map_err(failed)?,
            interrupt: signal(SignalKind::interrupt()).map_err(failed)?,
            end_of_input: stop_on_eof.then(end_of_input),
        })
    }

    /// Waits for the next request; what it was.
    pub async fn next(&mut self) -> &'static str {
        let end_of_input = async {
            match &mut self.end_of_input {
                // A reader that failed has seen the end as well.
                Some(end) => drop(end.await),
                None => std::future::pending().await,
            }
        };
        let terminate = pin!(self.terminate.recv());
        let interrupt = pin!(self.interrupt.recv());
        let signals = select(terminate, interrupt);
        match select(signals, pin!(end_of_input)).await {
            Either::Left((Either::Left(_), _)) => "SIGTERM",
            Either::Left((Either::Right(_), _)) => "SIGINT",
            Either::Right(_) => {
                self.end_of_input = None;
                "end of standard input"
            }
        }
    }
}

/// Reads standard input to its end on a thread of its own, which nobody waits for: it would
/// otherwise keep the process alive as long as the input is open.
#[allow(clippy::disallowed_methods)] // the rim of the real world, not part of a node
fn end_of_input() -> oneshot::Receiver<()> {
    let (ended, end) = oneshot::channel();
    std::thread::spawn(move || {
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        // The process may be stopping already.
        let _ = ended.send(());
    });
    end
}
