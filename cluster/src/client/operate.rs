//! Operating a cluster from outside: one command to one node, answered in lines of text.

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::READ_BYTES;
use crate::protocol::{self, BytesFrame, wire};
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
    let mut output = BytesMut::new();
    wire::array(&mut output, words.len());
    for word in words {
        wire::bulk(&mut output, word.as_bytes());
    }
    let exchange = async {
        let mut stream = W::connect(address).await?;
        stream.write_all(&output).await?;
        let mut input = BytesMut::new();
        loop {
            match protocol::next_frame(&mut input) {
                Ok(Some(frame)) => return Ok(frame),
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
