//! Every planted bug is caught, by a check of a property that it breaks.
//!
//! A check that has never caught anything is not trusted. Each bug has a scenario of its own
//! in `scenarios/planted/`, which must fail with the bug on nearly all of a few seeds, so that
//! no change of timing hides it, and must pass without it for the first ones: otherwise it
//! would be the scenario that fails. The first seed of each is in `docs/track-record.md`.

use squall::report::RunVerdict;
use squall::scenario::Scenario;
use squall::track_record::{bugs, hunt, judge, scenario_of};
use squall_cluster::planted::Bug;
use squall_tests::repository;

/// Seeds that are run with the bug, and how many of them must catch it.
const SEEDS: u64 = 3;
const CAUGHT: usize = 2;
/// Seeds that must pass without the bug.
const CLEAN: u64 = 2;

/// One test a bug, so that they run side by side and fail by name.
macro_rules! must_be_caught {
    ($($name:ident: $bug:ident;)+) => {
        $(#[test]
        fn $name() {
            must_be_caught(Bug::$bug);
        })+

        /// DET-01 and DET-02 are not for a check to find, but for `--verify`; the tests of
        /// `squall` itself show them.
        #[test]
        fn every_planted_bug_has_a_test_and_a_scenario() {
            let tested: Vec<&str> = [$(Bug::$bug),+].map(Bug::id).into();
            let known: Vec<&str> = bugs().map(Bug::id).collect();
            assert_eq!(tested, known);
            let dir = repository().join("scenarios/planted");
            let files = std::fs::read_dir(dir).expect("the directory is there");
            let files = files.map(|file| file.expect("an entry").file_name());
            let mut files: Vec<String> = files.map(|name| name.to_string_lossy().into()).collect();
            files.sort();
            let named = known.iter().map(|id| format!("{}.toml", id.to_lowercase()));
            let mut named: Vec<String> = named.collect();
            named.sort();
            assert_eq!(files, named);
        }
    };
}

must_be_caught! {
    ml_01_a_lock_is_granted_to_the_dead: GrantToTheDead;
    ml_02_a_renewed_session_is_revoked: ExpireUnguarded;
    ml_05_a_new_leader_extends_nothing: DeadlinesNotExtended;
    ml_07_sessions_end_by_local_clocks: LeaseByLocalClock;
    ml_09_a_release_checks_nobody: ReleaseUnchecked;
    ml_11_tokens_begin_anew: CounterNotInSnapshot;
    ml_14_a_retry_stands_behind_itself: RetryQueuesTwice;
    ml_15_who_gave_up_stays_in_line: TimeoutStaysQueued;
    ml_16_a_dead_head_blocks_the_line: DeadHeadNotSkipped;
    ml_18_two_releases_free_two_readers: SharedReleasedTwice;
    ml_19_time_goes_on_without_a_quorum: TimeWithoutQuorum;
    ml_20_readers_overtake_a_writer: SharedOvertakes;
    ml_21_a_retry_waits_for_what_is_over: EndNotRecorded;
    ml_22_replicas_draw_other_victims: VictimDrawn;
    ml_23_a_deposed_leader_tells_who_holds: HoldersUnconfirmed;
    mq_01_an_append_is_no_commit: AckBeforeCommit;
    mq_02_a_timer_syncs_too_late: SyncOnTimer;
    mq_03_a_dead_letter_dies_on_its_way: DeadLetterApart;
    mq_04_timers_die_with_their_leader: TimersInMemory;
    mq_06_an_old_ack_takes_a_new_delivery: AckById;
    mq_08_a_duplicate_of_nothing: DedupBeforeCommit;
    mq_09_a_snapshot_forgets_producers: DedupNotInSnapshot;
    mq_12_replicas_redeliver_in_other_orders: HashOrderRedelivery;
    mq_20_a_snapshot_forgets_hidden_messages: HiddenNotInSnapshot;
    mq_21_a_change_of_leaders_counts: ChangeCountsAsDelivery;
    mq_22_half_a_batch_is_acknowledged: BatchCutShort;
    mq_23_a_batch_goes_beyond_the_limit: BatchNotCounted;
    mq_24_a_group_goes_on_too_early: GroupNotHeldBack;
    mq_25_a_dead_letter_goes_on_living: LetterCopied;
    mc_01_a_deposed_leader_answers_reads: ReadUnconfirmed;
    mc_02_a_new_leader_answers_reads_too_early: ReadIndexTooEarly;
    mc_05_a_lease_outlives_its_leader: LeaseKeptOnTransfer;
    mc_06_a_voter_breaks_its_promise: PromiseBroken;
    mc_08_keys_expire_by_local_clocks: TtlByLocalClock;
    mc_09_an_old_expiry_takes_a_new_value: OldExpiryKept;
    mc_12_replicas_evict_at_random: RandomEviction;
    mc_14_two_compare_and_both_set: CompareThenSet;
    mc_17_a_stream_forgets_where_it_was: ResumedFromNow;
    mc_18_a_read_index_is_not_awaited: ReadIndexNotAwaited;
    mc_19_a_value_is_read_before_its_leader_is_sure: ReadBeforeConfirmed;
    mc_20_a_deadline_follows_a_wall_clock: DeadlineFromWallClock;
    mc_21_a_lifetime_ends_unheard: ExpiryNotPushed;
    mc_22_keys_are_read_apart: KeysReadApart;
    mc_23_one_key_too_many: EvictedBeforeInsert;
    mc_24_a_value_is_given_before_it_is_popped: PopUnconfirmed;
    mc_25_the_next_in_line_is_not_called: NextNotCalled;
    mc_26_a_move_is_two_steps: MoveInTwo;
    mc_27_who_asks_again_pops_again: SequenceDropped;
    mr_01_flushed_is_not_synced: FlushUnsynced;
    mr_03_a_snapshot_claims_more_than_it_holds: AppliedIndexApart;
    mr_04_a_snapshot_forgets_replies: SessionsNotInSnapshot;
    mr_05_a_vote_is_forgotten: VoteNotAwaited;
    mr_06_a_session_comes_back_without_its_past: SessionRevived;
    mr_07_a_follower_promises_what_it_has_not_written: FollowerFlushUnsynced;
    mr_08_a_leader_that_hears_nobody_stays: UselessLeaderStays;
    mr_09_a_snapshot_is_not_there_yet: SnapshotUnsynced;
    mr_10_another_command_is_answered_as_the_first: SequenceUncompared;
    mr_11_a_lost_end_of_a_log_is_not_sent_again: LostEndAskedFor;
}

fn must_be_caught(bug: Bug) {
    let path = scenario_of(&repository().join("scenarios"), bug);
    let scenario = Scenario::load(path).expect("the repository's scenario is valid");
    for seed in 1..=CLEAN {
        let healthy = judge(&scenario, seed, None).expect("the simulation works");
        let (verdict, reason) = (healthy.verdict, healthy.reason);
        assert_eq!(
            verdict,
            RunVerdict::Pass,
            "seed {seed} without a bug: {reason}"
        );
    }
    let (mut caught, mut missed) = (0, Vec::new());
    for seed in 1..=SEEDS {
        if caught == CAUGHT {
            return;
        }
        match hunt(&scenario, bug, seed..=seed) {
            Ok(catch) => {
                caught += 1;
                println!("seed {seed}: {}: {}", catch.check, catch.detail);
            }
            Err(said) => missed.extend(said),
        }
    }
    assert!(
        caught >= CAUGHT,
        "{} is caught by {} on {caught} of {SEEDS} seeds only\n{}",
        bug.id(),
        bug.breaks().join(", "),
        missed.join("\n")
    );
}
