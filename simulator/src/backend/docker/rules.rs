//! Packet rules of one machine: which senders it hears nothing of, and whose packets are held
//! up. They are written into the machine's own namespace, all of them at once, at the
//! receiving end: there a packet is lost as on a wire, and the sender's kernel does not know.

use std::collections::BTreeSet;
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

/// Replaces a machine's rules.
pub(super) async fn write(
    namespace: &NetNs,
    cut: &BTreeSet<Ipv4Addr>,
    queued: &BTreeSet<Ipv4Addr>,
) -> io::Result<()> {
    let text = text(cut, queued);
    // A program that a thread starts is where the thread is.
    namespace.within(move || restore(&text)).await
}

fn text(cut: &BTreeSet<Ipv4Addr>, queued: &BTreeSet<Ipv4Addr>) -> String {
    let mut text = String::from("*filter\n:INPUT ACCEPT [0:0]\n");
    for source in cut {
        text += &format!("-A INPUT -s {source}/32 -j DROP\n");
    }
    for source in queued {
        // If nobody serves the queue any more, packets pass.
        text += &format!("-A INPUT -s {source}/32 -j NFQUEUE --queue-num {QUEUE} --queue-bypass\n");
    }
    text + "COMMIT\n"
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
    use super::text;

    #[test]
    fn no_rule_is_left_when_all_is_well() {
        let none = text(&[].into(), &[].into());
        assert_eq!(none, "*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n");
    }

    #[test]
    fn a_cut_comes_before_a_queue() {
        let rules = text(
            &[[10, 0, 0, 1].into()].into(),
            &[[10, 0, 0, 2].into()].into(),
        );
        let lines: Vec<&str> = rules.lines().collect();
        assert_eq!(lines[2], "-A INPUT -s 10.0.0.1/32 -j DROP");
        assert!(lines[3].starts_with("-A INPUT -s 10.0.0.2/32 -j NFQUEUE"));
    }
}
