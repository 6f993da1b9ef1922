//! `squall` for the primary-backup register: run, sweep, replay, shrink.
//!
//! `primary-backup run scenarios/failover.toml`; with `EARLY_ACK=1`, the mistake.

use std::process::ExitCode;

use primary_backup::PrimaryBackup;

fn main() -> ExitCode {
    let early_ack = std::env::var_os("EARLY_ACK").is_some();
    squall::cli::main_for(PrimaryBackup { early_ack }).into()
}
