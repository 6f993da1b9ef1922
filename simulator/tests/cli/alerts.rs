//! Tests alerts of a scenario: the notices of them, and what the report says.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;

use serde_json::Value;

use crate::command::{SMALL, ScenarioFile, squall_run, squall_with, without_wall_clock};

/// [`SMALL`] with alerts that begin and end when its leader dies: one with these actions, and
/// one that never begins.
fn scenario(actions: &str) -> ScenarioFile {
    ScenarioFile::new(&format!(
        "{SMALL}\n[[alert]]\nname = \"no leader\"\nfigure = \"election_max\"\nlimit = \"10ms\"\n\
         severity = \"critical\"\n{actions}\n\
         [[alert]]\nfigure = \"error_rate\"\nlimit = \"99%\"\nfor = \"20s\"\n"
    ))
}

/// A receiver on this machine: its address, and what it was sent.
fn receiver() -> (String, mpsc::Receiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("it has one");
    let (sender, received) = mpsc::channel();
    let serve = move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let body = body_of(&mut stream);
            let answered = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            answered.expect("it is read");
            if sender.send(body).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new().spawn(serve).expect("a thread");
    (format!("http://{address}/"), received)
}

fn body_of(stream: &mut TcpStream) -> Value {
    let mut reader = BufReader::new(stream);
    let (mut length, mut line) = (0, String::new());
    while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().expect("a length");
        }
        line.clear();
    }
    let mut body = vec![0; length];
    reader
        .read_exact(&mut body)
        .expect("as many as were promised");
    serde_json::from_slice(&body).expect("it is JSON")
}

fn report(dir: &std::path::Path) -> Value {
    let text = std::fs::read_to_string(dir.join("report.json")).expect("the run left it behind");
    serde_json::from_str(&text).expect("a report is JSON")
}

#[test]
fn each_spell_notifies_once_when_it_begins_and_once_when_it_ends() {
    let (address, received) = receiver();
    let notices = tempfile::NamedTempFile::new().expect("a file");
    let file = notices.path().display();
    let scenario = scenario(&format!(
        "webhook = \"{address}\"\ncommand = [\"sh\", \"-c\", \"cat >> {file}; echo >> {file}\"]"
    ));
    let dir = scenario.beside("run");
    let run = squall_run(&scenario.path, &dir, &[]);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    let alerted = report(&dir);
    let alerts = alerted["alerts"].as_array().expect("alerts");
    let spells = alerts[0]["spells"].as_array().expect("spells");
    assert!(
        !spells.is_empty(),
        "a cluster without a leader has no leader"
    );
    assert_eq!(
        (&alerts[1]["name"], &alerts[1]["spells"]),
        (&"error_rate".into(), &Value::Array(vec![]))
    );
    let expected: Vec<String> = (1..=spells.len())
        .flat_map(|spell| {
            ["begun", "ended"].map(|status| format!("small-1/no leader/{spell}/{status}"))
        })
        .collect();
    let id = |notice: &Value| notice["id"].as_str().expect("an id").to_owned();
    let posted: Vec<String> = received.try_iter().map(|notice| id(&notice)).collect();
    assert_eq!(posted, expected);
    let lines = std::fs::read_to_string(notices.path()).expect("it is there");
    let lines = lines
        .lines()
        .map(|line| id(&serde_json::from_str(line).expect("JSON")));
    assert_eq!(lines.collect::<Vec<_>>(), expected);
    assert!(run.stdout.contains(&format!(
        "alerts      {} actions of alerts done, 0 failed",
        2 * expected.len()
    )));

    // Whoever watches changes nothing: the history is that of the scenario without alerts.
    let plain = ScenarioFile::new(SMALL);
    let plain_dir = plain.beside("run");
    assert_eq!(squall_run(&plain.path, &plain_dir, &[]).code, 0);
    let history =
        |dir: &std::path::Path| std::fs::read(dir.join("history.jsonl")).expect("a history");
    assert!(history(&dir) == history(&plain_dir), "the histories differ");

    // Judged again, the stored run says the same, and so does a run that tells nobody.
    let again = squall_with(&["check", &dir.display().to_string(), "--format", "json"]);
    let again = without_wall_clock(&again.stdout);
    assert_eq!(again["alerts"], alerted["alerts"]);
    assert_eq!(
        again["sim"]["alert_actions"],
        alerted["sim"]["alert_actions"]
    );
    let silent = scenario.beside("silent");
    assert_eq!(
        squall_run(&scenario.path, &silent, &["--no-actions"]).code,
        0
    );
    let silent = report(&silent);
    assert_eq!(silent["alerts"], alerted["alerts"]);
    assert_eq!(silent["sim"].get("alert_actions"), None);
    assert_eq!(received.try_iter().count(), 0, "it received nothing");
}

/// Seeds of a sweep are many: their alerts are in their reports, and nobody is called.
#[test]
fn a_sweep_tells_nobody() {
    let (address, received) = receiver();
    let scenario = scenario(&format!("webhook = \"{address}\""));
    let out = scenario.beside("sweep").display().to_string();
    let path = scenario.path.display().to_string();
    let swept = squall_with(&["sweep", &path, "--seeds", "1..2", "--out", &out]);
    assert_eq!(swept.code, 0, "{}{}", swept.stdout, swept.stderr);
    assert_eq!(received.try_iter().count(), 0);
}

#[test]
fn the_run_goes_on_without_a_receiver_and_the_report_says_so() {
    let gone = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = gone.local_addr().expect("it has one");
    drop(gone);
    let scenario = scenario(&format!(
        "webhook = \"http://{address}/\"\ncommand = [\"sh\", \"-c\", \"exit 3\"]"
    ));
    let dir = scenario.beside("run");
    let run = squall_run(&scenario.path, &dir, &[]);
    assert_eq!(
        run.code, 0,
        "an action changes no verdict: {}{}",
        run.stdout, run.stderr
    );
    assert!(
        run.stdout.contains("cannot connect to 127.0.0.1"),
        "{}",
        run.stdout
    );
    assert!(
        run.stdout.contains("ended with exit status: 3"),
        "{}",
        run.stdout
    );
    let actions = report(&dir)["sim"]["alert_actions"].clone();
    let actions = actions.as_array().expect("actions");
    assert!(actions.len() >= 4 && actions.iter().all(|action| action["failed"].is_string()));
    let page = squall_with(&["report", &dir.display().to_string(), "--html"]);
    assert_eq!(page.code, 0, "{}", page.stderr);
    let page = std::fs::read_to_string(dir.join("report.html")).expect("a page");
    for words in [
        "bar alert",
        "what failed",
        "no leader, critical: election_max above 10 ms",
    ] {
        assert!(page.contains(words), "{words}");
    }
}

#[test]
fn a_plan_lists_alerts_and_their_actions() {
    let scenario = scenario("command = [\"notify-send\", \"Squall\"]");
    let plan = squall_with(&["plan", &scenario.path.display().to_string()]);
    let lines = plan.stdout.lines().skip_while(|line| *line != "alerts");
    let lines: Vec<&str> = lines.take(3).collect();
    assert_eq!(
        lines,
        [
            "alerts",
            "  no leader      critical: election_max above 10ms; command notify-send Squall",
            "  error_rate     warning: error_rate above 99% for 20s",
        ]
    );
}
