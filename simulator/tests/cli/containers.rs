//! `--backend docker` and `--backend process`, as far as they go without an engine and without
//! root: what real nodes cannot do is refused before anything is made.

use crate::command::{SMALL, ScenarioFile, SmallRun, run, squall, squall_run, squall_with};

#[test]
fn what_containers_cannot_do_is_refused_when_the_plan_is_made() {
    let scenario = ScenarioFile::new(&SMALL.replace("kill = [", "power_loss = ["));
    let path = scenario.path.display().to_string();
    let out = scenario.beside("run");
    let out_path = out.display().to_string();
    for backend in ["docker", "process"] {
        for arguments in [
            &["plan", &path, "--backend", backend][..],
            &["run", &path, "--backend", backend, "--out", &out_path],
        ] {
            let run = squall_with(arguments);
            assert_eq!((run.code, run.stdout.as_str()), (64, ""), "{arguments:?}");
            let expected = format!(
                "error: the {backend} backend cannot do fault 0 (power_loss): what was not \
                 synced outlives a process; leave it out, or run on another backend\n"
            );
            assert_eq!(run.stderr, expected);
        }
    }
    assert!(!out.exists(), "nothing was made");
}

/// Containers are as fast and as far apart as this machine has them.
#[test]
fn machines_that_containers_are_not_are_refused() {
    let regions = "[[region]]\nname = \"east\"\nnodes = [\"node-1\", \"node-2\"]\nclients = true\n\
                   latency.west = \"30ms\"\n[[region]]\nname = \"west\"\nnodes = [\"node-3\"]\n";
    let hardware = "[hardware.disk]\nsync = { min = \"100us\", max = \"5ms\" }\n";
    let refused = |more: &str, arguments: &[&str]| {
        let scenario = ScenarioFile::new(&format!("{SMALL}{more}"));
        let profile = scenario.beside("hardware.toml");
        std::fs::write(&profile, hardware).expect("the file is ours");
        let path = scenario.path.display().to_string();
        let profile = profile.display().to_string();
        let arguments = (arguments.iter()).map(|argument| match *argument {
            "PROFILE" => profile.as_str(),
            argument => argument,
        });
        let mut all = vec!["plan", &path, "--backend", "docker"];
        all.extend(arguments);
        let run = squall_with(&all);
        assert_eq!((run.code, run.stdout.as_str()), (64, ""), "{}", run.stderr);
        run.stderr
    };
    let fast = "error: the docker backend cannot be as fast as a profile says (--profile, \
                [hardware]): containers are as fast as this machine; leave it out, or run on \
                another backend\n";
    assert_eq!(refused("", &["--profile", "PROFILE"]), fast);
    assert_eq!(refused(hardware, &[]), fast);
    assert_eq!(
        refused(regions, &[]),
        "error: the docker backend cannot put members far apart ([[region]]): containers are \
         all on this machine; leave the regions out, or run on another backend\n"
    );
    assert_eq!(
        refused("", &["--set", "network.loss=1%"]),
        "error: the docker backend does not lose packets all the time (`loss` in [network]): \
         write a fault with `link`, or run on another backend\n"
    );
}

/// A mistake in the last variant must not cost the runs of the others.
#[test]
fn what_containers_cannot_do_in_a_variant_is_refused_before_the_first_runs() {
    let scenario = ScenarioFile::new(&format!(
        "{SMALL}[[variant]]\nname = \"plain\"\n\
         [[variant]]\nname = \"lossy\"\nset = {{ network.loss = \"1%\" }}\n"
    ));
    let out = scenario.beside("runs");
    let run = squall_run(&scenario.path, &out, &["--backend", "docker"]);
    assert_eq!(run.code, 64, "{}", run.stderr);
    assert!(run.stderr.contains("[network]"), "{}", run.stderr);
    assert!(!out.exists(), "nothing was made");
}

/// Links and disks of a scenario are what a simulation assumes; nobody must read them as
/// those of containers.
#[test]
fn the_plan_of_containers_claims_no_network_and_no_disk() {
    let claims = |text: &str| {
        let lines = text.lines().map(|line| line.split(' ').next());
        let lines: Vec<_> = lines
            .take_while(|label| *label != Some("workloads"))
            .collect();
        ["network", "disk", "clocks", "machines"].map(|label| lines.contains(&Some(label)))
    };
    let small = SmallRun::new();
    let scenario = small.scenario.path.display().to_string();
    let plan = |backend| squall_with(&["plan", &scenario, "--backend", backend]).stdout;
    assert_eq!(claims(&plan("sim")), [true, true, true, false]);
    assert_eq!(claims(&plan("docker")), [false, false, false, true]);
    // A stored run, judged again as if containers had made it.
    let manifest = small.read("run.json");
    let manifest = manifest.replace("\"backend\": \"sim\"", "\"backend\": \"docker\"");
    std::fs::write(small.dir.join("run.json"), manifest).expect("the file is ours");
    let dir = small.dir.display().to_string();
    let check = squall_with(&["check", &dir, "--format", "json"]);
    let report: serde_json::Value = serde_json::from_str(&check.stdout).expect("a report");
    assert_eq!(report["backend"], "docker");
    let configuration = report["configuration"].as_str().expect("a text");
    assert_eq!(claims(configuration), [false, false, false, true]);
}

#[test]
fn nobody_is_promised_the_same_containers_twice() {
    let scenario = ScenarioFile::new(SMALL);
    let run = squall_run(
        &scenario.path,
        &scenario.beside("run"),
        &["--backend", "docker", "--verify"],
    );
    assert_eq!(run.code, 64, "{}", run.stderr);
    assert!(
        run.stderr.contains("nothing happens twice"),
        "{}",
        run.stderr
    );
}

#[test]
fn an_engine_that_is_not_there_is_one_line_and_the_machines_fault() {
    let scenario = ScenarioFile::new(SMALL);
    let socket = scenario.beside("no.sock");
    let run = run(squall()
        .arg("run")
        .arg(&scenario.path)
        .arg("--out")
        .arg(scenario.beside("run"))
        .args(["--backend", "docker"])
        .env("DOCKER_HOST", format!("unix://{}", socket.display())));
    assert_eq!((run.code, run.stdout.as_str()), (70, ""), "{}", run.stderr);
    let lines: Vec<&str> = run.stderr.lines().collect();
    assert_eq!(lines.len(), 1, "{}", run.stderr);
    assert!(
        lines[0].contains("no Docker engine answers at"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_node_that_is_not_there_is_one_line_and_the_machines_fault() {
    let scenario = ScenarioFile::new(SMALL);
    let run = run(squall()
        .arg("run")
        .arg(&scenario.path)
        .arg("--out")
        .arg(scenario.beside("run"))
        .args(["--backend", "process"])
        .env("SQUALL_NODE", "/nowhere/squall-node"));
    assert_eq!((run.code, run.stdout.as_str()), (70, ""), "{}", run.stderr);
    let lines: Vec<&str> = run.stderr.lines().collect();
    assert_eq!(lines.len(), 1, "{}", run.stderr);
    assert!(lines[0].contains("/nowhere/squall-node"), "{}", run.stderr);
}
