//! Holds the limits for clients, and says which of them can be changed while the node runs.

use std::cell::Cell;
use std::time::Duration;

use bytes::Bytes;

use super::Node;
use super::access::Access;
use crate::raft::RaftWorld;
use crate::state::glob;

/// Read buffers of clients grow by at least this much.
pub(super) const READ_BYTES: usize = 1024;

/// What a node allows its clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientOptions {
    /// Most connections at a time; the next one is told so and closed.
    pub max_clients: u64,
    /// Connections that ask nothing for so many seconds are closed; 0: never.
    pub idle_timeout_s: u64,
    pub access: Access,
    /// Where to answer Prometheus, `host:port`.
    pub metrics: Option<String>,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            max_clients: 10_000,
            idle_timeout_s: 0,
            access: Access::default(),
            metrics: None,
        }
    }
}

/// What of the options can be changed while the node runs.
pub(super) struct Settings {
    max_clients: Cell<u64>,
    idle_timeout_s: Cell<u64>,
}

impl Settings {
    pub(super) fn new(options: &ClientOptions) -> Self {
        Self {
            max_clients: Cell::new(options.max_clients),
            idle_timeout_s: Cell::new(options.idle_timeout_s),
        }
    }

    pub(super) fn max_clients(&self) -> u64 {
        self.max_clients.get()
    }

    pub(super) fn idle_timeout(&self) -> Option<Duration> {
        let seconds = self.idle_timeout_s.get();
        (seconds > 0).then(|| Duration::from_secs(seconds))
    }

    /// The setting of this name, in Redis' words, and the least and most it takes.
    fn find(&self, name: &[u8]) -> Option<(&Cell<u64>, u64, u64)> {
        match name.to_ascii_lowercase().as_slice() {
            b"maxclients" => Some((&self.max_clients, 1, 1_000_000)),
            b"timeout" => Some((&self.idle_timeout_s, 0, 365 * 86_400)),
            _ => None,
        }
    }
}

impl<W: RaftWorld> Node<W> {
    pub(super) fn access(&self) -> &Access {
        &self.inner.options.clients.access
    }

    /// Parameters whose names match one of the patterns, in Redis' words where it has them.
    pub(super) fn parameters_like(&self, patterns: &[Bytes]) -> Vec<(&'static str, String)> {
        let options = &self.inner.options;
        let settings = &self.inner.settings;
        let all = [
            ("appendfsync", "always".into()),
            ("appendonly", "yes".into()),
            ("bind", options.bind_host.clone().unwrap_or_default()),
            ("cache-entries", options.limits.cache_entries.to_string()),
            ("cluster-enabled", "yes".into()),
            (
                "cluster-node-timeout",
                options.raft.election_max_ms.to_string(),
            ),
            ("databases", "1".into()),
            ("election-max", options.raft.election_max_ms.to_string()),
            ("election-min", options.raft.election_min_ms.to_string()),
            ("heartbeat", options.raft.heartbeat_ms.to_string()),
            ("maxclients", settings.max_clients.get().to_string()),
            ("maxmemory", "0".into()),
            ("maxmemory-policy", "allkeys-lru".into()),
            (
                "port",
                super::info::host_port(&options.address).1.to_string(),
            ),
            (
                "proto-max-bulk-len",
                crate::protocol::MAX_BULK_BYTES.to_string(),
            ),
            ("save", String::new()),
            ("snapshot-every", options.raft.snapshot_every.to_string()),
            ("timeout", settings.idle_timeout_s.get().to_string()),
        ];
        let lower: Vec<Vec<u8>> = patterns
            .iter()
            .map(|one| one.to_ascii_lowercase())
            .collect();
        let wanted = |name: &str| lower.iter().any(|one| glob::matches(one, name.as_bytes()));
        all.into_iter().filter(|(name, _)| wanted(name)).collect()
    }

    /// Changes all of these settings, or none of them.
    pub(super) fn configure(&self, pairs: &[(Bytes, Bytes)]) -> Result<(), String> {
        let mut changes = Vec::new();
        for (name, value) in pairs {
            let shown = String::from_utf8_lossy(&name[..name.len().min(64)]).into_owned();
            let (cell, least, most) = self.inner.settings.find(name).ok_or_else(|| {
                format!(
                    "ERR Unknown option or number of arguments for CONFIG SET - '{shown}':                      maxclients and timeout can be changed while a node runs"
                )
            })?;
            let number = std::str::from_utf8(value)
                .ok()
                .and_then(|text| text.parse().ok());
            let fits = number.filter(|number| (least..=most).contains(number));
            let number = fits.ok_or_else(|| {
                format!(
                    "ERR CONFIG SET failed (possibly related to argument '{shown}') - argument                      must be between {least} and {most} inclusive"
                )
            })?;
            changes.push((cell, number));
        }
        for (cell, number) in changes {
            cell.set(number);
        }
        Ok(())
    }
}
