//! `--dashboard` and `--pace` as programs meet them: who is let in, what the metrics are.

#![allow(clippy::disallowed_methods)] // real processes, waited for in the machine's time

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::command::{Ended, SMALL, ScenarioFile, skip, squall, squall_run};

/// A run whose dashboard is there until this is dropped.
struct Dashboard {
    scenario: ScenarioFile,
    run: Ended,
    /// Where it listens, and the token, if there is one.
    address: SocketAddr,
    token: Option<String>,
}

impl Dashboard {
    /// Of a small run that is over.
    fn of_a_finished_run(address: &str) -> Self {
        let scenario = ScenarioFile::new(SMALL);
        let mut process = squall()
            .arg("run")
            .arg(&scenario.path)
            .arg("--out")
            .arg(scenario.beside("run"))
            .args([
                &format!("--dashboard={address}"),
                "--linger",
                "60s",
                "--quiet",
            ])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let stdout = process.stdout.take().expect("it is piped");
        let mut run = Ended(process);
        let url = run.dashboard();
        let url = url.strip_prefix("http://").expect("plain http");
        let (address, query) = url.split_once('/').expect("a path");
        let token = query.strip_prefix("?token=").map(str::to_owned);
        // The report is printed when the run is over.
        let printed = BufReader::new(stdout).lines().map_while(Result::ok);
        let last = printed
            .into_iter()
            .find(|line| line.starts_with("reproduce: "));
        assert!(last.is_some(), "the run ended without a report");
        let mut address: SocketAddr = address.parse().expect("an address");
        if address.ip().is_unspecified() {
            address.set_ip([127, 0, 0, 1].into());
        }
        let dashboard = Self {
            scenario,
            run,
            address,
            token,
        };
        // It is shown a moment later.
        let begun = Instant::now();
        let path = match &dashboard.token {
            Some(token) => format!("/report?token={token}"),
            None => "/report".to_owned(),
        };
        while !dashboard.get(&path, "").starts_with("HTTP/1.1 200") {
            assert!(begun.elapsed().as_secs() < 30, "the report is not shown");
        }
        dashboard
    }

    /// The whole answer to a GET with more headers.
    fn get(&self, path: &str, headers: &str) -> String {
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{headers}\r\n",
            self.address
        );
        self.ask(&head)
    }

    fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).expect("it listens");
        let patience = Some(Duration::from_secs(20));
        stream.set_read_timeout(patience).expect("it is a socket");
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut answer = Vec::new();
        // Who is refused may see the connection reset.
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn report(&self) -> Value {
        let file = self.scenario.beside("run").join("report.json");
        let text = std::fs::read_to_string(file).expect("the run left it behind");
        serde_json::from_str(&text).expect("a report is JSON")
    }
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or(answer)
}

/// The sum of a counter over its labels, of lines that have all of these words.
fn sum(metrics: &str, name: &str, words: &[&str]) -> f64 {
    let lines = metrics
        .lines()
        .filter(|line| line.starts_with(&format!("{name}{{")));
    let lines = lines.filter(|line| words.iter().all(|word| line.contains(word)));
    let values = lines.map(|line| {
        line.rsplit(' ')
            .next()
            .and_then(|value| value.parse::<f64>().ok())
    });
    values.map(|value| value.expect("a number")).sum()
}

#[test]
fn the_counters_are_the_reports_and_strangers_are_kept_out() {
    let dashboard = Dashboard::of_a_finished_run("127.0.0.1:0");
    let metrics = dashboard.get("/metrics", "");
    assert_eq!(status(&metrics), "200");
    assert!(
        metrics.contains("content-type: text/plain; version=0.0.4"),
        "{metrics}"
    );
    let operations = &dashboard.report()["operations"];
    let name = "squall_run_operations_total";
    for outcome in ["acknowledged", "failed", "unknown"] {
        let counted = sum(&metrics, name, &[&format!("outcome=\"{outcome}\"")]);
        assert_eq!(Some(counted), operations[outcome].as_f64(), "{outcome}");
    }
    let started = sum(&metrics, "squall_run_operations_started_total", &[]);
    assert_eq!(Some(started), operations["invoked"].as_f64());
    let timed = sum(
        &metrics,
        "squall_run_operation_duration_seconds_count",
        &["acknowledged"],
    );
    assert_eq!(Some(timed), operations["acknowledged"].as_f64());

    let host = |host: &str| {
        let request = format!("GET /metrics HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        status(&dashboard.ask(&request)).to_owned()
    };
    assert_eq!(
        [host("localhost:1"), host("evil.example"), host("")],
        ["200", "403", "403"]
    );
    let post =
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    assert_eq!(status(&dashboard.ask(post)), "405");
    assert_eq!(status(&dashboard.get("/../etc/passwd", "")), "404");
    let many = "X: y\r\n".repeat(100);
    assert_eq!(status(&dashboard.get("/", &many)), "431");
    let large = format!("X: {}\r\n", "y".repeat(100_000));
    assert_ne!(status(&dashboard.get("/", &large)), "200");
    assert_eq!(status(&dashboard.ask("nonsense\r\n\r\n")), "400");
    let page = dashboard.get("/", "");
    assert!(
        page.contains("content-security-policy: default-src 'none'"),
        "{}",
        &page[..600]
    );
    assert!(page.contains("<title>small seed 1: "), "it is the report");
    let stream = dashboard.get("/events", "");
    assert!(
        stream.contains("\"is_over\":true"),
        "a late stream says that the run is over"
    );
}

#[test]
fn off_the_loopback_a_token_is_needed() {
    let dashboard = Dashboard::of_a_finished_run("0.0.0.0:0");
    let token = dashboard.token.as_deref().expect("it is printed");
    assert_eq!(token.len(), 32);
    assert_eq!(status(&dashboard.get("/", "")), "401");
    assert_eq!(status(&dashboard.get("/metrics?token=0", "")), "401");
    assert_eq!(
        status(&dashboard.get(&format!("/?token={token}"), "")),
        "200"
    );
    let bearer = format!("Authorization: Bearer {token}\r\n");
    assert_eq!(status(&dashboard.get("/metrics", &bearer)), "200");
}

/// A first Ctrl-C ends the wait, and the verdict stands.
#[test]
fn a_dashboard_that_lingers_ends_when_it_is_asked_to() {
    let mut dashboard = Dashboard::of_a_finished_run("127.0.0.1:0");
    let process = &mut dashboard.run.0;
    let sent = Command::new("kill")
        .args(["-INT", &process.id().to_string()])
        .status();
    assert!(sent.is_ok_and(|status| status.success()));
    let begun = Instant::now();
    let ended = loop {
        if let Some(ended) = process.try_wait().expect("it is ours") {
            break ended;
        }
        assert!(begun.elapsed().as_secs() < 30, "it goes on lingering");
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(ended.code(), Some(0));
}

/// A real server scrapes it, and counts what the report counts.
#[test]
fn prometheus_counts_what_the_report_counts() {
    if Command::new("prometheus")
        .arg("--version")
        .output()
        .is_err()
    {
        skip("Prometheus is not installed (apt-get install prometheus)");
        return;
    }
    let dashboard = Dashboard::of_a_finished_run("127.0.0.1:0");
    let dir = dashboard.scenario.dir.path();
    let port = free_port();
    let _server = prometheus(dir, dashboard.address, port);
    let operations = &dashboard.report()["operations"];
    let begun = Instant::now();
    let query = |expression: &str| query(port, expression);
    let started = loop {
        if let Some(started) = query("sum(squall_run_operations_started_total)") {
            break started;
        }
        assert!(
            begun.elapsed().as_secs() < 60,
            "Prometheus has scraped nothing"
        );
        std::thread::sleep(Duration::from_millis(50));
    };
    assert_eq!(Some(started), operations["invoked"].as_f64());
    for outcome in ["acknowledged", "failed", "unknown"] {
        let name = "squall_run_operations_total";
        let counted = query(&format!("sum({name}%7Boutcome%3D%22{outcome}%22%7D)"));
        assert_eq!(counted, operations[outcome].as_f64(), "{outcome}");
    }
    let p99 = "histogram_quantile(0.99,sum%20by(le)(squall_run_operation_duration_seconds_bucket))";
    assert!(
        query(p99).is_some_and(|p99| p99 > 0.0),
        "the histogram is one"
    );
}

/// The first value of an expression, if there is one.
fn query(port: u16, expression: &str) -> Option<f64> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    let path = format!("/api/v1/query?query={expression}");
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (_, body) = answer.split_once("\r\n\r\n")?;
    let json = body
        .find('{')
        .map(|at| &body[at..=body.rfind('}').unwrap_or(at)])?;
    let json: Value = serde_json::from_str(json).ok()?;
    json["data"]["result"][0]["value"][1].as_str()?.parse().ok()
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("it has one").port()
}

fn prometheus(dir: &Path, target: SocketAddr, port: u16) -> Ended {
    let config = dir.join("prometheus.yml");
    let text = format!(
        "global:\n  scrape_interval: 200ms\nscrape_configs:\n  - job_name: squall\n    \
         static_configs: [{{ targets: [\"{target}\"] }}]\n"
    );
    std::fs::write(&config, text).expect("the file is ours");
    let process = Command::new("prometheus")
        .arg(format!("--config.file={}", config.display()))
        .arg(format!(
            "--storage.tsdb.path={}",
            dir.join("prometheus").display()
        ))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .arg("--web.enable-remote-write-receiver")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    Ended(process.expect("it starts"))
}

/// Where nobody can scrape, metrics are pushed to a real server.
#[test]
fn metrics_are_pushed_to_a_server_that_takes_remote_writes() {
    if Command::new("prometheus")
        .arg("--version")
        .output()
        .is_err()
    {
        skip("Prometheus is not installed (apt-get install prometheus)");
        return;
    }
    let scenario = ScenarioFile::new(SMALL);
    let port = free_port();
    let nobody = SocketAddr::from(([127, 0, 0, 1], 9));
    let _server = prometheus(scenario.dir.path(), nobody, port);
    let begun = Instant::now();
    while query(port, "vector(1)") != Some(1.0) {
        assert!(begun.elapsed().as_secs() < 60, "Prometheus does not start");
        std::thread::sleep(Duration::from_millis(50));
    }
    let dir = scenario.beside("run");
    let url = format!("http://127.0.0.1:{port}/api/v1/write");
    let run = squall_run(&scenario.path, &dir, &["--remote-write", &url]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{}", run.stdout);
    let report = std::fs::read_to_string(dir.join("report.json")).expect("a report");
    let report: Value = serde_json::from_str(&report).expect("a report is JSON");
    let pushed = query(port, "sum(squall_run_operations_started_total)");
    assert_eq!(pushed, report["operations"]["invoked"].as_f64());
}

/// Virtual time knows nothing of the pace, and nobody who looks changes anything.
#[test]
fn a_pace_and_a_dashboard_change_no_history() {
    let scenario = ScenarioFile::new(&SMALL.replace("chaos = \"3s\"", "chaos = \"1600ms\""));
    let history = |name: &str, more: &[&str]| {
        let dir = scenario.beside(name);
        let run = squall_run(&scenario.path, &dir, more);
        assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
        std::fs::read(dir.join("history.jsonl")).expect("a history")
    };
    let plain = history("plain", &["--quiet"]);
    let begun = Instant::now();
    let paced = history("paced", &["--pace", "4x", "--dashboard=127.0.0.1:0"]);
    // Three seconds of run, at four times its speed.
    assert!(
        begun.elapsed() > Duration::from_millis(700),
        "it was not held back"
    );
    assert!(plain == paced, "the histories differ");
}

#[test]
fn a_sweep_has_a_dashboard_that_becomes_its_page() {
    let scenario = ScenarioFile::new(SMALL);
    let out = scenario.beside("sweep");
    let process = squall()
        .arg("sweep")
        .arg(&scenario.path)
        .args(["--seeds", "1..3", "--jobs", "1", "--dashboard=127.0.0.1:0"])
        .arg("--out")
        .arg(&out)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut run = Ended(process);
    let url = run.dashboard();
    let url = url.strip_prefix("http://").expect("plain http");
    let address: SocketAddr = url.trim_end_matches('/').parse().expect("an address");
    let ask = |path: &str| {
        let mut stream = TcpStream::connect(address).expect("it listens");
        let patience = Some(Duration::from_secs(60));
        stream.set_read_timeout(patience).expect("it is a socket");
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    };
    // The stream ends when the sweep does, and says on the way what was done.
    let stream = ask("/events");
    assert!(
        stream.contains("\"title\":\"small, seeds 1..3\",\"planned\":3"),
        "{stream}"
    );
    assert!(stream.contains("\"is_over\":true"), "{stream}");
    assert!(ask("/").contains("<html"), "its page");
    let ended = run.0.wait().expect("it ends once its page is read");
    assert_eq!(ended.code(), Some(0));
}

#[test]
fn what_cannot_be_is_refused() {
    let scenario = ScenarioFile::new(SMALL);
    let out = scenario.beside("run");
    let refused = |more: &[&str]| {
        let run = squall_run(&scenario.path, &out, more);
        assert_eq!((run.code, run.stdout.as_str()), (64, ""), "{}", run.stderr);
        run.stderr
    };
    let paced = refused(&["--pace", "1x", "--backend", "docker"]);
    assert!(paced.contains("--pace is for simulation"), "{paced}");
    assert!(refused(&["--pace", "fast"]).contains("`fast` is no pace"));
    assert!(refused(&["--dashboard=nowhere"]).contains("nowhere"));
    assert!(refused(&["--linger", "1s"]).contains("--dashboard"));
    // Before a server is started or a run begins.
    for address in ["localhost:9090", "http:///write", "http://host/ write"] {
        let error = refused(&["--dashboard=127.0.0.1:0", "--remote-write", address]);
        assert!(
            error.starts_with("error: --remote-write takes an address"),
            "{error}"
        );
    }
    let error = refused(&["--remote-write", "https://host/write"]);
    assert!(error.contains("--remote-write is plain http"), "{error}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("it has one");
    let error = refused(&[&format!("--dashboard={address}")]);
    assert!(error.contains("--dashboard cannot listen on"), "{error}");
    assert!(!out.exists(), "nothing was made");
}
