//! Cases as JUnit XML, which CI servers read.
//!
//! A violation, a missed objective, a regression and a seed with two histories are `failure`s
//! of a type of their own; what is inconclusive is an `error`; what was not judged is
//! `skipped`, with its reason. No times and no ids, so that a seed's file is the same
//! wherever it is made. Elements and attributes are those of Jenkins' `junit-10.xsd`, which
//! other servers read as well.

use std::borrow::Cow;
use std::io;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use crate::cases::{Case, Finding, Outcome, Suite};

type Xml = Writer<Vec<u8>>;

/// The whole file.
pub fn xml(suites: &[Suite]) -> String {
    let mut xml = Writer::new_with_indent(Vec::new(), b' ', 2);
    write(&mut xml, suites).expect("memory can be written to");
    String::from_utf8(xml.into_inner()).expect("it is made of strings") + "\n"
}

fn write(xml: &mut Xml, suites: &[Suite]) -> io::Result<()> {
    let declaration = BytesDecl::new("1.0", Some("UTF-8"), None);
    xml.write_event(Event::Decl(declaration))?;
    let [tests, failures, errors, _] = counts(suites.iter().flat_map(|suite| &suite.cases));
    xml.create_element("testsuites")
        .with_attribute(("name", "squall"))
        .with_attributes(attributes(&[
            ("tests", tests),
            ("failures", failures),
            ("errors", errors),
        ]))
        .write_inner_content(|xml| suites.iter().try_for_each(|suite| write_suite(xml, suite)))?;
    Ok(())
}

fn write_suite(xml: &mut Xml, suite: &Suite) -> io::Result<()> {
    let [tests, failures, errors, skipped] = counts(&suite.cases);
    xml.create_element("testsuite")
        .with_attribute(("name", clean(&suite.name).as_str()))
        .with_attributes(attributes(&[
            ("tests", tests),
            ("failures", failures),
            ("errors", errors),
            ("skipped", skipped),
        ]))
        .write_inner_content(|xml| {
            let mut cases = suite.cases.iter();
            cases.try_for_each(|case| write_case(xml, &suite.name, case))
        })?;
    Ok(())
}

fn write_case(xml: &mut Xml, suite: &str, case: &Case) -> io::Result<()> {
    let class = format!("{suite}.{}", case.group.label());
    let element = xml
        .create_element("testcase")
        .with_attribute(("name", clean(&case.name).as_str()))
        .with_attribute(("classname", clean(&class).as_str()));
    match &case.outcome {
        Outcome::Passed => element.write_empty()?,
        Outcome::Skipped(why) => element.write_inner_content(|xml| {
            let skipped = xml.create_element("skipped");
            let message = clean(why);
            skipped
                .with_attribute(("message", message.as_str()))
                .write_empty()?;
            Ok(())
        })?,
        Outcome::Found(found) => element.write_inner_content(|xml| write_found(xml, found))?,
    };
    Ok(())
}

fn write_found(xml: &mut Xml, found: &Finding) -> io::Result<()> {
    let name = if found.kind.is_failure() {
        "failure"
    } else {
        "error"
    };
    let element = xml
        .create_element(name)
        .with_attribute(("message", clean(&found.message).as_str()))
        .with_attribute(("type", found.kind.label()));
    if found.detail.is_empty() {
        element.write_empty()?;
    } else {
        let detail = clean(&found.detail.join("\n"));
        element.write_text_content(BytesText::new(&detail))?;
    }
    Ok(())
}

/// How many cases there are, and how many failed, were inconclusive, or were not judged.
fn counts<'a>(cases: impl IntoIterator<Item = &'a Case>) -> [usize; 4] {
    let mut counts = [0; 4];
    for case in cases {
        counts[0] += 1;
        match &case.outcome {
            Outcome::Passed => {}
            Outcome::Found(found) if found.kind.is_failure() => counts[1] += 1,
            Outcome::Found(_) => counts[2] += 1,
            Outcome::Skipped(_) => counts[3] += 1,
        }
    }
    counts
}

fn attributes(counts: &[(&'static str, usize)]) -> Vec<(&'static str, Cow<'static, str>)> {
    counts
        .iter()
        .map(|(name, count)| (*name, count.to_string().into()))
        .collect()
}

/// Without the characters that no XML file may hold.
fn clean(text: &str) -> String {
    let forbidden = |c: char| {
        (c.is_control() && !matches!(c, '\t' | '\n' | '\r')) || matches!(c, '\u{fffe}' | '\u{ffff}')
    };
    text.replace(forbidden, "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::{Group, Kind};

    #[test]
    fn what_clients_wrote_is_text_and_not_xml() {
        let found = Finding {
            kind: Kind::Violation,
            message: "<a> & \"b\" \u{1b}[31m".into(),
            detail: vec!["]]> <c>".into(), "\u{0}".into()],
        };
        let suite = Suite {
            name: "s".into(),
            cases: vec![Case::found(Group::Check, "L1 <x>", Some(found))],
        };
        let written = xml(&[suite]);
        let expected = "    <testcase name=\"L1 &lt;x&gt;\" classname=\"s.checks\">\n      \
            <failure message=\"&lt;a&gt; &amp; &quot;b&quot; \u{fffd}[31m\" type=\"violation\">\
            ]]&gt; &lt;c&gt;\n\u{fffd}</failure>\n";
        assert!(written.contains(expected), "{written}");
        let head = "<testsuite name=\"s\" tests=\"1\" failures=\"1\" errors=\"0\" skipped=\"0\">";
        assert!(written.contains(head), "{written}");
    }
}
