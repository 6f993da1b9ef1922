//! What is printed: figures side by side, and what is wanted of Squall.

use std::collections::BTreeMap;
use std::fmt;

use crate::cell::Cell;
use crate::load::Measured;
use crate::servers::{Servers, System};
use crate::usage;

/// A limit that Squall is to keep.
enum Wanted {
    /// At least so many times the rate of the other.
    Ratio(System, f64),
    /// At least so many a second, or so many times the rate of the other.
    RateOrRatio(f64, System, f64),
}

fn wanted() -> [(Cell, Wanted); 5] {
    [
        (Cell::writes(32), Wanted::Ratio(System::Etcd, 5.0)),
        (Cell::writes(32), Wanted::Ratio(System::Redis, 0.6)),
        (Cell::writes(1), Wanted::Ratio(System::Etcd, 3.0)),
        (
            Cell::pipelines(),
            Wanted::RateOrRatio(120_000.0, System::Redis, 0.5),
        ),
        (Cell::reads(32), Wanted::Ratio(System::Redis, 0.8)),
    ]
}

/// A median, and the least and most that it is of.
#[derive(Clone, Copy)]
struct Figure {
    median: f64,
    least: f64,
    most: f64,
}

impl Figure {
    fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_unstable_by(f64::total_cmp);
        let upper = *values.get(values.len() / 2)?;
        let lower = values[(values.len() - 1) / 2];
        Some(Self {
            median: (lower + upper) / 2.0,
            least: values[0],
            most: values[values.len() - 1],
        })
    }
}

pub struct Report {
    systems: Vec<(System, String)>,
    rounds: u32,
    seconds: f64,
    cores: usize,
    syncs: f64,
    idle: Vec<(System, f64)>,
    /// In the order of rounds.
    measured: BTreeMap<(Cell, System), Vec<Measured>>,
    begun_again: Vec<String>,
}

impl Report {
    /// # Errors
    /// What is known of the machine cannot be found out.
    pub fn new(servers: &Servers, rounds: u32, seconds: f64) -> Result<Self, String> {
        let systems = servers.systems();
        let cores = std::thread::available_parallelism().map_err(|e| e.to_string())?;
        Ok(Self {
            systems: systems
                .map(|system| (system, servers.version(system).to_owned()))
                .collect(),
            rounds,
            seconds,
            cores: cores.into(),
            syncs: usage::syncs(servers.directory())?,
            idle: Vec::new(),
            measured: BTreeMap::new(),
            begun_again: Vec::new(),
        })
    }

    pub fn note_idle(&mut self, system: System, share: f64) {
        self.idle.push((system, share));
    }

    pub fn note(&mut self, cell: Cell, system: System, measured: Measured) {
        let rounds = self.measured.entry((cell, system)).or_default();
        rounds.push(measured);
    }

    pub fn note_begun_again(&mut self, cell: Cell, system: System, why: &str) {
        let line = format!("{cell} on {system} was begun again: {why}");
        self.begun_again.push(line);
    }

    fn rounds_of(&self, cell: Cell, system: System) -> &[Measured] {
        let rounds = self.measured.get(&(cell, system));
        rounds.map_or(&[], Vec::as_slice)
    }

    fn rate(&self, cell: Cell, system: System) -> Option<Figure> {
        Figure::of(self.rounds_of(cell, system).iter().map(|it| it.rate))
    }

    /// Squall's rate by the other's, in each round.
    fn ratio(&self, cell: Cell, other: System) -> Option<Figure> {
        let ours = self.rounds_of(cell, System::Squall).iter();
        let both = ours.zip(self.rounds_of(cell, other));
        Figure::of(both.map(|(ours, other)| ours.rate / other.rate))
    }

    fn write_rates(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| a second | system | median | least to most | p50 | p99 | µs of a core: servers | clients |"
        )?;
        writeln!(f, "|---|---|---:|---:|---:|---:|---:|---:|")?;
        for ((cell, system), rounds) in &self.measured {
            let of = |figure: fn(&Measured) -> f64| {
                let figure = Figure::of(rounds.iter().map(figure));
                figure.map_or(0.0, |figure| figure.median)
            };
            let Some(rate) = self.rate(*cell, *system) else {
                continue;
            };
            writeln!(
                f,
                "| {cell} | {system} | {} | {} to {} | {:.2} ms | {:.2} ms | {:.0} | {:.0} |",
                thousands(rate.median),
                thousands(rate.least),
                thousands(rate.most),
                of(|it| it.p50.as_secs_f64() * 1e3),
                of(|it| it.p99.as_secs_f64() * 1e3),
                of(|it| it.cost_us().0),
                of(|it| it.cost_us().1),
            )?;
        }
        Ok(())
    }

    fn write_wanted(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| Squall | wanted | measured | least to most | |")?;
        writeln!(f, "|---|---|---:|---:|---|")?;
        for (cell, wanted) in wanted() {
            let (other, least_ratio, least_rate) = match wanted {
                Wanted::Ratio(other, ratio) => (other, ratio, None),
                Wanted::RateOrRatio(rate, other, ratio) => (other, ratio, Some(rate)),
            };
            let rate = self.rate(cell, System::Squall);
            let Some((rate, ratio)) = rate.zip(self.ratio(cell, other)) else {
                continue;
            };
            let has_rate = least_rate.is_some_and(|least| rate.median >= least);
            let state = match has_rate || ratio.median >= least_ratio {
                true => "kept",
                false => "**missed**",
            };
            let mut wanted = format!("{least_ratio} of {other}");
            let mut measured = format!("{:.2}", ratio.median);
            if let Some(least) = least_rate {
                wanted = format!("{} a second, or {wanted}", thousands(least));
                measured = format!("{}; {measured}", thousands(rate.median));
            }
            let (least, most) = (ratio.least, ratio.most);
            writeln!(
                f,
                "| {cell} | {wanted} | {measured} | {least:.2} to {most:.2} | {state} |"
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let systems: Vec<String> = self
            .systems
            .iter()
            .map(|(system, version)| format!("{system} {version}"))
            .collect();
        let idle: Vec<String> = self
            .idle
            .iter()
            .map(|(system, share)| format!("{system} {:.1} %", share * 100.0))
            .collect();
        writeln!(
            f,
            "{}; {} cores; medians of {} rounds of {} s each; values of 256 bytes. One who \
             appends to a file there and has it synced does so {} times a second. Of a core the \
             servers take while nobody asks: {}.\n",
            systems.join(", "),
            self.cores,
            self.rounds,
            self.seconds,
            thousands(self.syncs),
            idle.join(", "),
        )?;
        self.write_rates(f)?;
        writeln!(f)?;
        self.write_wanted(f)?;
        for line in &self.begun_again {
            writeln!(f, "\n{line}")?;
        }
        Ok(())
    }
}

/// With a comma after the thousands.
fn thousands(figure: f64) -> String {
    let whole = figure.round() as u64;
    match whole {
        0..1_000 => whole.to_string(),
        1_000..1_000_000 => format!("{},{:03}", whole / 1_000, whole % 1_000),
        _ => format!(
            "{},{:03},{:03}",
            whole / 1_000_000,
            whole / 1_000 % 1_000,
            whole % 1_000
        ),
    }
}
