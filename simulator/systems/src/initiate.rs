//! Puts a cluster together, once its nodes are up.

use std::time::Duration;

use squall_world::{RealWorld, World, timeout};

use crate::file::SystemFile;
use crate::template::Member;

/// A command that puts a cluster together takes at most this long.
const AFTER_LIMIT: Duration = Duration::from_secs(60);
/// A command that fails is tried again after this long, for nodes that are up may not know
/// each other yet.
const AFTER_REST: Duration = Duration::from_millis(500);

impl SystemFile {
    /// Runs the commands of `[[after]]`, each until it succeeds, and then makes what clients
    /// need: of NATS the streams.
    ///
    /// # Errors
    /// A command cannot be run, or fails for 60 s; or the system does not make it.
    pub async fn initiate(&self, members: &[Member]) -> Result<(), String> {
        for after in self.after(members)? {
            self.succeed(&after.command).await?;
        }
        self.prepare(members).await
    }

    async fn succeed(&self, command: &[String]) -> Result<(), String> {
        let program = command.first().ok_or("[[after]] has no program")?;
        let mut said = String::new();
        let succeeds = async {
            loop {
                let output = self.execute(command).await;
                let output = output.map_err(|e| format!("{program}: {e}"))?;
                if output.status.success() {
                    return Ok(());
                }
                said = [output.out, output.err]
                    .map(|text| String::from_utf8_lossy(&text).trim().to_owned())
                    .join("\n");
                RealWorld::sleep(AFTER_REST).await;
            }
        };
        match timeout::<RealWorld, _>(AFTER_LIMIT, succeeds).await {
            Ok(done) => done,
            Err(_) => Err(format!("`{}` fails: {said}", command.join(" "))),
        }
    }
}
