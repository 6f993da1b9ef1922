//! The clients of a system, by its protocol.

use std::rc::Rc;

use squall_history::OPERATIONS;
use squall_workload::service::Services;
use squall_workload::{Drivers, shipped};

use crate::file::SystemFile;
use crate::launch::{client_addresses, fill};
use crate::program;
use crate::table::{Protocol, Versions};
use crate::template::Member;

impl SystemFile {
    /// What its nodes can be asked.
    pub fn services(&self) -> Services {
        let names = self.table.service.names();
        let mut services = shipped();
        services.retain(|service| names.contains(&service.name()));
        services
    }

    /// Whether clients have the operation of this name.
    pub fn offers(&self, operation: &str) -> bool {
        let row = OPERATIONS.iter().find(|row| row.name == operation);
        let is_of_service =
            row.is_some_and(|row| self.table.service.names().contains(&row.service));
        is_of_service
            && match self.protocol() {
                Protocol::Squall => true,
                #[cfg(feature = "etcd")]
                Protocol::Etcd => crate::etcd::offers(operation),
                #[cfg(feature = "redis")]
                Protocol::Redis | Protocol::RedisSentinel | Protocol::RedisCluster => {
                    crate::redis::offers(operation)
                }
                #[cfg(feature = "nats")]
                Protocol::Nats => crate::nats::offers(operation),
                Protocol::Program => self.client_offers().iter().any(|name| name == operation),
                #[allow(unreachable_patterns)] // with all features
                _ => false,
            }
    }

    /// Makes the clients of a run, of which each asks all members. `None`: they are those of
    /// Squall's own cluster.
    ///
    /// # Errors
    /// A template of the client program cannot be filled in.
    pub fn drivers(&self, members: &[Member]) -> Result<Option<Drivers>, String> {
        let addresses = client_addresses(members);
        Ok(match self.protocol() {
            Protocol::Squall => None,
            #[cfg(feature = "etcd")]
            Protocol::Etcd => {
                let reads = self.reads();
                Some(Box::new(move |number| {
                    Box::new(crate::etcd::Driver::new(addresses.clone(), reads, number))
                }))
            }
            #[cfg(feature = "redis")]
            Protocol::Redis | Protocol::RedisSentinel | Protocol::RedisCluster => {
                let queues = self.table.service.queue.as_ref().map(|queue| queue.kind);
                let setup = Rc::new(crate::redis::Setup::new(
                    addresses,
                    self.topology(members),
                    self.reads(),
                    queues.unwrap_or_default(),
                ));
                Some(Box::new(move |number| {
                    Box::new(crate::redis::Driver::new(setup.clone(), number))
                }))
            }
            #[cfg(feature = "nats")]
            Protocol::Nats => {
                let setup = Rc::new(crate::nats::Setup::new(addresses, self.reads()));
                Some(Box::new(move |number| {
                    Box::new(crate::nats::Driver::new(setup.clone(), number))
                }))
            }
            Protocol::Program => {
                let command = self.commands.client.as_ref();
                let command = command.expect("a file with this protocol names a program");
                let place = self.place(members, 0, std::path::Path::new("."));
                let setup = Rc::new(program::Setup {
                    command: fill(command, place)?,
                    mark: self.mark.clone(),
                    addresses,
                    offers: self.client_offers(),
                    rising: self.rising(),
                });
                Some(Box::new(move |number| {
                    Box::new(program::Driver::new(setup.clone(), number))
                }))
            }
            #[allow(unreachable_patterns)] // with all features
            _ => unreachable!("a file whose protocol is not compiled in is refused"),
        })
    }

    /// Makes what clients need: of NATS the streams.
    pub(crate) async fn prepare(&self, members: &[Member]) -> Result<(), String> {
        match self.protocol() {
            #[cfg(feature = "nats")]
            Protocol::Nats => {
                crate::nats::prepare(client_addresses(members), &self.table.service).await
            }
            _ => Ok(()),
        }
    }

    /// Who answers reads.
    #[cfg(any(feature = "etcd", feature = "nats", feature = "redis"))]
    fn reads(&self) -> crate::offer::Reads {
        let cache = self.table.service.cache.as_ref();
        cache.map(|cache| cache.reads).unwrap_or_default()
    }

    /// Which numbers of the client program are an order.
    fn rising(&self) -> program::Rising {
        let service = &self.table.service;
        let client = self.table.client.as_ref();
        program::Rising {
            versions: client.is_some_and(|client| client.versions == Versions::Rising),
            tokens: (service.lock.as_ref()).is_some_and(|lock| lock.promises.fencing),
            ids: (service.queue.as_ref()).is_some_and(|queue| queue.promises.ordered),
        }
    }

    fn client_offers(&self) -> Vec<String> {
        let offers = self
            .table
            .client
            .as_ref()
            .map(|client| client.offers.iter());
        let offers = offers.into_iter().flatten();
        offers.map(|offer| offer.get_ref().clone()).collect()
    }

    #[cfg(feature = "redis")]
    pub(crate) fn topology(&self, members: &[Member]) -> crate::redis::Topology {
        use crate::redis::Topology;
        match self.protocol() {
            Protocol::RedisSentinel => Topology::Sentinel {
                addresses: (members.iter())
                    .filter_map(|member| member.address(crate::check::SENTINEL_PORT))
                    .collect(),
                master: (self.table.redis.master.clone()).unwrap_or_else(|| "squall".into()),
            },
            Protocol::RedisCluster => Topology::Cluster,
            _ => Topology::Single,
        }
    }
}
