//! The image of the nodes: found by its content, or built.
//!
//! The engine may be unable to pull anything, so the image holds one binary that was built on
//! this machine, and the shared libraries of this machine that it needs, if it is not static.
//! Its tag is a hash of what went into it: an image that exists is
//! never stale, and two runs with different nodes do not disturb each other.

use std::path::Path;

use sha2::{Digest, Sha256};
use squall_linux::squall_node;

use super::DockerError;
use super::engine::Engine;

/// The same file that users build by hand.
const DOCKERFILE: &str = include_str!("../../../../docker/Dockerfile");

const BLOCK: usize = 512;
/// Bytes of a name in a tar archive are 100, and libraries have a directory before theirs.
const LONGEST_PATH: usize = 100 - "libraries".len();
/// Of the user in the Dockerfile.
const USER: u64 = 65_532;

/// Has an image of the node at `given`, or of the one that can be found; its name.
pub(super) async fn ensure(engine: &Engine, given: Option<&Path>) -> Result<String, DockerError> {
    let path = squall_node::find_static(given).map_err(DockerError::Image)?;
    let binary =
        std::fs::read(&path).map_err(|e| DockerError::Image(format!("{}: {e}", path.display())))?;
    let libraries = match loader(&path, &binary)? {
        Some(loader) => libraries(&loader, &path)?,
        None => Vec::new(),
    };
    let name = name(&binary, &libraries);
    if !engine.has_image(&name).await? {
        engine.build(&name, context(&binary, &libraries)).await?;
    }
    Ok(name)
}

/// The loader that a binary asks for, if it does; without one in the image, the engine's error
/// would only say that a file is missing.
fn loader(path: &Path, binary: &[u8]) -> Result<Option<String>, DockerError> {
    if !binary.starts_with(b"\x7fELF") {
        let path = path.display();
        return Err(DockerError::Image(format!(
            "{path} is no Linux program; build one with `cargo static-node`"
        )));
    }
    // Its path stands near the beginning, and ends in a zero.
    let head = &binary[..binary.len().min(4_096)];
    let mut texts = head.split(|byte| *byte == 0);
    let is_loader = |text: &&[u8]| {
        let names: [&[u8]; 2] = [b"/ld-linux", b"/ld-musl-"];
        text.starts_with(b"/") && text.windows(9).any(|piece| names.contains(&piece))
    };
    let loader = texts.find(is_loader);
    Ok(loader.map(|text| String::from_utf8_lossy(text).into_owned()))
}

/// A shared library: where a loader looks for it, and what it is.
type Library = (String, Vec<u8>);

/// The loader and the libraries that the binary needs, as this machine has them. The loader
/// lists them itself (ld.so(8)), so that no shell is needed, as `ldd` does.
fn libraries(loader: &str, path: &Path) -> Result<Vec<Library>, DockerError> {
    let failed = |why: String| {
        DockerError::Image(format!(
            "the shared libraries of {} are not known: {why}; `cargo static-node` builds one \
             that needs none",
            path.display()
        ))
    };
    let mut list = std::process::Command::new(loader);
    let listed = list.arg("--list").arg(path).output();
    let listed = listed.map_err(|e| failed(format!("{loader}: {e}")))?;
    if !listed.status.success() {
        let said = String::from_utf8_lossy(&listed.stderr);
        return Err(failed(said.trim().to_owned()));
    }
    let text = String::from_utf8_lossy(&listed.stdout);
    let read = |file: &str| {
        if file.len() > LONGEST_PATH {
            return Err(failed(format!(
                "{file} is a longer path than an image takes"
            )));
        }
        let content = std::fs::read(file).map_err(|e| failed(format!("{file}: {e}")))?;
        Ok((file.to_owned(), content))
    };
    paths(&text)
        .map_err(failed)?
        .into_iter()
        .map(read)
        .collect()
}

/// The files that a loader lists. What the kernel provides has no file.
fn paths(listed: &str) -> Result<Vec<&str>, String> {
    let mut paths = Vec::new();
    for line in listed.lines() {
        let file = line.rsplit_once("=> ").map_or(line, |(_, file)| file);
        let file = file.split(" (").next().unwrap_or_default().trim();
        if file == "not found" {
            return Err(line.trim().to_owned());
        }
        if file.starts_with('/') {
            paths.push(file);
        }
    }
    Ok(paths)
}

fn name(binary: &[u8], libraries: &[Library]) -> String {
    let mut hash = Sha256::new();
    hash.update(DOCKERFILE);
    hash.update(binary);
    for (file, content) in libraries {
        hash.update(file);
        hash.update(content);
    }
    let digest = hash.finalize();
    let hex: String = digest[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("squall-node:{hex}")
}

/// The build context: a tar archive (POSIX ustar) of what the Dockerfile copies, and of
/// libraries, which go where they were.
fn context(binary: &[u8], libraries: &[Library]) -> Vec<u8> {
    let mut tar = Vec::new();
    let mut dockerfile = DOCKERFILE.to_owned();
    if !libraries.is_empty() {
        let node = "COPY squall-node /squall-node\n";
        dockerfile = dockerfile.replace(node, &format!("{node}COPY libraries/ /\n"));
    }
    entry(&mut tar, "Dockerfile", b'0', 0o644, dockerfile.as_bytes());
    entry(&mut tar, "squall-node", b'0', 0o755, binary);
    entry(&mut tar, "data/", b'5', 0o755, &[]);
    for (file, content) in libraries {
        entry(&mut tar, &format!("libraries{file}"), b'0', 0o755, content);
    }
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

    use super::{BLOCK, context, loader, name, paths};

    #[test]
    fn the_context_is_whole_blocks_and_holds_what_the_dockerfile_copies() {
        let tar = context(b"\x7fELF", &[]);
        assert_eq!(tar.len() % BLOCK, 0);
        let text = String::from_utf8_lossy(&tar);
        for wanted in ["Dockerfile", "squall-node", "data/", "COPY squall-node"] {
            assert!(text.contains(wanted), "{wanted}");
        }
        assert!(!text.contains("libraries"), "it needs none");
    }

    #[test]
    fn libraries_go_where_the_loader_looks_for_them() {
        let tar = context(
            b"\x7fELF",
            &[("/lib/libc.so.6".into(), b"\x7fELF".to_vec())],
        );
        assert_eq!(tar.len() % BLOCK, 0);
        let text = String::from_utf8_lossy(&tar);
        for wanted in ["COPY libraries/ /", "libraries/lib/libc.so.6"] {
            assert!(text.contains(wanted), "{wanted}");
        }
    }

    #[test]
    fn another_binary_or_library_has_another_image() {
        let library = |content: &[u8]| [("/lib/a".to_owned(), content.to_vec())];
        assert_eq!(name(b"a", &[]), name(b"a", &[]));
        assert_ne!(name(b"a", &[]), name(b"b", &[]));
        assert_ne!(name(b"a", &library(b"a")), name(b"a", &library(b"b")));
    }

    #[test]
    fn a_binary_that_asks_for_a_loader_needs_libraries() {
        let loader = |binary: &[u8]| loader(Path::new("squall-node"), binary);
        let asked = loader(b"\x7fELF\0..\0/lib64/ld-linux-x86-64.so.2\0...").expect("a program");
        assert_eq!(asked.as_deref(), Some("/lib64/ld-linux-x86-64.so.2"));
        assert_eq!(loader(b"\x7fELF\0....").expect("a program"), None);
        let refused = loader(b"#!/bin/sh").expect_err("no program").to_string();
        assert!(refused.contains("cargo static-node"), "{refused}");
    }

    #[test]
    fn what_a_loader_lists_is_read() {
        let listed = "\tlinux-vdso.so.1 (0x00007fbde8152000)\n\
            \tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007fbde721e000)\n\
            \t/lib64/ld-linux-x86-64.so.2 (0x00007fbde8154000)\n";
        let expected = [
            "/lib/x86_64-linux-gnu/libc.so.6",
            "/lib64/ld-linux-x86-64.so.2",
        ];
        assert_eq!(paths(listed).expect("all are found"), expected);
        let missing = paths("\tlibx.so => not found\n").expect_err("one is not found");
        assert_eq!(missing, "libx.so => not found");
    }
}
