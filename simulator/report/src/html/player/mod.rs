//! The player of a run's page: the cluster in a ring, to be played, scrubbed and stepped
//! through.
//!
//! [`Player`] is what it plays, as plain data; who makes it knows histories and traces, the page
//! only shows it. The script (`data.js`, `stage.js`, `controls.js`, one after the other in one
//! scope) reads that from the page and draws. What broke is in the page as text, with or
//! without the script.

mod model;

use maud::{Markup, PreEscaped, html};

pub use model::{Answer, PlayedFault, Player, Violation};

const STYLE: &str = include_str!("player.css");
const SCRIPT: &str = concat!(
    "(() => {",
    include_str!("data.js"),
    include_str!("stage.js"),
    include_str!("controls.js"),
    "})();"
);

/// Lines of the scrubber: what the script calls them, and their titles.
const LANES: [(&str, &str); 6] = [
    ("phase", "phase"),
    ("fault", "faults"),
    ("leader", "leader"),
    ("down", "down"),
    ("recorded", "recorded"),
    ("broken", "broken"),
];

/// How fast it plays, in seconds of the run a second; the first is chosen.
const SPEEDS: [(&str, &str); 8] = [
    ("0.01", "1/100"),
    ("0.002", "1/500"),
    ("0.005", "1/200"),
    ("0.02", "1/50"),
    ("0.1", "1/10"),
    ("0.25", "1/4"),
    ("1", "1"),
    ("5", "5"),
];

impl Player {
    /// As it stands in the page: no text in it can end the element around it.
    pub fn json(&self) -> String {
        let json = serde_json::to_string(self).expect("it is plain data");
        json.replace('<', "\\u003c")
    }
}

/// The section of the page, with its style and script.
pub fn section(player: &Player) -> Markup {
    html! {
        style { (PreEscaped(STYLE)) }
        section.player id="player" {
            h2 { "Player" }
            @for violation in &player.violations { (broken(violation)) }
            @for note in &player.notes { p.note { (noted(note)) } }
            noscript { p.note { "The player needs the script of this page." } }
            div.live hidden {
                (picture(player))
                (tables(player))
            }
        }
        script type="application/json" id="player-data" { (PreEscaped(player.json())) }
        script { (PreEscaped(SCRIPT)) }
    }
}

/// Words with commands in backticks.
fn noted(note: &str) -> Markup {
    html! {
        @for (nth, part) in note.split('`').enumerate() {
            @if nth % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

/// What broke, who answered, and what that node left out.
fn broken(violation: &Violation) -> Markup {
    html! {
        div.violation {
            h3 { (violation.check) " is broken" }
            p { (violation.detail) }
            @if !violation.answers.is_empty() {
                ul {
                    @for answer in &violation.answers {
                        li.superseded[answer.is_superseded]
                            data-op=(answer.op) data-node=[answer.node.as_deref()] data-term=[answer.term] {
                            (answer.words) " "
                            button type="button" data-to=(answer.at) data-message=(answer.message.unwrap_or(0)) {
                                "Show"
                            }
                        }
                    }
                }
            }
            @if !violation.steps.is_empty() {
                h4 { "What was left out" }
                ul { @for step in &violation.steps { li { (step) } } }
            }
        }
    }
}

fn picture(player: &Player) -> Markup {
    let label = format!(
        "The cluster at a moment: {} nodes in a ring, clients beneath, messages between them. \
         The tables below have the same as text.",
        player.nodes.len()
    );
    html! {
        p.standing {
            b.clock {} span.where {} span.inforce {} span.recorded {}
        }
        div.side {
            div.view {
                svg.stage role="img" aria-label=(label) {
                    defs {
                        marker id="player-tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto" {
                            path d="M0 0L8 4L0 8z" {}
                        }
                    }
                }
                (legend())
            }
            div.steer { (controls(player)) }
            div.list {
                p.said aria-live="polite" {}
                ol.moments aria-label="What happens around this moment" {}
            }
        }
    }
}

fn legend() -> Markup {
    let kinds = [
        ("log", "append"),
        ("beat", "heartbeat"),
        ("vote", "vote"),
        ("call", "client"),
        ("bulk", "snapshot"),
    ];
    html! {
        ul.legend aria-label="Colours of messages" {
            @for (class, name) in kinds {
                li { i class=(format!("dot {class}")) {} (name) }
            }
            li { i.dot.call.hollow {} "answer" }
            li { i.dot.heldup {} "held up" }
            li { i.line.cut {} "link cut" }
            li { i.line.slow {} "slow" }
        }
    }
}

fn controls(player: &Player) -> Markup {
    let named = [
        ("home", "|◀", "Begin of the run (Home)"),
        (
            "before",
            "◀◀",
            "Fault, outage or change of leaders before (Page Up)",
        ),
        ("back", "◀ step", "One event back (left arrow)"),
        ("play", "▶", "Play (space)"),
        ("on", "step ▶", "One event on (right arrow)"),
        (
            "after",
            "▶▶",
            "Next fault, outage or change of leaders (Page Down)",
        ),
        ("end", "▶|", "End of the run (End)"),
    ];
    let named = named.map(|(does, text, label)| button(does, text, label));
    html! {
        div.controls role="group" aria-label="Play" {
            @for shown in named { (shown) }
            @if !player.violations.is_empty() {
                button.jump type="button" data-does="violation" title="What broke (J)" { "Violation" }
            }
            label { "speed " select { @for (value, text) in SPEEDS { option value=(value) { (text) } } } }
            label { input type="checkbox"; " heartbeats" }
        }
        div.scrubber role="slider" tabindex="0" aria-label="Moment of the run" aria-valuemin="0"
            aria-valuemax="0" aria-valuenow="0" {
            @for (lane, title) in LANES {
                span { (title) }
                div.lane-of data-lane=(lane) {}
            }
            div.at {}
        }
        div.zoom {
            span.from {}
            span {
                (button("closer", "+", "Look closer (+)"))
                (button("wider", "−", "Look wider (-)"))
                (button("whole", "whole run", "The whole run (0)"))
            }
            span.until {}
        }
        p.note.keys {
            "Keys, once it has the focus: space plays; arrows step, with Shift by 1 ms; Page Up and Page Down go to "
            "faults, outages and changes of leaders, J to what broke; Home and End; + and - look closer, 0 at the whole run."
        }
    }
}

fn button(does: &str, text: &str, label: &str) -> Markup {
    html! { button type="button" data-does=(does) title=(label) aria-label=(label) { (text) } }
}

fn tables(player: &Player) -> Markup {
    html! {
        div.both {
            div.scroll tabindex="0" {
                table.nodes {
                    thead { tr {
                        th { "node" } th { "role" } th { "term" }
                        th { "commit / applied / last" } th { "trouble" }
                    } }
                    tbody {}
                }
            }
            @if !player.clients.is_empty() {
                details {
                    summary { "Clients and their operations" }
                    div.scroll tabindex="0" {
                        table.clients {
                            thead { tr { th { "client" } th { "asked" } th { "answer" } } }
                            tbody {}
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_the_data_ends_its_element() {
        let player = Player {
            texts: vec!["get </script><b>".into()],
            ..Player::default()
        };
        let page = section(&player).into_string();
        assert_eq!(page.matches("</script>").count(), 2);
        assert!(page.contains("\\u003c/script>\\u003cb>"));
    }

    #[test]
    fn nothing_is_loaded_from_anywhere() {
        for text in [STYLE, SCRIPT] {
            for word in ["http:", "https:", "@import", "import(", "fetch("] {
                assert!(!text.contains(word), "{word}");
            }
        }
        let elsewhere = STYLE.replace("url(#", "");
        assert!(!elsewhere.contains("url("));
    }

    #[test]
    fn what_broke_is_text_of_the_page() {
        let answer = Answer {
            op: 592,
            words: "op 592: answered by node-1, leader of term 1".into(),
            node: Some("node-1".into()),
            term: Some(1),
            at: 2_469_317,
            message: Some(2_247),
            is_superseded: true,
        };
        let player = Player {
            violations: vec![Violation {
                check: "C1 cache_linearizable".into(),
                answers: vec![answer],
                ..Violation::default()
            }],
            ..Player::default()
        };
        let page = section(&player).into_string();
        let item = "<li class=\"superseded\" data-op=\"592\" data-node=\"node-1\" data-term=\"1\">";
        assert!(page.contains(item), "{page}");
        assert!(page.contains("answered by node-1, leader of term 1"));
    }
}
