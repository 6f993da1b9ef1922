//! The members of the cluster as a Redis Cluster of one shard, for the clients of one:
//! `CLUSTER` and `ROLE`.

use std::fmt::Write;

use bytes::BytesMut;

use super::Node;
use super::info::{host_port, long_id};
use crate::protocol::{self, ClusterCall, RespVersion, SLOTS, wire};
use crate::raft::{PEER_PORT_OFFSET, RaftWorld};

impl<W: RaftWorld> Node<W> {
    /// `CLUSTER …`: one shard, led by the leader, holds every slot.
    pub(super) fn describe_cluster(
        &self,
        call: &ClusterCall,
        version: RespVersion,
        out: &mut BytesMut,
    ) {
        match call {
            ClusterCall::Slots => self.cluster_slots(out),
            ClusterCall::Shards => self.cluster_shards(version, out),
            ClusterCall::Nodes => wire::verbatim(out, version, &self.cluster_nodes()),
            ClusterCall::Info => wire::verbatim(out, version, &self.cluster_info()),
            ClusterCall::KeySlot(key) => wire::integer(out, i64::from(protocol::slot(key))),
            ClusterCall::MyId => wire::bulk(out, long_id(self.id()).as_bytes()),
            ClusterCall::CountKeysInSlot(slot) => {
                let state = self.inner.machine.state();
                wire::unsigned(out, state.count_keys(|key| protocol::slot(key) == *slot));
            }
        }
    }

    /// The node to ask for any slot: the leader, or, while none is known, this very node, which
    /// answers that it cannot serve. Clients give up on a cluster without an owner of slots, and
    /// would wait in vain for one that is dead.
    fn owner(&self) -> u64 {
        self.leader().map_or(self.id(), |(id, _)| id)
    }

    /// Members, the owner of the slots first.
    fn members_by_owner(&self) -> Vec<(u64, String)> {
        let owner = self.owner();
        let mut members = self.members();
        members.sort_by_key(|(id, _)| (*id != owner, *id));
        members
    }

    fn cluster_slots(&self, out: &mut BytesMut) {
        let members = self.members_by_owner();
        if members.is_empty() {
            return wire::array(out, 0);
        }
        wire::array(out, 1);
        wire::array(out, 2 + members.len());
        wire::integer(out, 0);
        wire::integer(out, i64::from(SLOTS) - 1);
        for (id, address) in members {
            let (host, port) = host_port(&address);
            wire::array(out, 4);
            wire::bulk(out, host.as_bytes());
            wire::integer(out, i64::from(port));
            wire::bulk(out, long_id(id).as_bytes());
            wire::array(out, 0);
        }
    }

    fn cluster_shards(&self, version: RespVersion, out: &mut BytesMut) {
        let members = self.members_by_owner();
        if members.is_empty() {
            return wire::array(out, 0);
        }
        wire::array(out, 1);
        wire::map(out, version, 2);
        wire::bulk(out, b"slots");
        wire::array(out, 2);
        wire::integer(out, 0);
        wire::integer(out, i64::from(SLOTS) - 1);
        wire::bulk(out, b"nodes");
        wire::array(out, members.len());
        for (at, (id, address)) in members.into_iter().enumerate() {
            let (host, port) = host_port(&address);
            let role = if at == 0 { "master" } else { "replica" };
            wire::map(out, version, 7);
            wire::bulk(out, b"port");
            wire::integer(out, i64::from(port));
            let id = long_id(id);
            for (name, text) in [
                ("id", id.as_str()),
                ("ip", host),
                ("endpoint", host),
                ("role", role),
                ("health", "online"),
            ] {
                wire::bulk(out, name.as_bytes());
                wire::bulk(out, text.as_bytes());
            }
            wire::bulk(out, b"replication-offset");
            wire::unsigned(out, self.applied_index());
        }
    }

    fn cluster_nodes(&self) -> String {
        let owner = self.owner();
        let mut text = String::new();
        for (id, address) in self.members() {
            let (host, port) = host_port(&address);
            let bus = u32::from(port) + u32::from(PEER_PORT_OFFSET);
            let myself = if id == self.id() { "myself," } else { "" };
            let (role, slots) = if id == owner {
                ("master -".to_owned(), format!(" 0-{}", SLOTS - 1))
            } else {
                (format!("slave {}", long_id(owner)), String::new())
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
        let (known, term) = (self.members().len(), self.term());
        format!(
            "cluster_enabled:1\r\ncluster_state:{state}\r\ncluster_slots_assigned:{slots}\r\n\
             cluster_slots_ok:{slots}\r\ncluster_slots_pfail:0\r\ncluster_slots_fail:0\r\n\
             cluster_known_nodes:{known}\r\ncluster_size:1\r\ncluster_current_epoch:{term}\r\n\
             cluster_my_epoch:{term}\r\n"
        )
    }

    /// `ROLE`: what the node is, how far its log reaches, and who else there is.
    pub(super) fn describe_role(&self, out: &mut BytesMut) {
        let offset = self.applied_index();
        if self.is_leading() {
            let mut others = self.members();
            others.retain(|(id, _)| *id != self.id());
            wire::array(out, 3);
            wire::bulk(out, b"master");
            wire::unsigned(out, offset);
            wire::array(out, others.len());
            for (_, address) in others {
                let (host, port) = host_port(&address);
                wire::array(out, 3);
                wire::bulk(out, host.as_bytes());
                wire::bulk(out, port.to_string().as_bytes());
                wire::bulk(out, offset.to_string().as_bytes());
            }
            return;
        }
        let leader = self.leader();
        let (host, port) = leader.as_ref().map_or(("", 0), |(_, at)| host_port(at));
        let state = if leader.is_some() {
            "connected"
        } else {
            "connect"
        };
        wire::array(out, 5);
        wire::bulk(out, b"slave");
        wire::bulk(out, host.as_bytes());
        wire::integer(out, i64::from(port));
        wire::bulk(out, state.as_bytes());
        wire::unsigned(out, offset);
    }
}
