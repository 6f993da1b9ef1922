//! Operating a cluster from outside: one command to one node, answered in lines of text.

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Credentials, READ_BYTES, connect};
use crate::protocol::{self, BytesFrame};
use crate::world::{self, Instant, World};

/// Sends `words` (`["RAFT.STATUS"]`, say) to the node at `address` and waits for the lines of
/// its answer. Nothing is repeated and no redirect is followed.
///
/// # Errors
/// The node refused, or did not answer by the deadline; in words. Without an answer, what was
/// asked for may still happen.
pub async fn operate<W: World>(
    address: &str,
    words: &[&str],
    deadline: Instant,
) -> Result<Vec<String>, String> {
    operate_as::<W>(address, &Credentials::default(), words, deadline).await
}

/// The same, as somebody.
///
/// # Errors
/// As [`operate`]; also if the password is wrong, or the node not who it must be.
pub async fn operate_as<W: World>(
    address: &str,
    credentials: &Credentials,
    words: &[&str],
    deadline: Instant,
) -> Result<Vec<String>, String> {
    let mut output = BytesMut::new();
    let mut unanswered = 1;
    if let Some(password) = &credentials.password {
        protocol::encode_call(&mut output, &[b"AUTH", password.as_bytes()]);
        unanswered += 1;
    }
    let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    protocol::encode_call(&mut output, &words);
    let exchange = async {
        let mut stream = connect::<W>(address, credentials.tls.as_ref()).await?;
        stream.write_all(&output).await?;
        stream.flush().await?;
        let mut input = BytesMut::new();
        loop {
            match protocol::next_frame(&mut input) {
                Ok(Some(frame)) => {
                    unanswered -= 1;
                    if unanswered == 0 || matches!(frame, BytesFrame::Error(_)) {
                        return Ok(frame);
                    }
                    continue;
                }
                Ok(None) => {}
                Err(e) => return Err(std::io::Error::other(e.to_string())),
            }
            input.reserve(READ_BYTES);
            if stream.read_buf(&mut input).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
    };
    match world::timeout_at::<W, _>(deadline, exchange).await {
        Ok(Ok(frame)) => lines(frame),
        Ok(Err(e)) => Err(format!("{address}: {e}")),
        Err(_) => Err(format!("{address}: no answer in time")),
    }
}

fn lines(frame: BytesFrame) -> Result<Vec<String>, String> {
    match frame {
        BytesFrame::Error(why) => Err(why.to_string()),
        BytesFrame::Array(frames) => {
            let parts: Result<Vec<_>, _> = frames.into_iter().map(lines).collect();
            Ok(parts?.concat())
        }
        BytesFrame::SimpleString(text) | BytesFrame::BulkString(text) => {
            Ok(vec![String::from_utf8_lossy(&text).into_owned()])
        }
        BytesFrame::Integer(value) => Ok(vec![value.to_string()]),
        BytesFrame::Null => Ok(Vec::new()),
    }
}
