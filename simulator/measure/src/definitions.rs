//! Defines every figure in one place: when its time begins and ends, what is cut off, and
//! which operations count. `docs/measures.md` is written from this table.

/// A figure, or figures that differ only in a quantile.
pub struct Definition {
    /// As readers call it.
    pub name: &'static str,
    /// In `report.json`.
    pub field: &'static str,
    /// Objectives that are judged by it, if any.
    pub objectives: &'static str,
    /// The event that starts the clock.
    pub begins: &'static str,
    /// The event that stops it.
    pub ends: &'static str,
    /// What is left out, and what a history may not show.
    pub clipped: &'static str,
    /// Which operations, nodes or faults count.
    pub counts: &'static str,
    /// Time runs from left to right.
    pub drawing: &'static str,
}

/// In the order of the document.
pub const DEFINITIONS: &[Definition] = &[
    Definition {
        name: "Downtime of a client",
        field: "`downtime_ms.*.clients`, `clients_down`",
        objectives: "`downtime.max`",
        begins: "the client sends the first attempt that is in vain: it failed, was given up when \
                 its time was over, or was still waiting at the end for longer than an answer may \
                 take. An answer that takes longer than 500 ms (than three times the warm-up's \
                 p99, if that is more and at least 100 answers tell it) is late, and the wait for \
                 it counts from its sending.",
        ends: "the client gets the first answer after that. A refusal that the service's own \
               rules demand (a queue is full, a session has ended) is an answer. A client that \
               asks nothing for more than a second is idle, and its gap ended with the last \
               attempt in vain.",
        clipped: "to the stretch from the start of chaos to the end of serve. Time for which an \
                  operation asked to be kept waiting (a long poll, a lock) is taken off.",
        counts: "operations of workloads, each attempt by itself. What a client did not listen \
                 for counts neither way: it was made to vanish or to give up by a fault of \
                 clients, or threw an answer away on purpose (`retries`, `crash`, `cancel`). So \
                 does a read in vain from one named node. The headline and the objective are the \
                 longest gap of any client; beside it stands how many clients had one.",
        drawing: "\
client   ask ok   ask failed   ask timed out   ask ok      (thinks)      ask ok
          |--|     |-x          |-------x       |---|                     |--|
                   |<------- down ----------------->|",
    },
    Definition {
        name: "Downtime of a service",
        field: "`downtime_ms.SERVICE.total`, `.max`, `.count`, `gaps`",
        objectives: "`downtime.total`, `downtime.per_day`, `downtime.per_month`",
        begins: "the first attempt in vain since anybody was answered, if from some moment on \
                 every client that asks is without the service.",
        ends: "anybody is answered, or nobody asks any more.",
        clipped: "as for a client.",
        counts: "clients of workloads. One that was answered and goes on asking within a second is \
                 served until it is not answered. `any` is the time in which at least one \
                 service was down. Probes are clients of their own row and make no service count \
                 as up or down.",
        drawing: "\
client 1  |ok|   |x|  |x|  |x|  |x|  |ok|
client 2  |ok|  |ok|  |x|  |x|  |ok| |ok|
service            |<- down ------>|",
    },
    Definition {
        name: "Availability",
        field: "`availability`",
        objectives: "`availability`",
        begins: "chaos begins.",
        ends: "serve ends.",
        clipped: "nothing: idle time is time in which no service was down.",
        counts: "the share of that stretch in which no service was down (`any`).",
        drawing: "\
warmup |       chaos ... serve        | audit
       |==========|    |==============|
                  |down|   95 % available",
    },
    Definition {
        name: "Slowest answer",
        field: "`downtime_ms.*.clients.slowest`",
        objectives: "",
        begins: "an attempt is sent.",
        ends: "it is answered.",
        clipped: "time for which it asked to be kept waiting.",
        counts: "answered attempts of workloads from the start of chaos to the end of serve. An \
                 answer that is slow and not late is in this figure and no downtime.",
        drawing: "\
ask                 ok
 |------------------|
 |<--- slowest ---->|",
    },
    Definition {
        name: "Cause of a change of leaders",
        field: "`faults[].old_leader`, `.new_leader`, `.new_term`",
        objectives: "",
        begins: "a leadership begins with its node's report that it leads a term above all \
                 earlier ones.",
        ends: "it is lost when its node stops, steps down, or another leads a later term.",
        clipped: "a fault answers while it is in force and for two seconds after; one that is over \
                  at once, for two seconds. Each fault is charged with the first leader it took.",
        counts: "the earliest fault that took the leader's node away while it led (kill, stop, \
                 power, disk, pause, cut off from a majority, removal, transfer to the next \
                 leader; each turn of a rolling restart or a crash loop by itself); else the one \
                 that took the last node of the majority; else the latest that made the leader's \
                 links or disk worse; else none.",
        drawing: "\
node-1 leads ---------------x
fault 0: clock jump  ^                        charged with nothing
fault 1: kill node-1        ^=========        took the leader away
node-2 leads                      |---------",
    },
    Definition {
        name: "Detection",
        field: "`detection_ms`, `faults[].detected_ms`",
        objectives: "`detection.max`",
        begins: "the fault takes effect: a process ends, a stop or a transfer is asked for, a \
                 link is cut.",
        ends: "the first election that a node begins which no fault keeps down or unheard; \
               pre-votes are elections. A node that was at it before counts only if no other \
               begins.",
        clipped: "nothing. There is no figure if nobody notices.",
        counts: "faults that are charged with a change of leaders.",
        drawing: "\
kill          election      leader    first commit
 ^               |             |           |
 |<- detection ->|
 |<------------- election ---------------->|",
    },
    Definition {
        name: "Election",
        field: "`election_ms`, `faults[].elected_ms`",
        objectives: "`election.p50`, `election.p99`, `election.max`",
        begins: "as detection.",
        ends: "a leader of a later term has committed its first entry, and may serve.",
        clipped: "nothing. There is no figure if the history ends before, and an objective is \
                  then missed.",
        counts: "as detection. With every node down it holds the outage.",
        drawing: "(as above)",
    },
    Definition {
        name: "Recovery: service",
        field: "`recovery_ms.throughput`; from the fault's effect: objective only",
        objectives: "`recovery.max`; `recovery_time` from the fault's effect",
        begins: "a new leader, whose predecessor a fault took away, has committed its first entry.",
        ends: "the first second begins in which acknowledgements come at 90 % of the warm-up's \
               rate or more, and at least 99 % of them took at most twice their service's \
               warm-up p99.",
        clipped: "seconds that reach beyond the end of serve. What is not seen is counted as such.",
        counts: "acknowledged operations of all services and probes; long polls count for the \
                 rate alone.",
        drawing: "\
first commit     slow, few     as before
     |........................|=========| 1 s
     |<------ recovery ------>|",
    },
    Definition {
        name: "Recovery: members",
        field: "`recovery_ms.members`",
        objectives: "",
        begins: "as for service.",
        ends: "every node that runs and is heard at that moment has reported the index of that \
               commit, or a later one.",
        clipped: "nodes that a fault keeps down or cuts off from a majority at that moment. Nodes \
                  report only every so many entries, so it is an upper bound.",
        counts: "changes of leaders that a fault caused.",
        drawing: "\
node-2 (leader)  commit 40
                     |
node-3               |      applied 41
                     |<------->|",
    },
    Definition {
        name: "Recovery: rejoin",
        field: "`recovery_ms.rejoin`",
        objectives: "",
        begins: "a fault is healed that kept nodes down, or cut them off from a majority.",
        ends: "each of them has reported the highest index that any node had committed by then.",
        clipped: "nothing; an upper bound as for members.",
        counts: "every healing of a fault of processes, of an isolation, and of a partition for \
                 the nodes that it cut off.",
        drawing: "\
partition ========== healed
node-1 (cut off)        |       applied what was committed
                        |<---------->|",
    },
    Definition {
        name: "Data loss",
        field: "`data_loss.lost`, `.duplicated`, `.phantom`, `.unaudited`",
        objectives: "`lost`",
        begins: "a write is acknowledged.",
        ends: "the audit has read its queue to the end, or its key or list.",
        clipped: "writes that the audit did not come to are unaudited, and an objective is then \
                  missed.",
        counts: "acknowledged publishes, writes to the cache and pushes to lists, of the whole run \
                 and of probes too. A message among dead letters is not lost, nor as many values \
                 of lists as pops of these lists without an answer may have taken; what a move \
                 without an answer may hide from the audit is unaudited.",
        drawing: "\
publish a  ok                          audit: a
publish b  ok                          audit: -      b is lost
publish c  timed out                   audit: -      c may be missing",
    },
    Definition {
        name: "Recovery point",
        field: "`data_loss.window_ms`",
        objectives: "`recovery_point`",
        begins: "the first of the lost writes is sent.",
        ends: "the last of them is acknowledged.",
        clipped: "nothing; zero if none is lost.",
        counts: "lost writes.",
        drawing: "\
lost write          lost write
 |--ok                 |--ok
 |<----- window --------->|",
    },
    Definition {
        name: "Throughput",
        field: "`throughput.SERVICE.PHASE`",
        objectives: "`throughput.*`, `rate.*` from the start of chaos to the last operation sent \
                     in it, without probes",
        begins: "the phase begins.",
        ends: "the phase ends.",
        clipped: "`lowest` is the fewest in any second of the phase that begins at a tenth of a \
                  second.",
        counts: "acknowledged operations, probes included, by when the answer came.",
        drawing: "\
phase |  ok ok  ok   ok | ok
      |<-- 4 acked ---->|",
    },
    Definition {
        name: "Latency",
        field: "`latency_us.SERVICE.OPERATION.PHASE.OUTCOME`",
        objectives: "`latency.*`, of workloads from the start of chaos to the end of serve, exact",
        begins: "the operation was meant to start, in an open loop; it was sent, in a closed one. \
                 So a closed loop leaves out what it would have asked while it waited.",
        ends: "its outcome is known.",
        clipped: "operations that are outstanding at the end have none. Percentiles are by nearest \
                  rank, and in the table by phase exact to three digits.",
        counts: "operations by service, name, phase of their start and outcome, probes included; \
                 waiting on request is part of it.",
        drawing: "\
intended   sent        answer
   |--------|-------------|
   |<----- latency ------>|",
    },
    Definition {
        name: "Error and success rate",
        field: "`operations`, `errors`",
        objectives: "`error_rate`, `success_rate`, `flat.error_rate`",
        begins: "chaos begins, or the phase named.",
        ends: "serve ends, or the phase.",
        clipped: "operations that start outside.",
        counts: "operations of workloads: those that failed or were never answered, of all.",
        drawing: "\
ok ok failed ok unknown ok ok ok     2 of 8: 25 %",
    },
];

const HEAD: &str = "\
# What the figures mean

Every figure of a report: when its time begins and ends, what is cut off, what counts. This page \
is written from the table in \
[`simulator/measure/src/definitions.rs`](../simulator/measure/src/definitions.rs), and \
`simulator/tests/recount` counts the figures again from `history.jsonl` alone. Checks are another \
matter: [checks.md](checks.md); targets for figures are in [objectives.md](objectives.md).

Times are of the run's own clock. *In vain*, *answered* and *late* are explained under the first \
figure.
";

/// `docs/measures.md`.
pub fn document() -> String {
    let mut out = HEAD.to_owned();
    for figure in DEFINITIONS {
        out += &format!("\n## {}\n\n", figure.name);
        out += &format!("In `report.json`: {}.", figure.field);
        if !figure.objectives.is_empty() {
            out += &format!(" Objectives: {}.", figure.objectives);
        }
        out += &format!("\n\n```text\n{}\n```\n\n", figure.drawing);
        for (what, text) in [
            ("Begins when", figure.begins),
            ("Ends when", figure.ends),
            ("Clipped", figure.clipped),
            ("Counts", figure.counts),
        ] {
            out += &format!("- **{what}:** {text}\n");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::causes::GRACE_US;
    use crate::downtime::{ENOUGH, LATE, PAUSE_US, SLOW_US};

    #[test]
    fn the_document_is_written_from_the_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/measures.md");
        let document = document();
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(path, &document).expect("the document can be written");
        }
        let stored = std::fs::read_to_string(path).expect("the document is there");
        assert_eq!(stored, document, "UPDATE_GOLDEN=1 writes it anew");
    }

    #[test]
    fn the_words_have_the_numbers_of_the_code() {
        assert_eq!((SLOW_US, LATE, ENOUGH), (500_000, 3, 100));
        assert_eq!((PAUSE_US, GRACE_US), (1_000_000, 2_000_000));
    }
}
