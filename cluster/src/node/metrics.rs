//! Figures of the node for Prometheus, in its text format, on a port of their own.
//!
//! Every request is answered with all of them, whatever its path; the connection is closed.
//!
//! Source: "Exposition formats" in the Prometheus documentation.

use std::fmt::{Display, Write};
use std::io;
use std::time::Duration;

use openraft::async_runtime::watch::WatchReceiver;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Node, StartError, client_server};
use crate::raft::{RaftWorld, node_name};
use crate::world;

/// A request and its answer take at most this long.
const LIMIT: Duration = Duration::from_secs(10);
/// Most bytes of a request that are read.
const REQUEST_BYTES: usize = 8 * 1024;

/// Listens on `address` and answers until the node ends.
pub(super) async fn start<W: RaftWorld>(node: &Node<W>, address: &str) -> Result<(), StartError> {
    let mut listener = super::listen::<W>(address).await?;
    let node = node.clone();
    W::spawn(async move {
        loop {
            let stream = client_server::accept::<W>(&mut listener).await;
            let node = node.clone();
            W::spawn(async move {
                // Who asks for figures will ask again.
                let _ = world::timeout::<W, _>(LIMIT, answer(node, stream)).await;
            });
        }
    });
    Ok(())
}

async fn answer<W: RaftWorld>(node: Node<W>, mut stream: W::Stream) -> io::Result<()> {
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") && request.len() < REQUEST_BYTES {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let text = node.figures();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        text.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(text.as_bytes()).await?;
    stream.shutdown().await
}

/// Figures as text.
#[derive(Default)]
struct Figures(String);

impl Figures {
    fn kind(&mut self, name: &str, kind: &str, help: &str) {
        let _ = write!(
            self.0,
            "# HELP squall_{name} {help}\n# TYPE squall_{name} {kind}\n"
        );
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.kind(name, kind, help);
        let _ = writeln!(self.0, "squall_{name} {value}");
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.one(name, "gauge", help, value);
    }

    fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.one(name, "counter", help, value);
    }
}

impl<W: RaftWorld> Node<W> {
    fn figures(&self) -> String {
        let mut figures = Figures::default();
        self.figures_of_raft(&mut figures);
        self.figures_of_clients(&mut figures);
        self.figures_of_state(&mut figures);
        figures.0
    }

    fn figures_of_raft(&self, figures: &mut Figures) {
        let leading = u8::from(self.is_leading());
        figures.gauge(
            "leading",
            "Whether this node leads and serves writes.",
            leading,
        );
        let knows = u8::from(self.leader().is_some());
        figures.gauge("leader_known", "Whether this node knows a leader.", knows);
        figures.gauge(
            "cannot_follow",
            "Whether this node has applied what its leader contradicts, and must be started anew.",
            u8::from(self.obstacle().is_some()),
        );
        figures.gauge("term", "Raft term.", self.term());
        let last = self.inner.log.last_index();
        figures.gauge("last_log_index", "Last entry in the log.", last);
        figures.gauge("applied_index", "Last entry applied.", self.applied_index());
        let metrics = self.inner.raft.metrics();
        let metrics = metrics.borrow_watched();
        let snapshot = metrics.snapshot.map_or(0, |id| id.index);
        figures.gauge(
            "snapshot_index",
            "Last entry in the newest snapshot.",
            snapshot,
        );
        let since = self.inner.machine.since_snapshot();
        figures.gauge(
            "snapshot_bytes",
            "Size of the newest snapshot.",
            since.snapshot_bytes,
        );
        let backlog = self.inner.backlog.count();
        figures.gauge("writes_waiting", "Writes on their way.", backlog);
        let level = self.level();
        figures.gauge("level", "Level of the rules that are kept to.", level);
        figures.kind(
            "replication_lag",
            "gauge",
            "Entries that another node lacks.",
        );
        for (id, log) in metrics.replication.iter().flatten() {
            let lag = last.saturating_sub(log.map_or(0, |log| log.index));
            let _ = writeln!(
                figures.0,
                "squall_replication_lag{{node=\"{}\"}} {lag}",
                node_name(*id)
            );
        }
        let syncs = self.inner.log.syncs();
        figures.counter("log_syncs_total", "Syncs of the log.", syncs.count);
        let seconds = syncs.us as f64 / 1_000_000.0;
        figures.counter("log_sync_seconds_total", "Time that they took.", seconds);
    }

    fn figures_of_clients(&self, figures: &mut Figures) {
        let counters = &self.inner.counters;
        figures.gauge(
            "clients",
            "Connections of clients.",
            self.inner.clients.count(),
        );
        figures.kind(
            "commands_total",
            "counter",
            "Commands of clients by result: ok, failed, or rejected before they began.",
        );
        for (command, result, count) in counters.by_command.by_result() {
            let _ = writeln!(
                figures.0,
                "squall_commands_total{{command=\"{command}\",result=\"{result}\"}} {count}"
            );
        }
        figures.kind(
            "command_errors_total",
            "counter",
            "Errors that clients got, by code.",
        );
        for (code, count) in counters.by_command.errors() {
            let _ = writeln!(
                figures.0,
                "squall_command_errors_total{{code=\"{code}\"}} {count}"
            );
        }
        for (name, help, value) in counters.totals() {
            figures.counter(name, help, value);
        }
    }

    fn figures_of_state(&self, figures: &mut Figures) {
        let memory = self.memory();
        figures.kind(
            "memory_bytes",
            "gauge",
            "Memory in use by the node's own account.",
        );
        for (part, bytes) in [
            ("state", memory.state),
            ("log", memory.log),
            ("clients", memory.clients),
        ] {
            let _ = writeln!(figures.0, "squall_memory_bytes{{part=\"{part}\"}} {bytes}");
        }
        figures.gauge(
            "memory_limit_bytes",
            "Above it, what makes the state grow is refused; 0: no limit.",
            memory.limit,
        );
        let state = self.inner.machine.state();
        let cache = state.cache_stats();
        figures.gauge("cache_keys", "Keys in the cache.", cache.entries);
        figures.counter(
            "cache_expired_total",
            "Keys whose lifetime ended.",
            cache.expired,
        );
        figures.counter("cache_evicted_total", "Keys that made room.", cache.evicted);
    }
}
