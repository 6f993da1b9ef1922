//! Keeps the file of the system that a run was on, so that the run is judged by what was promised
//! then.

use squall_systems::{Protocol, SystemFile};

use super::{Manifest, RunDir, RunDirError};

/// The text of the system's file.
const SYSTEM: &str = "system.toml";

impl RunDir {
    /// Writes the file of the system that ran instead of Squall's own cluster, or removes that
    /// of an earlier run.
    ///
    /// # Errors
    /// The disk's own.
    pub fn keep_system(&self, text: Option<&str>) -> Result<(), RunDirError> {
        match text {
            Some(text) => self.put(SYSTEM, text),
            None => self.remove(SYSTEM),
        }
    }

    /// The system that ran instead of Squall's own cluster, as it was then; `None`: none did. Of
    /// a run that did not keep it, it is what its name or file stands for now.
    ///
    /// # Errors
    /// It cannot be read, or makes no system any more.
    pub fn system(&self, manifest: &Manifest) -> Result<Option<SystemFile>, RunDirError> {
        let Some(name) = &manifest.system else {
            return Ok(None);
        };
        let path = self.path.join(SYSTEM).display().to_string();
        let system = match self.get(SYSTEM)? {
            Some(text) => SystemFile::parse(&text, &path, &self.path),
            None => SystemFile::load(name),
        };
        let system = system.map_err(|e| RunDirError::Malformed {
            detail: e.to_string(),
            path,
        })?;
        Ok(Some(system).filter(|system| system.protocol() != Protocol::Squall))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(system: Option<&str>) -> Manifest {
        Manifest {
            scenario: "t.toml".into(),
            seed: 1,
            backend: "process".into(),
            settings: Vec::new(),
            planted: None,
            profile: None,
            system: system.map(str::to_owned),
            version: "0".into(),
            started: None,
            environment: None,
        }
    }

    #[test]
    fn a_run_is_judged_by_what_its_system_promised_then() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let file = place.path().join("mine.toml");
        let shipped = SystemFile::load("redis").expect("it ships");
        let text = shipped
            .text()
            .replace("name = \"redis\"", "name = \"mine\"");
        let dir = RunDir::create(&place.path().join("run")).expect("there is room");
        let manifest = manifest(Some(file.to_str().expect("a plain path")));
        dir.keep_system(Some(&text)).expect("there is room");

        // Since then somebody promises nothing any more, or has removed the file.
        let promised = "linearizable = true\ndurable = true\n";
        assert!(text.contains(promised));
        std::fs::write(&file, text.replacen(promised, "", 1)).expect("there is room");
        let kept = dir.system(&manifest).expect("it is kept");
        assert!(kept.expect("there is one").promises().has("lost_writes"));
        std::fs::remove_file(&file).expect("it is there");
        assert!(dir.system(&manifest).expect("it is kept").is_some());

        dir.keep_system(None).expect("it is ours");
        let gone = dir.system(&manifest);
        assert!(matches!(gone, Err(RunDirError::Malformed { .. })));
    }

    #[test]
    fn the_run_on_another_system_is_left_alone() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let path = place.path().join("run");
        let dir = RunDir::create(&path).expect("there is room");
        let why = "it crashed";
        let written = dir.write_crash(&manifest(Some("etcd")), "name = \"t\"\n", None, why);
        written.expect("there is room");
        let held = |system| RunDir::must_not_hold_another(&path, "t", 1, system);
        assert!(held(Some("etcd")).is_ok());
        for other in [None, Some("redis")] {
            let why = held(other).expect_err("it is another").to_string();
            assert!(why.contains("of t with seed 1 on etcd"), "{why}");
        }
    }
}
