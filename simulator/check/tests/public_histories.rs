//! Public histories of other projects, judged as they lie. They are not part of this
//! repository: `SQUALL_PUBLIC_HISTORIES` names a directory with `knossos/data` (of
//! github.com/jepsen-io/knossos) and `elle-cli/histories` (of github.com/ligurio/elle-cli).

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use squall_check::Verdict;
use squall_check::external::{InputError, Judgement, Limits, Model, judge};

/// Names the directory of the histories.
const DIRECTORY: &str = "SQUALL_PUBLIC_HISTORIES";

/// The directory below it; `None` without one, with the reason.
fn directory(below: &str) -> Option<PathBuf> {
    let Some(directory) = std::env::var_os(DIRECTORY) else {
        println!("skipped: {DIRECTORY} names no directory of public histories");
        return None;
    };
    Some(Path::new(&directory).join(below))
}

fn judged(path: &Path, model: Model) -> Result<Judgement, InputError> {
    let input = std::fs::read(path).expect("the directory holds the file");
    judge(&input, model, None, &Limits::default())
}

/// The EDN files of a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).expect("the directory is there");
    let paths = entries.map(|entry| entry.expect("it can be listed").path());
    let mut files: Vec<_> = paths
        .filter(|path| path.extension() == Some(OsStr::new("edn")))
        .collect();
    files.sort();
    files
}

#[test]
fn registers_of_knossos() {
    let Some(data) = directory("knossos/data/cas-register") else {
        return;
    };
    let (mut valid, mut empty) = (0, 0);
    for file in files(&data.join("good")) {
        match judged(&file, Model::Register) {
            Ok(judged) => {
                assert_eq!(judged.verdict, Verdict::Pass, "{}", file.display());
                valid += 1;
            }
            Err(InputError::Empty) => empty += 1,
            Err(error) => panic!("{}: {error}", file.display()),
        }
    }
    assert_eq!((valid, empty), (112, 1));
    let bad = files(&data.join("bad"));
    for file in &bad {
        let judged = judged(file, Model::Register).expect("it is a history");
        assert_eq!(judged.verdict, Verdict::Fail, "{}", file.display());
        let violation = judged
            .violation
            .expect("it shows the first impossible event");
        assert!(violation.is_shortest, "{}", file.display());
    }
    assert_eq!(bad.len(), 7);
}

#[test]
fn mutexes_of_knossos_and_elle() {
    for below in [
        "knossos/data/mutex/bad",
        "elle-cli/histories/knossos/mutex/bad",
    ] {
        let Some(data) = directory(below) else {
            return;
        };
        let files = files(&data);
        assert!(!files.is_empty(), "no histories in {}", data.display());
        for file in files {
            let judged = judged(&file, Model::Lock).expect("it is a history");
            assert_eq!(judged.verdict, Verdict::Fail, "{}", file.display());
        }
    }
}

#[test]
fn sets_and_counters_of_elle() {
    let Some(data) = directory("elle-cli/histories/jepsen") else {
        return;
    };
    for (file, model, expected) in [
        ("set.edn", Model::Set, Verdict::Pass),
        ("set_full.edn", Model::Set, Verdict::Fail),
        ("set_full.json", Model::Set, Verdict::Fail),
        ("counter.edn", Model::Counter, Verdict::Pass),
        ("counter.json", Model::Counter, Verdict::Pass),
    ] {
        let judged = judged(&data.join(file), model).expect("it is a history");
        assert_eq!(judged.verdict, expected, "{file}: {}", judged.detail);
    }
}
