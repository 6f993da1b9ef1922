//! Stores what a run was made of, and the command that reproduces it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::backends;
use crate::environment::Environment;

/// What a replay needs beside the scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Path of the scenario as it was given.
    pub scenario: String,
    /// Of the run.
    pub seed: u64,
    /// As `--backend` takes it.
    pub backend: String,
    /// Overrides, in order.
    pub settings: Vec<(String, String)>,
    /// Id of the planted bug that was active, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planted: Option<String>,
    /// Path of the profile as it was given, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// The system that ran instead of Squall's own cluster, by its name or file, if any did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// Of the program that made the run.
    pub version: String,
    /// UTC, RFC 3339, when the run began; runs of version 0.1.0 may lack it, and none that
    /// came to no verdict has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<String>,
    /// What made the run; runs of version 0.1.0 may lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
}

impl Manifest {
    /// The command that does the same again.
    pub fn reproduce(&self) -> String {
        let command = run_command(
            &self.scenario,
            self.seed,
            &self.backend,
            self.profile.as_deref(),
            &self.settings,
            self.planted.as_deref(),
        );
        match &self.system {
            Some(system) => format!("{command} --system {}", shell_word(system)),
            None => command,
        }
    }

    /// Whether the same happens when it is run again.
    pub fn is_repeatable(&self) -> bool {
        backends::named(&self.backend).is_some_and(|backend| backend.info.simulated)
    }
}

/// A word of a command, quoted so that a shell takes it as it is.
pub fn shell_word(word: &str) -> Cow<'_, str> {
    // Only a NUL cannot be quoted, and no argument of a process holds one.
    shlex::try_quote(word).unwrap_or(Cow::Borrowed(word))
}

/// `squall run SCENARIO --seed N` with everything that matters.
pub fn run_command(
    scenario: &str,
    seed: u64,
    backend: &str,
    profile: Option<&str>,
    settings: &[(String, String)],
    planted: Option<&str>,
) -> String {
    let mut command = format!("squall run {} --seed {seed}", shell_word(scenario));
    if let Some(path) = profile {
        command += &format!(" --profile {}", shell_word(path));
    }
    for (key, value) in settings {
        command += &format!(" --set {}", shell_word(&format!("{key}={value}")));
    }
    if let Some(id) = planted {
        command += &format!(" --planted {}", shell_word(id));
    }
    if backend != backends::DEFAULT.info.name {
        command += &format!(" --backend {backend}");
    }
    command
}

#[cfg(test)]
mod tests {
    use super::run_command;

    #[test]
    fn a_command_is_quoted_for_a_shell() {
        let settings = [("phases.chaos".to_owned(), "it's 5s".to_owned())];
        let command = run_command(
            "my runs/it's \"$HOME\".toml",
            7,
            "sim",
            Some("a b.toml"),
            &settings,
            None,
        );
        let words = shlex::split(&command).expect("it can be read");
        let expected = [
            "squall",
            "run",
            "my runs/it's \"$HOME\".toml",
            "--seed",
            "7",
            "--profile",
            "a b.toml",
            "--set",
            "phases.chaos=it's 5s",
        ];
        assert_eq!(words, expected);
        let plain = run_command("scenarios/quiet.toml", 1, "sim", None, &[], None);
        assert_eq!(plain, "squall run scenarios/quiet.toml --seed 1");
    }
}
