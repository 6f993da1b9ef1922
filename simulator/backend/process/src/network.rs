//! The networks of nodes: as root, a namespace for each node; else addresses of the loopback.
//!
//! In namespaces, every node has one device, and all of these are connected to a bridge, which
//! has a namespace of its own as well. The thread of the run moves to the bridge, so clients
//! and probes reach the nodes. Nothing of this has a name outside, so runs cannot meet each
//! other or a network of the machine, whatever addresses they use; and all of it is gone with
//! the processes, however they end.

use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::OnceLock;

use futures_util::TryStreamExt;
use rtnetlink::packet_route::link::{InfoData, InfoKind, InfoVeth};
use rtnetlink::{Handle, LinkBridge, LinkMessageBuilder, LinkUnspec, LinkVeth};
use squall_fault::node_name;
use squall_linux::cluster::block_on;
use squall_linux::netns::NetNs;
use squall_linux::sampler::Network as Meter;
use squall_world::{RealWorld, World};

use super::ProcessError;

/// The bridge and all nodes, in a network where nobody else is.
const NETWORK: [u8; 2] = [10, 77];
const PREFIX: u8 = 16;
const BRIDGE_IP: Ipv4Addr = Ipv4Addr::new(NETWORK[0], NETWORK[1], 255, 254);
const BRIDGE: &str = "nodes";
/// What a node calls its device.
const DEVICE: &str = "eth0";
/// Attempts to find loopback addresses that no other run has.
const ATTEMPTS: usize = 64;

/// Whether nodes can have networks of their own here, which is tried once.
///
/// # Errors
/// Why they cannot.
pub(super) fn can_be_isolated() -> Result<(), &'static str> {
    static TRIED: OnceLock<bool> = OnceLock::new();
    match *TRIED.get_or_init(is_made) {
        true => Ok(()),
        false => Err(
            "nodes share the machine's loopback where no network namespaces can be made and \
             connected, which takes root (CAP_SYS_ADMIN and CAP_NET_ADMIN)",
        ),
    }
}

/// Whether a network for one node is made when it is tried.
#[allow(clippy::disallowed_methods)] // whoever asks may have an event loop on this thread
fn is_made() -> bool {
    let made = || block_on(Network::isolated(1), ProcessError::Run).is_ok();
    std::thread::spawn(made).join().unwrap_or(false)
}

/// The networks of a run.
pub(super) struct Network {
    pub ips: Vec<Ipv4Addr>,
    /// One for each node; none on the loopback.
    pub namespaces: Vec<NetNs>,
    bridge: Option<NetNs>,
    /// Bound for as long as the run has its addresses.
    _claim: Option<UdpSocket>,
}

impl Network {
    /// Has networks for so many nodes, which listen on `port` among others.
    pub(super) async fn open(count: usize, port: u16) -> Result<Self, ProcessError> {
        match can_be_isolated() {
            Ok(()) => Self::isolated(count).await,
            Err(_) => Self::on_loopback(count, port),
        }
    }

    async fn isolated(count: usize) -> Result<Self, ProcessError> {
        let made = (0..count).map(|_| NetNs::create());
        let namespaces: io::Result<Vec<NetNs>> = made.collect();
        let failed = |e: io::Error| ProcessError::Run(format!("no network namespace: {e}"));
        let namespaces = namespaces.map_err(failed)?;
        let bridge = NetNs::create().map_err(failed)?;
        let ips: Vec<Ipv4Addr> = (0..count).map(ip).collect();
        connect(&bridge, &namespaces, &ips).await.map_err(|e| {
            ProcessError::Run(format!("the networks of nodes cannot be connected: {e}"))
        })?;
        Ok(Self {
            ips,
            namespaces,
            bridge: Some(bridge),
            _claim: None,
        })
    }

    fn on_loopback(count: usize, port: u16) -> Result<Self, ProcessError> {
        for _ in 0..ATTEMPTS {
            let random = RealWorld::random_u64();
            // 127.0 is where everybody looks first.
            let [second, third] = [1 + (random % 254) as u8, (random >> 8) as u8];
            let ip = |index: usize| Ipv4Addr::new(127, second, third, index as u8 + 1);
            // Only one process can have it, and it ends with that.
            let Ok(claim) = UdpSocket::bind((ip(253), port)) else {
                continue;
            };
            return Ok(Self {
                ips: (0..count).map(ip).collect(),
                namespaces: Vec::new(),
                bridge: None,
                _claim: Some(claim),
            });
        }
        let why = "no addresses are free on the loopback (127.0.0.0/8)";
        Err(ProcessError::Run(why.into()))
    }

    /// Moves the calling thread to where it reaches the nodes, until what is returned is
    /// dropped, on the same thread.
    pub(super) fn enter(&self) -> io::Result<Option<Visit>> {
        let Some(bridge) = &self.bridge else {
            return Ok(None);
        };
        let home = NetNs::current()?;
        bridge.enter()?;
        Ok(Some(Visit { home }))
    }

    /// Every namespace that was made for the run, once more.
    pub(super) fn made(&self) -> io::Result<Vec<NetNs>> {
        let made = self.namespaces.iter().chain(&self.bridge);
        made.map(NetNs::try_clone).collect()
    }

    /// By which the kernel knows the network of whoever asks the nodes, if it is none of the
    /// machine's.
    pub(super) fn bridge_id(&self) -> Option<u64> {
        self.bridge.as_ref().and_then(|bridge| bridge.id().ok())
    }

    /// Where the processes of a node start; `None`: where this thread is.
    pub(super) fn namespace(&self, node: usize) -> Option<&NetNs> {
        self.namespaces.get(node)
    }

    /// Who counts what goes over a node's network.
    pub(super) fn meter(&self, node: usize) -> Meter {
        match self.bridge {
            Some(_) => Meter::Port(node_name(node)),
            None => Meter::Unknown,
        }
    }
}

/// A thread that is in another namespace for a while.
pub(super) struct Visit {
    home: NetNs,
}

impl Drop for Visit {
    fn drop(&mut self) {
        let back = self.home.enter();
        if !std::thread::panicking() {
            back.expect("who could leave a namespace can return to it");
        }
    }
}

fn ip(node: usize) -> Ipv4Addr {
    let [third, fourth] = (node as u16 + 1).to_be_bytes();
    Ipv4Addr::new(NETWORK[0], NETWORK[1], third, fourth)
}

/// Connects every namespace to a bridge in one of its own.
async fn connect(bridge: &NetNs, namespaces: &[NetNs], ips: &[Ipv4Addr]) -> io::Result<()> {
    let hub = speak(bridge).await?;
    set_up(&hub, "lo", None).await?;
    done(hub.link().add(LinkBridge::new(BRIDGE).build()).execute()).await?;
    let number = set_up(&hub, BRIDGE, Some(BRIDGE_IP)).await?;
    for ((node, namespace), ip) in (0..).zip(namespaces).zip(ips) {
        let peer = LinkMessageBuilder::<LinkUnspec>::new()
            .name(DEVICE)
            .setns_by_fd(namespace.as_raw_fd())
            .build();
        let pair = LinkMessageBuilder::<LinkVeth>::new_with_info_kind(InfoKind::Veth)
            .name(node_name(node))
            .set_info_data(InfoData::Veth(InfoVeth::Peer(peer)))
            .controller(number)
            .up()
            .build();
        done(hub.link().add(pair).execute()).await?;
        let inside = speak(namespace).await?;
        set_up(&inside, "lo", None).await?;
        set_up(&inside, DEVICE, Some(*ip)).await?;
    }
    Ok(())
}

/// Speaks with the kernel about one namespace.
async fn speak(namespace: &NetNs) -> io::Result<Handle> {
    let runtime = tokio::runtime::Handle::current();
    // A socket belongs to the namespace in which it was opened.
    let open = move || {
        let _inside = runtime.enter();
        rtnetlink::new_connection()
    };
    let (connection, handle, _) = namespace.within(open).await?;
    RealWorld::spawn(connection);
    Ok(handle)
}

/// Gives a device an address, if there is one, and switches it on; its number.
async fn set_up(handle: &Handle, device: &str, ip: Option<Ipv4Addr>) -> io::Result<u32> {
    let mut found = Box::pin(handle.link().get().match_name(device).execute());
    let found = done(found.try_next()).await?;
    let missing = || io::Error::other(format!("there is no device {device}"));
    let number = found.ok_or_else(missing)?.header.index;
    if let Some(ip) = ip {
        let address = handle.address().add(number, ip.into(), PREFIX);
        done(address.execute()).await?;
    }
    let up = LinkUnspec::new_with_index(number).up().build();
    done(handle.link().change(up).execute()).await?;
    Ok(number)
}

async fn done<T>(request: impl Future<Output = Result<T, rtnetlink::Error>>) -> io::Result<T> {
    request.await.map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_node_has_the_address_of_another_or_of_the_bridge() {
        let ips: Vec<Ipv4Addr> = (0..64).map(ip).collect();
        let mut different = ips.clone();
        different.dedup();
        assert_eq!(different.len(), 64);
        assert_eq!(ips[0], Ipv4Addr::new(10, 77, 0, 1));
        assert!(!ips.contains(&BRIDGE_IP));
    }

    /// What the next test starts.
    #[test]
    #[ignore = "is started without a capability by another test"]
    fn network_of_who_may_not_make_devices() {
        assert!(NetNs::create().is_ok(), "namespaces can be made");
        let why = can_be_isolated().expect_err("they cannot be connected");
        assert!(why.contains("CAP_NET_ADMIN"), "{why}");
        let opened = block_on(Network::open(2, 7_432), ProcessError::Run);
        let network = opened.expect("there is the loopback");
        assert!(network.namespaces.is_empty());
        assert!(network.ips.iter().all(|ip| ip.is_loopback()));
    }

    #[test]
    fn who_may_make_namespaces_but_no_devices_is_on_the_loopback() {
        if let Err(why) = NetNs::create() {
            return eprintln!("skipped: {why}");
        }
        let output = std::process::Command::new("setpriv")
            .args(["--bounding-set=-net_admin", "--inh-caps=-net_admin"])
            .arg(std::env::current_exe().expect("a test has a program"))
            .args(["network::tests::network_of_who_may_not_make_devices"])
            .args(["--exact", "--ignored"])
            .output();
        let output = match output {
            Ok(output) => output,
            Err(why) => return eprintln!("skipped: setpriv: {why}"),
        };
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(printed.contains("1 passed"), "{printed}");
    }

    /// Two runs without root get addresses that are not each other's.
    #[test]
    fn runs_on_the_loopback_do_not_share_addresses() {
        let port = 7_431;
        let one = Network::on_loopback(64, port).expect("addresses are free");
        let two = Network::on_loopback(64, port).expect("addresses are free");
        assert!(one.ips.iter().all(|ip| !two.ips.contains(ip)));
        assert!(one.ips.iter().all(|ip| ip.is_loopback()));
        let taken = Ipv4Addr::from(u32::from(one.ips[0]) & !0xff | 254);
        assert!(
            UdpSocket::bind((taken, port)).is_err(),
            "the claim stands as long as the run"
        );
    }
}
