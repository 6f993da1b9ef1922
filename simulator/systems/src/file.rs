//! What stands in a system file, read strictly: unknown keys, unknown places of templates and
//! promises that contradict each other are refused with line and column.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use squall_plan::scenario::{ScenarioError, TomlFile};
use toml::Spanned;

use crate::command::{self, Mark, Output};
use crate::on::On;
use crate::shipped;
use crate::table::{Protocol, Table};
use crate::template::{Argument, Template};

/// A system file that passed every check.
#[derive(Debug, Clone)]
pub struct SystemFile {
    pub(crate) table: Table,
    pub(crate) commands: Commands,
    /// The directory of the file.
    pub(crate) here: PathBuf,
    /// Of what runs beside the nodes.
    pub(crate) mark: Mark,
    text: String,
}

/// The templates of a file, read.
#[derive(Debug, Clone)]
pub(crate) struct Commands {
    pub(crate) nodes: Vec<(On, Vec<Argument>)>,
    pub(crate) sides: Vec<(On, String, Vec<Argument>)>,
    pub(crate) files: Vec<(On, PathBuf, Template)>,
    pub(crate) after: Vec<(usize, Vec<Argument>)>,
    pub(crate) client: Option<Vec<Argument>>,
    pub(crate) status: Option<Vec<Argument>>,
}

impl SystemFile {
    /// A system that ships, by its name, or a file.
    ///
    /// # Errors
    /// There is no such system, or the file makes none: with line and column.
    pub fn load(name_or_path: &str) -> Result<Self, ScenarioError> {
        let path = Path::new(name_or_path);
        let is_path = name_or_path.ends_with(".toml") || path.components().count() > 1;
        if let Some(text) = shipped::text(name_or_path).filter(|_| !is_path) {
            return Self::parse(
                text,
                &format!("{name_or_path} (ships with squall)"),
                Path::new("."),
            );
        }
        if !is_path {
            return Err(ScenarioError::Unreadable {
                path: name_or_path.to_owned(),
                why: format!(
                    "no system of this name ships, expected one of {}, or the path of a file \
                     that ends with .toml",
                    shipped::names().join(", ")
                ),
            });
        }
        let file = TomlFile::load(path)?;
        let here = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        let here = here.unwrap_or(Path::new("."));
        let here = here.canonicalize().unwrap_or_else(|_| here.to_owned());
        Self::of(&file, &here)
    }

    /// Reads a text; `origin` is what errors call it, and `here` is what `{here}` stands for.
    ///
    /// # Errors
    /// The text makes no system.
    pub fn parse(text: &str, origin: &str, here: &Path) -> Result<Self, ScenarioError> {
        Self::of(&TomlFile::new(text, origin), here)
    }

    fn of(file: &TomlFile, here: &Path) -> Result<Self, ScenarioError> {
        let table: Table = file.read()?;
        let commands = Commands::read(&table, file)?;
        crate::check::check(&table, file)?;
        Ok(Self {
            table,
            commands,
            here: here.to_owned(),
            mark: Mark::default(),
            text: file.text().to_owned(),
        })
    }

    /// Has all that it starts from now on, commands and clients, bear these variables.
    pub fn mark(&self, variables: Vec<(String, String)>) {
        self.mark.set(variables);
    }

    /// Runs a command of the file to its end, at the root directory.
    ///
    /// # Errors
    /// It cannot be started, or writes more than 64 KiB.
    pub async fn execute(&self, argv: &[String]) -> std::io::Result<Output> {
        let command = self.mark.command(argv);
        let mut command = command.ok_or_else(|| std::io::Error::other("it has no program"))?;
        command.current_dir("/");
        command::output(command).await
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.table.name.get_ref()
    }

    /// One line about it.
    pub fn summary(&self) -> &str {
        &self.table.summary
    }

    /// What its clients speak.
    pub fn protocol(&self) -> Protocol {
        *self.table.protocol.get_ref()
    }

    /// As it was read, to be kept with a run.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The ports of a node that has an address of its own.
    pub fn ports(&self) -> &BTreeMap<String, u16> {
        self.table.ports.get_ref()
    }

    /// Of a scenario that wants so many nodes, how many there are.
    pub fn node_count(&self, wanted: u64) -> u64 {
        let Some(counts) = &self.table.nodes else {
            return wanted;
        };
        let counts = counts.get_ref().iter().copied();
        let fitting = counts.clone().filter(|count| *count <= wanted).max();
        fitting.or(counts.min()).unwrap_or(wanted)
    }
}

impl Commands {
    fn read(table: &Table, file: &TomlFile) -> Result<Self, ScenarioError> {
        let ports = table.ports.get_ref();
        let command = |command: &Spanned<Vec<Spanned<String>>>| {
            if command.get_ref().is_empty() {
                return Err(file.error(command.span(), "command is empty: expected a program"));
            }
            let read = |argument: &Spanned<String>| {
                let read = Argument::parse(argument.get_ref(), ports);
                read.map_err(|why| file.error(argument.span(), why))
            };
            command
                .get_ref()
                .iter()
                .map(read)
                .collect::<Result<Vec<_>, _>>()
        };
        let template = |text: &Spanned<String>| {
            let read = Template::parse(text.get_ref(), ports);
            read.map_err(|why| file.error(text.span(), why))
        };
        let path = |path: &Spanned<String>| {
            let relative = PathBuf::from(path.get_ref());
            let is_below =
                (relative.components()).all(|part| matches!(part, std::path::Component::Normal(_)));
            match is_below && !path.get_ref().is_empty() {
                true => Ok(relative),
                false => Err(file.error(path.span(), "path must stay below the node's directory")),
            }
        };
        Ok(Self {
            nodes: (table.node.iter())
                .map(|node| Ok((node.on.clone(), command(&node.command)?)))
                .collect::<Result<_, _>>()?,
            sides: (table.side.iter())
                .map(|side| Ok((side.on.clone(), side.name.clone(), command(&side.command)?)))
                .collect::<Result<_, _>>()?,
            files: (table.file.iter())
                .map(|of| Ok((of.on.clone(), path(&of.path)?, template(&of.content)?)))
                .collect::<Result<_, _>>()?,
            after: (table.after.iter())
                .map(|after| Ok((after.on, command(&after.command)?)))
                .collect::<Result<_, _>>()?,
            client: (table.client.as_ref())
                .map(|client| command(&client.command))
                .transpose()?,
            status: (table.status.as_ref())
                .map(|status| command(&status.command))
                .transpose()?,
        })
    }
}
