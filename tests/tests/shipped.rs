//! The build that ships: without planted bugs, which tests of the workspace have compiled in by
//! default. `.ci/run` calls these with `--no-default-features` and `SQUALL_SHIPPED=true`.

/// A build with planted bugs must not pass for the one that ships.
#[cfg(feature = "planted")]
#[test]
fn this_build_does_not_ship() {
    let is_asked = std::env::var("SQUALL_SHIPPED").as_deref() == Ok("true");
    assert!(!is_asked, "planted bugs are compiled in");
}

#[cfg(not(feature = "planted"))]
mod without_planted_bugs {
    use std::path::Path;

    use squall::testing::Simulation;

    /// A scenario of the catalogue as it stands, with one seed.
    fn must_pass(name: &str) {
        let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
        let simulation = Simulation::load(scenarios.join(format!("{name}.toml")));
        simulation.seeds(1..=1).run().must_pass();
    }

    /// One test a scenario, so that they run side by side and fail by name.
    macro_rules! pass {
        ($($test:ident: $name:literal;)+) => {
            $(#[test]
            fn $test() {
                must_pass($name);
            })+
        };
    }

    pass! {
        all_features: "all-features";
        bridge_partition: "bridge-partition";
        chaos: "chaos";
        chaos_blackouts: "chaos-blackouts";
        chaos_clients: "chaos-clients";
        chaos_disks: "chaos-disks";
        chaos_evictions: "chaos-evictions";
        chaos_leaders: "chaos-leaders";
        chaos_points: "chaos-points";
        chaos_wide: "chaos-wide";
        client_crash: "client-crash";
        clock_skew: "clock-skew";
        connection_reset: "connection-reset";
        crash_loop: "crash-loop";
        disk_damage: "disk-damage";
        failure_recovery: "failure-recovery";
        flapping_link: "flapping-link";
        leader_kill: "leader-kill";
        leader_pause: "leader-pause";
        lists: "lists";
        lossy_network: "lossy-network";
        lost_tail: "lost-tail";
        membership_churn: "membership-churn";
        minority_partition: "minority-partition";
        one_way_partition: "one-way-partition";
        power_loss: "power-loss";
        quiet: "quiet";
        rolling_restart: "rolling-restart";
        slow_network: "slow-network";
    }
}
