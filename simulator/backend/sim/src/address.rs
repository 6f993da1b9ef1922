//! The addresses of hosts, and the ports of nodes.

use std::net::{IpAddr, Ipv4Addr};

use squall_cluster::raft::PEER_PORT_OFFSET;
use squall_engine::executor::HostId;

/// Port for clients, on every machine.
pub(super) const PORT: u16 = 7_000;
/// Port for other nodes.
pub(super) const PEER_PORT: u16 = PORT + PEER_PORT_OFFSET;

/// Address of a host: 10.0.x.y, counted from 10.0.0.1.
pub fn address_of(host: HostId) -> IpAddr {
    let number = host.0 as u32 + 1;
    IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + number))
}

pub(super) fn host_of(address: IpAddr) -> HostId {
    let IpAddr::V4(address) = address else {
        unreachable!("all hosts have addresses of version 4")
    };
    HostId((u32::from(address) - 0x0a00_0000) as usize - 1)
}
