//! A scenario: what an author wrote, read strictly.
//!
//! A scenario says what should happen in the author's words: roles instead of nodes,
//! bounds instead of values. It draws nothing and knows no seed; [`crate::plan`] turns it
//! into what will happen. Every mistake is refused here with its file, line and column, so
//! that a plan made of a scenario has nothing left to refuse: unknown keys, quantities
//! without a unit, targets that cannot exist, faults that reach beyond the chaos phase.
//!
//! Modules: the tables of a file ([`section`], [`workload`], [`load`], [`region`], [`fault`],
//! [`hardware`], [`objectives`], [`alert`], [`point`]), quantities ([`mod@unit`], [`spread`]), overrides (`setting`,
//! [`variant`], `swarm`), checks (`check` and the files named so, with `bounds`), places (`source`).

pub mod alert;
mod bounds;
mod check;
mod check_cache;
mod check_fault;
mod check_load;
mod check_region;
mod check_target;
mod check_workload;
pub mod fault;
pub mod hardware;
mod limits;
pub mod load;
#[cfg(test)]
mod load_tests;
mod objective_list;
mod objective_text;
pub mod objectives;
pub mod point;
mod profile;
pub mod region;
pub mod section;
mod setting;
mod source;
pub mod spread;
mod swarm;
#[cfg(test)]
mod tests;
mod toml_file;
pub mod variant;
pub mod workload;

use std::path::Path;

use serde::Deserialize;
pub use squall_fault::unit;
use squall_history::Service;
use toml::Spanned;
use toml::de::{DeTable, Deserializer};

pub use alert::AlertTable;
pub use fault::Fault;
pub use hardware::Hardware;
pub use load::{LoadStep, Stress};
pub use objectives::Objectives;
pub use point::{PointTable, Schedule};
pub use profile::Profile;
pub use region::Region;
pub use section::{Chaos, Clock, Cluster, Disk, Network, Phases, Probe};
pub use source::ScenarioError;
pub use toml_file::TomlFile;
pub use workload::Workload;

use source::Source;

use crate::plan::Seed;

/// A scenario file that passed every check.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Lower-case letters, digits and hyphens: it names directories.
    pub name: Spanned<String>,
    /// One line for the catalogue.
    #[serde(default)]
    pub summary: String,
    /// Properties (`C8`) or checks that a run must have judged to count.
    #[serde(default)]
    pub must_judge: Vec<Spanned<String>>,
    /// Absent: Squall's own cluster.
    pub system: Option<Spanned<section::System>>,
    /// `[cluster]`.
    #[serde(default)]
    pub cluster: Cluster,
    /// `[network]`.
    #[serde(default)]
    pub network: Network,
    /// Empty: all nodes and clients are in one place.
    #[serde(default, rename = "region")]
    pub regions: Vec<Spanned<Region>>,
    /// `[disk]`.
    #[serde(default)]
    pub disk: Disk,
    /// `[clock]`.
    #[serde(default)]
    pub clock: Clock,
    /// Absent: processing takes no time.
    pub hardware: Option<Hardware>,
    /// `[phases]`.
    #[serde(default)]
    pub phases: Phases,
    /// `[probe]`.
    #[serde(default)]
    pub probe: Probe,
    /// `[[workload]]`, in the order that names them.
    #[serde(default, rename = "workload")]
    pub workloads: Vec<Spanned<Workload>>,
    /// Empty: every workload runs as it says itself.
    #[serde(default, rename = "load")]
    pub load: Vec<Spanned<LoadStep>>,
    /// In place of `load`.
    pub stress: Option<Spanned<Stress>>,
    /// Absent: nothing is drawn.
    pub chaos: Option<Spanned<Chaos>>,
    /// `[[fault]]`, in any order of time.
    #[serde(default, rename = "fault")]
    pub faults: Vec<Spanned<Fault>>,
    /// `[[point]]`: what happens at points of the nodes' code.
    #[serde(default, rename = "point")]
    pub points: Vec<Spanned<PointTable>>,
    /// `[schedule]`.
    #[serde(default)]
    pub schedule: Schedule,
    /// `[objectives]`.
    #[serde(default)]
    pub objectives: Objectives,
    /// `[[alert]]`.
    #[serde(default, rename = "alert")]
    pub alerts: Vec<Spanned<AlertTable>>,
    #[serde(skip)]
    variants: Vec<String>,
    /// There is a `[[swarm]]` that has not drawn yet.
    #[serde(skip)]
    is_open: bool,
    #[serde(skip)]
    source: Source,
}

impl Scenario {
    /// Reads a file. Errors name the file as it was given.
    pub fn load(path: impl AsRef<Path>) -> Result<Scenario, ScenarioError> {
        Scenario::load_with(path, &[])
    }

    /// Reads a file and replaces values: `("phases.chaos", "10s")`.
    pub fn load_with(
        path: impl AsRef<Path>,
        settings: &[(String, String)],
    ) -> Result<Scenario, ScenarioError> {
        Scenario::load_on(path, None, settings)
    }

    /// As [`Self::load_with`], on the hardware of a profile, if one is given.
    pub fn load_on(
        path: impl AsRef<Path>,
        profile: Option<&Profile>,
        settings: &[(String, String)],
    ) -> Result<Scenario, ScenarioError> {
        let (origin, text) = read_file(path.as_ref())?;
        Scenario::parse_on(&text, &origin, profile, settings)
    }

    /// Reads a text; `origin` is what errors call it.
    pub fn parse(text: &str, origin: &str) -> Result<Scenario, ScenarioError> {
        Scenario::parse_with(text, origin, &[])
    }

    /// Reads a text and replaces values. An error that an override causes names it.
    pub fn parse_with(
        text: &str,
        origin: &str,
        settings: &[(String, String)],
    ) -> Result<Scenario, ScenarioError> {
        Scenario::parse_on(text, origin, None, settings)
    }

    /// As [`Self::parse_with`], on the hardware of a profile, if one is given.
    pub fn parse_on(
        text: &str,
        origin: &str,
        profile: Option<&Profile>,
        settings: &[(String, String)],
    ) -> Result<Scenario, ScenarioError> {
        let source = Source {
            origin: origin.to_owned(),
            text: text.to_owned(),
            profile: profile.map(|profile| profile.text().to_owned()),
            settings: settings.to_vec(),
            drawn: None,
        };
        Scenario::of(source)
    }

    fn of(source: Source) -> Result<Scenario, ScenarioError> {
        let mut scenario = read(&source)?;
        scenario.source = source;
        scenario.check()?;
        Ok(scenario)
    }

    /// The names of the variants, in order; empty if there are none.
    pub fn variants(&self) -> &[String] {
        &self.variants
    }

    /// The variant that was chosen, if one was.
    pub fn variant(&self) -> Option<&str> {
        variant::chosen(&self.source.settings)
    }

    /// See [`variant::run_name`].
    pub fn run_name(&self) -> String {
        variant::run_name(self.name.get_ref(), &self.source.settings)
    }

    /// The same file, profile and overrides, with this variant.
    ///
    /// # Errors
    /// There is no such variant, or what it sets makes no scenario.
    pub fn choose(&self, variant: &str) -> Result<Scenario, ScenarioError> {
        let mut source = self.source.clone();
        let chosen = (variant::VARIANT.to_owned(), variant.to_owned());
        source.settings.push(chosen);
        Scenario::of(source)
    }

    /// The scenario of this seed: with what `[[swarm]]` draws for it, if there is one.
    ///
    /// # Errors
    /// What is drawn makes no scenario.
    pub fn draw(&self, seed: u64) -> Result<Scenario, ScenarioError> {
        if !self.is_open {
            return Ok(self.clone());
        }
        let entries = document(&self.source)?.swarm;
        let drawn = swarm::draw(&entries, Seed(seed));
        let drawn = drawn.map_err(|problem| self.source.error(problem))?;
        Scenario::of(Source {
            drawn: Some(drawn),
            ..self.source.clone()
        })
    }

    /// What `[[swarm]]` drew, as overrides; empty if nothing was drawn.
    pub fn drawn(&self) -> &[(String, String)] {
        self.source.drawn()
    }

    /// The text that was read, without the overrides.
    pub fn text(&self) -> &str {
        &self.source.text
    }

    /// What was read, with what was drawn and overrides, as a document that can be changed and
    /// written.
    pub fn document(&self) -> toml::Table {
        let read = document(&self.source).and_then(|read| {
            toml::Table::deserialize(Deserializer::from(read.document))
                .map_err(|error| self.source.toml_error(&error))
        });
        read.expect("the same text was read before")
    }

    /// The overrides that were applied on top of the text.
    pub fn settings(&self) -> &[(String, String)] {
        &self.source.settings
    }

    /// The text of the profile that gives the hardware, if one does.
    pub fn profile_text(&self) -> Option<&str> {
        self.source.profile.as_deref()
    }

    /// Checks what types cannot say. Parsing does it; a scenario changed afterwards is
    /// checked again when its plan is made.
    pub fn check(&self) -> Result<(), ScenarioError> {
        check::check(self).map_err(|problem| self.source.check_error(problem))
    }

    /// Whether a cluster with these services can be asked what the workloads say;
    /// `is_foreign` if it is not Squall's own.
    ///
    /// # Errors
    /// The first key that it cannot be asked, with its place.
    pub fn check_offer(&self, services: &[Service], is_foreign: bool) -> Result<(), ScenarioError> {
        let workloads = self.workloads.iter().map(Spanned::get_ref);
        let mut enabled = workloads.filter(|workload| workload.is_enabled());
        let checked = enabled
            .try_for_each(|workload| check_workload::check_offer(workload, services, is_foreign));
        checked.map_err(|problem| self.source.check_error(problem))
    }
}

/// What a file is called, and what it holds.
fn read_file(path: &Path) -> Result<(String, String), ScenarioError> {
    let name = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => Ok((name, text)),
        Err(error) => Err(ScenarioError::Unreadable {
            path: name,
            why: error.to_string(),
        }),
    }
}

fn read(source: &Source) -> Result<Scenario, ScenarioError> {
    let Read {
        mut document,
        variants,
        swarm,
    } = document(source)?;
    fault::nest(document.get_mut()).map_err(|problem| source.error(problem))?;
    let mut scenario = Scenario::deserialize(Deserializer::from(document))
        .map_err(|error| source.toml_error(&error))?;
    scenario.variants = variants;
    scenario.is_open = !swarm.is_empty() && source.drawn.is_none();
    Ok(scenario)
}

/// A text that was parsed.
struct Read<'s> {
    /// With the chosen variant, what was drawn, and the overrides put into it.
    document: Spanned<DeTable<'s>>,
    /// The names of all variants.
    variants: Vec<String>,
    /// What can be drawn.
    swarm: Vec<swarm::Entry<'s>>,
}

fn document(source: &Source) -> Result<Read<'_>, ScenarioError> {
    let mut document = DeTable::parse(&source.text).map_err(|error| source.toml_error(&error))?;
    let inner = document.get_mut();
    setting::lay_profile(source, inner);
    let read = variant::apply(source, inner).and_then(|variants| {
        let swarm = swarm::take(inner)?;
        setting::apply(source, inner)?;
        Ok((variants, swarm))
    });
    let (variants, swarm) = read.map_err(|problem| source.error(problem))?;
    Ok(Read {
        document,
        variants,
        swarm,
    })
}
