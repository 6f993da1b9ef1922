//! The table of fault kinds: a row for each, with everything that depends on the kind alone.
//!
//! Drawing, budgets, checks, measures, reports and documents read a row; no other list of
//! kinds exists. A row lacks no column, or it does not compile. A kind is finer than an
//! [`Action`](crate::Action) where the difference matters to a reader: a link gets worse in
//! four ways, a partition may be one-way. Histories record some of them under a shared name
//! ([`KindInfo::recorded_as`]).

use std::fmt;
use std::str::FromStr;

/// What a kind breaks: how tables and reports group it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// A process ends, pauses, or is started again.
    Process,
    /// Links are cut or get worse.
    Network,
    /// A disk slows down, fails, or damages what it holds.
    Disk,
    /// A clock jumps or drifts.
    Clock,
    /// Leadership or membership changes.
    Membership,
    /// Clients crash or send without patience.
    Client,
}

/// What a backend must be able to do. A backend names those that it has; a plan with a fault
/// that needs another is refused before it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Capability {
    /// Ends, starts, stops and continues processes; empties their disks while they are down.
    Processes,
    /// Ends a process so that what it had not synced is gone.
    Power,
    /// Cuts links, and makes them slower or lossy.
    Links,
    /// Resets established connections.
    Connections,
    /// Makes a disk slow, failing or rotten.
    Disks,
    /// Sets clocks wrong, one by one.
    Clocks,
    /// Asks the cluster for changes of its membership or its leader.
    Membership,
    /// Ends clients, or makes them impatient.
    Clients,
}

/// How a fault silences its nodes for the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// The node runs and is heard, though perhaps badly.
    None,
    /// The process ends; the node is back when it starts again.
    Process,
    /// The process cannot be heard; the node is back when the fault is healed.
    CutOff,
    /// As [`Silence::CutOff`], for those targets only that a majority does not hear, or that
    /// do not hear a majority: the history names them.
    Minority,
}

/// What counts as proof that a fault took effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The history shows that the process of each target ended.
    ProcessEnd,
    /// The backend has seen it before it reports the fault as installed; the history holds no
    /// mark of its own.
    Observed,
}

/// What the nodes of a fault may forget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Nothing.
    Nothing,
    /// What was not synced, which no node may have promised to keep.
    Unsynced,
    /// What was synced: the node must be replaced, or be sent it again.
    Stored,
}

/// How many nodes a fault takes from the budget of nodes that may be impaired at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cost {
    /// No node.
    None,
    /// Its targets.
    Targets,
    /// All sides of a partition but the largest.
    SmallerSides,
    /// One at a time, counted when its turn comes.
    InTurn,
}

/// When a fault is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// As soon as it has happened; there is nothing to heal.
    AtOnce,
    /// When it is healed.
    Healed,
    /// When it has come to its last target.
    Done,
}

/// Which targets chaos draws for a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aim {
    /// One node, a leader and a follower, a minority, or more if there is no budget.
    Several,
    /// One node.
    One,
    /// Any number of nodes, all of them too.
    All,
    /// A follower.
    Follower,
    /// A machine that belongs to no cluster yet.
    Spare,
    /// As several, against all others.
    Side,
    /// As [`Aim::Side`], in either direction.
    Direction,
    /// A minority against all others, and a node that both reach.
    Bridge,
    /// Two ends of links, either of them perhaps all nodes.
    Ends,
    /// No node: the fault is the clients'.
    Clients,
}

/// Whether chaos draws a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drawn {
    /// Unless `kinds` leaves it out.
    Always,
    /// Only if `kinds` names it. Kinds that came later, so that earlier seeds mean what they
    /// did.
    IfNamed,
    /// Only where it is written out.
    Never,
}

/// A range from which chaos draws how bad a fault is, in the unit of the fault's detail
/// (microseconds, parts per million, bytes a second, clients).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Least, in the unit of the key.
    pub min: u64,
    /// Most, in the unit of the key.
    pub max: u64,
    /// Drawn values are multiples of it, so that plans are easy to read.
    pub step: u64,
    /// Whether it is negative half of the time.
    pub is_signed: bool,
}

const fn ms(min: u64, max: u64) -> Size {
    in_steps(min * 1_000, max * 1_000, 1_000)
}

const fn in_steps(min: u64, max: u64, step: u64) -> Size {
    Size {
        min,
        max,
        step,
        is_signed: false,
    }
}

const fn signed(size: Size) -> Size {
    Size {
        is_signed: true,
        ..size
    }
}

/// A row of the table.
#[derive(Debug)]
pub struct KindInfo {
    /// In scenarios and reports.
    pub name: &'static str,
    /// One sentence for documents.
    pub summary: &'static str,
    /// The kind under whose name a history has it.
    pub recorded_as: FaultKind,
    /// What part of a system it is about.
    pub group: Group,
    /// What a backend must be able to do.
    pub needs: Capability,
    /// When it is over.
    pub ends: Ends,
    /// How it silences its nodes for the others.
    pub silence: Silence,
    /// What shows that it took effect.
    pub proof: Proof,
    /// What its nodes may forget.
    pub loses: Loss,
    /// What it takes of the budget.
    pub cost: Cost,
    /// Whether only running processes can be its targets; otherwise any machine can.
    pub targets_run: bool,
    /// Whether its nodes leave the cluster, and join it again after the fault.
    pub rejoins: bool,
    /// The smallest cluster for which chaos draws it.
    pub fewest_nodes: usize,
    /// Which nodes it is drawn for.
    pub aim: Aim,
    /// How often `[chaos]` draws it.
    pub drawn: Drawn,
    /// Ranges from which its sizes are drawn.
    pub sizes: &'static [Size],
}

macro_rules! kinds {
    ($($kind:ident $name:literal as $recorded:ident: $group:ident $needs:ident $ends:ident,
        $silence:ident $proof:ident $loses:ident $cost:ident $run:literal $rejoins:literal,
        $fewest:literal $aim:ident $drawn:ident $sizes:expr, $summary:literal;)*) => {
        /// A kind of fault, by the name that scenarios, histories and reports use.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum FaultKind {
            $(#[doc = $summary] $kind,)*
        }

        impl FaultKind {
            /// In the order of the table, on which drawn plans depend.
            pub const ALL: &[FaultKind] = &[$(FaultKind::$kind,)*];

            /// Its row.
            pub fn info(self) -> &'static KindInfo {
                match self {
                    $(FaultKind::$kind => const { &KindInfo {
                        name: $name,
                        summary: $summary,
                        recorded_as: FaultKind::$recorded,
                        group: Group::$group,
                        needs: Capability::$needs,
                        ends: Ends::$ends,
                        silence: Silence::$silence,
                        proof: Proof::$proof,
                        loses: Loss::$loses,
                        cost: Cost::$cost,
                        targets_run: $run,
                        rejoins: $rejoins,
                        fewest_nodes: $fewest,
                        aim: Aim::$aim,
                        drawn: Drawn::$drawn,
                        sizes: $sizes,
                    } },)*
                }
            }
        }
    };
}

// A row: kind, name, name in histories: group, needs, end,
//     silence, proof, loses, cost, only running targets, rejoins,
//     fewest nodes, aim, drawn, sizes, summary.
kinds! {
    Kill "kill" as Kill: Process Processes Healed,
        Process ProcessEnd Nothing Targets true false,
        3 Several Always &[], "the process dies at once (SIGKILL), and is started again";
    Stop "stop" as Stop: Process Processes Healed,
        Process ProcessEnd Nothing Targets true false,
        3 Several Always &[], "the process ends gracefully, and is started again";
    PowerLoss "power_loss" as PowerLoss: Process Power Healed,
        Process ProcessEnd Unsynced Targets true false,
        3 Several Always &[], "the process dies, what was not synced is gone, and it is started again";
    Pause "pause" as Pause: Process Processes Healed,
        CutOff Observed Nothing Targets true false,
        3 Several Always &[], "the process stands still, and then goes on";
    Isolate "isolate" as Isolate: Network Links Healed,
        CutOff Observed Nothing Targets false false,
        3 Several Always &[], "each target is cut off from every other node";
    Flapping "flapping" as Isolate: Network Links Healed,
        CutOff Observed Nothing Targets false false,
        3 One Always &[ms(100, 1_000), ms(100, 1_000)],
        "one node is cut off and back, two to five times";
    Partition "partition" as Partition: Network Links Healed,
        Minority Observed Nothing SmallerSides false false,
        3 Side Always &[], "no message passes between the sides; nodes on no side reach everyone";
    OneWay "one_way" as Partition: Network Links Healed,
        Minority Observed Nothing SmallerSides false false,
        3 Direction Always &[], "a partition that loses the messages of one direction only";
    Bridge "bridge" as Bridge: Network Links Healed,
        Minority Observed Nothing SmallerSides false false,
        3 Bridge Always &[], "a partition of two sides that both reach one node";
    Link "link" as Link: Network Links Healed,
        None Observed Nothing None false false,
        2 Ends Never &[], "messages from some nodes to others get worse";
    Latency "latency" as Link: Network Links Healed,
        None Observed Nothing None false false,
        2 Ends Always &[ms(1, 30)], "every message on the links takes longer";
    Jitter "jitter" as Link: Network Links Healed,
        None Observed Nothing None false false,
        2 Ends Always &[ms(1, 50)], "messages on the links take longer at random";
    Loss "loss" as Link: Network Links Healed,
        None Observed Nothing None false false,
        2 Ends Always &[in_steps(1_000, 100_000, 1_000)], "the links lose a share of their messages";
    Bandwidth "bandwidth" as Link: Network Links Healed,
        None Observed Nothing None false false,
        2 Ends Always &[in_steps(50_000, 1_000_000, 1_000)], "the links carry no more than so much";
    Reset "reset" as Reset: Network Connections AtOnce,
        None Observed Nothing None true false,
        2 Several IfNamed &[in_steps(0, 1, 1)], "established connections are reset at both ends";
    Transfer "transfer" as Transfer: Membership Membership AtOnce,
        None Observed Nothing None true false,
        2 Follower Always &[], "the leader transfers its leadership";
    Wipe "wipe" as Wipe: Process Processes Healed,
        Process ProcessEnd Stored Targets true true,
        3 One Always &[], "the process dies and its disk is emptied; the node is replaced";
    CrashLoop "crash_loop" as CrashLoop: Process Processes Healed,
        Process ProcessEnd Nothing Targets true false,
        3 One Always &[ms(50, 1_000), ms(20, 500)], "the process dies and is started again and again";
    RollingRestart "rolling_restart" as RollingRestart: Process Processes Done,
        Process Observed Nothing InTurn false false,
        3 All Always &[ms(500, 2_000), ms(100, 1_000)],
        "one target after the other is stopped gracefully and started again";
    SlowSync "slow_sync" as SlowSync: Disk Disks Healed,
        None Observed Nothing None true false,
        1 One Always &[ms(5, 200)], "every sync takes longer";
    FailingSync "failing_sync" as FailingSync: Disk Disks Healed,
        Process ProcessEnd Unsynced Targets true false,
        3 One Always &[], "a sync fails; what was written before it may or may not be durable";
    ReadError "read_error" as ReadError: Disk Disks Healed,
        Process ProcessEnd Nothing Targets true false,
        3 One Always &[], "reads fail; the process is restarted, as a node reads its disk then";
    WriteError "write_error" as WriteError: Disk Disks Healed,
        Process ProcessEnd Nothing Targets true false,
        3 One Always &[], "writes fail";
    DiskFull "disk_full" as DiskFull: Disk Disks Healed,
        Process ProcessEnd Nothing Targets true false,
        3 One Always &[], "writes that need space fail";
    BitRot "bit_rot" as BitRot: Disk Disks Healed,
        Process ProcessEnd Stored Targets true true,
        3 One Always &[], "synced bytes change; the process is restarted, and the node replaced";
    MisdirectedWrite "misdirected_write" as MisdirectedWrite: Disk Disks Healed,
        Process ProcessEnd Stored Targets true true,
        3 One Always &[], "a write lands over older data of its file; the node is replaced";
    TornTail "torn_tail" as TornTail: Disk Disks Healed,
        Process ProcessEnd Unsynced Targets true false,
        3 One Always &[], "power is lost in the middle of a write, a part of which stays";
    LostTail "lost_tail" as LostTail: Disk Disks Healed,
        Process ProcessEnd Stored Targets true false,
        3 One IfNamed &[in_steps(1_024, 65_536, 1_024)],
        "power is lost, and with it what had been synced at the end of the log";
    ClockOffset "clock_offset" as ClockOffset: Clock Clocks Healed,
        None Observed Nothing None false false,
        1 One Always &[signed(ms(10, 60_000))], "the wall clock is off";
    ClockDrift "clock_drift" as ClockDrift: Clock Clocks Healed,
        None Observed Nothing None false false,
        1 One Always &[signed(in_steps(10, 300, 1))], "both clocks run fast, or slow when negative";
    ClockJump "clock_jump" as ClockJump: Clock Clocks AtOnce,
        None Observed Nothing None false false,
        1 One Always &[signed(ms(10, 3_600_000))], "the wall clock is set wrong for good";
    AddMember "add_member" as AddMember: Membership Membership Healed,
        None Observed Nothing None false false,
        1 Spare Always &[], "a spare joins, and leaves when the fault heals";
    RemoveMember "remove_member" as RemoveMember: Membership Membership Healed,
        None Observed Nothing Targets false true,
        3 One Always &[], "a member leaves, and joins again when the fault heals";
    ReplaceMember "replace_member" as ReplaceMember: Membership Membership Healed,
        None Observed Stored Targets false true,
        3 One Always &[], "a member is removed, given an empty disk, and added again";
    ClientCrash "client_crash" as ClientCrash: Client Clients AtOnce,
        None Observed Nothing None false false,
        1 Clients Always &[in_steps(1, 4, 1)], "clients vanish with what they asked for; others come";
    RetryStorm "retry_storm" as RetryStorm: Client Clients Healed,
        None Observed Nothing None false false,
        1 Clients Always &[in_steps(1, 4, 1)], "clients give up early and ask again at once";
}

impl FaultKind {
    /// Its name in scenarios and reports.
    pub fn name(self) -> &'static str {
        self.info().name
    }

    /// Whether it is over as soon as it has happened, with nothing to heal.
    pub fn is_instant(self) -> bool {
        self.info().ends == Ends::AtOnce
    }

    /// Whether it makes nodes unavailable that a budget has to count.
    pub fn is_costly(self) -> bool {
        self.info().cost != Cost::None
    }

    /// Whether its nodes may lose what they had stored, or their vote. What else a fault does,
    /// a cluster survives however many nodes it strikes.
    pub fn endangers_data(self) -> bool {
        let info = self.info();
        info.cost != Cost::None && (info.loses == Loss::Stored || info.group == Group::Membership)
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for FaultKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.iter().find(|kind| kind.name() == text);
        known.copied().ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|kind| kind.name()).collect();
            let names = names.join(", ");
            format!("unknown kind of fault `{text}`, expected one of {names}")
        })
    }
}

impl<'de> serde::Deserialize<'de> for FaultKind {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl serde::Serialize for FaultKind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
