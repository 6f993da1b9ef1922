//! Identifies the program and the machine, as far as a replay might depend on them.
//!
//! A run depends on its scenario and seed alone, so a replay that differs was made by another
//! program, or found a source of nondeterminism. This tells the first case from the second.
//! It deliberately knows nothing of hosts, users or paths.

use std::fs::File;
use std::io::{self, Read};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

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

/// XXH3 of all of it. A program has tens of megabytes, which are more than most runs need: it is
/// read piece by piece.
fn digest(mut file: impl Read) -> io::Result<u64> {
    let mut hash = Xxh3::new();
    let mut piece = [0; 64 * 1024];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(hash.digest()),
            length => hash.update(&piece[..length]),
        }
    }
}

impl Environment {
    /// That of this process.
    pub fn current() -> Self {
        let program = std::env::current_exe().and_then(File::open);
        Self {
            version: env!("CARGO_PKG_VERSION").into(),
            commit: commit(),
            program: program.and_then(digest).map_or_else(
                |e| format!("unreadable: {e}"),
                |digest| format!("{digest:016x}"),
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
    fn a_digest_is_of_all_of_a_file() {
        let bytes: Vec<u8> = (0..200_000_u32).map(|at| (at % 251) as u8).collect();
        let expected = xxhash_rust::xxh3::xxh3_64(&bytes);
        assert_eq!(digest(&bytes[..]).expect("it is in memory"), expected);
    }

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
