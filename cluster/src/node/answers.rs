//! Commands that concern the connection or this node alone.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use openraft::async_runtime::watch::WatchReceiver;

use super::Node;
use super::connection::{Connection, Then};
use super::near_cache::NearCache;
use super::pipeline::{Outcome, Work};
use crate::protocol::{
    self, ClientAttribute, ClientCall, ConnectionCall, ReadMode, ReplyMode, RespVersion,
    ScriptCall, TrackingCall, wire,
};
use crate::raft::RaftWorld;
use crate::state::LONGEST_MS;
use crate::state::command::{Refusal, Reply};
use crate::world;

const WRONG_PASSWORD: &str = "WRONGPASS invalid username-password pair or user is disabled.";

impl<W: RaftWorld> Connection<W> {
    /// The work that the call is, or the call itself if it is answered at once.
    pub(super) fn work_of(&mut self, call: ConnectionCall) -> Result<Work, ConnectionCall> {
        match call {
            ConnectionCall::Transaction(call) => self
                .work_of_transaction(call)
                .map_err(ConnectionCall::Transaction),
            ConnectionCall::Wait { nodes, timeout_ms } => {
                let node = self.node.clone();
                Ok(Box::pin(async move {
                    let reply = node.await_nodes(nodes, timeout_ms).await;
                    Ok(Outcome::Replies(vec![reply]))
                }))
            }
            call => Err(call),
        }
    }

    pub(super) fn answer(&mut self, call: ConnectionCall, out: &mut BytesMut) {
        match call {
            ConnectionCall::Ping(None) => wire::simple(out, "PONG"),
            ConnectionCall::Ping(Some(text)) | ConnectionCall::Echo(text) => wire::bulk(out, &text),
            ConnectionCall::Fixed(answer) => out.extend_from_slice(answer.as_bytes()),
            ConnectionCall::Quit => {
                wire::simple(out, "OK");
                self.then = Then::Close;
            }
            ConnectionCall::Reset => {
                self.reset();
                wire::simple(out, "RESET");
            }
            ConnectionCall::Hello {
                version,
                auth,
                name,
            } => self.hello(version, auth, name, out),
            ConnectionCall::Auth { user, password } => {
                if self.log_in(&user, &password) {
                    wire::simple(out, "OK");
                } else {
                    wire::error(out, WRONG_PASSWORD);
                }
            }
            ConnectionCall::Client(call) => self.answer_client(call, out),
            ConnectionCall::Command(call) => super::describe::describe(&call, self.version, out),
            ConnectionCall::ConfigGet(patterns) => {
                let found = self.node.parameters_like(&patterns);
                wire::map(out, self.version, found.len());
                for (name, value) in found {
                    wire::bulk(out, name.as_bytes());
                    wire::bulk(out, value.as_bytes());
                }
            }
            ConnectionCall::ConfigSet(pairs) => match self.node.configure(&pairs) {
                Ok(()) => wire::simple(out, "OK"),
                Err(why) => wire::error(out, &why),
            },
            ConnectionCall::Consistency(mode) => {
                self.mode = mode;
                self.is_read_only = false;
                wire::simple(out, "OK");
            }
            ConnectionCall::ReadOnly(is_read_only) => {
                self.mode = ReadMode::Linearizable;
                self.is_read_only = is_read_only;
                wire::simple(out, "OK");
            }
            ConnectionCall::Info { sections } => {
                wire::verbatim(out, self.version, &self.node.info(&sections));
            }
            ConnectionCall::Cluster(call) => {
                self.node.describe_cluster(&call, self.version, out);
            }
            ConnectionCall::Role => self.node.describe_role(out),
            ConnectionCall::Time => {
                let now_ms = W::wall_clock_ms();
                wire::array(out, 2);
                wire::bulk(out, (now_ms / 1_000).to_string().as_bytes());
                wire::bulk(out, (now_ms % 1_000 * 1_000).to_string().as_bytes());
            }
            ConnectionCall::Transaction(call) => self.answer_transaction(&call, out),
            ConnectionCall::Script(call) => self.answer_script(&call, out),
            ConnectionCall::Wait { .. } => unreachable!("waiting is work"),
        }
    }

    fn reset(&mut self) {
        self.end_transaction();
        self.near_cache = None;
        self.version = RespVersion::default();
        self.mode = ReadMode::Linearizable;
        self.is_read_only = false;
        self.replies = ReplyMode::On;
        self.client.name.take();
        self.client.version.take();
        self.user = self.node.access().anybody().cloned();
    }

    fn hello(
        &mut self,
        version: Option<RespVersion>,
        auth: Option<(Bytes, Bytes)>,
        name: Option<Bytes>,
        out: &mut BytesMut,
    ) {
        if auth.is_some_and(|(user, password)| !self.log_in(&user, &password)) {
            return wire::error(out, WRONG_PASSWORD);
        }
        if self.user.is_none() {
            return wire::error(
                out,
                "NOAUTH HELLO must be called with the client already authenticated, otherwise \
                 the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the \
                 client and select the RESP protocol version at the same time",
            );
        }
        self.version = version.unwrap_or(self.version);
        if self.version != RespVersion::Three {
            self.near_cache = None;
        }
        self.client.version.set(self.version);
        if let Some(name) = name {
            self.client.name.replace(name);
        }
        let role = if self.node.is_leading() {
            "master"
        } else {
            "replica"
        };
        protocol::encode_hello(out, self.version, self.client.id, role);
    }

    fn log_in(&mut self, user: &[u8], password: &[u8]) -> bool {
        let found = self.node.access().login(user, password).cloned();
        let Some(user) = found else {
            return false;
        };
        self.client.user.replace(user.name.clone());
        self.user = Some(user);
        true
    }

    fn answer_client(&mut self, call: ClientCall, out: &mut BytesMut) {
        let clients = &self.node.inner.clients;
        match call {
            ClientCall::SetName(name) => {
                self.client.name.replace(name);
                wire::simple(out, "OK");
            }
            ClientCall::GetName => wire::bulk(out, &self.client.name.borrow()),
            ClientCall::SetInfo { attribute, value } => {
                match attribute {
                    ClientAttribute::LibraryName => &self.client.library,
                    ClientAttribute::LibraryVersion => &self.client.library_version,
                }
                .replace(value);
                wire::simple(out, "OK");
            }
            ClientCall::Id => wire::integer(out, self.client.id as i64),
            ClientCall::Info => {
                let line = self.client.line(W::now()) + "\n";
                wire::verbatim(out, self.version, &line);
            }
            ClientCall::List(ids) => {
                let lines = clients.lines(ids.as_deref(), W::now());
                wire::verbatim(out, self.version, &lines);
            }
            ClientCall::Kill(filter) => match clients.kill(&filter, self.client.id) {
                0 if filter.is_old_form => wire::error(out, "ERR No such client"),
                _ if filter.is_old_form => wire::simple(out, "OK"),
                count => wire::integer(out, count as i64),
            },
            ClientCall::Tracking(call) => self.track(call, out),
            ClientCall::Caching(yes) => {
                let none = "ERR CLIENT CACHING can be called only when the client is in tracking \
                            mode with OPTIN or OPTOUT mode enabled";
                let chosen = self.near_cache.as_mut().map(|cache| cache.choose(yes));
                match chosen.unwrap_or(Err(none)) {
                    Ok(()) => wire::simple(out, "OK"),
                    Err(why) => wire::error(out, why),
                }
            }
            ClientCall::Reply(mode) => {
                self.replies = mode;
                wire::simple(out, "OK");
            }
        }
    }

    fn track(&mut self, call: TrackingCall, out: &mut BytesMut) {
        let sees_all = self.user.as_ref().is_some_and(|user| user.may_touch_all());
        if matches!(call, TrackingCall::Broadcast(_)) && !sees_all {
            return wire::error(out, "NOPERM No permissions to access a key");
        }
        if call != TrackingCall::Off && self.version != RespVersion::Three {
            return wire::error(
                out,
                "ERR CLIENT TRACKING needs version 3 of the protocol (HELLO 3); clients of \
                 version 2 have CACHE.TRACK",
            );
        }
        self.near_cache = NearCache::new(&self.node, call);
        wire::simple(out, "OK");
    }

    fn answer_script(&self, call: &ScriptCall, out: &mut BytesMut) {
        let scripts = &self.node.inner.scripts;
        match call {
            ScriptCall::Load(text) => match scripts.load(text) {
                Some(digest) => wire::bulk(out, digest.as_bytes()),
                None => wire::error(out, &protocol::CommandError::Script.to_string()),
            },
            ScriptCall::Exists(digests) => {
                wire::array(out, digests.len());
                for digest in digests {
                    wire::integer(out, i64::from(scripts.find(digest).is_some()));
                }
            }
            ScriptCall::Flush => {
                scripts.forget();
                wire::simple(out, "OK");
            }
            ScriptCall::Evaluate { .. } => unreachable!("it became a command, or an error"),
        }
    }
}

impl<W: RaftWorld> Node<W> {
    /// Waits until so many other nodes have what this one has applied, for `timeout_ms` at most
    /// (0: for ever); how many do.
    async fn await_nodes(&self, nodes: u64, timeout_ms: u64) -> Reply {
        if timeout_ms > LONGEST_MS {
            return Reply::Refused(Refusal::OutOfRange);
        }
        let target = self.applied_index();
        let mut progress = self.inner.raft.metrics();
        let enough = async {
            // A node that has ended makes none any more.
            while self.nodes_with(target) < nodes && progress.changed().await.is_ok() {}
        };
        if timeout_ms == 0 {
            enough.await;
        } else {
            // How many there are is the answer either way.
            let _ = world::timeout::<W, _>(Duration::from_millis(timeout_ms), enough).await;
        }
        Reply::Size(self.nodes_with(target))
    }

    fn nodes_with(&self, index: u64) -> u64 {
        let metrics = self.inner.raft.metrics();
        let metrics = metrics.borrow_watched();
        let Some(replication) = &metrics.replication else {
            return 0;
        };
        let others = replication.iter().filter(|(id, _)| **id != self.id());
        let have = others.filter(|(_, log)| log.is_some_and(|log| log.index >= index));
        have.count() as u64
    }
}
