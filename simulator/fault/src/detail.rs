//! Defines the faults of nodes, links, membership and clients, without their targets and times.
//!
//! Plain data; what each does to a cluster is the backend's business.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::kind::FaultKind;
use crate::unit::{As, Bandwidth, Drift, Duration, Offset, Share, Size};

/// How a scenario writes an action: its key, and the keys that may stand beside it.
#[derive(Debug, PartialEq, Eq)]
pub struct ActionKeys {
    /// The key that names the action.
    pub action: &'static str,
    /// Keys that may stand beside it.
    pub beside: &'static [&'static str],
    /// Whether exactly one of those is needed, to say what goes wrong.
    pub needs_one: bool,
    /// Whether it is a [`NodeFault`], and its value the list of targets.
    pub of_nodes: bool,
}

const fn of_nodes(action: &'static str, beside: &'static [&'static str]) -> ActionKeys {
    ActionKeys {
        action,
        beside,
        needs_one: false,
        of_nodes: true,
    }
}

const fn one_of(action: &'static str, beside: &'static [&'static str]) -> ActionKeys {
    ActionKeys {
        needs_one: true,
        ..of_nodes(action, beside)
    }
}

const fn other(action: &'static str, beside: &'static [&'static str]) -> ActionKeys {
    ActionKeys {
        of_nodes: false,
        ..of_nodes(action, beside)
    }
}

/// The keys of every action, in the order in which errors name them.
pub const ACTIONS: &[ActionKeys] = &[
    of_nodes("kill", &[]),
    of_nodes("stop", &[]),
    of_nodes("pause", &[]),
    of_nodes("power_loss", &[]),
    of_nodes("isolate", &[]),
    of_nodes("wipe", &[]),
    of_nodes("reset", &["with"]),
    of_nodes("crash_loop", &["up", "down"]),
    of_nodes("rolling_restart", &["up", "down"]),
    one_of("disk", &["slow_sync", "lost_tail", "damage"]),
    one_of("clock", &["offset", "drift", "jump"]),
    other("partition", &["one_way", "bridge"]),
    other("link", &[]),
    other("transfer", &[]),
    other("member", &[]),
    other("client", &[]),
];

/// What happens to each node of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeFault {
    /// The process dies at once; healing starts it again.
    Kill,
    /// The process ends gracefully; healing starts it again.
    Stop,
    /// The process stands still; healing lets it go on.
    Pause,
    /// As kill, and what was not synced is gone; healing starts it again.
    PowerLoss,
    /// It is cut off from every other node, both ways.
    Isolate,
    /// The process dies and its disk is empty for good; healing has the node replaced.
    Wipe,
    /// Its established connections are reset, at both ends.
    Reset {
        /// Whose connections are reset.
        #[serde(default)]
        with: Peers,
    },
    /// The process dies, is started again, dies again, and so on until it heals.
    CrashLoop(#[serde(deserialize_with = "Cycle::or_half_a_second")] Cycle),
    /// One node after the other is stopped gracefully and started again.
    RollingRestart(#[serde(deserialize_with = "Cycle::or_a_second")] Cycle),
    /// Its disk goes wrong.
    Disk(DiskFault),
    /// Its clock goes wrong.
    Clock(ClockFault),
}

/// Which connections of a node are reset.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Peers {
    /// Those with any other node.
    #[default]
    Nodes,
    /// Those with the other targets.
    Targets,
    /// Those with clients.
    Clients,
}

/// How long a process lives and is dead in turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Cycle {
    /// From a start to the next end.
    #[serde(rename = "up", with = "As::<Duration>")]
    pub up_us: u64,
    /// From an end to the next start.
    #[serde(rename = "down", with = "As::<Duration>")]
    pub down_us: u64,
}

/// What a disk does wrong while the fault is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DiskFault {
    /// Every sync takes so many microseconds longer.
    SlowSync(#[serde(with = "As::<Duration>")] u64),
    /// A sync fails; what was written before it may or may not be durable.
    FailingSync,
    /// Reads fail. A node reads its disk when it starts, so the process is restarted.
    ReadError,
    /// Writes fail.
    WriteError,
    /// Writes that need space fail.
    Full,
    /// Synced bytes change; the process is restarted, as a node reads its disk then.
    BitRot,
    /// A write lands elsewhere in its file, over older data; the process is restarted then.
    MisdirectedWrite,
    /// Power is lost in the middle of a write: a part of it stays.
    TornTail,
    /// Power is lost, and the disk had lied: of what was synced to the log so many bytes are gone
    /// from its end, at most, and half of them at least.
    LostTail(#[serde(with = "As::<Size>")] u64),
}

/// How a node's clock goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClockFault {
    /// The wall clock is off by so many microseconds until the fault heals.
    Offset(#[serde(with = "As::<Offset>")] i64),
    /// Both clocks run fast (or slow, when negative) by so many parts per million until the
    /// fault heals.
    Drift(#[serde(with = "As::<Drift>")] i32),
    /// The wall clock is set by so many microseconds, for good.
    Jump(#[serde(with = "As::<Offset>")] i64),
}

/// How the membership changes. Healing undoes it: what was removed is added again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberChange<T> {
    /// A spare joins.
    Add(T),
    /// A member leaves.
    Remove(T),
    /// Removed, given an empty disk, added again. Over when that is done.
    Replace(T),
}

/// What so many clients do to the cluster, or suffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientFault {
    /// They vanish with whatever they had asked for, and new ones come.
    Crash(#[serde(deserialize_with = "clients")] u64),
    /// They lose patience: short timeouts, no pauses.
    RetryStorm(#[serde(deserialize_with = "clients")] u64),
}

/// What a link gets worse by, on top of what it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LinkChange {
    /// Added to every message, one way.
    #[serde(rename = "latency", with = "As::<Duration>")]
    #[serde(skip_serializing_if = "is_zero")]
    pub latency_us: u64,
    /// Added at random to single messages, up to this much.
    #[serde(rename = "jitter", with = "As::<Duration>")]
    #[serde(skip_serializing_if = "is_zero")]
    pub jitter_us: u64,
    /// Parts per million lost, 0 to 1,000,000.
    #[serde(rename = "loss", with = "As::<Share>")]
    #[serde(skip_serializing_if = "is_zero")]
    pub loss_ppm: u32,
    /// Upper bound for each single link, at least 1.
    #[serde(rename = "bandwidth", with = "optional_bandwidth")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bandwidth_bytes_per_s: Option<u64>,
}

fn is_zero<N: Default + PartialEq>(number: &N) -> bool {
    *number == N::default()
}

mod optional_bandwidth {
    use super::*;

    pub(super) fn serialize<S: Serializer>(
        rate: &Option<u64>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        rate.map(Bandwidth).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<u64>, D::Error> {
        As::<Bandwidth>::deserialize(deserializer).map(Some)
    }
}

fn clients<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    match u64::deserialize(deserializer)? {
        clients @ 1..=10_000 => Ok(clients),
        clients => Err(serde::de::Error::custom(format!(
            "expected 1 to 10000 clients, not {clients}"
        ))),
    }
}

impl Cycle {
    /// As it is written, with what is left out taken from `default_us`.
    fn read<'de, D: Deserializer<'de>>(deserializer: D, default_us: u64) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Written {
            up: Option<Duration>,
            down: Option<Duration>,
        }
        let Written { up, down } = Written::deserialize(deserializer)?;
        let us = |time: Option<Duration>| time.map_or(default_us, Duration::us);
        let (up_us, down_us) = (us(up), us(down));
        match up_us.min(down_us) {
            0..1_000 => Err(serde::de::Error::custom("`up` and `down` are at least 1ms")),
            _ => Ok(Cycle { up_us, down_us }),
        }
    }

    fn or_half_a_second<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(deserializer, 500_000)
    }

    fn or_a_second<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(deserializer, 1_000_000)
    }
}

impl NodeFault {
    /// Its kind.
    pub fn kind(self) -> FaultKind {
        match self {
            NodeFault::Kill => FaultKind::Kill,
            NodeFault::Stop => FaultKind::Stop,
            NodeFault::Pause => FaultKind::Pause,
            NodeFault::PowerLoss => FaultKind::PowerLoss,
            NodeFault::Isolate => FaultKind::Isolate,
            NodeFault::Wipe => FaultKind::Wipe,
            NodeFault::Reset { .. } => FaultKind::Reset,
            NodeFault::CrashLoop(_) => FaultKind::CrashLoop,
            NodeFault::RollingRestart(_) => FaultKind::RollingRestart,
            NodeFault::Disk(fault) => fault.kind(),
            NodeFault::Clock(ClockFault::Offset(_)) => FaultKind::ClockOffset,
            NodeFault::Clock(ClockFault::Drift(_)) => FaultKind::ClockDrift,
            NodeFault::Clock(ClockFault::Jump(_)) => FaultKind::ClockJump,
        }
    }
}

impl NodeFault {
    /// As chaos draws it, with sizes as the kind's row has them.
    ///
    /// # Panics
    /// If the kind has other sizes, or does not happen to each node of a list.
    pub fn drawn(kind: FaultKind, sizes: &[i64]) -> Self {
        let us = |index: usize| sizes[index].unsigned_abs();
        let cycle = || Cycle {
            up_us: us(0),
            down_us: us(1),
        };
        match kind {
            FaultKind::Kill => NodeFault::Kill,
            FaultKind::Stop => NodeFault::Stop,
            FaultKind::Pause => NodeFault::Pause,
            FaultKind::PowerLoss => NodeFault::PowerLoss,
            FaultKind::Isolate | FaultKind::Flapping => NodeFault::Isolate,
            FaultKind::Wipe => NodeFault::Wipe,
            FaultKind::Reset => NodeFault::Reset {
                with: [Peers::Nodes, Peers::Clients][sizes[0] as usize],
            },
            FaultKind::CrashLoop => NodeFault::CrashLoop(cycle()),
            FaultKind::RollingRestart => NodeFault::RollingRestart(cycle()),
            FaultKind::SlowSync => NodeFault::Disk(DiskFault::SlowSync(us(0))),
            FaultKind::FailingSync => NodeFault::Disk(DiskFault::FailingSync),
            FaultKind::ReadError => NodeFault::Disk(DiskFault::ReadError),
            FaultKind::WriteError => NodeFault::Disk(DiskFault::WriteError),
            FaultKind::DiskFull => NodeFault::Disk(DiskFault::Full),
            FaultKind::BitRot => NodeFault::Disk(DiskFault::BitRot),
            FaultKind::MisdirectedWrite => NodeFault::Disk(DiskFault::MisdirectedWrite),
            FaultKind::TornTail => NodeFault::Disk(DiskFault::TornTail),
            FaultKind::LostTail => NodeFault::Disk(DiskFault::LostTail(sizes[0].unsigned_abs())),
            FaultKind::ClockOffset => NodeFault::Clock(ClockFault::Offset(sizes[0])),
            FaultKind::ClockDrift => NodeFault::Clock(ClockFault::Drift(sizes[0] as i32)),
            FaultKind::ClockJump => NodeFault::Clock(ClockFault::Jump(sizes[0])),
            FaultKind::Partition
            | FaultKind::OneWay
            | FaultKind::Bridge
            | FaultKind::Link
            | FaultKind::Latency
            | FaultKind::Jitter
            | FaultKind::Loss
            | FaultKind::Bandwidth
            | FaultKind::Transfer
            | FaultKind::AddMember
            | FaultKind::RemoveMember
            | FaultKind::ReplaceMember
            | FaultKind::ClientCrash
            | FaultKind::RetryStorm => panic!("`{kind}` has more to it than a list of nodes"),
        }
    }
}

impl LinkChange {
    /// As chaos draws it, for a kind that makes links worse.
    pub(crate) fn drawn(kind: FaultKind, sizes: &[i64]) -> Self {
        let size = |of: FaultKind| {
            let drawn = (kind == of).then(|| sizes[0].unsigned_abs());
            drawn.unwrap_or_default()
        };
        LinkChange {
            latency_us: size(FaultKind::Latency),
            jitter_us: size(FaultKind::Jitter),
            loss_ppm: size(FaultKind::Loss) as u32,
            bandwidth_bytes_per_s: Some(size(FaultKind::Bandwidth)).filter(|rate| *rate > 0),
        }
    }
}

impl DiskFault {
    /// Its kind.
    pub fn kind(self) -> FaultKind {
        match self {
            DiskFault::SlowSync(_) => FaultKind::SlowSync,
            DiskFault::FailingSync => FaultKind::FailingSync,
            DiskFault::ReadError => FaultKind::ReadError,
            DiskFault::WriteError => FaultKind::WriteError,
            DiskFault::Full => FaultKind::DiskFull,
            DiskFault::BitRot => FaultKind::BitRot,
            DiskFault::MisdirectedWrite => FaultKind::MisdirectedWrite,
            DiskFault::TornTail => FaultKind::TornTail,
            DiskFault::LostTail(_) => FaultKind::LostTail,
        }
    }

    /// Whether the node forgets something it had promised to keep, so that it must be
    /// replaced.
    pub fn loses_data(self) -> bool {
        self.kind().info().rejoins
    }
}

impl<T> MemberChange<T> {
    /// The node that joins, leaves or is replaced.
    pub fn target(&self) -> &T {
        let (MemberChange::Add(target)
        | MemberChange::Remove(target)
        | MemberChange::Replace(target)) = self;
        target
    }

    /// The same change of another node.
    pub fn with<U>(&self, target: U) -> MemberChange<U> {
        match self {
            MemberChange::Add(_) => MemberChange::Add(target),
            MemberChange::Remove(_) => MemberChange::Remove(target),
            MemberChange::Replace(_) => MemberChange::Replace(target),
        }
    }
}

impl ClientFault {
    /// How many clients it concerns.
    pub fn clients(self) -> u64 {
        let (ClientFault::Crash(clients) | ClientFault::RetryStorm(clients)) = self;
        clients
    }
}

/// What follows the targets in plans: `: down 500ms, up 1s`.
impl fmt::Display for NodeFault {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            NodeFault::CrashLoop(cycle) | NodeFault::RollingRestart(cycle) => {
                let (up, down) = (Duration(cycle.up_us), Duration(cycle.down_us));
                write!(f, ": down {down}, up {up}")
            }
            NodeFault::Reset { with } => f.write_str(match with {
                Peers::Nodes => ": with other nodes",
                Peers::Targets => ": with each other",
                Peers::Clients => ": with clients",
            }),
            NodeFault::Disk(DiskFault::SlowSync(by_us)) => write!(f, ": +{}", Duration(*by_us)),
            NodeFault::Disk(DiskFault::LostTail(most)) => write!(f, ": up to {}", Size(*most)),
            NodeFault::Clock(ClockFault::Offset(by_us) | ClockFault::Jump(by_us)) => {
                write!(f, ": {}", Offset(*by_us))
            }
            NodeFault::Clock(ClockFault::Drift(by_ppm)) => write!(f, ": {by_ppm:+}ppm"),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for LinkChange {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let (latency, jitter) = (Duration(self.latency_us), Duration(self.jitter_us));
        let rate = self.bandwidth_bytes_per_s.map(Bandwidth);
        let parts = [
            (self.latency_us > 0).then(|| format!("latency +{latency}")),
            (self.jitter_us > 0).then(|| format!("jitter +{jitter}")),
            (self.loss_ppm > 0).then(|| format!("loss {}", Share(self.loss_ppm))),
            rate.map(|rate| format!("bandwidth {rate}")),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        f.write_str(&parts.join(", "))
    }
}
