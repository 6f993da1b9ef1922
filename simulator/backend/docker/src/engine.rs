//! The Docker engine of this machine, as far as a run needs it. bollard's types stop here.
//!
//! Every request says what it was for, so that an error of the engine reads as one line.

#![allow(clippy::disallowed_types)] // bollard takes labels and filters as hash maps

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::models::{
    ContainerCreateBody, HealthConfig, HostConfig, HostConfigLogConfig, Mount, MountType,
    NetworkCreateRequest, VolumeCreateRequest,
};
use bollard::query_parameters as parameters;
use bollard::{API_DEFAULT_VERSION, ClientVersion, Docker, body_full};
use futures_util::{Stream, StreamExt, TryStreamExt};
use squall_linux::host::{Output, Source};

use super::DockerError;

/// Where the engine listens unless `DOCKER_HOST` says otherwise.
const SOCKET: &str = "/var/run/docker.sock";
/// Any request but a build is answered within this many seconds.
const TIMEOUT_S: u64 = 120;
/// An engine that is there says so within this time.
const PING_LIMIT: Duration = Duration::from_secs(10);
/// The oldest engine that is known to do: 20.10.
const OLDEST_API: (usize, usize) = (1, 41);

pub(super) type Labels = Vec<(&'static str, String)>;

/// What a container is made from.
pub(super) struct Spec {
    pub name: String,
    pub image: String,
    pub command: Vec<String>,
    pub labels: Labels,
    /// A network's name, or `container:ID` to share the network of another container.
    pub network: String,
    /// Name of a volume, and where it is mounted.
    pub volume: Option<(String, String)>,
}

/// How a container stands.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct State {
    pub running: bool,
    /// Of its first process, as this machine counts; `None` when it does not run.
    pub pid: Option<i32>,
    pub exit_code: Option<i64>,
}

/// Something that bears a label of ours.
pub(super) struct Marked {
    pub kind: MarkedKind,
    pub id: String,
    pub labels: HashMap<String, String>,
}

/// In the order in which they can be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum MarkedKind {
    Container,
    Network,
    Volume,
}

#[derive(Clone)]
pub(super) struct Engine {
    docker: Docker,
}

impl Engine {
    /// Finds the engine and makes sure that it will do.
    pub(super) async fn connect() -> Result<Self, DockerError> {
        let path = socket_path()?;
        // bollard reports whatever keeps it from connecting in the same words, and asks even
        // for the version in the words of the newest.
        let version = spoken_version(&path).map_err(|e| unreachable_engine(&path, &e))?;
        let newest = (
            API_DEFAULT_VERSION.major_version,
            API_DEFAULT_VERSION.minor_version,
        );
        let (major_version, minor_version) = version.min(newest);
        if version < OLDEST_API {
            let (major, minor) = OLDEST_API;
            return Err(DockerError::Engine(format!(
                "the Docker engine is too old: it speaks API {major_version}.{minor_version}, \
                 and {major}.{minor} (Docker 20.10) is the oldest that will do"
            )));
        }
        let version = ClientVersion {
            major_version,
            minor_version,
        };
        let docker = Docker::connect_with_unix(&path.display().to_string(), TIMEOUT_S, &version);
        let docker = docker.map_err(|e| failed("talk to the Docker engine", e))?;
        Ok(Self { docker })
    }

    pub(super) async fn has_image(&self, name: &str) -> Result<bool, DockerError> {
        match self.docker.inspect_image(name).await {
            Ok(_) => Ok(true),
            Err(e) if status(&e) == Some(404) => Ok(false),
            Err(e) => Err(failed("look for an image", e)),
        }
    }

    /// Builds an image from a context, a tar archive with a `Dockerfile`.
    pub(super) async fn build(&self, name: &str, context: Vec<u8>) -> Result<(), DockerError> {
        let options = parameters::BuildImageOptionsBuilder::new()
            .t(name)
            .rm(true)
            .forcerm(true)
            .build();
        let body = Some(body_full(context.into()));
        let mut steps = Box::pin(self.docker.build_image(options, None, body));
        while let Some(step) = steps.next().await {
            let step = step.map_err(|e| failed("build the image of the nodes", e))?;
            if let Some(message) = step.error_detail.and_then(|detail| detail.message) {
                return Err(DockerError::Engine(format!(
                    "cannot build the image of the nodes: {message}"
                )));
            }
        }
        Ok(())
    }

    pub(super) async fn create_network(
        &self,
        name: &str,
        labels: &Labels,
    ) -> Result<(), DockerError> {
        let request = NetworkCreateRequest {
            name: name.to_owned(),
            driver: Some("bridge".into()),
            labels: Some(map(labels)),
            ..Default::default()
        };
        let created = self.docker.create_network(request).await;
        created.map(drop).map_err(|e| failed("create a network", e))
    }

    pub(super) async fn create_volume(
        &self,
        name: &str,
        labels: &Labels,
    ) -> Result<(), DockerError> {
        let request = VolumeCreateRequest {
            name: Some(name.to_owned()),
            labels: Some(map(labels)),
            ..Default::default()
        };
        let created = self.docker.create_volume(request).await;
        created.map(drop).map_err(|e| failed("create a volume", e))
    }

    /// Creates a container; its id.
    pub(super) async fn create(&self, spec: Spec) -> Result<String, DockerError> {
        let options = parameters::CreateContainerOptionsBuilder::new()
            .name(&spec.name)
            .build();
        let mounts = spec.volume.map(|(source, target)| {
            vec![Mount {
                typ: Some(MountType::VOLUME),
                source: Some(source),
                target: Some(target),
                ..Default::default()
            }]
        });
        let body = ContainerCreateBody {
            image: Some(spec.image),
            cmd: Some(spec.command),
            labels: Some(map(&spec.labels)),
            // What nodes say is read as they say it; a health check would be a process every
            // second in each of them.
            healthcheck: Some(HealthConfig {
                test: Some(vec!["NONE".into()]),
                ..Default::default()
            }),
            host_config: Some(HostConfig {
                network_mode: Some(spec.network),
                mounts,
                log_config: Some(HostConfigLogConfig {
                    typ: Some("none".into()),
                    config: None,
                }),
                ..Default::default()
            }),
            ..Default::default()
        };
        let created = self.docker.create_container(Some(options), body).await;
        created
            .map(|created| created.id)
            .map_err(|e| failed("create a container", e))
    }

    pub(super) async fn start(&self, container: &str) -> Result<(), DockerError> {
        let started = self.docker.start_container(container, None).await;
        started.map_err(|e| failed("start a container", e))
    }

    /// Sends a signal to the first process of a container.
    pub(super) async fn signal(&self, container: &str, name: &str) -> Result<(), DockerError> {
        let options = parameters::KillContainerOptionsBuilder::new()
            .signal(name)
            .build();
        match self.docker.kill_container(container, Some(options)).await {
            // It does not run any more.
            Err(e) if matches!(status(&e), Some(404 | 409)) => Ok(()),
            result => result.map_err(|e| failed("signal a container", e)),
        }
    }

    pub(super) async fn state(&self, container: &str) -> Result<State, DockerError> {
        let seen = self.docker.inspect_container(container, None).await;
        let state = seen.map_err(|e| failed("look at a container", e))?.state;
        let state = state.unwrap_or_default();
        Ok(State {
            running: state.running == Some(true),
            pid: state.pid.filter(|pid| *pid > 0).map(|pid| pid as i32),
            exit_code: state.exit_code,
        })
    }

    /// The container's address in a network.
    pub(super) async fn address(
        &self,
        container: &str,
        network: &str,
    ) -> Result<String, DockerError> {
        let seen = self.docker.inspect_container(container, None).await;
        let seen = seen.map_err(|e| failed("look at a container", e))?;
        let networks = seen.network_settings.and_then(|settings| settings.networks);
        let address = networks.and_then(|mut networks| networks.remove(network)?.ip_address);
        address
            .filter(|address| !address.is_empty())
            .ok_or_else(|| DockerError::Engine("a container has no address".into()))
    }

    /// What the container writes from now on, until it ends.
    pub(super) async fn attach(
        &self,
        container: &str,
    ) -> Result<impl Stream<Item = Output> + use<>, DockerError> {
        let options = parameters::AttachContainerOptionsBuilder::new()
            .stream(true)
            .stdout(true)
            .stderr(true)
            .build();
        let attached = self.docker.attach_container(container, Some(options)).await;
        let attached = attached.map_err(|e| failed("listen to a container", e))?;
        // An error of the stream is its end, which the end of the process explains.
        let output = attached.output.into_stream().filter_map(async |piece| {
            Some(match piece.ok()? {
                LogOutput::StdErr { message } => Output {
                    source: Source::Err,
                    bytes: message,
                },
                LogOutput::StdOut { message } | LogOutput::Console { message } => Output {
                    source: Source::Out,
                    bytes: message,
                },
                LogOutput::StdIn { .. } => return None,
            })
        });
        Ok(output)
    }

    /// Everything that bears the label, with this value if one is given.
    pub(super) async fn marked(
        &self,
        label: &str,
        value: Option<&str>,
    ) -> Result<Vec<Marked>, DockerError> {
        let wanted = value.map_or(label.to_owned(), |value| format!("{label}={value}"));
        let filters = HashMap::from([("label", vec![wanted])]);
        let failed = |e| failed("list what was left behind", e);
        let mut marked = Vec::new();
        let options = parameters::ListContainersOptionsBuilder::new()
            .all(true)
            .filters(&filters)
            .build();
        for found in (self.docker.list_containers(Some(options)).await).map_err(failed)? {
            let labels = found.labels.unwrap_or_default();
            marked.extend(found.id.map(|id| Marked {
                kind: MarkedKind::Container,
                id,
                labels,
            }));
        }
        let options = parameters::ListNetworksOptionsBuilder::new()
            .filters(&filters)
            .build();
        for found in (self.docker.list_networks(Some(options)).await).map_err(failed)? {
            let labels = found.labels.unwrap_or_default();
            marked.extend(found.id.map(|id| Marked {
                kind: MarkedKind::Network,
                id,
                labels,
            }));
        }
        let options = parameters::ListVolumesOptionsBuilder::new()
            .filters(&filters)
            .build();
        let found = (self.docker.list_volumes(Some(options)).await).map_err(failed)?;
        for found in found.volumes.unwrap_or_default() {
            marked.push(Marked {
                kind: MarkedKind::Volume,
                id: found.name,
                labels: found.labels,
            });
        }
        Ok(marked)
    }

    /// Removes it, running or not. That it is gone already is no error.
    pub(super) async fn remove(&self, kind: MarkedKind, id: &str) -> Result<(), DockerError> {
        let removed = match kind {
            MarkedKind::Container => {
                let options = parameters::RemoveContainerOptionsBuilder::new()
                    .force(true)
                    .v(true)
                    .build();
                self.docker.remove_container(id, Some(options)).await
            }
            MarkedKind::Network => self.docker.remove_network(id).await,
            MarkedKind::Volume => {
                let options = parameters::RemoveVolumeOptionsBuilder::new()
                    .force(true)
                    .build();
                self.docker.remove_volume(id, Some(options)).await
            }
        };
        match removed {
            // 409: somebody else is removing it at this moment.
            Err(e) if matches!(status(&e), Some(404 | 409)) => Ok(()),
            result => result.map_err(|e| failed("remove what a run has made", e)),
        }
    }
}

fn socket_path() -> Result<PathBuf, DockerError> {
    match std::env::var("DOCKER_HOST") {
        Ok(host) if !host.is_empty() => match host.strip_prefix("unix://") {
            Some(path) => Ok(path.into()),
            None => Err(DockerError::Engine(format!(
                "DOCKER_HOST is {host}, but container runs need the engine of this machine: \
                 unset it, or let it name a unix:// socket"
            ))),
        },
        _ => Ok(SOCKET.into()),
    }
}

/// The newest version of its API that the engine speaks.
fn spoken_version(path: &Path) -> io::Result<(usize, usize)> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(PING_LIMIT))?;
    stream.write_all(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let version = answer.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let (major, minor) = value.trim().split_once('.')?;
        let is_it = name.eq_ignore_ascii_case("api-version");
        is_it.then_some((major.parse().ok()?, minor.parse().ok()?))
    });
    version.ok_or_else(|| io::Error::other("its answer is none of a Docker engine"))
}

fn unreachable_engine(path: &Path, error: &io::Error) -> DockerError {
    let path = path.display();
    DockerError::Engine(match error.kind() {
        io::ErrorKind::PermissionDenied => format!(
            "not allowed to talk to the Docker engine at {path}: run as root, or join the \
             group `docker`"
        ),
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            format!("no Docker engine answers at {path}: install Docker, and start it")
        }
        _ => format!("cannot talk to the Docker engine at {path}: {error}"),
    })
}

fn failed(what: &str, error: Error) -> DockerError {
    let why = match error {
        Error::DockerResponseServerError { message, .. } => message,
        error => error.to_string(),
    };
    DockerError::Engine(format!("cannot {what}: {}", why.trim()))
}

fn status(error: &Error) -> Option<u16> {
    match error {
        Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

fn map(labels: &Labels) -> HashMap<String, String> {
    let owned = labels
        .iter()
        .map(|(key, value)| ((*key).to_owned(), value.clone()));
    owned.collect()
}
