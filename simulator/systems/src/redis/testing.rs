//! A server of tests: it answers commands as the test says, or breaks the connection.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use redis_protocol::resp2::decode::decode;
use squall_history::{Action, Outcome};
use squall_workload::ClientDriver;
use squall_world::{RealWorld, World};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::connection::{list, text};
use super::{Driver, Setup, Topology};
use crate::offer::{QueueKind, Reads};
use crate::testing::in_real_world;

/// What a server answers: RESP, or nothing, and it breaks the connection.
pub(super) type Answer = Option<String>;
type Answers = Rc<RefCell<dyn FnMut(&[String]) -> Answer>>;

/// Runs a test with one client of a server that says it is the master, and otherwise what
/// `answers` makes of each command.
pub(super) fn with_server<F: Future<Output = ()>>(
    answers: impl FnMut(&[String]) -> Answer + 'static,
    test: impl FnOnce(Client) -> F,
) {
    let answers: Answers = Rc::new(RefCell::new(answers));
    in_real_world(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound").to_string();
        RealWorld::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                RealWorld::spawn(serve(stream, answers.clone()));
            }
        });
        let (reads, queues) = (Reads::default(), QueueKind::default());
        let setup = Setup::new(vec![address], Topology::Single, reads, queues);
        test(Client(Driver::new(Rc::new(setup), 0))).await;
    });
}

async fn serve(mut stream: TcpStream, answers: Answers) {
    let mut read = Vec::new();
    while let Ok(1..) = stream.read_buf(&mut read).await {
        while let Ok(Some((frame, used))) = decode(&read) {
            read.drain(..used);
            let command: Vec<String> = list(frame).iter().filter_map(text).collect();
            let answer = match command[0].as_str() {
                "ROLE" => Some("*1\r\n$6\r\nmaster\r\n".to_owned()),
                _ => (answers.borrow_mut())(&command),
            };
            let Some(answer) = answer else { return };
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

/// The client of a test.
pub(super) struct Client(Driver);

impl Client {
    pub(super) async fn ask(&mut self, action: Action) -> Outcome {
        let deadline = RealWorld::now() + Duration::from_secs(2);
        self.0.issue(&action, deadline).await
    }
}
