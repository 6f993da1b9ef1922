//! Holds the limits for clients, and says which of them can be changed while the node runs.

use std::cell::Cell;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;

use super::Node;
use super::access::Access;
use crate::raft::pace::Pace;
use crate::raft::{RaftOptions, RaftWorld};
use crate::state::glob;
use crate::world::tls::{AuthClients, TlsOptions};

/// Read buffers of clients grow by at least this much.
pub(super) const READ_BYTES: usize = 1024;

/// More memory than this is a mistake.
const MOST_MEMORY: u64 = 1 << 50;
/// Bytes of each unit, in the words of Redis' configuration: those with a `b` are powers of two.
const UNITS: [(&str, u64); 8] = [
    ("b", 1),
    ("k", 1_000),
    ("m", 1_000_000),
    ("g", 1_000_000_000),
    ("kb", 1 << 10),
    ("mb", 1 << 20),
    ("gb", 1 << 30),
    ("", 1),
];

/// Bytes of a text such as `512mb`, in the words of Redis' configuration.
///
/// # Errors
/// Says what was expected.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let unit = unit.to_ascii_lowercase();
    let bytes_per_unit = UNITS.iter().find(|(name, _)| *name == unit);
    let number: Option<u64> = number.parse().ok();
    let bytes = number
        .zip(bytes_per_unit)
        .and_then(|(number, (_, bytes))| number.checked_mul(*bytes));
    bytes.filter(|bytes| *bytes <= MOST_MEMORY).ok_or_else(|| {
        "expected a number of bytes, with one of kb, mb, gb (1,024) or k, m, g (1,000) or \
         without, as in 512mb"
            .into()
    })
}

/// What a node allows its clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientOptions {
    /// Most connections at a time; the next one gets an error and is closed.
    pub max_clients: u64,
    /// Connections that ask nothing for so many seconds are closed; 0: never.
    pub idle_timeout_s: u64,
    /// Bytes of memory, by the node's own account, above which it refuses what makes the state
    /// grow; 0: no limit.
    pub max_memory: u64,
    /// Who may do what.
    pub access: Access,
    /// Where to answer Prometheus, `host:port`.
    pub metrics: Option<String>,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            max_clients: 10_000,
            idle_timeout_s: 0,
            max_memory: 0,
            access: Access::default(),
            metrics: None,
        }
    }
}

/// What of the options can be changed while the node runs.
pub(super) struct Settings {
    max_clients: Cell<u64>,
    idle_timeout_s: Cell<u64>,
    max_memory: Cell<u64>,
    snapshot_every: Cell<u64>,
    snapshot_pace: Rc<Pace>,
}

/// Where a setting is, the least and most it takes, and how it is read.
struct Setting<'a> {
    cell: &'a Cell<u64>,
    least: u64,
    most: u64,
    parse: fn(&str) -> Option<u64>,
}

/// What `CONFIG SET` takes.
const CHANGEABLE: &str = "maxclients, maxmemory, snapshot-every, snapshot-rate, timeout, and of a node \
                          that was started with TLS its tls-cert-file, tls-key-file, tls-ca-cert-file and \
                          tls-auth-clients";

impl Settings {
    pub(super) fn new(
        options: &ClientOptions,
        snapshot_every: u64,
        snapshot_pace: Rc<Pace>,
    ) -> Self {
        Self {
            max_clients: Cell::new(options.max_clients),
            idle_timeout_s: Cell::new(options.idle_timeout_s),
            max_memory: Cell::new(options.max_memory),
            snapshot_every: Cell::new(snapshot_every),
            snapshot_pace,
        }
    }

    /// Most bytes of memory, 0: no limit.
    pub(super) fn max_memory(&self) -> u64 {
        self.max_memory.get()
    }

    /// Log entries between two snapshots.
    pub(super) fn snapshot_every(&self) -> u64 {
        self.snapshot_every.get()
    }

    /// Of snapshots to followers.
    pub(super) fn snapshot_pace(&self) -> &Pace {
        &self.snapshot_pace
    }

    pub(super) fn max_clients(&self) -> u64 {
        self.max_clients.get()
    }

    pub(super) fn idle_timeout(&self) -> Option<Duration> {
        let seconds = self.idle_timeout_s.get();
        (seconds > 0).then(|| Duration::from_secs(seconds))
    }

    fn find(&self, name: &[u8]) -> Option<Setting<'_>> {
        let number: fn(&str) -> Option<u64> = |text| text.parse().ok();
        let bytes: fn(&str) -> Option<u64> = |text| parse_bytes(text).ok();
        let (cell, least, most, parse) = match name.to_ascii_lowercase().as_slice() {
            b"maxclients" => (&self.max_clients, 1, 1_000_000, number),
            b"maxmemory" => (&self.max_memory, 0, MOST_MEMORY, bytes),
            b"snapshot-every" => {
                let least = RaftOptions::FEWEST_BETWEEN_SNAPSHOTS;
                (&self.snapshot_every, least, 1 << 40, number)
            }
            b"snapshot-rate" => (self.snapshot_pace.rate(), 0, MOST_MEMORY, bytes),
            b"timeout" => (&self.idle_timeout_s, 0, 365 * 86_400, number),
            _ => return None,
        };
        Some(Setting {
            cell,
            least,
            most,
            parse,
        })
    }
}

/// Changes what the node's TLS is made of; its name, or `None` if it is another parameter.
fn set_tls(
    tls: &mut TlsOptions,
    name: &[u8],
    value: &[u8],
) -> Option<Result<&'static str, String>> {
    let text = std::str::from_utf8(value).ok();
    let path = text.filter(|text| !text.is_empty()).map(PathBuf::from);
    let name = match name.to_ascii_lowercase().as_slice() {
        b"tls-cert-file" => {
            tls.files.certificate = path;
            "tls-cert-file"
        }
        b"tls-key-file" => {
            tls.files.key = path;
            "tls-key-file"
        }
        b"tls-ca-cert-file" => {
            tls.files.authorities = path;
            "tls-ca-cert-file"
        }
        b"tls-auth-clients" => {
            let all = [AuthClients::No, AuthClients::Optional, AuthClients::Yes];
            let Some(auth) = all.into_iter().find(|auth| text == Some(auth.name())) else {
                return Some(Err(
                    "ERR CONFIG SET failed (possibly related to argument 'tls-auth-clients') - \
                     argument must be one of the following: no, yes, optional"
                        .into(),
                ));
            };
            tls.auth_clients = auth;
            "tls-auth-clients"
        }
        _ => return None,
    };
    Some(Ok(name))
}

impl<W: RaftWorld> Node<W> {
    pub(super) fn access(&self) -> &Access {
        &self.inner.options.clients.access
    }

    /// Parameters whose names match one of the patterns, in Redis' words where it has them.
    pub(super) fn parameters_like(&self, patterns: &[Bytes]) -> Vec<(&'static str, String)> {
        let options = &self.inner.options;
        let settings = &self.inner.settings;
        let tls = self.inner.security.options().unwrap_or_default();
        let yes_or_no = |is_so: bool| String::from(if is_so { "yes" } else { "no" });
        let shown = |path: &Option<PathBuf>| {
            let path = path.as_deref().map(|path| path.display().to_string());
            path.unwrap_or_default()
        };
        let port = super::info::host_port(&options.address).1;
        let (plain_port, tls_port) = match tls.for_clients {
            true => (0, port),
            false => (port, 0),
        };
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
            ("maxmemory", settings.max_memory().to_string()),
            (
                "maxmemory-policy",
                super::memory::policy(settings.max_memory()).into(),
            ),
            ("port", plain_port.to_string()),
            (
                "proto-max-bulk-len",
                crate::protocol::MAX_BULK_BYTES.to_string(),
            ),
            ("save", String::new()),
            ("snapshot-every", settings.snapshot_every().to_string()),
            (
                "snapshot-rate",
                settings.snapshot_pace.rate().get().to_string(),
            ),
            ("timeout", settings.idle_timeout_s.get().to_string()),
            ("tls-auth-clients", tls.auth_clients.name().into()),
            ("tls-ca-cert-file", shown(&tls.files.authorities)),
            ("tls-cert-file", shown(&tls.files.certificate)),
            ("tls-cluster", yes_or_no(tls.for_peers)),
            ("tls-key-file", shown(&tls.files.key)),
            ("tls-port", tls_port.to_string()),
        ];
        let lower: Vec<Vec<u8>> = patterns
            .iter()
            .map(|one| one.to_ascii_lowercase())
            .collect();
        let wanted = |name: &str| lower.iter().any(|one| glob::matches(one, name.as_bytes()));
        all.into_iter().filter(|(name, _)| wanted(name)).collect()
    }

    /// Where certificates are all that a client has to show, they are asked for as long as the
    /// node runs: without a user or a password, its start may have depended on it.
    fn must_still_ask_who(&self, new: &TlsOptions) -> Result<(), String> {
        let old = self.inner.security.options().unwrap_or_default();
        let asks = |tls: &TlsOptions| tls.for_clients && tls.auth_clients == AuthClients::Yes;
        if self.access().is_open() && asks(&old) && !asks(new) {
            return Err(
                "ERR CONFIG SET failed (possibly related to argument 'tls-auth-clients') - no \
                 password is asked for, so certificates are all that keeps others out: start the \
                 node anew with other options"
                    .into(),
            );
        }
        Ok(())
    }

    /// Changes all of these settings, or none of them.
    pub(super) fn configure(&self, pairs: &[(Bytes, Bytes)]) -> Result<(), String> {
        let mut changes = Vec::new();
        let mut tls = self.inner.security.options();
        let mut changes_tls = None;
        for (name, value) in pairs {
            if let Some(tls) = &mut tls
                && let Some(changed) = set_tls(tls, name, value)
            {
                changes_tls = Some(changed?);
                continue;
            }
            let shown = String::from_utf8_lossy(&name[..name.len().min(64)]).into_owned();
            let setting = self.inner.settings.find(name).ok_or_else(|| {
                format!(
                    "ERR Unknown option or number of arguments for CONFIG SET - '{shown}': \
                     {CHANGEABLE} can be changed while a node runs"
                )
            })?;
            let Setting { least, most, .. } = setting;
            let text = std::str::from_utf8(value).unwrap_or_default();
            let fits = (setting.parse)(text).filter(|number| (least..=most).contains(number));
            let number = fits.ok_or_else(|| {
                format!(
                    "ERR CONFIG SET failed (possibly related to argument '{shown}') - argument \
                     must be between {least} and {most} inclusive"
                )
            })?;
            changes.push((setting.cell, number));
        }
        if let Some((name, tls)) = changes_tls.zip(tls) {
            self.must_still_ask_who(&tls)?;
            let changed = self.inner.security.change(tls);
            changed.map_err(|e| {
                format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {e}")
            })?;
        }
        let timeout = self.inner.settings.idle_timeout();
        for (cell, number) in changes {
            cell.set(number);
        }
        if self.inner.settings.idle_timeout() != timeout {
            self.inner.clients.look_again();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_as_in_the_configuration_of_redis() {
        for (text, bytes) in [
            ("0", 0),
            ("512", 512),
            ("1k", 1_000),
            ("1KB", 1_024),
            ("2mb", 2 << 20),
            ("1gb", 1 << 30),
            ("3g", 3_000_000_000),
        ] {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
        for text in [
            "",
            "mb",
            "-1",
            "1.5gb",
            "1 gb",
            "1tb",
            "99999999999999999999",
        ] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }
}
