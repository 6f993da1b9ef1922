//! What a node says about itself to clients: `INFO` and `CLUSTER`, in Redis's names.

use std::cell::Cell;
use std::fmt::Write;

use bytes::BytesMut;
use openraft::async_runtime::watch::WatchReceiver;

use super::Node;
use crate::event::NodeEvent;
use crate::protocol::{self, ClusterCall, SLOTS, wire};
use crate::raft::{PEER_PORT_OFFSET, RaftWorld};
use crate::world::Instant;

/// Counters since the start of the process.
pub(super) struct Counters {
    started: Instant,
    connections: Cell<u64>,
    commands: Cell<u64>,
    gets: Cell<u64>,
    hits: Cell<u64>,
    misses: Cell<u64>,
}

impl Counters {
    pub(super) fn new(started: Instant) -> Self {
        Self {
            started,
            connections: Cell::default(),
            commands: Cell::default(),
            gets: Cell::default(),
            hits: Cell::default(),
            misses: Cell::default(),
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

/// `host`, `port` of an address that was checked when the node joined.
fn host_port(address: &str) -> (&str, u16) {
    let (host, port) = address.rsplit_once(':').unwrap_or((address, "0"));
    (host, port.parse().unwrap_or(0))
}

/// Redis Cluster's 40-digit node id.
fn long_id(id: u64) -> String {
    format!("{id:040x}")
}

impl<W: RaftWorld> Node<W> {
    /// The text of `INFO`; no sections named means all.
    pub(super) fn info(&self, sections: &[String]) -> String {
        let wanted = |name: &str| {
            sections.is_empty()
                || sections
                    .iter()
                    .any(|s| s == name || s == "all" || s == "everything" || s == "default")
        };
        let mut text = String::new();
        for (name, lines) in [
            ("Server", self.info_server()),
            ("Stats", self.info_stats()),
            ("Replication", self.info_replication()),
            ("Keyspace", self.info_keyspace()),
        ] {
            if wanted(&name.to_lowercase()) {
                let _ = write!(text, "# {name}\r\n{}\r\n", lines.join("\r\n"));
                text.push_str("\r\n");
            }
        }
        text
    }

    fn info_server(&self) -> Vec<String> {
        let uptime = W::now() - self.inner.counters.started;
        vec![
            format!("squall_version:{}", env!("CARGO_PKG_VERSION")),
            "redis_mode:cluster".into(),
            format!("node_id:{}", self.id()),
            format!("tcp_port:{}", host_port(&self.inner.options.address).1),
            format!("uptime_in_seconds:{}", uptime.as_secs()),
        ]
    }

    fn info_stats(&self) -> Vec<String> {
        let counters = &self.inner.counters;
        let cache = self.inner.machine.state().cache_stats();
        vec![
            format!("total_connections_received:{}", counters.connections.get()),
            format!("total_commands_processed:{}", counters.commands.get()),
            format!("keyspace_hits:{}", counters.hits.get()),
            format!("keyspace_misses:{}", counters.misses.get()),
            format!("expired_keys:{}", cache.expired),
            format!("evicted_keys:{}", cache.evicted),
        ]
    }

    fn info_replication(&self) -> Vec<String> {
        let role = match self.is_leading() {
            true => "master",
            false => "slave",
        };
        let leader = self.leader();
        vec![
            format!("role:{role}"),
            format!("leader:{}", leader.map_or("none".into(), |(_, at)| at)),
            format!("term:{}", self.term()),
            format!("applied_index:{}", self.applied_index()),
        ]
    }

    fn info_keyspace(&self) -> Vec<String> {
        vec![format!(
            "db0:keys={}",
            self.inner.machine.state().cache_stats().entries
        )]
    }

    fn term(&self) -> u64 {
        let metrics = self.inner.raft.metrics();
        let metrics = metrics.borrow_watched();
        metrics.current_term
    }

    fn members(&self) -> Vec<(u64, String)> {
        let metrics = self.inner.raft.server_metrics();
        let metrics = metrics.borrow_watched();
        let membership = metrics.membership_config.membership();
        (membership.nodes())
            .map(|(id, node)| (*id, node.addr.clone()))
            .collect()
    }

    /// `CLUSTER …`: one shard, led by the leader, holds every slot.
    pub(super) fn describe_cluster(&self, call: &ClusterCall, out: &mut BytesMut) {
        match call {
            ClusterCall::Slots => self.cluster_slots(out),
            ClusterCall::Shards => wire::array(out, 0),
            ClusterCall::Nodes => wire::bulk(out, self.cluster_nodes().as_bytes()),
            ClusterCall::Info => wire::bulk(out, self.cluster_info().as_bytes()),
            ClusterCall::KeySlot(key) => wire::integer(out, i64::from(protocol::slot(key))),
            ClusterCall::MyId => wire::bulk(out, long_id(self.id()).as_bytes()),
        }
    }

    fn cluster_slots(&self, out: &mut BytesMut) {
        let Some((leader, _)) = self.leader() else {
            return wire::array(out, 0);
        };
        let mut members = self.members();
        members.sort_by_key(|(id, _)| (*id != leader, *id));
        wire::array(out, 1);
        wire::array(out, 2 + members.len());
        wire::integer(out, 0);
        wire::integer(out, i64::from(SLOTS) - 1);
        for (id, address) in members {
            let (host, port) = host_port(&address);
            wire::array(out, 3);
            wire::bulk(out, host.as_bytes());
            wire::integer(out, i64::from(port));
            wire::bulk(out, long_id(id).as_bytes());
        }
    }

    fn cluster_nodes(&self) -> String {
        let leader = self.leader().map(|(id, _)| id);
        let mut text = String::new();
        for (id, address) in self.members() {
            let (host, port) = host_port(&address);
            let bus = u32::from(port) + u32::from(PEER_PORT_OFFSET);
            let myself = if id == self.id() { "myself," } else { "" };
            let role = match leader {
                Some(leader) if leader == id => "master -".to_owned(),
                Some(leader) => format!("slave {}", long_id(leader)),
                None => "slave -".to_owned(),
            };
            let slots = match leader == Some(id) {
                true => format!(" 0-{}", SLOTS - 1),
                false => String::new(),
            };
            let _ = writeln!(
                text,
                "{} {host}:{port}@{bus} {myself}{role} 0 0 {} connected{slots}",
                long_id(id),
                self.term(),
            );
        }
        text
    }

    fn cluster_info(&self) -> String {
        let (state, slots) = match self.leader() {
            Some(_) => ("ok", SLOTS),
            None => ("fail", 0),
        };
        format!(
            "cluster_enabled:1\r\ncluster_state:{state}\r\ncluster_slots_assigned:{slots}\r\n\
             cluster_slots_ok:{slots}\r\ncluster_known_nodes:{}\r\ncluster_size:1\r\n\
             cluster_current_epoch:{}\r\n",
            self.members().len(),
            self.term(),
        )
    }
}
