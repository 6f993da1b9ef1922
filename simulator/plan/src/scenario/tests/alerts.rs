//! Alerts: what can be written, and what is wrong with what cannot.

use super::*;
use squall_objective::alert::{AlertAction, Severity};

#[test]
fn an_alert_has_a_limit_in_the_unit_of_its_figure() {
    let body = "[[alert]]\nfigure = \"latency.lock.acquire.p99\"\nlimit = \"100ms\"\n\
                clear = \"50ms\"\nfor = \"2s\"\ncommand = [\"a\", \"b\"]\n\
                webhook = \"http://localhost:9/x\"\n\
                [[alert]]\nname = \"slow\"\nfigure = \"throughput.minimum\"\nlimit = \"2.5/s\"\n\
                severity = \"critical\"\n\
                [[alert]]\nfigure = \"backlog_end\"\nlimit = 50\n\
                [[alert]]\nfigure = \"memory\"\nlimit = \"1MB\"\n\
                [[alert]]\nfigure = \"hit_rate\"\nlimit = \"80%\"\nclear = \"90%\"\n";
    let plan = Plan::resolve(&parse_with(body, &[]).unwrap(), 1).unwrap();
    let limits = plan.alerts.iter().map(|alert| (alert.limit, alert.clear));
    assert_eq!(
        limits.collect::<Vec<_>>(),
        [
            (100_000, 50_000),
            (2_500, 2_500),
            (50, 50),
            (1_000_000, 1_000_000),
            (800_000, 900_000),
        ]
    );
    let first = &plan.alerts[0];
    assert_eq!(
        (first.name.as_str(), first.for_us),
        ("latency.lock.acquire.p99", 2_000_000)
    );
    assert_eq!(first.severity, Severity::Warning);
    let webhook = AlertAction::Webhook("http://localhost:9/x".into());
    let command = AlertAction::Command(vec!["a".into(), "b".into()]);
    assert_eq!(first.actions, [command, webhook]);
    assert_eq!(plan.alerts[1].severity, Severity::Critical);
    let faster = [("alert.1.limit", "9/s")];
    let plan = Plan::resolve(&parse_with(body, &faster).unwrap(), 1).unwrap();
    assert_eq!(plan.alerts[1].limit, 9_000);
}

#[test]
fn mistakes() {
    let alert = |text: &str| error(&format!("[[alert]]\n{text}"));
    let error_rate = |text: &str| alert(&format!("figure = \"error_rate\"\n{text}"));
    let begins = [
        (
            alert("figure = \"errors\"\nlimit = \"5%\""),
            "t.toml:3:10: there is no figure `errors`",
        ),
        (
            alert("figure = \"lost\"\nlimit = 1"),
            "t.toml:3:10: `lost` is known when the run is over",
        ),
        (
            alert("figure = \"latency.lock.take.p99\"\nlimit = \"1ms\""),
            "t.toml:3:10: no operation `take` of the service lock, expected one of",
        ),
        (
            alert("figure = \"throughput.tape.peak\"\nlimit = \"1/s\""),
            "t.toml:3:10: no workload asks a service `tape`",
        ),
        (error_rate(""), "t.toml:2:1: missing field `limit`"),
        (error_rate("limit = 5"), "t.toml:4:9: share `5` has no unit"),
        (
            error_rate("limit = \"5ms\""),
            "t.toml:4:9: unknown unit `ms` in share `5ms`",
        ),
        (
            error_rate("limit = -1"),
            "t.toml:4:9: a limit is not negative",
        ),
        (error_rate("limit = [1]"), "t.toml:4:9: invalid type"),
        (
            error_rate("limit = \"5%\"\nclear = \"6%\""),
            "t.toml:5:9: clear is above the limit",
        ),
        (
            alert("figure = \"hit_rate\"\nlimit = \"5%\"\nclear = \"4%\""),
            "t.toml:5:9: clear is below the limit",
        ),
        (
            error_rate("limit = \"5%\"\nseverity = \"bad\""),
            "t.toml:5:12: unknown variant `bad`",
        ),
        (
            error_rate("limit = \"5%\"\ncommand = []"),
            "t.toml:5:11: command names no program",
        ),
        (
            error_rate("limit = \"5%\"\ncommand = \"x\""),
            "t.toml:5:11: invalid type: string",
        ),
        (
            error_rate("limit = \"5%\"\nwebhook = \"https://example.com/\""),
            "t.toml:5:11: webhook is plain http, for a receiver nearby; let `command` call curl",
        ),
        (
            error_rate("limit = \"5%\"\nwebhook = \"localhost\""),
            "t.toml:5:11: webhook is an address",
        ),
        (
            error_rate("limit = \"5%\"\nwebhook = \"http:///x\""),
            "t.toml:5:11: webhook is an address",
        ),
        (
            error_rate("limit = \"5%\"\nname = \" \""),
            "t.toml:5:8: the name of an alert",
        ),
        (
            error_rate("limit = \"5%\"\n[[alert]]\nfigure = \"error_rate\"\nlimit = \"6%\""),
            "t.toml:6:10: another alert is called `error_rate`; give each a name",
        ),
        (
            error_rate("limit = \"5%\"\nfro = \"5s\""),
            "t.toml:5:1: unknown field `fro`",
        ),
    ];
    for (found, begin) in begins {
        assert!(found.starts_with(begin), "{found}\ninstead of\n{begin}");
    }
    let many: String = (0..33)
        .map(|i| format!("[[alert]]\nname = \"{i}\"\nfigure = \"error_rate\"\nlimit = \"5%\"\n"))
        .collect();
    let found = error(&many);
    assert!(
        found.starts_with("t.toml:130:1: more than 32 alerts"),
        "{found}"
    );
}
