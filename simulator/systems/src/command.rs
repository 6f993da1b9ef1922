//! Programs that a system's file names and that run beside its nodes: commands, and clients.
//!
//! Each leads a process group, and bears what the run marks its processes with, so that it is
//! found and ended with the run.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;

/// Most bytes that a command may write on standard output, and on standard error.
const MOST_OUTPUT: usize = 64 << 10;

/// Variables by which the processes of the present run are known.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mark(Arc<Mutex<Vec<(String, String)>>>);

impl Mark {
    /// Another run begins.
    pub(crate) fn set(&self, variables: Vec<(String, String)>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = variables;
    }

    /// A program that ends when it is dropped, not started yet; `None`: none is named.
    pub(crate) fn command(&self, argv: &[String]) -> Option<Command> {
        let (program, arguments) = argv.split_first()?;
        let variables = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut command = Command::new(program);
        command
            .args(arguments)
            .envs(variables.iter().cloned())
            .process_group(0)
            .kill_on_drop(true);
        Some(command)
    }
}

/// What a command wrote, and how it ended.
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// Standard output.
    pub out: Vec<u8>,
    /// Standard error.
    pub err: Vec<u8>,
}

/// Runs a command to its end, with nothing on its standard input.
///
/// # Errors
/// It cannot be started, or writes more than 64 KiB, and was killed.
pub(crate) async fn output(mut command: Command) -> io::Result<Output> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let out = child.stdout.take().expect("it is piped");
    let err = child.stderr.take().expect("it is piped");
    let (out, err) = tokio::try_join!(read(out), read(err))?;
    let status = child.wait().await?;
    Ok(Output { status, out, err })
}

async fn read(pipe: impl AsyncRead + Unpin) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let mut limited = pipe.take(MOST_OUTPUT as u64 + 1);
    limited.read_to_end(&mut text).await?;
    match text.len() > MOST_OUTPUT {
        true => Err(io::Error::other("it writes more than 64 KiB")),
        false => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(mark: &Mark, script: &str) -> Command {
        let argv = ["sh", "-c", script].map(str::to_owned);
        mark.command(&argv).expect("it has a program")
    }

    #[tokio::test]
    async fn commands_bear_the_mark_of_the_run_and_lead_a_group() {
        let mark = Mark::default();
        mark.set(vec![("RUN_OF_TEST".into(), "7".into())]);
        let script = "echo $RUN_OF_TEST; cut -d' ' -f5 /proc/$$/stat; echo $$; echo no >&2; exit 3";
        let output = output(shell(&mark, script)).await.expect("a shell");
        let printed = String::from_utf8(output.out).expect("text");
        let lines: Vec<&str> = printed.lines().collect();
        assert_eq!(lines[0], "7");
        assert_eq!(lines[1], lines[2], "group and process");
        assert_eq!(output.err, b"no\n");
        assert_eq!(output.status.code(), Some(3));
        assert!(mark.command(&[]).is_none());
    }

    #[tokio::test]
    async fn who_writes_without_end_is_killed() {
        let refused = output(shell(&Mark::default(), "exec yes")).await;
        let why = refused.err().expect("it never ends").to_string();
        assert!(why.contains("64 KiB"), "{why}");
        let bound = format!("head -c {MOST_OUTPUT} /dev/zero");
        let output = output(shell(&Mark::default(), &bound)).await;
        assert_eq!(output.expect("a shell").out.len(), MOST_OUTPUT);
    }
}
