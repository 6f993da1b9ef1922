//! Names the process that owns a run's containers, so that it is recognised after its end.
//!
//! A run that was killed with SIGKILL leaves containers behind. Each bears its owner in a
//! label, and any later run removes what belongs to nobody alive. A process is known by its
//! number and start time, because numbers are used again, within one boot and one space of
//! process numbers: what another space holds cannot be judged from here, and is left alone.

use std::fs;

use super::process::Stat;

/// A process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    boot: String,
    /// The space in which `pid` means something.
    pid_space: String,
    pid: u32,
    /// Clock ticks from boot.
    started: u64,
}

/// What is known of an owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// It runs.
    Alive,
    /// It has ended.
    Dead,
    /// It cannot be known from here.
    Unknown,
}

impl Owner {
    /// This process.
    pub fn me() -> Self {
        Self::of(std::process::id())
    }

    /// The process that has this number now, be it a zombie.
    pub fn of(pid: u32) -> Self {
        let stat = Stat::of(pid.cast_signed());
        Self {
            boot: boot(),
            pid_space: pid_space(),
            pid,
            started: stat.map(|stat| stat.started).unwrap_or_default(),
        }
    }

    /// Its number, among processes of this boot that can be seen from here; `None`: it is none
    /// of these.
    pub fn pid_here(&self) -> Option<i32> {
        let is_here = self.boot == boot() && self.pid_space == pid_space();
        is_here.then_some(self.pid.cast_signed())
    }

    /// When it started, in clock ticks from its boot.
    pub fn started(&self) -> u64 {
        self.started
    }

    /// For a label.
    pub fn to_text(&self) -> String {
        let Self {
            boot,
            pid_space,
            pid,
            started,
        } = self;
        format!("{boot} {pid_space} {pid} {started}")
    }

    /// Of a label; `None`: written by nobody that is known here.
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let owner = Self {
            boot: words.next()?.to_owned(),
            pid_space: words.next()?.to_owned(),
            pid: words.next()?.parse().ok()?,
            started: words.next()?.parse().ok()?,
        };
        words.next().is_none().then_some(owner)
    }

    /// Whether the process still runs.
    pub fn life(&self) -> Life {
        if self.boot != boot() {
            return Life::Dead;
        }
        if self.pid_space != pid_space() {
            return Life::Unknown;
        }
        match started(self.pid) == Some(self.started) {
            true => Life::Alive,
            false => Life::Dead,
        }
    }
}

fn boot() -> String {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id");
    id.map_or_else(|_| "unknown".into(), |id| id.trim().to_owned())
}

fn pid_space() -> String {
    let link = fs::read_link("/proc/self/ns/pid");
    link.map_or_else(|_| "unknown".into(), |link| link.display().to_string())
}

/// When a process that is no zombie started.
fn started(pid: u32) -> Option<u64> {
    let stat = Stat::of(pid.cast_signed()).filter(Stat::is_running);
    stat.map(|stat| stat.started)
}

#[cfg(test)]
mod tests {
    use super::{Life, Owner};

    #[test]
    fn this_process_is_alive_also_after_a_label() {
        let me = Owner::me();
        assert_eq!(me.life(), Life::Alive);
        assert_eq!(Owner::parse(&me.to_text()), Some(me));
    }

    #[test]
    fn a_number_that_was_used_again_is_another_process() {
        let mut other = Owner::me();
        other.started += 1;
        assert_eq!(other.life(), Life::Dead);
    }

    #[test]
    fn a_process_that_was_waited_for_is_dead() {
        let mut child = std::process::Command::new("true").spawn().expect("a shell");
        let pid = child.id();
        child.wait().expect("a child can be waited for");
        let owner = Owner { pid, ..Owner::me() };
        assert_eq!(owner.life(), Life::Dead);
    }

    #[test]
    fn other_boots_are_over_and_other_spaces_unknown() {
        let me = Owner::me();
        let earlier = Owner {
            boot: "another".into(),
            ..me.clone()
        };
        assert_eq!(earlier.life(), Life::Dead);
        let elsewhere = Owner {
            pid_space: "pid:[1]".into(),
            ..me
        };
        assert_eq!(elsewhere.life(), Life::Unknown);
    }

    #[test]
    fn labels_of_others_are_not_understood() {
        for text in ["", "a b c d", "boot pid:[1] 1", "boot pid:[1] 1 2 3"] {
            assert_eq!(Owner::parse(text), None, "{text:?}");
        }
    }
}
