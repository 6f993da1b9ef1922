//! The dashboard of a run on containers, opened in a browser.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::browser::Browser;
use super::node;
use super::setting::{alone, engine};

/// How the page stands, in a text for each thing that must be seen.
const SEEN: &str = r##"(() => {
  if (document.querySelector("section.time") !== null) return "report";
  const drawn = [...document.querySelectorAll("figure.chart:not([hidden])")].filter((chart) => [...chart.querySelectorAll("path.line")].some((line) => line.getAttribute("d") !== ""));
  const leader = [...document.querySelectorAll("#figures dt")].find((name) => name.textContent === "leader");
  return [
    ...drawn.map((chart) => chart.id),
    ...[...document.querySelectorAll(".chip.fault")].map((chip) => chip.textContent.split(" node")[0]),
    ...[...document.querySelectorAll("#nodes tbody tr")].map((row) => row.cells[2].textContent === "–" ? "down" : "memory"),
    leader === undefined ? "" : leader.nextSibling.firstChild.textContent.split("-")[0],
    ...[...document.querySelectorAll("#objectives td.standing")].map((standing) => standing.textContent.split(",")[0]),
  ].join(" ");
})()"##;

/// A process that is ended with the test.
struct Run(Child);

impl Drop for Run {
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            // In its own words, so that it removes its containers.
            let _ = Command::new("kill").arg(self.0.id().to_string()).status();
            let _ = self.0.wait();
        }
    }
}

#[test]
fn a_container_run_is_watched_and_its_page_becomes_the_report() {
    let Some(_turn) = engine().and_then(|()| alone()) else {
        return;
    };
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let Some(mut browser) = Browser::start(temporary.path()) else {
        return;
    };
    let scenario = squall_tests::repository().join("scenarios/leader-kill.toml");
    let node = node::binary();
    let process = Command::new(node.with_file_name("squall"))
        .arg("run")
        .arg(scenario)
        .args(["--backend", "docker", "--quiet", "--dashboard=127.0.0.1:0"])
        .arg("--out")
        .arg(temporary.path().join("run"))
        .arg("--node-binary")
        .arg(&node)
        .args(
            [
                "phases.warmup=3s",
                "phases.chaos=8s",
                "phases.serve=1s",
                "cluster.nodes=3",
            ]
            .map(|set| format!("--set={set}")),
        )
        .args(
            [
                "fault.0.repeat.times=1",
                "fault.0.for=3s",
                "objectives.election.p99=30s",
                // Nobody asks so often: at risk at first, missed after the grace.
                "objectives.throughput.sustained=100000/s",
                "objectives.throughput.grace=3s",
            ]
            .map(|set| format!("--set={set}")),
        )
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let mut run = Run(process.expect("the program starts"));
    let stderr = run.0.stderr.take().expect("it is piped");
    let line = BufReader::new(stderr)
        .lines()
        .next()
        .expect("a line")
        .expect("text");
    let url = line
        .strip_prefix("dashboard: ")
        .unwrap_or_else(|| panic!("{line}"));
    browser.open_url(url, 1_600, "light");
    let begun = Instant::now();
    let mut missing: Vec<&str> = [
        "chart-rate",
        "chart-latency",
        "chart-outstanding",
        "chart-depth",
        "chart-hits",
        "chart-cpu",
        "chart-memory",
        "kill",
        "memory",
        "node",
        "warning",
        "missed",
    ]
    .into();
    let mut is_late = false;
    loop {
        assert!(
            begun.elapsed().as_secs() < 180,
            "no report, and {missing:?} were not seen"
        );
        let seen = browser.eval(SEEN);
        let seen = seen.as_str().expect("a text");
        if seen == "report" {
            break;
        }
        let is_at_risk = missing.contains(&"warning");
        assert!(
            !is_at_risk || !seen.contains("missed"),
            "missed without a warning: {seen}"
        );
        missing.retain(|wanted| !seen.split(' ').any(|word| word == *wanted));
        if missing.is_empty() && !is_late {
            is_late = true;
            browser.screenshot("dashboard-containers-1600");
            browser.open_url(url, 400, "light");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(missing, [""; 0], "never seen");
    assert!(is_late, "all was seen while it ran");
    assert!(browser.complaints.is_empty(), "{:#?}", browser.complaints);
    let ended = run.0.wait().expect("it ends");
    assert_eq!(ended.code(), Some(2), "an objective is missed");
}
