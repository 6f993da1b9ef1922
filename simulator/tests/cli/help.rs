//! The help texts, word for word: they are the manual. `UPDATE_GOLDEN=1` rewrites the file.

use std::path::Path;

use crate::command::squall_with;

#[test]
fn help_says_what_it_said() {
    let mut text = String::new();
    for arguments in [
        &["--help"][..],
        &["run", "-h"],
        &["plan", "-h"],
        &["sweep", "-h"],
        &["merge", "-h"],
        &["replay", "-h"],
        &["trace", "-h"],
        &["explain", "-h"],
        &["state", "-h"],
        &["shrink", "-h"],
        &["check", "-h"],
        &["report", "-h"],
        &["baseline", "-h"],
        &["compare", "-h"],
        &["trend", "-h"],
        &["calibrate", "-h"],
        &["schema", "-h"],
        &["list", "-h"],
    ] {
        let help = squall_with(arguments);
        assert_eq!((help.code, help.stderr.as_str()), (0, ""), "{arguments:?}");
        text += &format!("$ squall {}\n{}\n", arguments.join(" "), help.stdout);
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/help.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&file, &text).expect("the file is ours");
    }
    let golden = std::fs::read_to_string(&file).expect("UPDATE_GOLDEN=1 writes it");
    assert_eq!(text, golden, "UPDATE_GOLDEN=1 accepts the new text");
}

#[test]
fn the_version_is_that_of_the_crate() {
    let version = squall_with(&["--version"]);
    let expected = concat!("squall ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!((version.code, version.stdout.as_str()), (0, expected));
}
