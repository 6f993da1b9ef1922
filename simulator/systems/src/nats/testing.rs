//! A server of tests: it answers messages as the test says, or breaks the connection.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use squall_history::{Action, Outcome};
use squall_workload::ClientDriver;
use squall_world::{RealWorld, World};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::{Driver, Setup};
use crate::offer::Reads;
use crate::testing::in_real_world;

/// A message that was published to the server.
#[derive(Debug)]
pub(super) struct Published {
    pub(super) subject: String,
    /// The block of headers, if there was one.
    pub(super) headers: String,
    pub(super) payload: String,
}

/// What becomes of it.
pub(super) enum Answer {
    /// One of JetStream, in JSON.
    Json(String),
    /// A status without a message.
    Status(u16),
    /// Messages of a queue, each the subject that acknowledges it and its bytes, and a status
    /// after them.
    Messages(Vec<(&'static str, &'static str)>, u16),
    Nothing,
    /// The connection breaks.
    Close,
}

type Answers = Rc<RefCell<dyn FnMut(&Published) -> Answer>>;

/// Runs a test with one client of a server that makes `answers` of what is published.
pub(super) fn with_server<F: Future<Output = ()>>(
    answers: impl FnMut(&Published) -> Answer + 'static,
    test: impl FnOnce(Client) -> F,
) {
    let answers: Answers = Rc::new(RefCell::new(answers));
    in_real_world(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound").to_string();
        RealWorld::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let answers = answers.clone();
                RealWorld::spawn(async move {
                    serve(stream, answers).await;
                });
            }
        });
        let setup = Setup::new(vec![address], Reads::default());
        test(Client(Driver::new(Rc::new(setup), 0))).await;
    });
}

/// Ends with the connection.
async fn serve(stream: TcpStream, answers: Answers) -> Option<()> {
    let mut stream = BufReader::new(stream);
    stream
        .write_all(b"INFO {\"max_payload\":1000}\r\n")
        .await
        .ok()?;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        let (subject, reply, head, size) = match words.as_slice() {
            ["PING"] => {
                stream.write_all(b"PONG\r\n").await.ok()?;
                continue;
            }
            ["PUB", subject, reply, size] => (*subject, *reply, 0, *size),
            ["HPUB", subject, reply, head, size] => (*subject, *reply, head.parse().ok()?, *size),
            _ => continue,
        };
        let mut bytes = vec![0; size.parse::<usize>().ok()? + 2];
        stream.read_exact(&mut bytes).await.ok()?;
        let text = String::from_utf8(bytes).ok()?;
        let published = Published {
            subject: subject.to_owned(),
            headers: text[..head].to_owned(),
            payload: text[head..text.len() - 2].to_owned(),
        };
        let status = |code: u16| {
            let block = format!("NATS/1.0 {code}\r\n\r\n");
            let size = block.len();
            format!("HMSG {reply} 1 {size} {size}\r\n{block}\r\n")
        };
        let answer = (answers.borrow_mut())(&published);
        let sent = match answer {
            Answer::Json(json) => format!("MSG {reply} 1 {}\r\n{json}\r\n", json.len()),
            Answer::Status(code) => status(code),
            Answer::Messages(messages, end) => {
                let messages = messages.iter().map(|(ack, bytes)| {
                    format!("MSG squall.queue.q 1 {ack} {}\r\n{bytes}\r\n", bytes.len())
                });
                messages.collect::<String>() + &status(end)
            }
            Answer::Nothing => continue,
            Answer::Close => return None,
        };
        stream.write_all(sent.as_bytes()).await.ok()?;
    }
}

/// The client of a test.
pub(super) struct Client(Driver);

impl Client {
    pub(super) async fn ask(&mut self, action: Action) -> Outcome {
        let deadline = RealWorld::now() + Duration::from_millis(500);
        self.0.issue(&action, deadline).await
    }
}
