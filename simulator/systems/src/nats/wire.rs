//! The text protocol of NATS: what a client writes, and what it reads.
//!
//! A line names what comes; a message is followed by its headers, if it has any, and its bytes.
//! Source: "Client Protocol", docs.nats.io; ADR-4 (headers).

/// Most bytes of a line, and of a message.
const MOST_LINE: usize = 64 << 10;
const MOST_BYTES: usize = 64 << 20;
/// Begins headers.
const VERSION: &str = "NATS/1.0";

/// What a server sends.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// What it is; again whenever the cluster changes.
    Info(String),
    Ping,
    Pong,
    /// Accepted, by a server that says so.
    Ok,
    /// It is about to close the connection.
    Error(String),
    Message(Message),
}

/// A message to a subject that this client has subscribed to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) subject: String,
    /// Where an answer goes.
    pub(super) reply: Option<String>,
    pub(super) headers: Headers,
    pub(super) payload: Vec<u8>,
}

/// Headers of a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Headers {
    /// Of an answer that is none: 503 is that nobody is there to answer.
    pub(super) status: Option<u16>,
    /// What the status means.
    pub(super) description: String,
    fields: Vec<(String, String)>,
}

impl Headers {
    /// Reads a block of headers.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut lines = text.split("\r\n");
        let first = lines.next()?.strip_prefix(VERSION)?.trim();
        let (status, description) = first.split_once(' ').unwrap_or((first, ""));
        let fields = lines.filter_map(|line| line.split_once(':'));
        Some(Self {
            status: status.parse().ok(),
            description: description.to_owned(),
            fields: fields
                .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
                .collect(),
        })
    }

    /// The first field of this name.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// A message to be published, with one header field at most.
pub(super) fn publish(
    subject: &str,
    reply: &str,
    header: Option<(&str, &str)>,
    payload: &[u8],
) -> Vec<u8> {
    let size = payload.len();
    let head = match header {
        None => format!("PUB {subject} {reply} {size}\r\n"),
        Some((name, value)) => {
            let block = format!("{VERSION}\r\n{name}: {value}\r\n\r\n");
            let all = block.len() + size;
            format!("HPUB {subject} {reply} {} {all}\r\n{block}", block.len())
        }
    };
    [head.as_bytes(), payload, b"\r\n"].concat()
}

/// Takes the first thing that was sent off the front of `bytes`; `None` if it is not all there.
///
/// # Errors
/// It is not this protocol.
pub(super) fn take(bytes: &mut Vec<u8>) -> Result<Option<Sent>, String> {
    let Some(end) = bytes.windows(2).position(|pair| pair == b"\r\n") else {
        return match bytes.len() > MOST_LINE {
            true => Err(format!("a line of more than {MOST_LINE} bytes")),
            false => Ok(None),
        };
    };
    let line = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let body = end + 2;
    let (verb, rest) = line.split_once(' ').unwrap_or((line.as_str(), ""));
    let words: Vec<&str> = rest.split_whitespace().collect();
    let number = |word: &str| word.parse::<usize>().ok().filter(|n| *n <= MOST_BYTES);
    let wrong = || format!("no NATS: {}", line.chars().take(100).collect::<String>());
    let (subject, reply, head, size) = match (verb.to_ascii_uppercase().as_str(), words.as_slice())
    {
        ("MSG", [subject, _, size]) => (subject, None, Some(0), number(size)),
        ("MSG", [subject, _, reply, size]) => (subject, Some(reply), Some(0), number(size)),
        ("HMSG", [subject, _, head, size]) => (subject, None, number(head), number(size)),
        ("HMSG", [subject, _, reply, head, size]) => {
            (subject, Some(reply), number(head), number(size))
        }
        (verb, _) => {
            bytes.drain(..body);
            return match verb {
                "INFO" => Ok(Some(Sent::Info(rest.to_owned()))),
                "PING" => Ok(Some(Sent::Ping)),
                "PONG" => Ok(Some(Sent::Pong)),
                "+OK" => Ok(Some(Sent::Ok)),
                "-ERR" => Ok(Some(Sent::Error(rest.trim_matches('\'').to_owned()))),
                _ => Err(wrong()),
            };
        }
    };
    let (Some(head), Some(size)) = (head, size) else {
        return Err(wrong());
    };
    if head > size {
        return Err(wrong());
    }
    if bytes.len() < body + size + 2 {
        return Ok(None);
    }
    let headers = match head {
        0 => Headers::default(),
        _ => Headers::read(&bytes[body..body + head]).ok_or_else(wrong)?,
    };
    let message = Message {
        subject: (*subject).to_owned(),
        reply: reply.map(|reply| (*reply).to_owned()),
        headers,
        payload: bytes[body + head..body + size].to_vec(),
    };
    bytes.drain(..body + size + 2);
    Ok(Some(Sent::Message(message)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read of these bytes, however they are cut into pieces.
    fn read(bytes: &[u8]) -> Vec<Sent> {
        let mut all = Vec::new();
        let mut whole = bytes.to_vec();
        while let Some(sent) = take(&mut whole).expect("it is NATS") {
            all.push(sent);
        }
        let (mut pieces, mut buffer) = (Vec::new(), Vec::new());
        for byte in bytes {
            buffer.push(*byte);
            pieces.extend(take(&mut buffer).expect("it is NATS"));
        }
        assert_eq!(pieces, all);
        all
    }

    #[test]
    fn what_a_server_sends_is_read_whole_or_in_pieces() {
        let sent = read(
            b"INFO {\"a\":1}\r\nPING\r\nMSG in.1 1 2\r\nhi\r\nMSG q 1 $JS.ACK.x 0\r\n\r\n\
              HMSG in.2 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n\
              HMSG in.3 1 re 30 32\r\nNATS/1.0\r\nNats-Sequence: 7\r\n\r\nab\r\n-ERR 'Stale'\r\n",
        );
        let Sent::Message(plain) = &sent[2] else {
            panic!("{sent:?}")
        };
        assert_eq!(
            (plain.subject.as_str(), plain.payload.as_slice()),
            ("in.1", b"hi".as_slice())
        );
        let Sent::Message(nobody) = &sent[4] else {
            panic!("{sent:?}")
        };
        assert_eq!(nobody.headers.status, Some(503));
        let Sent::Message(with) = &sent[5] else {
            panic!("{sent:?}")
        };
        assert_eq!(
            (
                with.headers.status,
                with.headers.get("Nats-Sequence"),
                with.reply.as_deref(),
                with.payload.as_slice()
            ),
            (None, Some("7"), Some("re"), b"ab".as_slice())
        );
        assert_eq!(sent[0], Sent::Info("{\"a\":1}".into()));
        assert_eq!(sent[6], Sent::Error("Stale".into()));
    }

    #[test]
    fn what_is_no_nats_is_refused() {
        for wrong in [
            "HTTP/1.1 400 Bad Request\r\n",
            "MSG only\r\n",
            "MSG a 1 99999999999\r\n",
            "HMSG a 1 9 3\r\nabc\r\n",
            "HMSG a 1 3 3\r\nabc\r\n",
        ] {
            let refused = take(&mut wrong.as_bytes().to_vec());
            assert!(refused.is_err(), "{wrong}: {refused:?}");
        }
        assert!(take(&mut vec![b'x'; MOST_LINE + 1]).is_err());
    }

    #[test]
    fn a_publish_tells_its_sizes() {
        let plain = publish("s", "r", None, b"abc");
        assert_eq!(plain, b"PUB s r 3\r\nabc\r\n");
        let with = publish("s", "r", Some(("A", "1")), b"abc");
        assert_eq!(with, b"HPUB s r 18 21\r\nNATS/1.0\r\nA: 1\r\n\r\nabc\r\n");
    }
}
