//! Says which scenarios and seeds are swept: `sweep.json`, written before the first seed runs.
//!
//! It holds all that decides what the results will be, so that a sweep is resumed, or its
//! shards are merged, only if they belong together. How the work is done (processes, limits,
//! budgets) is not part of it.

use serde::{Deserialize, Serialize};

use super::seeds::{SeedRange, Shard};
use crate::backends;
use crate::environment::Environment;

/// Version of the format of a sweep's directory.
pub const FORMAT_VERSION: u32 = 1;

/// What is swept: all that runs of one sweep have in common, as `sweep.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// Always [`FORMAT_VERSION`]; also marks the file as a sweep's.
    pub squall_sweep: u32,
    /// In the order in which they were given.
    pub scenarios: Vec<SweptScenario>,
    /// Name of the backend that plays them.
    #[serde(
        default = "default_backend",
        skip_serializing_if = "is_default_backend"
    )]
    pub backend: String,
    /// Overrides, in order, for every scenario.
    pub settings: Vec<(String, String)>,
    /// Id of the planted bug, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planted: Option<String>,
    /// Hardware for every scenario, if a profile was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<SweptProfile>,
    /// Of each scenario.
    pub seeds: SeedRange,
    /// Which part of them this directory is for.
    pub shard: Shard,
    /// Whether every seed runs twice.
    pub verify: bool,
    /// Which program, and where.
    pub environment: Environment,
}

fn default_backend() -> String {
    backends::DEFAULT.info.name.into()
}

fn is_default_backend(name: &String) -> bool {
    *name == backends::DEFAULT.info.name
}

/// One scenario of a sweep.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweptScenario {
    /// The scenario's own name, unique in a sweep.
    pub name: String,
    /// Path as it was given.
    pub path: String,
    /// The text, as it was when the sweep began.
    pub text: String,
}

/// A file with hardware.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweptProfile {
    /// Path as it was given.
    pub path: String,
    /// The text, as it was when the sweep began.
    pub text: String,
}

/// One seed of one scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Task {
    /// Position in [`Spec::scenarios`].
    pub scenario: usize,
    /// Of the run.
    pub seed: u64,
}

impl Spec {
    /// This shard's tasks. Seeds come first, so that a sweep that is cut short has done
    /// about as much of every scenario.
    pub fn tasks(&self) -> impl Iterator<Item = Task> + use<> {
        let (shard, scenarios) = (self.shard, self.scenarios.len());
        let tasks = self
            .seeds
            .iter()
            .flat_map(move |seed| (0..scenarios).map(move |scenario| Task { scenario, seed }));
        let numbered = (0..).zip(tasks);
        numbered
            .filter(move |(number, _)| shard.has(*number))
            .map(|(_, task)| task)
    }

    /// How many tasks this shard has.
    pub fn planned(&self) -> u64 {
        let all = self.seeds.len().saturating_mul(self.scenarios.len() as u64);
        let (part, of) = (self.shard.part, self.shard.of);
        all / of + u64::from(part <= all % of)
    }

    /// Whether results of both may stand in one summary.
    ///
    /// # Errors
    /// What is different, in words.
    pub fn must_match(&self, other: &Self) -> Result<(), String> {
        let names = |spec: &Self| -> Vec<String> {
            let names = spec.scenarios.iter().map(|scenario| scenario.name.clone());
            names.collect()
        };
        if names(self) != names(other) {
            return Err("the scenarios are others".into());
        }
        let mut pairs = self.scenarios.iter().zip(&other.scenarios);
        if let Some((changed, _)) = pairs.find(|(a, b)| a.text != b.text) {
            return Err(format!("scenario {} has changed", changed.name));
        }
        let differ = |what: &str, is: bool| match is {
            true => Err(format!("{what} differ")),
            false => Ok(()),
        };
        differ("the overrides (--set)", self.settings != other.settings)?;
        differ("the planted bugs", self.planted != other.planted)?;
        let text = |spec: &Self| spec.profile.as_ref().map(|profile| profile.text.clone());
        differ("the profiles", text(self) != text(other))?;
        differ("the seeds", self.seeds != other.seeds)?;
        differ("the shards", self.shard != other.shard)?;
        differ("--verify settings", self.verify != other.verify)?;
        let (mine, others) = (&self.environment, &other.environment);
        if mine.version != others.version {
            let (mine, others) = (&mine.version, &others.version);
            return Err(format!("versions differ: {mine} and {others}"));
        }
        Ok(())
    }

    /// The command line's part that says what is swept.
    pub fn command(&self) -> String {
        let mut command = "squall sweep".to_owned();
        for scenario in &self.scenarios {
            command += &format!(" {}", scenario.path);
        }
        command += &format!(" --seeds {}", self.seeds);
        if let Some(profile) = &self.profile {
            command += &format!(" --profile {}", profile.path);
        }
        for (key, value) in &self.settings {
            command += &format!(" --set '{key}={value}'");
        }
        if let Some(id) = &self.planted {
            command += &format!(" --planted {id}");
        }
        if self.verify {
            command += " --verify";
        }
        if self.shard != Shard::WHOLE {
            command += &format!(" --shard {}", self.shard);
        }
        command
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn spec(seeds: &str, shard: &str) -> Spec {
        let scenario = |name: &str| SweptScenario {
            name: name.into(),
            path: format!("{name}.toml"),
            text: String::new(),
        };
        Spec {
            squall_sweep: FORMAT_VERSION,
            scenarios: vec![scenario("a"), scenario("b")],
            backend: default_backend(),
            settings: Vec::new(),
            planted: None,
            profile: None,
            seeds: seeds.parse().expect("the test's own"),
            shard: shard.parse().expect("the test's own"),
            verify: false,
            environment: Environment::current(),
        }
    }

    #[test]
    fn shards_share_out_every_task_and_count_them_beforehand() {
        let whole: Vec<Task> = spec("1..7", "1/1").tasks().collect();
        assert_eq!(whole.len() as u64, spec("1..7", "1/1").planned());
        let mut shared = Vec::new();
        for part in 1..=4 {
            let shard = spec("1..7", &format!("{part}/4"));
            let tasks: Vec<Task> = shard.tasks().collect();
            assert_eq!(tasks.len() as u64, shard.planned());
            shared.extend(tasks);
        }
        shared.sort_by_key(|task| (task.seed, task.scenario));
        assert_eq!(shared, whole);
    }

    #[test]
    fn what_may_not_be_mixed_is_named() {
        let difference = |change: fn(&mut Spec)| {
            let mut other = spec("1..7", "1/1");
            change(&mut other);
            spec("1..7", "1/1").must_match(&other)
        };
        assert_eq!(difference(|_| {}), Ok(()));
        assert_eq!(
            difference(|s| s.seeds.last = 8),
            Err("the seeds differ".into())
        );
        let changed = difference(|s| s.scenarios[1].text.push('#'));
        assert_eq!(changed, Err("scenario b has changed".into()));
        assert!(difference(|s| s.environment.version.push('9')).is_err());
    }
}
