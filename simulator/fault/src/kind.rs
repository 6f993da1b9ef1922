//! The kinds of faults by name: what `[chaos]` switches on and off.
//!
//! A kind is finer than an action where the difference matters to a reader: the four ways
//! in which a link gets worse, a partition in one direction or with a bridge, an isolation
//! that flaps. Its names are those of scenarios.

use std::fmt;
use std::str::FromStr;

/// Declares the kinds, their names, and a list of them all, in one place.
macro_rules! kinds {
    ($($kind:ident = $name:literal,)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Kind {
            $($kind,)*
        }

        impl Kind {
            /// In a fixed order, on which drawn plans depend.
            pub const ALL: &[Kind] = &[$(Kind::$kind,)*];

            pub fn name(self) -> &'static str {
                match self {
                    $(Kind::$kind => $name,)*
                }
            }
        }
    };
}

kinds! {
    Kill = "kill",
    Stop = "stop",
    PowerLoss = "power_loss",
    Pause = "pause",
    Isolate = "isolate",
    Flapping = "flapping",
    Partition = "partition",
    OneWay = "one_way",
    Bridge = "bridge",
    Latency = "latency",
    Jitter = "jitter",
    Loss = "loss",
    Bandwidth = "bandwidth",
    Transfer = "transfer",
    Wipe = "wipe",
    CrashLoop = "crash_loop",
    RollingRestart = "rolling_restart",
    SlowSync = "slow_sync",
    FailingSync = "failing_sync",
    ReadError = "read_error",
    WriteError = "write_error",
    DiskFull = "disk_full",
    BitRot = "bit_rot",
    MisdirectedWrite = "misdirected_write",
    TornTail = "torn_tail",
    ClockOffset = "clock_offset",
    ClockDrift = "clock_drift",
    ClockJump = "clock_jump",
    AddMember = "add_member",
    RemoveMember = "remove_member",
    ReplaceMember = "replace_member",
    ClientCrash = "client_crash",
    RetryStorm = "retry_storm",
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Kind::ALL.iter().find(|kind| kind.name() == text);
        known.copied().ok_or_else(|| {
            let names: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
            let names = names.join(", ");
            format!("unknown kind of fault `{text}`, expected one of {names}")
        })
    }
}

impl<'de> serde::Deserialize<'de> for Kind {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl serde::Serialize for Kind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
