//! The node that the tests run in containers: the one of this build, bugs compiled in.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// Names a binary that was built before.
pub const VARIABLE: &str = "SQUALL_NODE";

/// The binary, which the first call builds where that was not done.
pub fn binary() -> PathBuf {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(build).clone()
}

fn build() -> PathBuf {
    if let Some(path) = std::env::var_os(VARIABLE) {
        return path.into();
    }
    // With other arguments, cargo would compile much of it anew, in another set of features.
    let status = Command::new(env!("CARGO"))
        .current_dir(squall_tests::repository())
        .args(["test", "--workspace", "--no-run"])
        .status()
        .expect("cargo runs this test");
    assert!(status.success(), "the node was not built: {status}");
    let test = std::env::current_exe().expect("this program has a path");
    let profile = test.ancestors().nth(2).expect("it is built in deps");
    profile.join("squall-node")
}
