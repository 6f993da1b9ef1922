//! The nodes that the tests run: a static build of this source, bugs compiled in.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// Names a binary that was built before.
pub const VARIABLE: &str = "SQUALL_NODE";

/// The binary; built at the first call, which takes a while where it never was.
pub fn binary() -> PathBuf {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(build).clone()
}

fn build() -> PathBuf {
    if let Some(path) = std::env::var_os(VARIABLE) {
        return path.into();
    }
    let repository = squall_tests::repository();
    let built = repository.join("target/static/x86_64-unknown-linux-gnu/node/squall-node");
    let aside = built.with_extension("without-bugs");
    let ours = built.with_extension("planted");
    // Users find their node where this build would leave one with bugs in it.
    let had_one = std::fs::rename(&built, &aside).is_ok();
    let status = Command::new(env!("CARGO"))
        .current_dir(&repository)
        .args(["static-node", "--features", "planted"])
        // Flags of the build that runs the tests would take the place of the alias's own.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .status()
        .expect("cargo runs this test");
    assert!(status.success(), "the static node was not built: {status}");
    std::fs::rename(&built, &ours).expect("it was built");
    if had_one {
        std::fs::rename(&aside, &built).expect("it was there before");
    }
    ours
}
