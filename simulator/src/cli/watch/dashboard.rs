//! The page that shows runs while they work, and their report once they are over.

use std::cell::RefCell;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use squall_watch::board::Board;
use squall_watch::remote_write::RemoteWrite;
use squall_watch::serve::Server;
use squall_world::{RealWorld, World};

use crate::cli::exit::{Failure, unharmed};
use crate::cli::interrupt::Interrupt;
use crate::cli::tell;
use crate::stopwatch::Stopwatch;

const DEFAULT_PORT: u16 = 7_665;
/// For pages that are open to read their report.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked whether somebody wants it to end.
const LOOK: Duration = Duration::from_millis(100);

/// Where to listen.
#[derive(Debug, Clone, Copy)]
pub(super) enum Listen {
    /// On the loopback, at the usual port or any that is free.
    Default,
    At(SocketAddr),
}

/// Publishes the runs of this process, one after the other: as a page, and as metrics.
pub(in crate::cli) struct Dashboard {
    pub(in crate::cli) board: Board,
    server: Option<Server>,
    linger: Option<Duration>,
    remote_write: RefCell<Option<RemoteWrite>>,
}

impl Dashboard {
    /// Starts what is wanted, and says where the page is.
    pub(super) fn open(
        listen: Option<Listen>,
        linger: Option<Duration>,
        remote_write: Option<String>,
    ) -> Result<Self, Failure> {
        let board = Board::default();
        let server = listen.map(|listen| serve(listen, &board)).transpose()?;
        let pushed = remote_write.map(|address| RemoteWrite::start(address, &board));
        Ok(Self {
            board,
            server,
            linger,
            remote_write: RefCell::new(pushed.transpose().map_err(Failure::harness)?),
        })
    }

    /// All runs are over, and this makes their page; it is not made if nobody is there to see it.
    /// Nothing that goes wrong here changes the verdict: it is a warning.
    pub(in crate::cli) fn end(&self, report: impl FnOnce() -> Result<String, Failure>) {
        if let Some(remote_write) = self.remote_write.take()
            && let Err(why) = remote_write.finish()
        {
            tell(&format!("warning: the last remote write failed: {why}"));
        }
        let Some(server) = &self.server else {
            return;
        };
        // Before the report is there, which says to whoever waits for it that it lingers.
        let interrupt = self.linger.map(|time| (time, Interrupt::listen()));
        if interrupt.is_some() || server.is_watched() {
            match unharmed(report) {
                Ok(report) => self.board.end(report),
                Err(why) => tell(&format!("warning: no report for the dashboard: {why}")),
            }
        }
        match interrupt {
            None if self.board.report().is_some() => server.see_out(PATIENCE),
            None => {}
            Some((time, Ok(interrupt))) => linger(time, &interrupt),
            Some((_, Err(failure))) => {
                tell(&format!("warning: no --linger: {}", failure.message));
            }
        }
    }
}

/// Waits for so long, or until somebody wants it to end.
#[allow(clippy::disallowed_methods)] // people and Prometheus come in the machine's time
fn linger(time: Duration, interrupt: &Interrupt) {
    let watch = Stopwatch::start();
    while let Some(left) = time.checked_sub(watch.elapsed())
        && !interrupt.is_asked()
    {
        std::thread::sleep(left.min(LOOK));
    }
}

fn serve(listen: Listen, board: &Board) -> Result<Server, Failure> {
    let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, DEFAULT_PORT));
    let address = match listen {
        Listen::Default => usual,
        Listen::At(address) => address,
    };
    let token = (!address.ip().is_loopback()).then(token);
    let started = match (Server::start(address, token.clone(), board), listen) {
        (Err(e), Listen::Default) if e.kind() == ErrorKind::AddrInUse => {
            let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            Server::start(any, token, board)
        }
        (started, _) => started,
    };
    let server = started.map_err(|e| {
        Failure::usage(format!(
            "--dashboard cannot listen on {address}: {e}; give another with --dashboard=ADDR"
        ))
    })?;
    tell(&format!("dashboard: {}", server.url()));
    Ok(server)
}

/// 128 bits that nobody can guess.
fn token() -> String {
    format!(
        "{:016x}{:016x}",
        RealWorld::random_u64(),
        RealWorld::random_u64()
    )
}
