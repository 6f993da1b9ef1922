//! The import table of the architecture, enforced on the source itself.
//!
//! Which module may name which is what keeps checks from knowing backends, and openraft and
//! turmoil replaceable. Production code only: a unit test may borrow from anywhere in its
//! crate. The tables say what is, not what may be wished for, so a module that stops using
//! another should be taken off its list.

use squall_tests::source::{Import, circles, imports, module_of};

/// A module, and the modules of its crate that it may name beside itself.
type Rule = (&'static str, &'static [&'static str]);

const CLUSTER: &[Rule] = &[
    ("encode", &[]),
    ("planted", &[]),
    // The mistakes of planted bugs are made where the right thing is done.
    ("state", &["encode", "planted"]),
    ("storage", &["planted"]),
    ("protocol", &["state"]),
    ("client", &["protocol", "state"]),
    ("raft", &["encode", "planted", "state", "storage"]),
    ("node", &["planted", "protocol", "raft", "state", "storage"]),
    ("lib", &[]),
    // A crate of its own, which names the library as any other user does.
    ("bin", &["args", "duration", "local", "signals"]),
];

/// The crate `squall`, where everything meets. What lies below it are crates, and their
/// manifests say what each may know.
const SIMULATOR: &[Rule] = &[
    ("stopwatch", &[]),
    // The systems of files, for the backends that start them.
    ("system_files", &[]),
    ("backends", &["system_files"]),
    ("run", &["backends", "environment", "stopwatch"]),
    ("environment", &[]),
    ("run_dir", &["backends", "environment", "run"]),
    (
        "sweep",
        &["backends", "environment", "run_dir", "stopwatch"],
    ),
    ("calibrate", &["stopwatch"]),
    ("ci", &[]),
    ("trace", &["backends"]),
    ("explain", &["backends", "run", "trace"]),
    ("player", &["backends", "explain", "trace"]),
    ("compare", &["run_dir", "sweep"]),
    ("trend", &["compare", "run_dir", "sweep"]),
    ("shrink", &[]),
    ("explore", &["shrink"]),
    ("track_record", &["explore", "run"]),
    // What others need to put their own system there, under one name.
    ("system", &[]),
    (
        "testing",
        &[
            "backends",
            "ci",
            "environment",
            "explain",
            "run",
            "run_dir",
            "shrink",
            "stopwatch",
            "sweep",
            "system",
        ],
    ),
    (
        "cli",
        &[
            "backends",
            "calibrate",
            "ci",
            "compare",
            "environment",
            "explain",
            "explore",
            "player",
            "run",
            "run_dir",
            "shrink",
            "stopwatch",
            "sweep",
            "system",
            "trace",
            "trend",
        ],
    ),
    ("lib", &[]),
    ("main", &[]),
];

/// Crates that the crates name as modules of their own, for those who use them.
const RE_EXPORTED: [&str; 13] = [
    "event",
    "world",
    "baseline",
    "check",
    "fault",
    "fixed",
    "history",
    "measure",
    "objective",
    "plan",
    "report",
    "scenario",
    "workload",
];

/// A crate, and the only places that may name it: paths of files or directories.
type Home = (&'static str, &'static [&'static str]);

const CLUSTER_HOMES: &[Home] = &[
    // `node` speaks openraft's errors and watch channels; no type of it leaves there.
    ("openraft", &["raft", "node"]),
    ("redis_protocol", &["protocol"]),
    ("postcard", &["encode.rs", "raft", "state", "storage"]),
    ("tokio", &["bin", "client", "client.rs", "node", "raft"]),
    ("rand", &["raft/runtime.rs"]),
    ("tracing", &["bin", "node", "raft"]),
    ("turmoil_net", &[]),
    ("turmoil_fs", &[]),
    ("squall", &[]),
];

const SIMULATOR_HOMES: &[Home] = &[
    ("openraft", &[]),
    ("clap", &["cli"]),
    ("indicatif", &["cli/progress_bar.rs"]),
    ("maud", &["sweep/html.rs", "trace/svg.rs"]),
    ("rustix", &["calibrate/processor.rs", "sweep/pool.rs"]),
    ("signal_hook", &["cli/interrupt.rs"]),
    (
        "toml",
        &[
            "compare/side.rs",
            "explore",
            "run_dir.rs",
            "shrink",
            "testing",
        ],
    ),
];

#[test]
fn the_cluster_imports_only_downwards() {
    enforce("cluster/src", CLUSTER, CLUSTER_HOMES);
}

#[test]
fn the_simulator_imports_only_downwards() {
    enforce("simulator/src", SIMULATOR, SIMULATOR_HOMES);
}

/// What the rules must see, they see: a rule about a directory that has moved would pass.
#[test]
fn every_module_has_a_rule_and_every_rule_a_module() {
    for (src, rules) in [("cluster/src", CLUSTER), ("simulator/src", SIMULATOR)] {
        let dir = squall_tests::repository().join(src);
        let entries = std::fs::read_dir(dir).expect("the crate has sources");
        let mut modules: Vec<String> = entries
            .map(|entry| module_of(entry.expect("an entry").file_name().as_ref()))
            .collect();
        modules.sort();
        modules.dedup();
        let mut ruled: Vec<&str> = rules.iter().map(|(module, _)| *module).collect();
        ruled.sort_unstable();
        assert_eq!(modules, ruled, "{src}");
    }
}

/// No files import each other in a circle, in any crate of the workspace.
#[test]
fn no_files_import_each_other_in_a_circle() {
    let manifest = std::fs::read_to_string(squall_tests::repository().join("Cargo.toml"));
    let manifest: toml::Table = toml::from_str(&manifest.expect("a manifest")).expect("TOML");
    let members = manifest["workspace"]["members"].as_array().expect("a list");
    let mut found = Vec::new();
    for member in members {
        let src = format!("{}/src", member.as_str().expect("a path"));
        let groups = circles(&squall_tests::repository().join(&src));
        let circle = |group: &Vec<String>| format!("{src}: {}", group.join(", "));
        found.extend(groups.iter().map(circle));
    }
    assert_eq!(found, Vec::<String>::new());
}

fn enforce(src: &str, rules: &[Rule], homes: &[Home]) {
    let named = imports(&squall_tests::repository().join(src));
    let modules = named.iter().filter(|import| import.path[0] == "crate");
    let modules = modules.filter_map(|import| breaks_rule(import, rules).map(|why| (import, why)));
    let crates = named.iter();
    let crates = crates.filter_map(|import| left_home(import, homes).map(|why| (import, why)));
    let wrong: Vec<String> = modules
        .chain(crates)
        .map(|(import, why)| format!("{}: {why}", describe(src, import)))
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

fn breaks_rule(import: &Import, rules: &[Rule]) -> Option<String> {
    let module = module_of(&import.file);
    let (_, allowed) = rules.iter().find(|(name, _)| *name == module)?;
    let named = import.path.get(1)?.as_str();
    let fine = named == module || allowed.contains(&named) || RE_EXPORTED.contains(&named);
    (!fine).then(|| match allowed {
        [] => format!("`{module}` may import no other module"),
        _ => format!("`{module}` may import only {}", allowed.join(", ")),
    })
}

fn left_home(import: &Import, homes: &[Home]) -> Option<String> {
    let (name, places) = homes.iter().find(|(name, _)| *name == import.path[0])?;
    let at_home = places.iter().any(|place| import.file.starts_with(place));
    (!at_home).then(|| match places {
        [] => format!("`{name}` may not be named in this crate"),
        _ => format!("`{name}` may be named only in {}", places.join(", ")),
    })
}

fn describe(src: &str, import: &Import) -> String {
    let file = import.file.display();
    format!(
        "{src}/{file}:{}: names {}",
        import.line,
        import.path.join("::")
    )
}
