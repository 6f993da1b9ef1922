//! `--system`: other systems, as far as that shows without starting one.

use crate::command::{SMALL, ScenarioFile, squall_with};

/// A system that needs no program of its own to be planned for.
const SYSTEM: &str = r#"
name = "mine"
summary = "Registers."
protocol = "etcd"
nodes = [3]
[ports]
client = 2379
[[node]]
command = ["etcd"]
[service.cache.promises]
"#;

#[test]
fn a_plan_is_fitted_to_the_system() {
    let scenario = ScenarioFile::new(SMALL);
    let system = scenario.beside("mine.toml");
    std::fs::write(&system, SYSTEM).expect("the directory is ours");
    let [scenario, system] = [&scenario.path, &system].map(|path| path.to_str().expect("plain"));
    let plan = ["plan", scenario, "--system", system];
    let refused = squall_with(&plan);
    assert_eq!(refused.code, 64, "{}", refused.stderr);
    let expected = "cannot run the system mine";
    assert!(refused.stderr.contains(expected), "{}", refused.stderr);

    let shown = squall_with(&[&plan[..], &["--backend", "process"]].concat());
    assert_eq!(shown.code, 0, "{}", shown.stderr);
    let left_out = "mine offers no service";
    assert!(shown.stderr.contains(left_out), "{}", shown.stderr);
    let own = squall_with(&["plan", scenario]);
    assert_ne!(shown.stdout, own.stdout);
}

#[test]
fn squall_on_the_command_line_is_in_the_place_of_what_the_scenario_names() {
    let scenario = ScenarioFile::new(&format!("{SMALL}\n[system]\nname = \"etcd\"\n"));
    let path = scenario.path.to_str().expect("a plain path");
    let refused = squall_with(&["plan", path]);
    assert_eq!(refused.code, 64, "{}", refused.stdout);
    let shown = squall_with(&["plan", path, "--system", "squall"]);
    assert_eq!(shown.code, 0, "{}", shown.stderr);
    let out = scenario.beside("run");
    let out = out.to_str().expect("a plain path");
    let ran = squall_with(&["run", path, "--system", "squall", "--out", out]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let again = squall_with(&["replay", out]);
    assert_eq!(again.code, 0, "{}", again.stderr);
}
