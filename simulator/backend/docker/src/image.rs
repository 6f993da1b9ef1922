//! The image of the nodes: found by its content, or built.
//!
//! The engine may be unable to pull anything, so the image holds one static binary that was
//! built on this machine. Its tag is a hash of what went into it: an image that exists is
//! never stale, and two runs with different nodes do not disturb each other.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::DockerError;
use super::engine::Engine;

/// The same file that users build by hand.
const DOCKERFILE: &str = include_str!("../../../../docker/Dockerfile");
/// Names the static binary.
pub(super) const NODE_VARIABLE: &str = "SQUALL_NODE";
/// Where `cargo static-node` leaves it, from the directory that holds `target/release`.
const BUILT: &str = "static/x86_64-unknown-linux-gnu/node/squall-node";
/// Under which name beside `squall` a package may put it.
const BESIDE: &str = "squall-node-static";

const BLOCK: usize = 512;
/// Of the user in the Dockerfile.
const USER: u64 = 65_532;

/// Has an image of the node at `given`, or of the one that can be found; its name.
pub(super) async fn ensure(engine: &Engine, given: Option<&Path>) -> Result<String, DockerError> {
    let path = find(given)?;
    let binary =
        std::fs::read(&path).map_err(|e| DockerError::Image(format!("{}: {e}", path.display())))?;
    must_be_static(&path, &binary)?;
    let name = name(&binary);
    if !engine.has_image(&name).await? {
        engine.build(&name, context(&binary)).await?;
    }
    Ok(name)
}

fn find(given: Option<&Path>) -> Result<PathBuf, DockerError> {
    let named = std::env::var_os(NODE_VARIABLE).filter(|name| !name.is_empty());
    if let Some(path) = given.map(Path::to_owned).or(named.map(PathBuf::from)) {
        return Ok(path);
    }
    let program = std::env::current_exe().unwrap_or_default();
    let beside = program.parent().map(|dir| dir.join(BESIDE));
    let built = program.ancestors().map(|dir| dir.join(BUILT));
    let found = beside.into_iter().chain(built).find(|path| path.is_file());
    found.ok_or_else(|| {
        DockerError::Image(format!(
            "there is no static squall-node to put into containers: build it with \
             `cargo static-node`, or name one with --node-binary or {NODE_VARIABLE}"
        ))
    })
}

/// A binary that asks for a loader does not start in an empty image, and the engine's error
/// says only that a file is missing.
fn must_be_static(path: &Path, binary: &[u8]) -> Result<(), DockerError> {
    let wrong = |what: &str| {
        Err(DockerError::Image(format!(
            "{} {what}; build one with `cargo static-node`",
            path.display()
        )))
    };
    if !binary.starts_with(b"\x7fELF") {
        return wrong("is no Linux program");
    }
    let asks_for_loader = |piece: &[u8]| piece == b"/ld-linux" || piece == b"/ld-musl-";
    // The path of the loader stands near the beginning.
    let head = &binary[..binary.len().min(4_096)];
    match head.windows(9).any(asks_for_loader) {
        true => wrong("needs shared libraries, and an image of it would have none"),
        false => Ok(()),
    }
}

fn name(binary: &[u8]) -> String {
    let mut hash = Sha256::new();
    hash.update(DOCKERFILE);
    hash.update(binary);
    let digest = hash.finalize();
    let hex: String = digest[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("squall-node:{hex}")
}

/// The build context: a tar archive (POSIX ustar) of three entries.
fn context(binary: &[u8]) -> Vec<u8> {
    let mut tar = Vec::new();
    entry(&mut tar, "Dockerfile", b'0', 0o644, DOCKERFILE.as_bytes());
    entry(&mut tar, "squall-node", b'0', 0o755, binary);
    entry(&mut tar, "data/", b'5', 0o755, &[]);
    // Two empty blocks end it.
    tar.resize(tar.len() + 2 * BLOCK, 0);
    tar
}

fn entry(tar: &mut Vec<u8>, name: &str, kind: u8, mode: u64, content: &[u8]) {
    let mut header = [0_u8; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    let octal = |value: u64, digits: usize| format!("{value:0digits$o}").into_bytes();
    put(0, name.as_bytes());
    put(100, &octal(mode, 7));
    put(108, &octal(USER, 7));
    put(116, &octal(USER, 7));
    put(124, &octal(content.len() as u64, 11));
    put(136, &octal(0, 11));
    // The sum is taken with blanks in its own place.
    put(148, b"        ");
    put(156, &[kind]);
    put(257, b"ustar\x0000");
    let sum: u64 = header.iter().map(|byte| u64::from(*byte)).sum();
    header[148..154].copy_from_slice(format!("{sum:06o}").as_bytes());
    header[154] = 0;
    tar.extend_from_slice(&header);
    tar.extend_from_slice(content);
    tar.resize(tar.len().next_multiple_of(BLOCK), 0);
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{BLOCK, context, must_be_static, name};

    #[test]
    fn the_context_is_whole_blocks_and_holds_what_the_dockerfile_copies() {
        let tar = context(b"\x7fELF");
        assert_eq!(tar.len() % BLOCK, 0);
        let text = String::from_utf8_lossy(&tar);
        for wanted in ["Dockerfile", "squall-node", "data/", "COPY squall-node"] {
            assert!(text.contains(wanted), "{wanted}");
        }
    }

    #[test]
    fn another_binary_has_another_image() {
        assert_eq!(name(b"a"), name(b"a"));
        assert_ne!(name(b"a"), name(b"b"));
    }

    #[test]
    fn a_binary_that_needs_libraries_is_refused_with_the_way_out() {
        let refused = |binary: &[u8]| {
            let refused = must_be_static(Path::new("squall-node"), binary);
            refused
                .expect_err("it does not run in an empty image")
                .to_string()
        };
        let dynamic = refused(b"\x7fELF....../lib64/ld-linux-x86-64.so.2");
        assert!(dynamic.contains("cargo static-node"), "{dynamic}");
        assert!(refused(b"#!/bin/sh").contains("no Linux program"));
        assert!(must_be_static(Path::new("squall-node"), b"\x7fELF.....").is_ok());
    }
}
