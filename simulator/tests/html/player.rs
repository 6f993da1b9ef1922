//! The player of a run's page, played, scrubbed, stepped through and read off.

use std::path::Path;

use serde_json::Value;
use squall::report::html::player::{PlayedFault, Player, section};

use super::browser::Browser;
use super::command::{SmallRun, squall_with};
#[cfg(feature = "planted")]
use super::{command, look};
use super::{middle, page_of};

const AT: &str = "Number(document.querySelector('.player').dataset.at)";

fn number(browser: &mut Browser, expression: &str) -> f64 {
    let value = browser.eval(expression);
    value
        .as_f64()
        .unwrap_or_else(|| panic!("{expression}: {value}"))
}

fn text(browser: &mut Browser, selector: &str) -> String {
    let value = browser.eval(&format!(
        "[...document.querySelectorAll('{selector}')].map((e) => e.textContent).join('\\n')"
    ));
    value.as_str().expect("text").to_owned()
}

/// The row of a node in the table: role and term.
fn part(browser: &mut Browser, node: &str) -> (String, String) {
    let row = browser.eval(&format!(
        "[...document.querySelectorAll('.player .nodes tbody tr')]
            .find((row) => row.cells[0].textContent === '{node}')
            .innerText.split('\\t')"
    ));
    let cell = |place: usize| row[place].as_str().expect("a cell").to_owned();
    (cell(1), cell(2))
}

fn press(browser: &mut Browser, does: &str) {
    browser.eval(&format!(
        "document.querySelector('.player button[data-does={does}]').click()"
    ));
}

/// Waits until the expression is above a number, for so many rounds of a tenth of a second.
fn wait_above(browser: &mut Browser, expression: &str, least: f64) {
    const ROUNDS: usize = 100;
    for _ in 0..ROUNDS {
        if number(browser, expression) > least {
            return;
        }
        browser.pause_ms(100);
    }
    panic!("{expression} stays at or below {least}");
}

/// Planted bug MC-01: a leader that does not know that it was replaced answers a read.
#[cfg(feature = "planted")]
#[test]
fn a_stale_answer_is_found_on_the_page() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let scenario = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/planted/mc-01.toml");
    let out = dir.path().join("run");
    let cases = dir.path().join("cases.xml");
    let junit = cases.to_str().expect("a plain path");
    let more = ["--planted", "MC-01", "--junit", junit];
    let ran = command::squall_run(&scenario, &out, &more);
    assert_eq!(ran.code, 1, "{}{}", ran.stdout, ran.stderr);
    // The run has left its page, with the messages around what broke.
    let page = out.join("report.html");
    assert!(
        ran.stderr
            .contains(&format!("page with a player: {}", page.display())),
        "{}",
        ran.stderr
    );
    // It comes last: whatever becomes of it, CI has its cases.
    let written = [&cases, &page].map(|file| std::fs::metadata(file).expect("it was written"));
    let [cases, paged] = written.map(|file| file.modified().expect("files have times"));
    assert!(cases < paged, "{cases:?} {paged:?}");
    let Some(mut browser) = Browser::start(dir.path()) else {
        return;
    };
    look(&mut browser, &page, "player");
    browser.open(&page, 1_600, "light");

    // It opens at what broke. The stale answer's node and term are text of the page, and the
    // same as the table says of that moment.
    let stale = "document.querySelector('.player .superseded')";
    let node = browser.eval(&format!("{stale}.dataset.node"));
    let node = node.as_str().expect("a name").to_owned();
    let term = browser.eval(&format!("{stale}.dataset.term"));
    let term = term.as_str().expect("a number").to_owned();
    let said = text(&mut browser, ".player .superseded");
    assert!(
        said.contains(&format!(
            "by {node}, leader of term {term}; by then node-4 had led the later term 2"
        )),
        "{said}"
    );
    assert_eq!((node.as_str(), term.as_str()), ("node-1", "1"));
    assert_eq!(part(&mut browser, &node), ("leader".into(), term.clone()));
    let newer = part(&mut browser, "node-4");
    assert_eq!(newer, ("leader".into(), "2".into()));
    let chosen = text(&mut browser, ".player .moments .now");
    assert!(chosen.contains("node-1 → cache-4 answer"), "{chosen}");
    let label = text(&mut browser, ".player .labels .chosen");
    assert!(label.starts_with("answer"), "{label}");
    // What has cut it off is drawn.
    let cut = number(
        &mut browser,
        "document.querySelectorAll('.player .link.cut').length",
    );
    assert_eq!(cut, 6.0, "two nodes against three");
    let violation = number(&mut browser, AT);

    it_steps(&mut browser);
    it_plays(&mut browser);
    it_scrubs(&mut browser);

    // From anywhere back to what broke, by key and by button.
    browser.eval("document.querySelector('.player .scrubber').focus()");
    browser.key("Home");
    assert_eq!(number(&mut browser, AT), 0.0);
    browser.key("j");
    assert_eq!(number(&mut browser, AT), violation);
    browser.key("End");
    let end = number(
        &mut browser,
        "JSON.parse(document.getElementById('player-data').textContent).end",
    );
    assert_eq!(number(&mut browser, AT), end);
    press(&mut browser, "violation");
    assert_eq!(number(&mut browser, AT), violation);
    // What is read out of an answer are its words, and not those of its button.
    browser.eval(&format!("{stale}.querySelector('button').click()"));
    let read_out = text(&mut browser, ".player .said");
    assert!(
        said.starts_with(&read_out) && read_out.ends_with('.'),
        "{read_out}"
    );
    assert!(browser.complaints.is_empty(), "{:#?}", browser.complaints);
    it_says_why_there_are_no_messages(&out);
}

/// As if the bug had been mended since: the run goes another way, so its messages are those of
/// another run.
#[cfg(feature = "planted")]
fn it_says_why_there_are_no_messages(run_dir: &Path) {
    let file = run_dir.join("run.json");
    let manifest = std::fs::read_to_string(&file).expect("the run left it behind");
    let mut manifest: Value = serde_json::from_str(&manifest).expect("it is JSON");
    let planted = manifest
        .as_object_mut()
        .and_then(|all| all.remove("planted"));
    assert_eq!(planted, Some("MC-01".into()));
    std::fs::write(&file, manifest.to_string()).expect("the file is ours");
    let made = squall_with(&["report".as_ref(), run_dir.as_os_str(), "--html".as_ref()]);
    assert_eq!(made.code, 0, "{}", made.stderr);
    let why = "no messages could be recorded: the run goes another way than it did";
    assert!(made.stderr.contains(why), "{}", made.stderr);
    let data = data(&run_dir.join("report.html"));
    assert!(
        data["notes"][0]
            .as_str()
            .is_some_and(|note| note.contains(why)),
        "{}",
        data["notes"]
    );
    assert_eq!(count(&data, "messages"), 0);
    assert_eq!(count(&data, "violations"), 1);
    // A request for them is answered that there are none.
    let words = ["--html", "--messages", "all"].map(std::ffi::OsStr::new);
    let refused = squall_with(&[&["report".as_ref(), run_dir.as_os_str()], &words[..]].concat());
    assert_eq!(refused.code, 1, "{}", refused.stderr);
    // A mistake is found before anything is made again, which would fail as well.
    let words = ["--html", "--messages", "99999999"].map(std::ffi::OsStr::new);
    let refused = squall_with(&[&["report".as_ref(), run_dir.as_os_str()], &words[..]].concat());
    assert_eq!(refused.code, 64, "{}", refused.stderr);
}

/// What the player of a page plays.
fn data(page: &Path) -> Value {
    let text = std::fs::read_to_string(page).expect("it was written");
    let (_, rest) = text.split_once("id=\"player-data\">").expect("a player");
    let (json, _) = rest.split_once("</script>").expect("an end");
    serde_json::from_str(json).expect("it is JSON")
}

fn count(data: &Value, what: &str) -> usize {
    data[what].as_array().expect("a list").len()
}

/// By arrow keys and buttons, a message at a time.
fn it_steps(browser: &mut Browser) {
    let begin = number(browser, AT);
    browser.eval("document.querySelector('.player .scrubber').focus()");
    browser.key("ArrowRight");
    let next = number(browser, AT);
    assert!(next >= begin && next - begin < 50_000.0, "{begin} {next}");
    let now = text(browser, ".player .moments .now");
    assert!(now.contains(" → "), "{now}");
    assert_eq!(
        text(browser, ".player .said"),
        now.split_once(" s ").expect("a time").1
    );
    browser.key("ArrowLeft");
    assert_eq!(number(browser, AT), begin);
    press(browser, "on");
    assert_eq!(number(browser, AT), next);
    // What broke is where one jumps to as well; before it, an outage; before that, an election.
    let mut places = [next; 4];
    for step in 1..places.len() {
        press(browser, "before");
        places[step] = number(browser, AT);
        assert!(places[step] < places[step - 1], "{places:?}");
    }
    assert_eq!(places[1], begin);
    let now = text(browser, ".player .moments li");
    assert!(now.contains("node-4 leads term 2"), "{now}");
}

fn it_plays(browser: &mut Browser) {
    let begin = number(browser, AT);
    browser.eval("document.querySelector('.player .scrubber').focus()");
    browser.key(" ");
    wait_above(browser, AT, begin + 1_000.0);
    let pressed = "document.querySelector('.player button[data-does=play]').ariaLabel";
    assert_eq!(browser.eval(pressed), "Pause");
    browser.key(" ");
    assert_eq!(browser.eval(pressed), "Play");
    let stopped = number(browser, AT);
    let clock = text(browser, ".player .clock");
    let seconds: f64 = clock.trim_end_matches(" s").parse().expect("seconds");
    assert!((seconds * 1e6 - stopped).abs() < 1.0, "{clock} {stopped}");
}

fn it_scrubs(browser: &mut Browser) {
    press(browser, "whole");
    let (x, y, width) = middle(browser, ".player [data-lane=fault]");
    browser.mouse("mouseMoved", x, y);
    browser.mouse("mousePressed", x, y);
    let end = number(
        browser,
        "JSON.parse(document.getElementById('player-data').textContent).end",
    );
    let half = number(browser, AT);
    assert!((half / end - 0.5).abs() < 0.02, "{half} of {end}");
    browser.mouse("mouseMoved", x - width / 4.0, y);
    browser.mouse("mouseReleased", x - width / 4.0, y);
    let quarter = number(browser, AT);
    assert!((quarter / end - 0.25).abs() < 0.02, "{quarter} of {end}");
    browser.touch(x + width / 4.0, y);
    let touched = number(browser, AT);
    assert!((touched / end - 0.75).abs() < 0.02, "{touched} of {end}");
}

/// A run that passes is not made again unless that is asked for, and is played all the same.
#[test]
fn a_run_that_passes_is_played_with_messages_on_request() {
    let run = SmallRun::new();
    let page = page_of(&run.dir);
    let without = data(&page);
    assert_eq!(count(&without, "messages"), 0);
    assert!(count(&without, "operations") > 50 && count(&without, "events") > 5);
    let note = without["notes"][0].as_str().expect("a note");
    assert!(note.contains("--html --messages notable"), "{note}");
    let with = ["report".as_ref(), run.dir.as_os_str(), "--html".as_ref()];
    let with = [&with[..], &["--messages".as_ref(), "all".as_ref()]].concat();
    let made = squall_with(&with);
    assert_eq!(made.code, 0, "{}", made.stderr);
    let with = data(&page);
    assert!(count(&with, "messages") > 500);
    assert_eq!(with["operations"], without["operations"]);
    let Some(mut browser) = Browser::start(run.scenario.dir.path()) else {
        return;
    };
    browser.open(&page, 400, "dark");
    assert_eq!(number(&mut browser, AT), 0.0);
    browser.reduce_motion();
    press(&mut browser, "play");
    wait_above(&mut browser, AT, 0.0);
    let at = text(&mut browser, ".player .where");
    assert!(at.contains("leads term"), "{at}");
    keys_are_left_to_what_uses_them(&mut browser);
    assert!(browser.complaints.is_empty(), "{:#?}", browser.complaints);
}

/// A fold is opened and a table scrolled, and nothing is played.
fn keys_are_left_to_what_uses_them(browser: &mut Browser) {
    browser.eval("document.querySelector('.player .scrubber').focus()");
    browser.key("Home");
    assert_eq!(number(browser, AT), 0.0);
    let pressed = "document.querySelector('.player button[data-does=play]').ariaLabel";
    for (place, key) in [("summary", " "), (".scroll", "End"), (".scroll", " ")] {
        browser.eval(&format!(
            "document.querySelector('.player {place}').focus()"
        ));
        browser.key(key);
        assert_eq!(number(browser, AT), 0.0, "{key:?} on {place}");
        assert_eq!(browser.eval(pressed), "Play", "{key:?} on {place}");
    }
}

/// A system without services, say: a node, and no client that ever asked anything. Its fault
/// was not healed when the run ended.
#[test]
fn a_run_without_operations_is_played() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let Some(mut browser) = Browser::start(dir.path()) else {
        return;
    };
    let end = 2_000_000;
    let player = Player {
        end,
        nodes: vec!["node-1".into()],
        roles: vec![vec![(1_000, "leader", 1)]],
        indexes: vec![Vec::new()],
        faults: vec![PlayedFault {
            words: "pause node-1".into(),
            kind: "pause",
            group: "process",
            status: "installed",
            from: 500_000,
            to: end,
            nodes: vec![0],
            ..PlayedFault::default()
        }],
        ..Player::default()
    };
    let page = dir.path().join("page.html");
    let html = format!(
        "<!doctype html><meta charset=utf-8><main>{}",
        section(&player).into_string()
    );
    std::fs::write(&page, html).expect("the directory is ours");
    browser.open(&page, 1_600, "light");
    assert!(browser.complaints.is_empty(), "{:#?}", browser.complaints);
    let ready = browser.eval("document.querySelector('.player').dataset.ready");
    assert_eq!(ready, "yes");
    press(&mut browser, "end");
    assert_eq!(number(&mut browser, AT), end as f64);
    assert_eq!(part(&mut browser, "node-1"), ("leader".into(), "1".into()));
    assert_eq!(text(&mut browser, ".player .inforce"), "pause node-1");
}
