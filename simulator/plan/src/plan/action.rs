//! From a fault as it is written to an action.
//!
//! The scenario's checks have made sure that there is exactly one action, with the details
//! that it needs and no others; this only puts it into the words of the vocabulary.

use crate::scenario::fault::{Damage, Fault, Link, Member, Targets};
use crate::scenario::unit::Duration;
use squall_fault::{
    ClientFault, ClockFault, DiskFault, FaultAction, LinkChange, MemberChange, Target,
};

pub(super) fn action(fault: &Fault) -> FaultAction {
    let list = |targets: &Option<toml::Spanned<Targets>>| {
        let targets = targets.as_ref()?;
        Some(names(targets.get_ref()))
    };
    if let Some(targets) = list(&fault.kill) {
        return FaultAction::Kill { targets };
    }
    if let Some(targets) = list(&fault.stop) {
        return FaultAction::Stop { targets };
    }
    if let Some(targets) = list(&fault.pause) {
        return FaultAction::Pause { targets };
    }
    if let Some(targets) = list(&fault.power_loss) {
        return FaultAction::PowerLoss { targets };
    }
    if let Some(targets) = list(&fault.isolate) {
        return FaultAction::Isolate { targets };
    }
    if let Some(sides) = &fault.partition {
        let sides = sides.get_ref().iter();
        return partition(fault, sides.map(|side| names(side.get_ref())).collect());
    }
    if let Some(link) = &fault.link {
        return link_action(link.get_ref());
    }
    if let Some(targets) = list(&fault.wipe) {
        return FaultAction::Wipe { targets };
    }
    let (up_us, down_us) = (fault.up_us(), fault.down_us());
    if let Some(targets) = list(&fault.crash_loop) {
        return FaultAction::CrashLoop {
            targets,
            up_us,
            down_us,
        };
    }
    if let Some(targets) = list(&fault.rolling_restart) {
        return FaultAction::RollingRestart {
            targets,
            up_us,
            down_us,
        };
    }
    if let Some(targets) = list(&fault.disk) {
        let fault = disk_fault(fault);
        return FaultAction::Disk { targets, fault };
    }
    if let Some(targets) = list(&fault.clock) {
        let fault = clock_fault(fault);
        return FaultAction::Clock { targets, fault };
    }
    if let Some(member) = &fault.member {
        return member_action(member.get_ref());
    }
    if let Some(client) = &fault.client {
        let client = client.get_ref();
        let count = |count: &Option<toml::Spanned<u64>>| count.as_ref().map(|c| *c.get_ref());
        let fault = match (count(&client.crash), count(&client.retry_storm)) {
            (Some(clients), _) => ClientFault::Crash { clients },
            (None, clients) => ClientFault::RetryStorm {
                clients: clients.expect("the check let a client fault have a kind"),
            },
        };
        return FaultAction::Client { fault };
    }
    let to = fault.transfer.as_ref();
    let to = *to.expect("the check let a fault have an action").get_ref();
    FaultAction::Transfer { to }
}

fn disk_fault(fault: &Fault) -> DiskFault {
    if let Some(by) = &fault.slow_sync {
        let by_us = by.get_ref().us();
        return DiskFault::SlowSync { by_us };
    }
    let damage = fault.damage.as_ref();
    match damage.expect("the check let a disk go wrong").get_ref() {
        Damage::FailingSync => DiskFault::FailingSync,
        Damage::ReadError => DiskFault::ReadError,
        Damage::WriteError => DiskFault::WriteError,
        Damage::Full => DiskFault::Full,
        Damage::BitRot => DiskFault::BitRot,
        Damage::MisdirectedWrite => DiskFault::MisdirectedWrite,
        Damage::TornTail => DiskFault::TornTail,
    }
}

fn clock_fault(fault: &Fault) -> ClockFault {
    if let Some(offset) = &fault.offset {
        let by_us = offset.get_ref().0;
        return ClockFault::Offset { by_us };
    }
    if let Some(drift) = &fault.drift {
        let by_ppm = drift.get_ref().0;
        return ClockFault::Drift { by_ppm };
    }
    let jump = fault.jump.as_ref();
    let by_us = jump.expect("the check let a clock go wrong").get_ref().0;
    ClockFault::Jump { by_us }
}

fn member_action(member: &Member) -> FaultAction {
    let changes = [
        (&member.add, MemberChange::Add),
        (&member.remove, MemberChange::Remove),
        (&member.replace, MemberChange::Replace),
    ];
    let found = changes
        .into_iter()
        .find_map(|(target, change)| Some((*target.as_ref()?.get_ref(), change)));
    let (target, change) = found.expect("the check let a member change");
    FaultAction::Member { target, change }
}

fn partition(fault: &Fault, sides: Vec<Vec<Target>>) -> FaultAction {
    match &fault.bridge {
        Some(bridge) => FaultAction::Bridge {
            sides,
            bridge: *bridge.get_ref(),
        },
        None => FaultAction::Partition {
            sides,
            one_way: fault.one_way.as_ref().is_some_and(|it| *it.get_ref()),
        },
    }
}

fn link_action(link: &Link) -> FaultAction {
    FaultAction::Link {
        from: names(&link.from.get_ref().0),
        to: names(&link.to.get_ref().0),
        change: LinkChange {
            latency_us: link.latency.map_or(0, Duration::us),
            jitter_us: link.jitter.map_or(0, Duration::us),
            loss_ppm: link.loss.map_or(0, |loss| loss.0),
            bandwidth_bytes_per_s: link.bandwidth.map(|bandwidth| bandwidth.0),
        },
    }
}

fn names(targets: &Targets) -> Vec<Target> {
    targets.iter().map(|target| *target.get_ref()).collect()
}
