//! Tests that `squall calibrate` on containers writes a profile that simulations run with.

use std::io::ErrorKind;
use std::time::Duration;

use squall::calibrate::{self, CalibrateError, Effort};
use squall::report::RunVerdict;
use squall::scenario::{Profile, Scenario};

use squall_docker::Options;

use crate::node;
use crate::setting::{alone, engine, left_of, skip};

/// Enough for figures of every kind, and for nothing else.
const BRIEF: Effort = Effort {
    syncs: 50,
    questions: 200,
    load: Duration::from_secs(1),
};
const NODES: usize = 3;

#[test]
fn a_profile_measured_on_containers_is_simulated() {
    let Some(_turn) = engine().and_then(|()| alone()) else {
        return;
    };
    let options = Options {
        node_binary: Some(node::binary()),
        ..Options::default()
    };
    let measured = calibrate::measure_containers(NODES, &options, BRIEF, |_| {});
    assert_eq!(left_of(std::process::id()), Vec::<String>::new());
    let measured = match measured {
        Err(CalibrateError::Disk { path, source })
            if source.kind() == ErrorKind::PermissionDenied =>
        {
            skip(&format!(
                "only root reaches the disks of containers: {path}"
            ));
            return;
        }
        measured => measured.unwrap_or_else(|error| panic!("{error}")),
    };
    assert_eq!(measured.syncs_ns.len(), NODES * BRIEF.syncs);
    assert_eq!(
        measured.questions.round_trips_ns.len(),
        NODES * BRIEF.questions
    );
    for load in &measured.loads {
        let shape = load.shape;
        assert!(load.thousandths_per_second > 0, "{shape:?} got nothing");
        assert!(load.leader_ns > 0, "{shape:?}: leading cost nothing");
        // Reads of a leader ask its followers only whether it still leads.
        assert!(load.leader_ns > load.follower_ns, "{load:?}");
    }
    let calibration = calibrate::explain(measured).unwrap_or_else(|error| panic!("{error}"));
    let text = calibrate::profile(&calibration, "containers", "today", "this");
    let profile = Profile::parse(&text, "hardware.toml").unwrap_or_else(|e| panic!("{e}\n{text}"));
    let path = squall_tests::repository().join("scenarios/closed-loop.toml");
    let scenario = Scenario::load_on(path, Some(&profile), &[]).expect("the catalogue is sound");
    let judged = squall::run::run(&scenario, 1, "").unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(judged.report.verdict, RunVerdict::Pass);
}
