//! A headless Chromium, spoken to over its debugging pipe.
//!
//! The protocol is JSON messages ended by a zero byte, on two file descriptors that the
//! browser inherits; a shell opens named pipes for them, so neither a web socket nor unsafe
//! code is needed.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

/// A browser that hangs is ended after this many seconds, and the test with it.
const PATIENCE: &str = "300";

pub struct Browser {
    process: Child,
    to: File,
    from: BufReader<File>,
    calls: u64,
    session: Option<String>,
    /// Errors and warnings on the console, uncaught exceptions.
    pub complaints: Vec<String>,
    /// Everything that was asked for by address.
    pub requests: Vec<String>,
}

/// The program, or `None`, which must not go unnoticed where it counts.
fn program() -> Option<&'static str> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let is_there = |name: &&str| Command::new(name).arg("--version").output().is_ok();
    let found = names.into_iter().find(is_there);
    if found.is_none() {
        eprintln!("skipped: Chromium is not installed");
        let ci = std::env::var("CI");
        assert_ne!(
            ci.as_deref(),
            Ok("true"),
            "Chromium must be there when CI=true"
        );
    }
    found
}

impl Browser {
    /// `None` where there is no browser.
    pub fn start(dir: &Path) -> Option<Self> {
        const SCRIPT: &str = "exec timeout \"$1\" \"$2\" --headless --no-sandbox --disable-gpu \
            --disable-dev-shm-usage --no-first-run --user-data-dir=\"$3\" \
            --remote-debugging-pipe about:blank 3<\"$4\" 4>\"$5\"";
        let program = program()?;
        let pipes = ["to", "from"].map(|name| dir.join(name));
        let made = Command::new("mkfifo").args(&pipes).status();
        assert!(made.is_ok_and(|status| status.success()), "named pipes");
        let process = Command::new("sh")
            .args(["-c", SCRIPT, "sh", PATIENCE, program])
            .arg(dir.join("profile"))
            .args(&pipes)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        // Opening waits for the other end, in the order in which the shell opens.
        let to = File::options().write(true).open(&pipes[0]);
        let from = File::open(&pipes[1]);
        let mut browser = Self {
            process: process.expect("there is a shell"),
            to: to.expect("the pipe is ours"),
            from: BufReader::new(from.expect("the pipe is ours")),
            calls: 0,
            session: None,
            complaints: Vec::new(),
            requests: Vec::new(),
        };
        browser.attach();
        Some(browser)
    }

    fn attach(&mut self) {
        let made = self.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attached = self.call(
            "Target.attachToTarget",
            json!({ "targetId": made["targetId"], "flatten": true }),
        );
        let session = attached["sessionId"].as_str();
        self.session = Some(session.expect("a session").to_owned());
        for domain in ["Page", "Runtime", "Log", "Network"] {
            self.call(&format!("{domain}.enable"), json!({}));
        }
    }

    /// Calls a method; its result.
    pub fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.calls += 1;
        let mut message = json!({ "id": self.calls, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let sent = self.to.write_all(format!("{message}\0").as_bytes());
        sent.expect("the browser listens");
        loop {
            let answer = self.next();
            if answer["id"] == json!(self.calls) {
                assert!(answer.get("error").is_none(), "{method}: {answer}");
                return answer["result"].clone();
            }
        }
    }

    /// The next message, of which complaints and requests are taken note.
    fn next(&mut self) -> Value {
        let mut bytes = Vec::new();
        let read = self.from.read_until(0, &mut bytes);
        assert!(read.is_ok_and(|length| length > 0), "the browser has ended");
        bytes.pop();
        let message: Value = serde_json::from_slice(&bytes).expect("messages are JSON");
        let parameters = &message["params"];
        match message["method"].as_str() {
            Some("Runtime.exceptionThrown") => {
                self.complaints
                    .push(parameters["exceptionDetails"].to_string());
            }
            Some("Runtime.consoleAPICalled") => self.complaints.push(parameters.to_string()),
            Some("Log.entryAdded") => self.complaints.push(parameters["entry"].to_string()),
            Some("Network.requestWillBeSent") => {
                let url = parameters["request"]["url"].as_str();
                self.requests.push(url.unwrap_or_default().to_owned());
            }
            _ => {}
        }
        message
    }

    /// Opens a file in a window of this width, `light`, `dark` or as it would `print`, and
    /// waits for it.
    pub fn open(&mut self, file: &Path, width: u32, scheme: &str) {
        self.open_url(&format!("file://{}", file.display()), width, scheme);
    }

    /// The same of an address.
    pub fn open_url(&mut self, url: &str, width: u32, scheme: &str) {
        self.call(
            "Emulation.setDeviceMetricsOverride",
            json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600 }),
        );
        self.scheme(scheme);
        self.call("Page.navigate", json!({ "url": url }));
        while self.next()["method"] != json!("Page.loadEventFired") {}
    }

    /// Shows the page in another scheme; paper is one of its own.
    pub fn scheme(&mut self, scheme: &str) {
        let media = if scheme == "print" { "print" } else { "" };
        let feature = json!({ "name": "prefers-color-scheme", "value": scheme });
        self.call(
            "Emulation.setEmulatedMedia",
            json!({ "media": media, "features": [feature] }),
        );
    }

    /// Waits until an expression in the page is true.
    #[allow(clippy::disallowed_methods)] // a page changes in the machine's time
    pub fn wait_for(&mut self, expression: &str) {
        let begun = std::time::Instant::now();
        while self.eval(expression) != json!(true) {
            assert!(begun.elapsed().as_secs() < 30, "never: {expression}");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }

    /// The value of an expression in the page.
    pub fn eval(&mut self, expression: &str) -> Value {
        let parameters = json!({ "expression": expression, "returnByValue": true });
        let result = self.call("Runtime.evaluate", parameters);
        let thrown = result.get("exceptionDetails");
        assert!(thrown.is_none(), "{expression}: {result}");
        result["result"]["value"].clone()
    }

    pub fn mouse(&mut self, kind: &str, x: f64, y: f64) {
        let button = if kind == "mouseMoved" { "none" } else { "left" };
        let event = json!({ "type": kind, "x": x, "y": y, "button": button, "clickCount": 1 });
        self.call("Input.dispatchMouseEvent", event);
    }

    /// Puts a finger there, and takes it away.
    pub fn touch(&mut self, x: f64, y: f64) {
        let point = json!([{ "x": x, "y": y }]);
        for (kind, points) in [("touchStart", point), ("touchEnd", json!([]))] {
            let event = json!({ "type": kind, "touchPoints": points });
            self.call("Input.dispatchTouchEvent", event);
        }
    }

    /// From now on, as for somebody who wants no movement.
    pub fn reduce_motion(&mut self) {
        let feature = json!({ "name": "prefers-reduced-motion", "value": "reduce" });
        self.call(
            "Emulation.setEmulatedMedia",
            json!({ "media": "", "features": [feature] }),
        );
    }

    /// Lets the page go on for a while.
    pub fn pause_ms(&mut self, ms: u32) {
        let expression = format!("new Promise((done) => setTimeout(done, {ms}))");
        self.call(
            "Runtime.evaluate",
            json!({ "expression": expression, "awaitPromise": true }),
        );
    }

    pub fn key(&mut self, key: &str) {
        for kind in ["keyDown", "keyUp"] {
            self.call(
                "Input.dispatchKeyEvent",
                json!({ "type": kind, "key": key }),
            );
        }
    }

    /// Where `SQUALL_SCREENSHOTS` names a directory, the whole page goes there, to be looked
    /// at.
    pub fn screenshot(&mut self, name: &str) {
        let parameters = json!({ "format": "png", "captureBeyondViewport": true });
        self.keep("Page.captureScreenshot", parameters, &format!("{name}.png"));
    }

    /// As [`Browser::screenshot`], on paper.
    pub fn paper(&mut self, name: &str) {
        // A4, inches.
        let parameters = json!({ "paperWidth": 8.27, "paperHeight": 11.69 });
        self.keep("Page.printToPDF", parameters, &format!("{name}.pdf"));
    }

    fn keep(&mut self, method: &str, parameters: Value, file: &str) {
        let Some(dir) = std::env::var_os("SQUALL_SCREENSHOTS") else {
            return;
        };
        let shot = self.call(method, parameters);
        let file = File::create(Path::new(&dir).join(file));
        let mut decoder = Command::new("base64")
            .arg("--decode")
            .stdin(Stdio::piped())
            .stdout(file.expect("the directory can be written to"))
            .spawn()
            .expect("there is base64");
        let mut input = decoder.stdin.take().expect("it has one");
        let text = shot["data"].as_str().unwrap_or_default();
        input.write_all(text.as_bytes()).expect("it reads");
        drop(input);
        assert!(decoder.wait().is_ok_and(|status| status.success()));
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
