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
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .current_dir(squall_tests::repository())
        .args(["test", "--workspace", "--no-run"]);
    // So it would with what cargo says to this test of its package: build scripts (ring's) name
    // these variables among what they depend on. This very program would then be replaced.
    for (variable, _) in std::env::vars_os() {
        let of_package = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_EXE_"];
        let name = variable.to_string_lossy();
        if of_package.iter().any(|prefix| name.starts_with(prefix)) {
            cargo.env_remove(&variable);
        }
    }
    let status = cargo.status().expect("cargo runs this test");
    assert!(status.success(), "the node was not built: {status}");
    let test = std::env::current_exe().expect("this program has a path");
    let profile = test.ancestors().nth(2).expect("it is built in deps");
    profile.join("squall-node")
}
