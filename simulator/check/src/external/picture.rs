//! A violation as a timeline: clients are rows, operations are bars, faults are shaded.
//!
//! One HTML page with an SVG picture in it, readable in light and in dark, without scripts
//! and without anything from elsewhere. Time runs in events, not in seconds: only their
//! order decides. Numbers on the bars are places in the longest order that explains a part
//! of the history; the operation that fits nowhere is red.

use std::fmt::Write;

use super::scene::{Bar, Scene, Shade};

const ROW: usize = 34;
const BAR: usize = 24;
const LEFT: usize = 150;
const TOP: usize = 46;
const RIGHT: usize = 240;
/// How far the bar of an unknown outcome runs past the last event.
const OPEN: usize = 40;
/// Width of one event; and of one letter, so that labels are cut where bars end.
const EVENT: usize = 52;
const LETTER: usize = 7;

const STYLE: &str = "\
.bg{fill:#fff}.row{stroke:#ddd}.name,.label,.note{font:12px ui-monospace,monospace;fill:#222}\
.note{fill:#666}.ordered{fill:#cfe3f7;stroke:#3572b0}.other{fill:#eee;stroke:#999}\
.stuck{fill:#f7c9c4;stroke:#c0271a;stroke-width:2}.unknown{stroke-dasharray:4 3}\
.fault{fill:#f3d9a4;fill-opacity:.45}.place{font:bold 11px ui-monospace,monospace;fill:#1d4f85}\
@media (prefers-color-scheme:dark){.bg{fill:#181a1f}.row{stroke:#333}\
.name,.label{fill:#e4e4e4}.note{fill:#9a9a9a}.ordered{fill:#1f3f60;stroke:#6aa6de}\
.other{fill:#2c2e33;stroke:#777}.stuck{fill:#5b201b;stroke:#ff7a6b}\
.fault{fill:#7a5a1a}.place{fill:#9ccbf5}}";

const PAGE_STYLE: &str = "\
:root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;margin:1.5rem;\
background:#fff;color:#222}.scroll{overflow-x:auto}h1{font-size:1.2rem}\
td{padding:.1rem .8rem .1rem 0;font:13px ui-monospace,monospace;vertical-align:top}\
tr.stuck td{color:#c0271a;font-weight:bold}\
@media (prefers-color-scheme:dark){body{background:#181a1f;color:#e4e4e4}\
tr.stuck td{color:#ff7a6b}}";

impl Scene {
    /// One HTML page that needs nothing else.
    pub fn to_html(&self) -> String {
        html(self)
    }
}

fn html(scene: &Scene) -> String {
    let title = escaped(&scene.title);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title}</title><style>{PAGE_STYLE}</style></head>\n<body><h1>{title}</h1>\n"
    );
    let ordered = scene.bars.iter().filter_map(|bar| bar.place).max();
    let ordered = ordered.unwrap_or(0);
    let _ = writeln!(
        page,
        "<p>The first {} events of the history are already wrong. Blue, numbered: the longest \
         order found that respects time and answers ({ordered} operations). Red: what then had \
         to come, and does not fit. Grey: not ordered. Dashed, open: outcome unknown. \
         {} earlier operations are not shown.</p>\n<div class=\"scroll\">",
        scene.prefix, scene.earlier
    );
    svg(&mut page, scene);
    page.push_str("</div>\n<table>\n");
    let mut bars: Vec<&Bar> = scene.bars.iter().collect();
    bars.sort_by_key(|bar| (bar.place.is_none(), bar.place, bar.shown.invoked));
    for bar in bars {
        let class = if bar.is_stuck { " class=\"stuck\"" } else { "" };
        let place = bar.place.map_or(String::new(), |place| format!("{place}."));
        let words = escaped(&bar.shown.words);
        let _ = writeln!(page, "<tr{class}><td>{place}</td><td>{words}</td></tr>");
    }
    page.push_str("</table></body></html>\n");
    page
}

/// Where things stand.
struct Layout<'s> {
    /// Positions of the events shown, in order.
    events: Vec<usize>,
    clients: Vec<&'s str>,
}

impl<'s> Layout<'s> {
    fn new(scene: &'s Scene) -> Self {
        let bars = scene.bars.iter().map(|bar| &bar.shown);
        let mut events: Vec<usize> = bars
            .clone()
            .flat_map(|shown| [Some(shown.invoked), shown.returned])
            .flatten()
            .collect();
        events.sort_unstable();
        let mut clients: Vec<&str> = Vec::new();
        for shown in bars {
            if !clients.contains(&&*shown.client) {
                clients.push(&shown.client);
            }
        }
        // Client 10 after client 9.
        clients.sort_unstable_by_key(|name| (name.len(), *name));
        Self { events, clients }
    }

    /// The place of the first event shown that is not before `position`.
    fn x(&self, position: usize) -> usize {
        LEFT + EVENT * self.events.partition_point(|&event| event < position)
    }

    fn y(&self, client: &str) -> usize {
        let row = self.clients.iter().position(|&name| name == client);
        TOP + ROW * row.expect("every bar's client has a row")
    }

    fn end(&self) -> usize {
        LEFT + EVENT * self.events.len()
    }

    fn bottom(&self) -> usize {
        TOP + ROW * self.clients.len()
    }
}

fn svg(page: &mut String, scene: &Scene) {
    let layout = Layout::new(scene);
    let (width, height) = (layout.end() + RIGHT, layout.bottom() + 30);
    let _ = writeln!(
        page,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\"><style>{STYLE}</style>\
         <rect class=\"bg\" width=\"{width}\" height=\"{height}\"/>"
    );
    for (number, fault) in scene.faults.iter().enumerate() {
        shade(page, &layout, fault, number);
    }
    for client in &layout.clients {
        let y = layout.y(client) + BAR / 2;
        let name = escaped(&cut(client, (LEFT - 16) / LETTER));
        let _ = writeln!(
            page,
            "<line class=\"row\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{y}\" y2=\"{y}\"/>\
             <text class=\"name\" x=\"8\" y=\"{}\">{name}</text>",
            layout.end() + RIGHT,
            y + 4
        );
    }
    for bar in &scene.bars {
        draw(page, &layout, &scene.bars, bar);
    }
    let _ = writeln!(
        page,
        "<text class=\"note\" x=\"{LEFT}\" y=\"{}\">events, in order →</text></svg>",
        layout.bottom() + 18
    );
}

fn shade(page: &mut String, layout: &Layout, fault: &Shade, number: usize) {
    let is_over = |until| layout.events.first().is_some_and(|&first| until < first);
    let is_later = layout.events.last().is_none_or(|&last| last < fault.from);
    if fault.until.is_some_and(is_over) || is_later {
        return;
    }
    // Between two events of this object there may have been no third, but there was a fault.
    let from = layout.x(fault.from).saturating_sub(LETTER);
    let until = fault.until.map_or(layout.end(), |until| layout.x(until));
    let what = escaped(&fault.what);
    let _ = writeln!(
        page,
        "<rect class=\"fault\" x=\"{from}\" y=\"{}\" width=\"{}\" height=\"{}\">\
         <title>{what}</title></rect><text class=\"note\" x=\"{}\" y=\"{}\">{what}</text>",
        TOP - 10,
        until - from,
        layout.bottom() - TOP + 10,
        from + 4,
        14 + 14 * (number % 2),
    );
}

fn draw(page: &mut String, layout: &Layout, bars: &[Bar], bar: &Bar) {
    let shown = &bar.shown;
    let from = layout.x(shown.invoked);
    let until = match shown.returned {
        Some(returned) => layout.x(returned),
        None => layout.end() + OPEN,
    };
    let width = (until - from).max(LETTER);
    let kind = match (bar.is_stuck, bar.place) {
        (true, _) => "stuck",
        (false, Some(_)) => "ordered",
        (false, None) => "other",
    };
    let open = if shown.returned.is_none() {
        " unknown"
    } else {
        ""
    };
    let y = layout.y(&shown.client);
    let place = bar.place.map_or(String::new(), |place| place.to_string());
    // A label may run on to the right until the client's next bar.
    let next = (bars.iter().map(|other| &other.shown))
        .filter(|other| other.client == shown.client && other.invoked > shown.invoked)
        .map(|other| layout.x(other.invoked))
        .min();
    let next = next.unwrap_or(layout.end() + RIGHT).max(from + width);
    let room = ((next - from) / LETTER).saturating_sub(place.len() + 1);
    let _ = writeln!(
        page,
        "<g><title>{}</title><rect class=\"{kind}{open}\" x=\"{from}\" y=\"{y}\" rx=\"3\" \
         width=\"{width}\" height=\"{BAR}\"/><text class=\"place\" x=\"{}\" y=\"{}\">{place}\
         </text><text class=\"label\" x=\"{}\" y=\"{}\">{}</text></g>",
        escaped(&shown.words),
        from + 3,
        y + 16,
        from + 4 + LETTER * place.len(),
        y + 16,
        escaped(&cut(&shown.label, room)),
    );
}

/// At most `room` letters.
fn cut(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.into();
    }
    match room {
        0 | 1 => String::new(),
        room => text.chars().take(room - 1).chain(['…']).collect(),
    }
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            control if control.is_control() => escaped.push(' '),
            letter => escaped.push(letter),
        }
    }
    escaped
}
