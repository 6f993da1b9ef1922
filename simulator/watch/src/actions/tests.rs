use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;

use serde_json::Value;

use super::*;
use squall_objective::alert::{AlertStatus, Severity};

/// Nothing comes near them unless it hangs.
const LIMITS: Limits = Limits {
    deadline: Duration::from_secs(10),
    patience: Duration::from_secs(20),
    waiting: 4,
};
/// For what is to be given up.
const SHORT: Limits = Limits {
    deadline: Duration::from_millis(1_500),
    patience: Duration::from_millis(3_000),
    ..LIMITS
};

fn alert(actions: Vec<AlertAction>) -> Alert {
    Alert {
        name: "errors".into(),
        metric: "error_rate".parse().expect("a figure"),
        limit: 50_000,
        clear: 50_000,
        for_us: 0,
        severity: Severity::Critical,
        actions,
    }
}

fn start(actions: Vec<AlertAction>) -> Actions {
    start_with(LIMITS, actions)
}

fn start_with(limits: Limits, actions: Vec<AlertAction>) -> Actions {
    let source = Source {
        scenario: "t".into(),
        seed: 7,
        backend: "sim".into(),
    };
    Actions::start(source, &[alert(actions)], limits).expect("the machine has threads")
}

fn change(spell: u64, status: AlertStatus) -> Change {
    Change {
        alert: 0,
        spell,
        status,
        at_us: 3_000_000,
        since_us: 1_000_000,
        value: 120_000,
        is_over: false,
    }
}

use AlertStatus::{Begun, Ended};

/// Why each failed, in the order in which they were notified.
fn failures(outcomes: &[ActionOutcome]) -> Vec<Option<&str>> {
    outcomes
        .iter()
        .map(|outcome| outcome.failed.as_deref())
        .collect()
}

/// A receiver on this machine: its address, and what it was sent, as it comes. It answers with
/// `status`; without one it never answers.
fn receiver(status: Option<&'static str>) -> (String, mpsc::Receiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("it has one");
    let (sender, received) = mpsc::channel();
    let serve = move || {
        let mut kept: Vec<TcpStream> = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let body = body_of(&mut stream);
            if sender.send(body).is_err() {
                return;
            }
            match status {
                Some(status) => {
                    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
                    stream.write_all(answer.as_bytes()).expect("it is read");
                }
                None => kept.push(stream),
            }
        }
    };
    let thread = thread::Builder::new().spawn(serve);
    thread.expect("the machine has threads");
    (format!("http://{address}/alert?x=1"), received)
}

fn body_of(stream: &mut TcpStream) -> Value {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
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

fn command(script: &str) -> AlertAction {
    AlertAction::Command(["sh", "-c", script].map(str::to_owned).to_vec())
}

#[test]
fn each_begin_and_end_notifies_once() {
    let (address, received) = receiver(Some("204 No Content"));
    let mut actions = start(vec![AlertAction::Webhook(address)]);
    for spell in [1, 2] {
        actions.tell(&change(spell, Begun));
        actions.tell(&change(spell, Ended));
    }
    let outcomes = actions.finish();
    assert_eq!(failures(&outcomes), [None; 4]);
    let ids: Vec<String> = received
        .try_iter()
        .map(|notice| notice["id"].to_string())
        .collect();
    let expected = ["1/begun", "1/ended", "2/begun", "2/ended"];
    assert_eq!(ids, expected.map(|end| format!("\"t-7/errors/{end}\"")));
}

#[test]
fn a_command_reads_json_and_variables() {
    let dir = std::env::temp_dir().join(format!("squall-actions-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a directory");
    let file = dir.join("notice");
    let script = format!(
        "cat > {file}; echo \" $SQUALL_ALERT_STATUS $SQUALL_ALERT_VALUE\" >> {file}",
        file = file.display()
    );
    let mut actions = start(vec![command(&script)]);
    actions.tell(&change(1, Begun));
    assert_eq!(failures(&actions.finish()), [None]);
    let written = std::fs::read_to_string(&file).expect("it was written");
    std::fs::remove_dir_all(&dir).expect("it is ours");
    let (json, variables) = written.split_once("} ").expect("both");
    assert_eq!(variables, "begun 12 %\n");
    assert!(json.contains("\"at_ms\":3000.0,"), "{json}");
    let notice: Value = serde_json::from_str(&format!("{json}}}")).expect("it is JSON");
    assert_eq!(notice["condition"], "error_rate above 5 %");
    assert_eq!(notice["severity"], "critical");
}

#[test]
fn what_fails_is_said_and_tried_no_second_time() {
    let gone = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}/", gone.local_addr().expect("it has one"));
    drop(gone);
    let (cross, received) = receiver(Some("500 Internal Server Error"));
    let mut actions = start(vec![
        AlertAction::Webhook(address),
        AlertAction::Webhook(cross),
        command("exit 3"),
        AlertAction::Command(vec!["/no/such/program".into()]),
    ]);
    actions.tell(&change(1, Begun));
    let outcomes = actions.finish();
    let failed = failures(&outcomes);
    let begins = [
        "cannot connect to 127.0.0.1",
        "answered 500",
        "ended with exit status: 3",
        "cannot be started",
    ];
    for (failed, begin) in failed.iter().zip(begins) {
        assert!(
            failed.is_some_and(|why| why.starts_with(begin)),
            "{failed:?}"
        );
    }
    assert_eq!(received.try_iter().count(), 1);
}

/// The run goes on whatever becomes of them, and so does another action.
#[test]
#[allow(clippy::disallowed_methods)] // it is about the machine's time
fn a_slow_receiver_holds_up_nobody_and_has_an_end() {
    let (slow, received) = receiver(None);
    let (fast, quickly) = receiver(Some("200 OK"));
    let actions = vec![
        AlertAction::Webhook(slow),
        AlertAction::Webhook(fast),
        command("sleep 60"),
    ];
    let mut actions = start_with(SHORT, actions);
    let mut telling = Duration::ZERO;
    for spell in 1..=4 {
        let begun = std::time::Instant::now();
        actions.tell(&change(spell, Begun));
        actions.tell(&change(spell, Ended));
        telling += begun.elapsed();
        // Each must have come before more are sent, or the queue of the fast one may be full.
        for _ in 0..2 {
            let notice = quickly.recv_timeout(Duration::from_secs(10));
            notice.expect("the fast receiver is notified at once");
        }
    }
    assert!(telling < SHORT.deadline, "the run waited for an action");
    let begun = std::time::Instant::now();
    let outcomes = actions.finish();
    assert!(begun.elapsed() < SHORT.patience + Duration::from_secs(10));
    assert_eq!(outcomes.len(), 24);
    let of = |action: &str| -> Vec<&str> {
        let its = outcomes
            .iter()
            .filter(|outcome| outcome.action.starts_with(action));
        its.filter_map(|outcome| outcome.failed.as_deref())
            .collect()
    };
    let slow = &outcomes[0].action;
    assert_eq!(of(&outcomes[1].action), [""; 0], "the fast one is done");
    assert_eq!(of(slow).len(), 8, "none of the slow one is");
    assert_eq!(of(slow)[0], "no answer within 1.5s");
    assert!(
        of(slow)
            .iter()
            .any(|why| why.starts_with("not tried: 4 earlier"))
    );
    assert!(
        of("command")
            .iter()
            .any(|why| why.contains("took longer than 1.5s"))
    );
    assert!(
        received.try_iter().count() <= 4,
        "what was given up is not sent again"
    );
}
