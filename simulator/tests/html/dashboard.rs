//! The dashboard of a paced simulation, opened in a browser while it runs.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;

use serde_json::Value;

use crate::browser::Browser;
use crate::command::{Ended, ScenarioFile, squall};

/// A failover with an objective that is at risk two seconds into the chaos, and missed after
/// three; some clients fail on the way. After that it goes on for long enough to open the page
/// twice more on a busy machine.
const WATCHED: &str = r#"name = "watched"

[cluster]
nodes = 3

[phases]
warmup = "1s"
chaos = "4500ms"
serve = "5s"

[probe]
enabled = false

[[workload]]
service = "lock"
clients = 2
think = "20ms"

[[workload]]
service = "queue"
producers = 2
consumers = 1
think = "20ms"

[[workload]]
service = "cache"
clients = 2
think = "20ms"
reads = "50%"

[[fault]]
at = "500ms"
kill = ["leader"]
for = "2s"

[objectives]
lost = 0
throughput = { sustained = "100000/s", grace = "2s" }

[[alert]]
name = "no leader"
figure = "election_max"
limit = "10ms"
"#;

/// How the page stands, as JSON.
const SEEN: &str = r##"(() => {
  if (document.querySelector("section.time") !== null) return { report: document.querySelector("h1").textContent };
  const wrong = [];
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width) wrong.push(`the page is ${document.documentElement.scrollWidth} wide, the window ${width}`);
  const isReady = document.documentElement.dataset.ready === "yes";
  const light = (color) => {
    const [r, g, b] = color.match(/[\d.]+/g).map((part) => { const x = part / 255; return x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const paper = light(getComputedStyle(document.body).backgroundColor);
  for (const element of document.querySelectorAll("p, h1, h2, h3, li, dt, dd, small, th, td, .key b, .y span, .x span, .label, .chip")) {
    const text = light(getComputedStyle(element).color);
    const contrast = (Math.max(text, paper) + 0.05) / (Math.min(text, paper) + 0.05);
    if (contrast < 4.5) { wrong.push(`contrast ${contrast.toFixed(2)} of "${element.textContent.slice(0, 30)}"`); break; }
  }
  const charts = {};
  for (const chart of document.querySelectorAll("figure.chart:not([hidden])")) {
    const lines = [...chart.querySelectorAll("path.line")];
    charts[chart.id] = lines.map((line) => line.getAttribute("d")).join("|");
    const svg = chart.querySelector("svg").getBoundingClientRect();
    if (isReady && (svg.width < 200 || svg.height < 80)) wrong.push(`${chart.id} is ${svg.width} by ${svg.height}`);
    if (isReady && lines.length > 0 && chart.querySelectorAll(".y span").length < 3) wrong.push(`${chart.id} has no scale`);
  }
  const texts = (selector) => [...document.querySelectorAll(selector)].map((element) => element.textContent);
  return {
    wrong, charts, isReady, phase: document.getElementById("phase").textContent, chips: texts(".chip"),
    standings: texts("#objectives td.standing"), bars: texts("#lanes .bar"), lanes: texts("#lanes .label"), link: document.getElementById("link").textContent,
    first: (charts["chart-rate"] || "").match(/^M([\d.]+)/)?.[1] ?? null,
    points: (charts["chart-rate"] || "").split("|")[0].split("L").length,
  };
})()"##;

/// What was seen of the page while it changed.
#[derive(Default)]
struct Watched {
    phases: BTreeSet<String>,
    chips: BTreeSet<String>,
    standings: Vec<String>,
    /// By chart, how many drawings of it were different.
    drawings: BTreeMap<String, BTreeSet<String>>,
    bars: BTreeSet<String>,
    lanes: BTreeSet<String>,
}

fn texts(value: &Value) -> impl Iterator<Item = String> + '_ {
    let list = value.as_array().into_iter().flatten();
    list.filter_map(|text| text.as_str().map(str::to_owned))
}

impl Watched {
    fn take_in(&mut self, seen: &Value) {
        assert_eq!(seen["wrong"], Value::Array(Vec::new()), "{seen:#}");
        self.phases
            .extend(seen["phase"].as_str().map(str::to_owned));
        self.chips.extend(texts(&seen["chips"]));
        self.bars.extend(texts(&seen["bars"]));
        self.lanes.extend(texts(&seen["lanes"]));
        for standing in texts(&seen["standings"]) {
            if self.standings.last() != Some(&standing) {
                self.standings.push(standing);
            }
        }
        for (chart, drawing) in seen["charts"].as_object().into_iter().flatten() {
            let drawings = self.drawings.entry(chart.clone()).or_default();
            drawings.extend(drawing.as_str().map(str::to_owned));
        }
    }
}

#[test]
#[allow(clippy::disallowed_methods)] // a page is looked at in the machine's time
fn a_failover_is_watched_and_its_page_becomes_the_report() {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let Some(mut browser) = Browser::start(temporary.path()) else {
        return;
    };
    let scenario = ScenarioFile::new(WATCHED);
    let process = squall()
        .arg("run")
        .arg(&scenario.path)
        .arg("--out")
        .arg(scenario.beside("run"))
        .args(["--dashboard=127.0.0.1:0", "--pace", "1x", "--quiet"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let mut run = Ended(process.expect("the program starts"));
    let url = run.dashboard();
    let url = url.as_str();

    let begun = std::time::Instant::now();
    let mut watched = Watched::default();
    let mut is_late = false;
    browser.open_url(url, 1_600, "light");
    let report = loop {
        assert!(
            begun.elapsed().as_secs() < 60,
            "no report: {:#}",
            browser.eval(SEEN)
        );
        let seen = browser.eval(SEEN);
        if let Some(report) = seen["report"].as_str() {
            break report.to_owned();
        }
        watched.take_in(&seen);
        if !is_late
            && watched
                .standings
                .iter()
                .any(|text| text.starts_with("missed"))
        {
            is_late = true;
            browser.screenshot("dashboard-1600-light");
            browser.open_url(url, 1_600, "dark");
            browser.wait_for("document.documentElement.dataset.ready === \"yes\"");
            browser.screenshot("dashboard-1600-dark");
            browser.open_url(url, 400, "dark");
            browser.wait_for("document.documentElement.dataset.ready === \"yes\"");
            // Who comes late sees the run from its beginning.
            let seen = browser.eval(SEEN);
            let first: f64 = seen["first"]
                .as_str()
                .and_then(|text| text.parse().ok())
                .expect("a point");
            assert!(first < 100.0, "the first point is at {first} of 1000");
            assert!(seen["points"].as_u64() >= Some(12), "{seen:#}");
            assert!(texts(&seen["bars"]).any(|bar| bar == "warmup"), "{seen:#}");
            browser.screenshot("dashboard-400-dark");
            browser.scheme("light");
            browser.screenshot("dashboard-400-light");
        }
        std::thread::sleep(std::time::Duration::from_millis(30));
    };
    assert!(report.contains("Nothing lost."), "{report}");
    assert_eq!(
        browser.eval("location.href"),
        Value::from(url),
        "it is the same page"
    );
    browser.screenshot("dashboard-report-400-light");

    assert!(
        is_late,
        "the objective was missed before the end: {:?}",
        watched.standings
    );
    assert!(
        watched.phases.contains("warmup") || watched.phases.contains("forming"),
        "{:?}",
        watched.phases
    );
    assert!(watched.phases.contains("chaos"), "{:?}", watched.phases);
    assert!(
        watched
            .chips
            .iter()
            .any(|chip| chip.starts_with("kill node-")),
        "{:?}",
        watched.chips
    );
    let standing = |begin: &str| {
        watched
            .standings
            .iter()
            .position(|text| text.starts_with(begin))
    };
    assert!(
        standing("warning") < standing("missed"),
        "{:?}",
        watched.standings
    );
    assert!(standing("warning").is_some(), "{:?}", watched.standings);
    for lane in ["phase", "no leader", "kill", "node-1"] {
        let is_there = watched.lanes.iter().any(|label| label == lane);
        assert!(
            is_there || lane == "node-1",
            "{lane} is missing: {:?}",
            watched.lanes
        );
    }
    for chart in [
        "rate",
        "latency",
        "errors",
        "without",
        "outstanding",
        "depth",
        "hits",
    ] {
        let drawings = watched
            .drawings
            .get(&format!("chart-{chart}"))
            .map_or(0, BTreeSet::len);
        assert!(drawings > 4, "{chart} was drawn in {drawings} ways");
    }
    assert!(browser.complaints.is_empty(), "{:#?}", browser.complaints);
    let elsewhere = |asked: &&String| !asked.starts_with(url) && !asked.starts_with("data:");
    let elsewhere: Vec<_> = browser.requests.iter().filter(elsewhere).collect();
    assert!(elsewhere.is_empty(), "loaded from elsewhere: {elsewhere:?}");
    let ended = run.0.wait().expect("it ends");
    assert_eq!(ended.code(), Some(2), "an objective is missed");
}
