//! Encrypts a node's connections, if it was started with certificates.
//!
//! Certificates can be changed while the node runs: what is accepted or opened from then on has
//! the new ones, and connections that are there stay as they are. Every handshake has a deadline,
//! whatever the other side does.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io;
use std::time::Duration;

use super::{NodeId, RaftWorld, node_name};
use crate::world;
use crate::world::tls::{Handshake, Tls, TlsError, TlsOptions};

/// A handshake that is not over after so long is given up.
pub const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);

/// What the connections of a node are encrypted with.
#[derive(Default)]
pub struct Security {
    /// `None`: nothing is encrypted.
    made: RefCell<Option<(TlsOptions, Tls)>>,
    /// Handshakes with those who opened a connection to the port for nodes that came to nothing.
    failed: Cell<u64>,
}

impl Security {
    /// Reads the files of the options.
    ///
    /// # Errors
    /// One of them is missing, cannot be read, or does not hold what it must.
    pub fn load(options: Option<TlsOptions>) -> Result<Self, TlsError> {
        let security = Self::default();
        if let Some(options) = options {
            security.change(options)?;
        }
        Ok(security)
    }

    /// Reads the files of these options, and has the connections to come encrypted by them.
    ///
    /// # Errors
    /// As [`Self::load`]; then everything stays as it is.
    pub fn change(&self, options: TlsOptions) -> Result<(), TlsError> {
        let tls = Tls::load(&options)?;
        *self.made.borrow_mut() = Some((options, tls));
        Ok(())
    }

    /// What the node was given, or `None` if it was given nothing.
    pub fn options(&self) -> Option<TlsOptions> {
        let made = self.made.borrow();
        made.as_ref().map(|(options, _)| options.clone())
    }

    /// Whether connections of clients are encrypted.
    pub fn is_for_clients(&self) -> bool {
        self.options().is_some_and(|options| options.for_clients)
    }

    /// Whether connections between nodes are encrypted.
    pub fn is_for_peers(&self) -> bool {
        self.options().is_some_and(|options| options.for_peers)
    }

    fn ask<T>(&self, ask: impl FnOnce(&Tls) -> T) -> Option<T> {
        self.made.borrow().as_ref().map(|(_, tls)| ask(tls))
    }

    /// Does the node's part of the handshake with a client.
    ///
    /// # Errors
    /// The client may not come in, does not encrypt, or breaks off.
    pub async fn accept_client<W: RaftWorld>(&self, stream: W::Stream) -> io::Result<W::Stream> {
        match self.ask(Tls::accept_client).flatten() {
            Some(handshake) => within::<W, _>(W::secure(stream, &handshake)).await,
            None => Ok(stream),
        }
    }

    /// Does the node's part of the handshake with another that has opened a connection.
    ///
    /// # Errors
    /// As [`Self::accept_client`].
    pub async fn accept_peer<W: RaftWorld>(&self, stream: W::Stream) -> io::Result<W::Stream> {
        let Some(handshake) = self.ask(Tls::accept_peer).flatten() else {
            return Ok(stream);
        };
        let secured = within::<W, _>(W::secure(stream, &handshake)).await;
        if let Err(e) = &secured {
            let failed = self.failed.get() + 1;
            self.failed.set(failed);
            // Whoever it is may try as often as he likes.
            if failed.is_power_of_two() {
                tracing::warn!("refused on the port for nodes ({failed} so far): {e}");
            }
        }
        secured
    }

    /// Connects to the node `id` at `address`, which is that of its port for nodes.
    ///
    /// # Errors
    /// Nobody listens there, or it is not that node.
    pub async fn connect_peer<W: RaftWorld>(
        &self,
        id: NodeId,
        address: &str,
    ) -> io::Result<W::Stream> {
        let handshake = self.ask(|tls| tls.connect_peer(&node_name(id), address));
        let handshake: Option<Handshake> = handshake.transpose()?.flatten();
        let stream = W::connect(address).await?;
        match handshake {
            Some(handshake) => W::secure(stream, &handshake).await,
            None => Ok(stream),
        }
    }

    /// Checks that who opened this connection is the node `id`, as he says, whose address for
    /// clients is known or not; for `trusts_strangers` see [`Tls::check_node`].
    ///
    /// # Errors
    /// Why not.
    pub fn check_caller<W: RaftWorld>(
        &self,
        stream: &W::Stream,
        id: NodeId,
        address: Option<&str>,
        trusts_strangers: bool,
    ) -> Result<(), String> {
        let name = node_name(id);
        let check = |tls: &Tls| {
            let chain = W::certificates_of(stream);
            tls.check_node(&chain, &name, address, trusts_strangers)
        };
        let checked = self.ask(check).unwrap_or(Ok(()));
        checked.map_err(|why| format!("the certificate is not that of {name}: {why}"))
    }
}

async fn within<W: RaftWorld, T>(handshake: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let done = world::timeout::<W, _>(HANDSHAKE_LIMIT, handshake).await;
    done.unwrap_or_else(|elapsed| Err(io::Error::new(io::ErrorKind::TimedOut, elapsed)))
}
