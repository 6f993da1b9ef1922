//! Builds the reply to `INFO`, with the names that Redis uses.

use std::cell::Cell;
use std::fmt::Write;

use bytes::BytesMut;
use openraft::async_runtime::watch::WatchReceiver;

use super::Node;
use super::command_stats::CommandStats;
use crate::event::NodeEvent;
use crate::protocol::{REDIS_VERSION, wire};
use crate::raft::RaftWorld;
use crate::world::Instant;

/// Counters since the start of the process.
pub(super) struct Counters {
    started: Instant,
    connections: Cell<u64>,
    commands: Cell<u64>,
    pub(super) by_command: CommandStats,
    gets: Cell<u64>,
    hits: Cell<u64>,
    misses: Cell<u64>,
    rejected: Cell<u64>,
    out_of_memory: Cell<u64>,
    overloads: Cell<u64>,
}

impl Counters {
    pub(super) fn new(started: Instant) -> Self {
        Self {
            started,
            connections: Cell::default(),
            commands: Cell::default(),
            by_command: CommandStats::default(),
            gets: Cell::default(),
            hits: Cell::default(),
            misses: Cell::default(),
            rejected: Cell::default(),
            out_of_memory: Cell::default(),
            overloads: Cell::default(),
        }
    }

    /// Numbers the connection, from 1.
    pub(super) fn note_connection(&self) -> u64 {
        self.connections.set(self.connections.get() + 1);
        self.connections.get()
    }

    pub(super) fn note_command(&self) {
        self.commands.set(self.commands.get() + 1);
    }

    pub(super) fn commands(&self) -> u64 {
        self.commands.get()
    }

    /// Counters by name, and what they count.
    pub(super) fn totals(&self) -> [(&'static str, &'static str, u64); 6] {
        [
            (
                "overload_total",
                "Writes refused because too many were on their way.",
                self.overloads.get(),
            ),
            (
                "oom_total",
                "Commands refused for want of memory.",
                self.out_of_memory.get(),
            ),
            (
                "connections_total",
                "Connections of clients ever.",
                self.connections.get(),
            ),
            (
                "rejected_total",
                "Connections turned away.",
                self.rejected.get(),
            ),
            (
                "cache_hits_total",
                "Keys looked up and found.",
                self.hits.get(),
            ),
            (
                "cache_misses_total",
                "Keys looked up in vain.",
                self.misses.get(),
            ),
        ]
    }

    /// A connection was turned away.
    pub(super) fn note_rejected(&self) {
        self.rejected.set(self.rejected.get() + 1);
    }

    /// A command was refused for want of memory.
    pub(super) fn note_out_of_memory(&self) {
        self.out_of_memory.set(self.out_of_memory.get() + 1);
    }

    /// A write was refused because too many were on their way.
    pub(super) fn note_overload(&self) {
        self.overloads.set(self.overloads.get() + 1);
    }

    /// A read of so many keys begins.
    pub(super) fn note_gets(&self, keys: u64) {
        self.gets.set(self.gets.get() + keys);
    }

    pub(super) fn note_reads(&self, hits: u64, misses: u64) {
        self.hits.set(self.hits.get() + hits);
        self.misses.set(self.misses.get() + misses);
    }

    /// The counters of the cache.
    pub(super) fn event(&self) -> NodeEvent {
        NodeEvent::CacheReads {
            gets: self.gets.get(),
            hits: self.hits.get(),
            misses: self.misses.get(),
        }
    }
}

/// Several lines become an array of bulk strings, one line a simple string.
pub(super) fn encode_lines(out: &mut BytesMut, lines: &[String]) {
    match lines {
        [line] => wire::simple(out, line),
        lines => {
            wire::array(out, lines.len());
            for line in lines {
                wire::bulk(out, line.as_bytes());
            }
        }
    }
}

/// `host`, `port` of an address that was checked when the node joined; an IPv6 host without
/// its brackets, as clients of Redis expect it.
pub(super) fn host_port(address: &str) -> (&str, u16) {
    let (host, port) = address.rsplit_once(':').unwrap_or((address, "0"));
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    (bare.unwrap_or(host), port.parse().unwrap_or(0))
}

impl<W: RaftWorld> Node<W> {
    /// The text of `INFO`; no sections named means all.
    pub(super) fn info(&self, sections: &[String]) -> String {
        let is_named = |name: &str| sections.iter().any(|section| section == name);
        let wants_all = is_named("all") || is_named("everything");
        let wants_default = sections.is_empty() || is_named("default");
        let wanted = |name: &str| {
            let is_extra = matches!(name, "commandstats" | "errorstats" if !wants_all);
            is_named(name) || wants_all || wants_default && !is_extra
        };
        let mut text = String::new();
        for (name, lines) in [
            ("Server", self.info_server()),
            ("Clients", self.info_clients()),
            ("Memory", self.info_memory()),
            ("Persistence", self.info_persistence()),
            ("Stats", self.info_stats()),
            ("Replication", self.info_replication()),
            (
                "Commandstats",
                self.inner.counters.by_command.command_lines(),
            ),
            ("Errorstats", self.inner.counters.by_command.error_lines()),
            ("Cluster", vec!["cluster_enabled:1".into()]),
            ("Keyspace", self.info_keyspace()),
        ] {
            if wanted(&name.to_lowercase()) {
                let _ = write!(text, "# {name}\r\n{}\r\n\r\n", lines.join("\r\n"));
            }
        }
        text
    }

    fn info_server(&self) -> Vec<String> {
        let uptime = W::now() - self.inner.counters.started;
        vec![
            format!("redis_version:{REDIS_VERSION}"),
            format!("squall_version:{}", env!("CARGO_PKG_VERSION")),
            "redis_mode:cluster".into(),
            format!("os:{}", std::env::consts::OS),
            format!("arch_bits:{}", usize::BITS),
            format!("node_id:{}", self.id()),
            format!("run_id:{}", long_id(self.id())),
            format!("tcp_port:{}", host_port(&self.inner.options.address).1),
            format!("uptime_in_seconds:{}", uptime.as_secs()),
            format!("uptime_in_days:{}", uptime.as_secs() / 86_400),
        ]
    }

    fn info_clients(&self) -> Vec<String> {
        vec![
            format!("connected_clients:{}", self.inner.clients.count()),
            format!("maxclients:{}", self.inner.settings.max_clients()),
            format!("blocked_clients:{}", self.inner.clients.waiting()),
        ]
    }

    fn info_memory(&self) -> Vec<String> {
        let memory = self.memory();
        let shown = super::memory::shown_bytes;
        vec![
            format!("used_memory:{}", memory.used()),
            format!("used_memory_human:{}", shown(memory.used())),
            format!("used_memory_dataset:{}", memory.state),
            format!("used_memory_log:{}", memory.log),
            format!("mem_clients_normal:{}", memory.clients),
            format!("maxmemory:{}", memory.limit),
            format!("maxmemory_human:{}", shown(memory.limit)),
            format!("maxmemory_policy:{}", super::memory::policy(memory.limit)),
        ]
    }

    fn info_persistence(&self) -> Vec<String> {
        ["loading:0", "aof_enabled:1", "aof_last_write_status:ok"]
            .map(String::from)
            .to_vec()
    }

    fn info_stats(&self) -> Vec<String> {
        let counters = &self.inner.counters;
        let cache = self.inner.machine.state().cache_stats();
        vec![
            format!("total_connections_received:{}", counters.connections.get()),
            format!("total_commands_processed:{}", counters.commands.get()),
            format!("rejected_connections:{}", counters.rejected.get()),
            format!("keyspace_hits:{}", counters.hits.get()),
            format!("keyspace_misses:{}", counters.misses.get()),
            format!("expired_keys:{}", cache.expired),
            format!("evicted_keys:{}", cache.evicted),
        ]
    }

    fn info_replication(&self) -> Vec<String> {
        let leader = self.leader();
        let (role, connected) = if self.is_leading() {
            let others = self.members().len().saturating_sub(1);
            ("master", vec![format!("connected_slaves:{others}")])
        } else {
            let (host, port) = leader.as_ref().map_or(("", 0), |(_, at)| host_port(at));
            let status = if leader.is_some() { "up" } else { "down" };
            let lines = vec![
                format!("master_host:{host}"),
                format!("master_port:{port}"),
                format!("master_link_status:{status}"),
                "connected_slaves:0".into(),
            ];
            ("slave", lines)
        };
        let mut lines = vec![format!("role:{role}")];
        lines.extend(connected);
        lines.extend([
            format!("leader:{}", leader.map_or("none".into(), |(_, at)| at)),
            format!("cannot_follow:{}", self.obstacle().unwrap_or("no".into())),
            format!("term:{}", self.term()),
            format!("applied_index:{}", self.applied_index()),
            format!("master_repl_offset:{}", self.applied_index()),
        ]);
        lines
    }

    fn info_keyspace(&self) -> Vec<String> {
        let state = self.inner.machine.state();
        let stats = state.cache_stats();
        vec![format!(
            "db0:keys={},expires={},avg_ttl=0",
            stats.entries,
            state.keys_with_lifetime()
        )]
    }

    pub(super) fn term(&self) -> u64 {
        let metrics = self.inner.raft.metrics();
        let metrics = metrics.borrow_watched();
        metrics.current_term
    }

    /// Ids and client addresses of all members.
    pub(super) fn members(&self) -> Vec<(u64, String)> {
        let metrics = self.inner.raft.server_metrics();
        let metrics = metrics.borrow_watched();
        let membership = metrics.membership_config.membership();
        (membership.nodes())
            .map(|(id, node)| (*id, node.addr.clone()))
            .collect()
    }
}

/// Redis Cluster's 40-digit node id.
pub(super) fn long_id(id: u64) -> String {
    format!("{id:040x}")
}
