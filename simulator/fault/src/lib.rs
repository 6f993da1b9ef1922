//! Faults: what can be done to a cluster, and to whom.
//!
//! This is the vocabulary that plans and backends share. It knows neither how a backend
//! does a fault nor when one is due. Targets stay roles until the fault fires
//! ([`resolve`]), because who leads then is not known before.
//!
//! Partitions and links concern messages between nodes only; clients reach every node that
//! runs, as they would through another network.

mod change;
pub mod kind;
pub mod resolve;
mod resolved;
mod target;
#[cfg(test)]
mod tests;
pub mod text;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use change::{ClientFault, ClockFault, DiskFault, MOMENTS, MemberChange, Moment};
pub use kind::Kind;
pub use resolve::{Roles, resolve};
pub use resolved::ResolvedAction;
pub use target::{Target, node_name};
use text::{duration_text, share_text};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FaultAction {
    /// The process dies at once; healing starts it again.
    Kill { targets: Vec<Target> },
    /// The process ends gracefully; healing starts it again.
    Stop { targets: Vec<Target> },
    /// As kill, and what was not synced is gone; healing starts it again.
    PowerLoss { targets: Vec<Target> },
    /// The process stands still; healing lets it go on.
    Pause { targets: Vec<Target> },
    /// Each target is cut off from every other node, both ways.
    Isolate { targets: Vec<Target> },
    /// No message passes between the sides; with `one_way`, none from the first side to
    /// the second, while the other direction works. Nodes on no side reach everyone.
    Partition {
        sides: Vec<Vec<Target>>,
        one_way: bool,
    },
    /// No message passes between the two sides, but both reach `bridge`.
    Bridge {
        sides: Vec<Vec<Target>>,
        bridge: Target,
    },
    /// Messages from each of `from` to each of `to` get worse, in that direction.
    Link {
        from: Vec<Target>,
        to: Vec<Target>,
        change: LinkChange,
    },
    /// The leader hands its office to `to`; over at once, nothing to heal.
    Transfer { to: Target },
    /// The process dies and its disk is empty for good; healing has the node replaced.
    Wipe { targets: Vec<Target> },
    /// The process dies, is started again, dies again, and so on until it heals.
    CrashLoop {
        targets: Vec<Target>,
        /// How long it lives each time.
        up_us: u64,
        /// How long it is dead each time.
        down_us: u64,
    },
    /// One target after the other is stopped gracefully and started again.
    RollingRestart {
        targets: Vec<Target>,
        /// Rest between one node's start and the next one's stop.
        up_us: u64,
        /// How long each is away.
        down_us: u64,
    },
    /// Disks go wrong.
    Disk {
        targets: Vec<Target>,
        #[serde(flatten)]
        fault: DiskFault,
    },
    /// Clocks go wrong.
    Clock {
        targets: Vec<Target>,
        #[serde(flatten)]
        fault: ClockFault,
    },
    /// The membership changes; a target is one node.
    Member {
        target: Target,
        change: MemberChange,
    },
    /// Clients fail, or misbehave.
    Client {
        #[serde(flatten)]
        fault: ClientFault,
    },
}

/// What a link gets worse by, on top of what it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkChange {
    /// Added to every message, one way.
    pub latency_us: u64,
    /// Added at random to single messages, up to this much.
    pub jitter_us: u64,
    /// Parts per million lost, 0 to 1,000,000.
    pub loss_ppm: u32,
    /// Upper bound for each single link, at least 1.
    pub bandwidth_bytes_per_s: Option<u64>,
}

impl FaultAction {
    /// The name of the action in scenarios, histories and reports; `bridge` is a kind of
    /// its own.
    pub fn kind(&self) -> &'static str {
        match self {
            FaultAction::Kill { .. } => "kill",
            FaultAction::Stop { .. } => "stop",
            FaultAction::PowerLoss { .. } => "power_loss",
            FaultAction::Pause { .. } => "pause",
            FaultAction::Isolate { .. } => "isolate",
            FaultAction::Partition { .. } => "partition",
            FaultAction::Bridge { .. } => "bridge",
            FaultAction::Link { .. } => "link",
            FaultAction::Transfer { .. } => "transfer",
            FaultAction::Wipe { .. } => "wipe",
            FaultAction::CrashLoop { .. } => "crash_loop",
            FaultAction::RollingRestart { .. } => "rolling_restart",
            FaultAction::Disk { fault, .. } => fault.kind(),
            FaultAction::Clock { fault, .. } => fault.kind(),
            FaultAction::Member { change, .. } => change.kind(),
            FaultAction::Client { fault } => fault.kind(),
        }
    }

    /// Whether it is over as soon as it happened, with nothing to heal.
    pub fn is_instant(&self) -> bool {
        matches!(
            self,
            FaultAction::Transfer { .. }
                | FaultAction::Clock {
                    fault: ClockFault::Jump { .. },
                    ..
                }
                | FaultAction::Client {
                    fault: ClientFault::Crash { .. },
                }
        )
    }
}

impl fmt::Display for FaultAction {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let kind = self.kind();
        match self {
            FaultAction::Kill { targets }
            | FaultAction::Stop { targets }
            | FaultAction::PowerLoss { targets }
            | FaultAction::Pause { targets }
            | FaultAction::Wipe { targets }
            | FaultAction::Isolate { targets } => write!(f, "{kind} {}", list(targets)),
            FaultAction::Partition { sides, one_way } => {
                let arrow = if *one_way { " -x-> " } else { " | " };
                write!(f, "{kind} {}", joined(sides, arrow))
            }
            FaultAction::Bridge { sides, bridge } => {
                write!(f, "{kind} {} over {bridge}", joined(sides, " | "))
            }
            FaultAction::Link { from, to, change } => {
                write!(f, "{kind} {} -> {}: {change}", list(from), list(to))
            }
            FaultAction::Transfer { to } => write!(f, "{kind} to {to}"),
            FaultAction::CrashLoop {
                targets,
                up_us,
                down_us,
            }
            | FaultAction::RollingRestart {
                targets,
                up_us,
                down_us,
            } => {
                let (up, down) = (duration_text(*up_us), duration_text(*down_us));
                write!(f, "{kind} {}: down {down}, up {up}", list(targets))
            }
            FaultAction::Disk { targets, fault } => match fault {
                DiskFault::SlowSync { .. } => write!(f, "{kind} {}: {fault}", list(targets)),
                _ => write!(f, "{kind} {}", list(targets)),
            },
            FaultAction::Clock { targets, fault } => {
                write!(f, "{kind} {}: {fault}", list(targets))
            }
            FaultAction::Member { target, .. } => write!(f, "{kind} {target}"),
            FaultAction::Client { fault } => write!(f, "{kind} of {}", fault.clients()),
        }
    }
}

impl fmt::Display for LinkChange {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let mut parts = Vec::new();
        if self.latency_us > 0 {
            parts.push(format!("latency +{}", duration_text(self.latency_us)));
        }
        if self.jitter_us > 0 {
            parts.push(format!("jitter +{}", duration_text(self.jitter_us)));
        }
        if self.loss_ppm > 0 {
            parts.push(format!("loss {}", share_text(self.loss_ppm)));
        }
        if let Some(bandwidth) = self.bandwidth_bytes_per_s {
            parts.push(format!("bandwidth {bandwidth}B/s"));
        }
        if parts.is_empty() {
            parts.push("unchanged".to_owned());
        }
        f.write_str(&parts.join(", "))
    }
}

fn list(targets: &[Target]) -> String {
    let names: Vec<String> = targets.iter().map(Target::to_string).collect();
    format!("[{}]", names.join(", "))
}

fn joined(sides: &[Vec<Target>], between: &str) -> String {
    let sides: Vec<String> = sides.iter().map(|side| list(side)).collect();
    sides.join(between)
}
