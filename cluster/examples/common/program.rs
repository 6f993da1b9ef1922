//! The rim of a program: arguments, event loop, exit codes.

use std::fmt::Display;
use std::process::ExitCode;

use clap::Parser;
use tokio::task::LocalSet;

const EXIT_USAGE: u8 = 64;
const EXIT_FAILURE: u8 = 70;

/// Plays what the arguments ask for, and prints the report; its code is the program's.
pub fn run<Args: Parser, Report: Display>(
    name: &str,
    play: impl AsyncFnOnce(Args) -> Result<Report, String>,
    code: impl FnOnce(&Report) -> u8,
) -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(message) => {
            let wrong = message.use_stderr();
            // Nothing can be done about a closed terminal.
            let _ = message.print();
            return ExitCode::from(if wrong { EXIT_USAGE } else { 0 });
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let played = match runtime {
        Ok(runtime) => LocalSet::new().block_on(&runtime, play(args)),
        Err(e) => Err(format!("cannot set up the event loop: {e}")),
    };
    match played {
        Ok(report) => {
            println!("{report}");
            ExitCode::from(code(&report))
        }
        Err(why) => {
            eprintln!("{name}: {why}");
            ExitCode::from(EXIT_FAILURE)
        }
    }
}
