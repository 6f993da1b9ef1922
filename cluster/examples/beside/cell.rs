//! What is played: so many clients that do so.

use std::fmt;

use crate::servers::System;

/// Requests that a client has on their way in [`Cell`]s with pipelines.
pub const PIPELINE: usize = 16;
pub const MOST_CLIENTS: usize = 128;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    Writes,
    Reads,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cell {
    pub what: What,
    pub clients: usize,
    /// Requests that each client has on their way.
    pub depth: usize,
}

impl Cell {
    pub const fn writes(clients: usize) -> Self {
        Self {
            what: What::Writes,
            clients,
            depth: 1,
        }
    }

    pub const fn reads(clients: usize) -> Self {
        Self {
            what: What::Reads,
            ..Self::writes(clients)
        }
    }

    pub const fn pipelines() -> Self {
        Self {
            depth: PIPELINE,
            ..Self::writes(32)
        }
    }

    pub fn all() -> Vec<Self> {
        let one_at_a_time = [Self::writes, Self::reads];
        let cells = one_at_a_time.map(|cell| [1, 32, MOST_CLIENTS].map(cell));
        let mut cells = cells.concat();
        cells.push(Self::pipelines());
        cells
    }

    pub fn parse(name: &str) -> Result<Self, String> {
        let found = Self::all().into_iter().find(|cell| cell.name() == name);
        found.ok_or_else(|| {
            let names: Vec<String> = Self::all().iter().map(Self::name).collect();
            format!("there are {}", names.join(", "))
        })
    }

    fn name(&self) -> String {
        match (self.what, self.depth) {
            (What::Writes, 1) => format!("writes-{}", self.clients),
            (What::Reads, _) => format!("reads-{}", self.clients),
            (What::Writes, _) => "pipelines".into(),
        }
    }

    /// etcd's requests have answers each, and its clients no pipelines.
    pub fn is_played_on(&self, system: System) -> bool {
        self.depth == 1 || system != System::Etcd
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.what {
            What::Writes => "writes",
            What::Reads => "reads",
        };
        let clients = match self.clients {
            1 => "1 client".into(),
            clients => format!("{clients} clients"),
        };
        write!(f, "{what}, {clients}")?;
        match self.depth {
            1 => Ok(()),
            depth => write!(f, ", pipelines of {depth}"),
        }
    }
}
