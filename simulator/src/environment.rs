//! Identifies the program and the machine, as far as a replay might depend on them.
//!
//! A run depends on its scenario and seed alone, so a replay that differs was made by another
//! program, or found a source of nondeterminism. This tells the first case from the second.
//! It deliberately knows nothing of hosts, users or paths.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// Which program made something, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// Of the program.
    pub version: String,
    /// That was checked out when it was built, if that was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Digest of the program's file: two builds of a version differ here.
    pub program: String,
    /// `debug` or `release`.
    pub profile: String,
    /// Whether planted bugs are compiled in.
    pub planted_bugs: bool,
    /// `linux-x86_64`.
    pub platform: String,
}

/// That was checked out when this program was built, if that was known; see `build.rs`.
pub fn commit() -> Option<String> {
    let commit = option_env!("SQUALL_COMMIT").filter(|commit| !commit.is_empty());
    commit.map(str::to_owned)
}

impl Environment {
    /// That of this process.
    pub fn current() -> Self {
        let program = std::env::current_exe().and_then(std::fs::read);
        Self {
            version: env!("CARGO_PKG_VERSION").into(),
            commit: commit(),
            program: program.map_or_else(
                |e| format!("unreadable: {e}"),
                |bytes| format!("{:016x}", xxh3_64(&bytes)),
            ),
            profile: match cfg!(debug_assertions) {
                true => "debug".into(),
                false => "release".into(),
            },
            planted_bugs: cfg!(feature = "planted"),
            platform: format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH),
        }
    }

    /// What is different in `other`, one line each.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let texts = |environment: &Self| {
            [
                ("version", environment.version.clone()),
                ("program", environment.program.clone()),
                ("profile", environment.profile.clone()),
                ("planted bugs", environment.planted_bugs.to_string()),
                ("platform", environment.platform.clone()),
            ]
        };
        let pairs = texts(self).into_iter().zip(texts(other));
        let different = pairs.filter(|((_, here), (_, there))| here != there);
        different
            .map(|((name, here), (_, there))| format!("{name}: {here}, now {there}"))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_named() {
        let current = Environment::current();
        assert_eq!(current.differences(&current), Vec::<String>::new());
        let other = Environment {
            version: "9.9".into(),
            ..current.clone()
        };
        let expected = format!("version: {}, now 9.9", current.version);
        assert_eq!(current.differences(&other), [expected]);
    }
}
