//! Time of the processor that processes have taken, and what the disk can do.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::servers::{Servers, System};

/// `/proc` counts in hundredths of a second on every Linux there is.
const TICKS: f64 = 100.0;
const IDLE_FOR: Duration = Duration::from_secs(3);
const SYNCS_FOR: Duration = Duration::from_secs(1);
const SYNCED_BYTES: usize = 512;

/// Seconds that the system's processes have taken.
pub fn of_system(servers: &Servers, system: System) -> Result<f64, String> {
    let processes = servers.processes(system).into_iter();
    processes.map(|id| of_process(&id.to_string())).sum()
}

/// Seconds that this process has taken.
pub fn own() -> Result<f64, String> {
    of_process("self")
}

fn of_process(id: &str) -> Result<f64, String> {
    let path = format!("/proc/{id}/stat");
    let stat = std::fs::read_to_string(&path).map_err(|e| format!("{path}: {e}"))?;
    // Behind the name, which may hold anything.
    let behind = stat.rsplit_once(')').map_or("", |(_, behind)| behind);
    let fields: Vec<&str> = behind.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok());
    match (ticks(11), ticks(12)) {
        (Some(user), Some(system)) => Ok((user + system) / TICKS),
        _ => Err(format!("{path} is {stat}")),
    }
}

/// What share of a core each system takes while nobody asks it anything.
pub async fn idle(servers: &Servers) -> Result<Vec<(System, f64)>, String> {
    let now = || {
        let systems = servers.systems();
        systems
            .map(|system| of_system(servers, system).map(|used| (system, used)))
            .collect::<Result<Vec<_>, _>>()
    };
    let before = now()?;
    sleep(IDLE_FOR).await;
    let both = now()?.into_iter().zip(before);
    Ok(both
        .map(|((system, used), (_, before))| (system, (used - before) / IDLE_FOR.as_secs_f64()))
        .collect())
}

/// How often a second one who does nothing else can append to a file there and have it synced.
pub fn syncs(directory: &Path) -> Result<f64, String> {
    let path = directory.join("syncs");
    let sync = || {
        let mut file = File::create(&path)?;
        let (begun, mut syncs) = (Instant::now(), 0_u32);
        while begun.elapsed() < SYNCS_FOR {
            file.write_all(&[b's'; SYNCED_BYTES])?;
            file.sync_data()?;
            syncs += 1;
        }
        let rate = f64::from(syncs) / begun.elapsed().as_secs_f64();
        std::fs::remove_file(&path)?;
        Ok(rate)
    };
    sync().map_err(|e: std::io::Error| format!("{}: {e}", path.display()))
}
