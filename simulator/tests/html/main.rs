//! The pages that `squall report --html` makes, opened in a browser.

#[path = "../command/mod.rs"]
mod command;

mod browser;
mod dashboard;
mod player;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use browser::Browser;
use command::{SMALL, ScenarioFile, SmallRun, squall_with};
use serde_json::Value;
use squall::history::resources::HEADER;

const WIDTHS: [u32; 2] = [400, 1_600];
/// A4 less its margins, in pixels of 1/96 inch.
const PAPER_WIDTH: u32 = 703;

/// Every check of a page that needs no knowledge of what it shows: complaints, as text.
const LOOK: &str = r#"(() => {
  const wrong = [];
  const width = document.documentElement.clientWidth;
  if (document.documentElement.dataset.ready !== "yes") wrong.push("the script did not run to its end");
  if (document.documentElement.scrollWidth > width) wrong.push(`the page is ${document.documentElement.scrollWidth} wide, the window ${width}`);
  const isScrolled = (element) => element.closest(".scroll, pre, svg, .track") !== null;
  for (const element of document.querySelectorAll("main *")) {
    const box = element.getBoundingClientRect();
    if (box.width === 0 || isScrolled(element) || element.closest(".choice input")) continue;
    if (box.right > width + 1 || box.left < -1) wrong.push(`${element.tagName}.${element.className} "${element.textContent.slice(0, 30)}" from ${box.left} to ${box.right} of ${width}`);
  }
  const plots = [...document.querySelectorAll("figure.plot")];
  if (plots.length === 0) wrong.push("no graph");
  const data = JSON.parse(document.getElementById("data").textContent);
  for (const plot of data.plots) {
    const figure = document.getElementById(plot.id);
    const wasHidden = figure.hidden;
    figure.hidden = false;
    const svg = figure.querySelector("svg").getBoundingClientRect();
    if (svg.width < 200 || svg.height < 80) wrong.push(`${plot.id} is ${svg.width} by ${svg.height}`);
    const lines = figure.querySelectorAll("path.line");
    if (lines.length !== plot.lines.length) wrong.push(`${plot.id} has ${lines.length} lines of ${plot.lines.length}`);
    plot.lines.forEach((line, i) => {
      const values = line.values.filter((value) => value !== null).length;
      const drawn = lines[i].getBBox();
      if (values > 0 && !(drawn.width > 0)) wrong.push(`${plot.id}: ${line.name} is not drawn`);
      const color = getComputedStyle(lines[i]).stroke;
      if (values > 0 && (color === "none" || color === "")) wrong.push(`${plot.id}: ${line.name} has no colour`);
    });
    if (figure.querySelectorAll(".y span").length < 2) wrong.push(`${plot.id} has no scale`);
    if (figure.querySelectorAll(".x span").length < 2) wrong.push(`${plot.id} has no axis`);
    figure.hidden = wasHidden;
  }
  const overlap = (boxes, from, to, what) => {
    boxes.sort((a, b) => a[from] - b[from]);
    boxes.slice(1).forEach((box, i) => { if (box[from] < boxes[i][to] - 0.5) wrong.push(`${what} overlap`); });
  };
  const boxes = (of) => [...of.children].map((label) => label.getBoundingClientRect()).filter((box) => box.width > 0);
  for (const plot of plots) {
    for (const axis of plot.querySelectorAll(".x")) overlap(boxes(axis), "left", "right", `${plot.id}: labels beneath`);
    for (const axis of plot.querySelectorAll(".y")) overlap(boxes(axis), "top", "bottom", `${plot.id}: labels beside`);
    const y = plot.querySelector(".y").getBoundingClientRect();
    for (const box of boxes(plot.querySelector(".y"))) if (box.left < y.left - 0.5) wrong.push(`${plot.id}: a label beside is cut`);
  }
  const axes = [...document.querySelectorAll(".time .area, .time .track")].filter((area) => area.getBoundingClientRect().width > 0);
  const places = new Set(axes.map((area) => { const box = area.getBoundingClientRect(); return `${Math.round(box.left)} to ${Math.round(box.right)}`; }));
  if (places.size > 1) wrong.push(`the time axis is not shared: ${[...places].join(", ")}`);
  const light = (color) => {
    const [r, g, b] = color.match(/[\d.]+/g).map((part) => { const x = part / 255; return x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const paper = light(getComputedStyle(document.body).backgroundColor);
  for (const element of document.querySelectorAll("p, h1, h2, h3, li, dt, dd, small, summary, td, th, .key .name, .key output, .y span, .x > span, strong, .label")) {
    if (element.textContent.trim() === "" || element.closest("pre")) continue;
    const text = light(getComputedStyle(element).color);
    const contrast = (Math.max(text, paper) + 0.05) / (Math.min(text, paper) + 0.05);
    if (contrast < 4.5) { wrong.push(`contrast ${contrast.toFixed(2)} of "${element.textContent.slice(0, 30)}"`); break; }
  }
  return wrong;
})()"#;

/// Opens a page in every width, light and dark, and looks at it.
fn look(browser: &mut Browser, page: &Path, name: &str) {
    for width in WIDTHS {
        for scheme in ["light", "dark"] {
            browser.open(page, width, scheme);
            let wrong = browser.eval(LOOK);
            assert_eq!(wrong, Value::Array(Vec::new()), "{name}, {width}, {scheme}");
            browser.screenshot(&format!("{name}-{width}-{scheme}"));
        }
    }
    browser.open(page, PAPER_WIDTH, "print");
    let wrong = browser.eval(LOOK);
    assert_eq!(wrong, Value::Array(Vec::new()), "{name}, printed");
    browser.paper(name);
    assert!(browser.complaints.is_empty(), "{:#?}", browser.complaints);
    let elsewhere = |url: &&String| !url.starts_with("file://") && !url.starts_with("data:");
    let elsewhere: Vec<_> = browser.requests.iter().filter(elsewhere).collect();
    assert!(elsewhere.is_empty(), "loaded from elsewhere: {elsewhere:?}");
}

fn page_of(dir: &Path) -> PathBuf {
    let made = squall_with(&["report".as_ref(), dir.as_os_str(), "--html".as_ref()]);
    assert_eq!(made.code, 0, "{}", made.stderr);
    let page = dir.join("report.html");
    assert_eq!(made.stdout, format!("{}\n", page.display()));
    page
}

/// What a container run would leave behind, for a run of this length: the third node is
/// down for its second quarter.
fn samples(end_us: u64) -> String {
    let mut csv = format!("{HEADER}\n");
    for at_us in (0..end_us).step_by(100_000) {
        for node in 1..=3 {
            let (cpu_us, memory) = (at_us / (4 * node), 20_000_000 + at_us * node);
            let bytes = at_us / 10 * node;
            if node == 3 && (end_us / 4..end_us / 2).contains(&at_us) {
                csv += &format!("{at_us},node-{node},,,,,{bytes},{bytes}\n");
                continue;
            }
            csv += &format!("{at_us},node-{node},{cpu_us},{memory},0,{bytes},{bytes},{bytes}\n");
        }
    }
    csv
}

#[test]
fn a_run_is_drawn_and_read_off() {
    let run = SmallRun::new();
    let report: Value = serde_json::from_str(&run.read("report.json")).expect("a report");
    let end_ms = report["timeline"]["end_ms"].as_f64().expect("a length");
    std::fs::write(
        run.dir.join("resources.csv"),
        samples((end_ms * 1_000.0) as u64),
    )
    .expect("the directory is ours");
    let page = page_of(&run.dir);
    let size = std::fs::metadata(&page).expect("it is there").len();
    assert!(size < 1_000_000, "{size} bytes");
    let Some(mut browser) = Browser::start(run.scenario.dir.path()) else {
        return;
    };
    look(&mut browser, &page, "run");

    browser.open(&page, 1_600, "light");
    every_window_is_read_off(&mut browser, &run.read("history.jsonl"));
    one_cursor_for_all(&mut browser);
    keys_move_the_cursor(&mut browser);
    dragging_looks_closer(&mut browser);
    a_service_is_chosen(&mut browser);
    assert!(browser.complaints.is_empty(), "{:#?}", browser.complaints);
}

/// Against a count of its own of the lines of the history.
fn every_window_is_read_off(browser: &mut Browser, history: &str) {
    let mut cache_ops: BTreeMap<u64, ()> = BTreeMap::new();
    let mut counted: BTreeMap<u64, u64> = BTreeMap::new();
    for line in history.lines().skip(1) {
        let event: Value = serde_json::from_str(line).expect("a line is JSON");
        let op = event["op"].as_u64();
        match event["type"].as_str() {
            Some("invoke") if is_of_cache(&event) => {
                cache_ops.insert(op.expect("a number"), ());
            }
            Some("return") if cache_ops.contains_key(&op.expect("a number")) => {
                let outcome = event["outcome"]["outcome"].as_str();
                if !matches!(outcome, Some("failed" | "unknown")) {
                    *counted
                        .entry(event["at"].as_u64().expect("a time") / 100_000)
                        .or_default() += 1;
                }
            }
            _ => {}
        }
    }
    assert!(counted.values().sum::<u64>() > 50, "too little to compare");
    let drawn = browser.eval(
        "(() => { const plot = JSON.parse(document.getElementById('data').textContent).plots
           .find((plot) => plot.id === 'throughput');
           return plot.lines.find((line) => line.name === 'cache').values; })()",
    );
    let drawn = drawn.as_array().expect("a line");
    // The last window may be shorter, and its rate is over what there is of it.
    for (window, value) in drawn.iter().enumerate().take(drawn.len() - 1) {
        let count = counted.get(&(window as u64)).copied().unwrap_or(0);
        assert_eq!(value.as_u64(), Some(count * 10_000), "window {window}");
    }
}

fn is_of_cache(event: &Value) -> bool {
    let asked = event["action"]["f"].as_str().unwrap_or_default();
    ["get", "set", "compare_and_set", "delete", "increment"].contains(&asked)
}

/// Places the mouse in the middle of a graph.
fn middle(browser: &mut Browser, selector: &str) -> (f64, f64, f64) {
    let place = browser.eval(&format!(
        "(() => {{ const area = document.querySelector('{selector}');
            area.scrollIntoView({{ block: 'center', behavior: 'instant' }});
            const box = area.getBoundingClientRect();
            return [box.left + box.width / 2, box.top + box.height / 2, box.width]; }})()"
    ));
    let number = |index: usize| place[index].as_f64().expect("a number");
    (number(0), number(1), number(2))
}

fn one_cursor_for_all(browser: &mut Browser) {
    let (x, y, _) = middle(browser, "#throughput .area");
    browser.mouse("mouseMoved", x, y);
    let seen = browser.eval(
        "[...new Set([...document.querySelectorAll('.time .cursor')]
            .filter((cursor) => !cursor.hidden && cursor.getClientRects().length > 0)
            .map((cursor) => Math.round(cursor.getBoundingClientRect().left)))]",
    );
    let places = seen.as_array().expect("places");
    assert_eq!(places.len(), 1, "{seen}");
    let at = places[0].as_f64().expect("a place");
    assert!((at - x).abs() < 40.0, "{at} is not near {x}");
    let moment = browser.eval("document.querySelector('.moment output').textContent");
    let moment = moment.as_str().expect("text");
    assert!(
        moment.contains(" s") && moment.contains("chaos"),
        "{moment}"
    );
    let blank = browser.eval(
        "[...document.querySelectorAll('.reading .key output')].filter((o) => o.textContent === '').length",
    );
    assert_eq!(blank, 0, "every line is read off");
}

fn keys_move_the_cursor(browser: &mut Browser) {
    let spoken = "document.querySelector('#throughput .area').getAttribute('aria-valuetext')";
    browser.eval("document.querySelector('#throughput .area').focus()");
    browser.key("Home");
    let first = browser.eval(spoken);
    assert!(
        first.as_str().is_some_and(|text| text.contains("cache")),
        "{first}"
    );
    browser.key("ArrowRight");
    let second = browser.eval(spoken);
    assert_ne!(first, second);
    browser.key("ArrowLeft");
    assert_eq!(browser.eval(spoken), first);
    browser.key("Escape");
    let reading = browser.eval("document.querySelectorAll('.reading').length");
    assert_eq!(reading, 0);
}

fn dragging_looks_closer(browser: &mut Browser) {
    let shown = "document.querySelector('#throughput svg').getAttribute('viewBox')";
    let whole = browser.eval(shown);
    let (x, y, width) = middle(browser, "#throughput .area");
    browser.mouse("mouseMoved", x, y);
    browser.mouse("mousePressed", x, y);
    browser.mouse("mouseMoved", x + width / 8.0, y);
    browser.mouse("mouseMoved", x + width / 4.0, y);
    browser.mouse("mouseReleased", x + width / 4.0, y);
    assert_ne!(browser.eval(shown), whole);
    let boxes = browser.eval("new Set([...document.querySelectorAll('.time svg')].map((svg) => svg.getAttribute('viewBox'))).size");
    assert_eq!(boxes, 1, "all graphs show the same stretch");
    assert_eq!(browser.eval(LOOK), Value::Array(Vec::new()));
    browser.eval("document.querySelector('.moment button').click()");
    assert_eq!(browser.eval(shown), whole);
}

fn a_service_is_chosen(browser: &mut Browser) {
    let visible = "[...document.querySelectorAll('figure.plot[data-choice]')].filter((figure) => !figure.hidden).map((figure) => figure.dataset.choice).join()";
    assert_eq!(browser.eval(visible), "all,all");
    browser.eval("document.querySelector('.choice input[value=cache]').click()");
    assert_eq!(browser.eval(visible), "cache,cache");
}

/// A run that is worse than its baseline and misses an objective, with all that follows.
#[test]
fn what_a_run_means_is_on_its_page() {
    let run = SmallRun::new();
    let kept = run.scenario.beside("kept.json");
    let save = ["baseline", "save"].map(std::ffi::OsStr::new);
    let saved = [
        save[0],
        save[1],
        run.dir.as_os_str(),
        "--file".as_ref(),
        kept.as_os_str(),
    ];
    assert_eq!(squall_with(&saved).code, 0);
    let slow = run.scenario.beside("slow");
    let kept = kept.to_str().expect("temporary paths are UTF-8");
    let limit = "objectives.election.max=1ms";
    let more = [
        "--set",
        "disk.sync=40ms",
        "--set",
        limit,
        "--baseline",
        kept,
    ];
    let ran = command::squall_run(&run.scenario.path, &slow, &more);
    assert_eq!(ran.code, 2, "{}{}", ran.stdout, ran.stderr);
    let page = page_of(&slow);
    let Some(mut browser) = Browser::start(run.scenario.dir.path()) else {
        return;
    };
    look(&mut browser, &page, "meaning");

    browser.open(&page, 1_600, "light");
    let mut text = |selector: &str| {
        let text = browser.eval(&format!(
            "[...document.querySelectorAll('{selector}')].map((e) => e.textContent).join('\\n')"
        ));
        text.as_str().expect("text").to_owned()
    };
    let report: Value = serde_json::from_str(
        &std::fs::read_to_string(slow.join("report.json")).expect("it was written"),
    )
    .expect("a report");
    let reasons = report["decision"]["reasons"].as_array().expect("a list");
    let shown = text("header");
    assert!(shown.contains("OBJECTIVE MISSED, no-go"), "{shown}");
    for reason in reasons {
        assert!(
            shown.contains(reason.as_str().expect("text")),
            "{reason}: {shown}"
        );
    }
    let found = &report["bottlenecks"][0];
    let shown = text("#bottlenecks");
    for part in ["impact", "cause", "recommendation"] {
        assert!(
            shown.contains(&found[part].as_str().expect("text").replace('`', "")),
            "{part}: {shown}"
        );
    }
    assert!(
        shown.contains(found["evidence"][0].as_str().expect("text")),
        "{shown}"
    );
    let shown = text("#comparison");
    assert!(
        shown.contains("regression") && shown.contains("stage.lock.disk"),
        "{shown}"
    );
    let shown = text("#objectives");
    assert!(
        shown.contains("election_max") && shown.contains("missed"),
        "{shown}"
    );
    let slowest = &report["slowest"][0];
    let shown = text("#slowest");
    assert!(
        shown.contains(slowest["client"].as_str().expect("text")),
        "{shown}"
    );
    let error = &report["errors"][0];
    let shown = text("#errors");
    assert!(
        shown.contains(error["why"].as_str().expect("text")),
        "{shown}"
    );
    let shown = text("#environment");
    assert!(
        shown.contains("simulation in virtual time") && shown.contains("heartbeat"),
        "{shown}"
    );
    let shown = text("#again");
    assert!(
        shown.contains(report["reproduce"].as_str().expect("text")),
        "{shown}"
    );
    let digest = report["sim"]["history_sha256"].as_str().expect("text");
    assert!(
        shown.contains("history.jsonl") && shown.contains(digest),
        "{shown}"
    );
}

#[test]
fn a_sweep_is_drawn() {
    let scenario = ScenarioFile::new(SMALL);
    let out = scenario.beside("sweep");
    let (path, out_text) = (scenario.path.as_os_str(), out.as_os_str());
    let words = ["sweep", "--seeds", "1..6", "--out"].map(str::as_ref);
    let swept = squall_with(&[words[0], path, words[1], words[2], words[3], out_text]);
    assert_eq!(swept.code, 0, "{}{}", swept.stdout, swept.stderr);
    let page = page_of(&out);
    let Some(mut browser) = Browser::start(scenario.dir.path()) else {
        return;
    };
    look(&mut browser, &page, "sweep");
    let shares = browser.eval(
        "JSON.parse(document.getElementById('data').textContent).plots[0].lines
            .map((line) => [line.name, line.values.at(-1)])",
    );
    let expected = [
        "detection",
        "election",
        "downtime: a client",
        "recovery: service",
    ];
    for (line, name) in shares.as_array().expect("lines").iter().zip(expected) {
        assert_eq!(
            (line[0].as_str(), line[1].as_u64()),
            (Some(name), Some(1_000_000))
        );
    }
}

/// Every seed misses the objective: one cause, with the command that shows it.
#[test]
fn failures_of_a_sweep_are_grouped_by_cause() {
    let scenario = ScenarioFile::new(SMALL);
    let out = scenario.beside("sweep");
    let mut command = command::squall();
    command
        .arg("sweep")
        .arg(&scenario.path)
        .arg("--out")
        .arg(&out);
    command.args(["--seeds", "1..3", "--set", "objectives.election.max=1ms"]);
    let swept = command::run(&mut command);
    assert_eq!(swept.code, 2, "{}{}", swept.stdout, swept.stderr);
    let page = page_of(&out);
    let Some(mut browser) = Browser::start(scenario.dir.path()) else {
        return;
    };
    look(&mut browser, &page, "failures");
    let text = browser.eval("document.querySelector('#failures').textContent");
    let text = text.as_str().expect("text");
    assert!(text.contains("objective missed, 3 runs"), "{text}");
    assert!(text.contains("small-1, small-2, small-3"), "{text}");
    assert!(
        text.contains("squall run") && text.contains("--seed 1"),
        "{text}"
    );
}

#[test]
fn runs_side_by_side_are_drawn_by_number_of_nodes() {
    let scenario = ScenarioFile::new(SMALL);
    let dir = scenario.beside("variants");
    std::fs::create_dir(&dir).expect("the directory is ours");
    for nodes in ["3", "5"] {
        let out = dir.join(format!("nodes-{nodes}"));
        let setting = format!("cluster.nodes={nodes}");
        let ran = command::squall_run(&scenario.path, &out, &["--set", &setting]);
        assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    }
    let page = page_of(&dir);
    let Some(mut browser) = Browser::start(scenario.dir.path()) else {
        return;
    };
    look(&mut browser, &page, "variants");
    let labels = browser
        .eval("JSON.parse(document.getElementById('data').textContent).grids[0].labels.join()");
    assert_eq!(labels, "3 nodes,5 nodes");
}

#[test]
fn what_is_no_run_is_refused_with_the_way_out() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let refused = squall_with(&["report".as_ref(), dir.path().as_os_str(), "--html".as_ref()]);
    assert_eq!(refused.code, 64);
    assert!(
        refused
            .stderr
            .contains("neither a run directory, nor a sweep"),
        "{}",
        refused.stderr
    );
    let run = SmallRun::new();
    let text = run.read("history.jsonl");
    let without_last: Vec<&str> = text.lines().collect();
    let without_last = without_last[..without_last.len() - 2].join("\n") + "\n";
    std::fs::write(run.dir.join("history.jsonl"), without_last).expect("the file is ours");
    let refused = squall_with(&["report".as_ref(), run.dir.as_os_str(), "--html".as_ref()]);
    assert_eq!(refused.code, 64);
    assert!(
        refused.stderr.contains("squall check"),
        "{}",
        refused.stderr
    );
}
