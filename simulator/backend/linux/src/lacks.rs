//! What no backend of real nodes can do.

/// The [`squall_backend::Lacks`] of a backend whose nodes are `$nodes`, a word like "containers",
/// on this machine.
#[macro_export]
macro_rules! real_nodes_lack {
    ($nodes:literal) => {
        $crate::Lacks {
            clock_skew: Some(concat!(
                "cannot set clocks wrong ([clock]): ",
                $nodes,
                " share the machine's; leave it out"
            )),
            hardware: Some(concat!(
                "cannot be as fast as a profile says (--profile, [hardware]): ",
                $nodes,
                " are as fast as this machine; leave it out"
            )),
            regions: Some(concat!(
                "cannot put members far apart ([[region]]): ",
                $nodes,
                " are all on this machine; leave the regions out"
            )),
            loss: Some(
                "does not lose packets all the time (`loss` in [network]): write a fault with \
                 `link`",
            ),
            bandwidth: None,
            points: Some(
                "runs nodes as they are: nothing can be made to happen at points of their code; \
                 leave out [[point]], `points` and `at_points`, and faults whose `when` is a point",
            ),
            order: Some("leaves to this machine what goes first; leave `order` in [schedule] out"),
        }
    };
}
