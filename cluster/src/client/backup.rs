//! Fetching a backup from a node.

use std::io;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Credentials, connect};
use crate::protocol;
use crate::world::{self, World};

/// A node may take so long before it begins: it takes a snapshot first.
const BEGIN_LIMIT: Duration = Duration::from_secs(620);
/// And say nothing for so long afterwards.
const IDLE_LIMIT: Duration = Duration::from_secs(60);
/// Bytes that are read at a time, or more.
const READ_BYTES: usize = 64 * 1024;
/// Longer than any line before the backup.
const LONGEST_LINE: usize = 64 * 1024;

/// Asks the node at `address`, as the default user, for a backup, and hands
/// it piece by piece to `take`; how many bytes it has. It is not looked at: see
/// [`check_backup`](crate::node::check_backup).
///
/// # Errors
/// The node refused, fell silent or broke off, or `take` failed; in words.
pub async fn backup<W: World>(
    address: &str,
    credentials: &Credentials,
    take: impl FnMut(&[u8]) -> io::Result<()>,
) -> Result<u64, String> {
    let fetched = fetch::<W>(address, credentials, take).await;
    fetched.map_err(|e| format!("{address}: {e}"))
}

async fn fetch<W: World>(
    address: &str,
    credentials: &Credentials,
    mut take: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<u64> {
    let mut output = BytesMut::new();
    if let Some(password) = &credentials.password {
        protocol::encode_call(&mut output, &[b"AUTH", password.as_bytes()]);
    }
    protocol::encode_call(&mut output, &[b"RAFT.BACKUP"]);
    let asking = async {
        let mut stream = connect::<W>(address, credentials.tls.as_ref()).await?;
        stream.write_all(&output).await?;
        stream.flush().await?;
        Ok::<_, io::Error>(stream)
    };
    let asked = world::timeout::<W, _>(BEGIN_LIMIT, asking).await;
    let mut stream = asked.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
    let mut input = BytesMut::new();
    if credentials.password.is_some() {
        line::<W>(&mut stream, &mut input).await?;
    }
    let length = line::<W>(&mut stream, &mut input).await?;
    let length = length.strip_prefix('$').and_then(|text| text.parse().ok());
    let total: u64 = length.ok_or_else(|| io::Error::other("the answer is no backup"))?;
    let mut left = total;
    while left > 0 {
        if input.is_empty() {
            read::<W>(&mut stream, &mut input, IDLE_LIMIT).await?;
        }
        let piece = input.split_to(input.len().min(usize::try_from(left).unwrap_or(usize::MAX)));
        take(&piece)?;
        left -= piece.len() as u64;
    }
    Ok(total)
}

/// One line, without its end; an error of the node is one here.
async fn line<W: World>(stream: &mut W::Stream, input: &mut BytesMut) -> io::Result<String> {
    loop {
        if let Some(end) = input.windows(2).position(|end| end == b"\r\n") {
            let line = String::from_utf8_lossy(&input.split_to(end)).into_owned();
            input.advance(2);
            return match line.strip_prefix('-') {
                Some(why) => Err(io::Error::other(why.to_owned())),
                None => Ok(line),
            };
        }
        if input.len() > LONGEST_LINE {
            return Err(io::Error::other("the answer is no backup"));
        }
        read::<W>(stream, input, BEGIN_LIMIT).await?;
    }
}

async fn read<W: World>(
    stream: &mut W::Stream,
    input: &mut BytesMut,
    limit: Duration,
) -> io::Result<()> {
    input.reserve(READ_BYTES);
    let read = world::timeout::<W, _>(limit, stream.read_buf(input)).await;
    match read.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}
