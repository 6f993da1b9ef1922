//! Packet rules of one machine: which senders it hears nothing of, whose packets are lost at
//! times, and whose are held up. They are written into the machine's own namespace, all of
//! them at once, at the receiving end: there a packet is lost as on a wire, and the sender's
//! kernel does not know.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};

use super::netns::NetNs;
use super::packets::QUEUE;

const PROGRAM: &str = "iptables-restore";

/// Whether the program that writes rules is there.
///
/// # Errors
/// It is not; says how to get it.
pub(super) fn must_be_possible() -> Result<(), String> {
    let tried = Command::new(PROGRAM)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match tried {
        Ok(_) => Ok(()),
        Err(_) => Err(format!(
            "there is no program {PROGRAM}: install the package iptables"
        )),
    }
}

/// Senders, by what happens to their packets.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Rules {
    pub cut: BTreeSet<Ipv4Addr>,
    /// With the share that is lost, parts per million.
    pub lossy: BTreeMap<Ipv4Addr, u32>,
    pub queued: BTreeSet<Ipv4Addr>,
}

/// Replaces a machine's rules.
pub(super) async fn write(namespace: &NetNs, rules: &Rules) -> io::Result<()> {
    let text = rules.text();
    // A program that a thread starts is where the thread is.
    namespace.within(move || restore(&text)).await
}

impl Rules {
    /// As `iptables-restore` reads it.
    fn text(&self) -> String {
        let mut text = String::from("*filter\n:INPUT ACCEPT [0:0]\n");
        let mut add = |source: &Ipv4Addr, rule: &str| {
            text += &format!("-A INPUT -s {source}/32 {rule}\n");
        };
        for source in &self.cut {
            add(source, "-j DROP");
        }
        for (source, ppm) in &self.lossy {
            let share = f64::from(*ppm) / 1e6;
            add(
                source,
                &format!("-m statistic --mode random --probability {share:.6} -j DROP"),
            );
        }
        for source in &self.queued {
            // If nobody serves the queue any more, packets pass.
            add(
                source,
                &format!("-j NFQUEUE --queue-num {QUEUE} --queue-bypass"),
            );
        }
        text + "COMMIT\n"
    }
}

#[allow(clippy::disallowed_methods)] // on a thread of its own, in another namespace
fn restore(text: &str) -> io::Result<()> {
    let mut child = Command::new(PROGRAM)
        .args(["--wait", "10"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut input = child.stdin.take().expect("it was asked for");
    input.write_all(text.as_bytes())?;
    drop(input);
    let done = child.wait_with_output()?;
    match done.status.success() {
        true => Ok(()),
        false => {
            let why = String::from_utf8_lossy(&done.stderr);
            let why = why.trim();
            Err(io::Error::other(format!("{PROGRAM}: {why}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_rule_is_left_when_all_is_well() {
        let none = Rules::default().text();
        assert_eq!(none, "*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n");
    }

    #[test]
    fn every_sender_has_its_rule() {
        let rules = Rules {
            cut: [[10, 0, 0, 1].into()].into(),
            lossy: [([10, 0, 0, 2].into(), 12_500)].into(),
            queued: [[10, 0, 0, 3].into()].into(),
        };
        let text = rules.text();
        let lines: Vec<&str> = text.lines().skip(2).collect();
        let lossy = "-m statistic --mode random --probability 0.012500 -j DROP";
        assert_eq!(
            lines,
            [
                "-A INPUT -s 10.0.0.1/32 -j DROP",
                &format!("-A INPUT -s 10.0.0.2/32 {lossy}"),
                "-A INPUT -s 10.0.0.3/32 -j NFQUEUE --queue-num 0 --queue-bypass",
                "COMMIT",
            ]
        );
    }
}
