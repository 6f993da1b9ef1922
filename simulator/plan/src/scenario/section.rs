//! The single tables of a scenario file, each with its defaults.
//!
//! A default has the place `0..0`; checks use that to point at what the author did write.

use serde::Deserialize;
use toml::Spanned;

use super::unit::{Bandwidth, Bounds, Drift, Duration, Offset, Share};
use squall_fault::FaultKind;

/// A value that the author left out.
pub(super) fn unwritten<T>(value: T) -> Spanned<T> {
    Spanned::new(0..0, value)
}

const fn ms(count: u64) -> Duration {
    Duration(count * 1_000)
}

/// `[system]`: what runs instead of Squall's own cluster. One of both.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct System {
    /// One that ships.
    pub name: Option<String>,
    /// A file, found from where the scenario is.
    pub file: Option<String>,
}

impl System {
    /// Whether it is not Squall's own cluster.
    pub fn is_other(&self) -> bool {
        self.file.is_some() || self.name.as_ref().is_some_and(|name| name != "squall")
    }

    /// As it was written.
    pub fn shown(&self) -> &str {
        let shown = self.name.as_ref().or(self.file.as_ref());
        shown.map_or("", String::as_str)
    }
}

/// `[cluster]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cluster {
    /// 1 to 64, named `node-1 … node-N`. Default 5.
    pub nodes: Spanned<u64>,
    /// Machines that run and wait to be added, named after the nodes. Default none.
    pub spares: Spanned<u64>,
    /// Default 100 ms.
    pub heartbeat: Spanned<Duration>,
    /// Default 300 ms to 600 ms; the minimum is at least two heartbeats.
    pub election_timeout: Spanned<Bounds<Duration>>,
    /// Log entries between snapshots, at least 10. Default 5,000.
    pub snapshot_every: Spanned<u64>,
    /// Most keys that the cache holds. Default 100,000.
    pub cache_entries: Spanned<u64>,
}

impl Cluster {
    /// Least and most, as written, or 300 ms and 600 ms.
    pub fn election_timeout(&self) -> (Duration, Duration) {
        self.election_timeout.get_ref().or((ms(300), ms(600)))
    }
}

impl Default for Cluster {
    fn default() -> Self {
        Cluster {
            nodes: unwritten(5),
            spares: unwritten(0),
            heartbeat: unwritten(ms(100)),
            election_timeout: unwritten(Bounds::default()),
            snapshot_every: unwritten(5_000),
            cache_entries: unwritten(100_000),
        }
    }
}

/// `[network]`: every link between two nodes, before any fault.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Network {
    /// One way. Default 1 ms to 5 ms.
    pub latency: Spanned<Bounds<Duration>>,
    /// Added at random to single packets, up to this much. Default none.
    pub jitter: Duration,
    /// Share of packets lost. Default none.
    pub loss: Share,
    /// Per link and direction. Default unlimited.
    pub bandwidth: Option<Bandwidth>,
}

impl Network {
    /// Least and most, as written, or 1 ms and 5 ms.
    pub fn latency(&self) -> (Duration, Duration) {
        self.latency.get_ref().or((ms(1), ms(5)))
    }
}

impl Default for Network {
    fn default() -> Self {
        Network {
            latency: unwritten(Bounds::default()),
            jitter: Duration(0),
            loss: Share(0),
            bandwidth: None,
        }
    }
}

/// `[disk]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Disk {
    /// How long a sync takes. Default 200 us to 2 ms.
    pub sync: Spanned<Bounds<Duration>>,
}

impl Disk {
    /// Least and most, as written, or 200 µs and 2 ms.
    pub fn sync(&self) -> (Duration, Duration) {
        self.sync.get_ref().or((Duration(200), ms(2)))
    }
}

impl Default for Disk {
    fn default() -> Self {
        Disk {
            sync: unwritten(Bounds::default()),
        }
    }
}

/// `[clock]`: how far each node's clock is off, drawn per node from the seed.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Clock {
    /// Default none.
    pub offset: Spanned<Bounds<Offset>>,
    /// How much a clock runs fast (positive) or slow. Default none.
    pub drift: Spanned<Bounds<Drift>>,
}

impl Clock {
    /// Least and most, as written, or none.
    pub fn offset(&self) -> (Offset, Offset) {
        self.offset.get_ref().or((Offset(0), Offset(0)))
    }

    /// Least and most, as written, or none.
    pub fn drift(&self) -> (Drift, Drift) {
        self.drift.get_ref().or((Drift(0), Drift(0)))
    }
}

impl Default for Clock {
    fn default() -> Self {
        Clock {
            offset: unwritten(Bounds::default()),
            drift: unwritten(Bounds::default()),
        }
    }
}

/// `[phases]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Phases {
    /// Load without faults, the yardstick for recovery. Default 5 s, at least 1 s.
    pub warmup: Spanned<Duration>,
    /// Faults happen here. Default 30 s; with a load, as long as that.
    pub chaos: Spanned<Duration>,
    /// Steps of a load are this many times shorter, for a quick look. Default 1.
    pub compress: Spanned<u64>,
    /// Deadline for every member to catch up after the last fault healed. Default 30 s.
    pub converge: Spanned<Duration>,
    /// Fresh operations on the healed cluster. Default 3 s.
    pub serve: Spanned<Duration>,
    /// Deadline for reading back every acknowledged operation. Default 60 s.
    pub audit: Spanned<Duration>,
}

impl Default for Phases {
    fn default() -> Self {
        Phases {
            warmup: unwritten(ms(5_000)),
            chaos: unwritten(ms(30_000)),
            compress: unwritten(1),
            converge: unwritten(ms(30_000)),
            serve: unwritten(ms(3_000)),
            audit: unwritten(ms(60_000)),
        }
    }
}

/// `[probe]`: one extra client a service, so that gaps in service have sharp edges.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Probe {
    /// Default true.
    pub enabled: bool,
    /// Interval around faults. Default 10 ms.
    pub every: Spanned<Duration>,
    /// Interval otherwise. Default 100 ms.
    pub idle: Spanned<Duration>,
    /// Of one probe. Default 1 s.
    pub timeout: Spanned<Duration>,
}

impl Default for Probe {
    fn default() -> Self {
        Probe {
            enabled: true,
            every: unwritten(ms(10)),
            idle: unwritten(ms(100)),
            timeout: unwritten(ms(1_000)),
        }
    }
}

/// `[chaos]`: faults drawn from the seed, over the chaos phase. An empty table means every
/// kind at the default rates.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Chaos {
    /// Kinds to draw from. Default all.
    pub kinds: Option<Spanned<Vec<Spanned<FaultKind>>>>,
    /// Whether each seed leaves some kinds out. Default true.
    pub swarm: bool,
    /// Share of the kinds that a seed keeps, if it leaves some out. Default 50%.
    pub kept: Share,
    /// From one fault's beginning to the next one's, in a steady spell. Default 300 ms to 4 s.
    pub gap: Spanned<Bounds<Duration>>,
    /// How long a fault lasts. Default 200 ms to 5 s.
    #[serde(rename = "for")]
    pub lasts: Spanned<Bounds<Duration>>,
    /// How many nodes drawn faults may impair at a time. Default `minority`.
    pub budget: Budget,
    /// Share of faults that wait for a moment that matters. Default 20%.
    pub aimed: Share,
    /// Share of the faults of single nodes that wait until their target passes a point. Default
    /// none.
    pub at_points: Share,
    /// Share of the points at which something waits or lets others go first. Default none.
    pub points: Share,
}

/// How many nodes drawn faults may harm at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Budget {
    /// As many as can be missing without harm: the cluster stays recoverable.
    Minority,
    /// As many as can be missing may lose what they stored. What a cluster survives (kills,
    /// power loss, pauses, cuts) may strike a majority or all.
    Damage,
    /// No limit: the cluster may be broken for good.
    Unlimited,
}

impl Chaos {
    /// Least and most, as written, or 300 ms and 4 s.
    pub fn gap(&self) -> (Duration, Duration) {
        self.gap.get_ref().or((ms(300), ms(4_000)))
    }

    /// Least and most, as written, or 200 ms and 5 s.
    pub fn lasts(&self) -> (Duration, Duration) {
        self.lasts.get_ref().or((ms(200), ms(5_000)))
    }
}

impl Default for Chaos {
    fn default() -> Self {
        Chaos {
            kinds: None,
            swarm: true,
            kept: Share(500_000),
            gap: unwritten(Bounds::default()),
            lasts: unwritten(Bounds::default()),
            budget: Budget::Minority,
            aimed: Share(200_000),
            at_points: Share(0),
            points: Share(0),
        }
    }
}
