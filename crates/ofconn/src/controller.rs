//! The listening side: accepts bridges and keeps the register of those connected.

use std::{
    collections::BTreeMap,
    fmt,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream, ToSocketAddrs},
    sync::{mpsc, watch},
    task::{AbortHandle, JoinSet},
    time,
};

use crate::{
    connection::Connection,
    error::OfError,
    pending::Pending,
    switch::{Link, Switch},
};

/// Messages waiting to be written to a switch before senders have to wait.
const QUEUE: usize = 512;
/// Pause after a failed accept (out of file descriptors), so as not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long to wait for switches.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// For the handshake as a whole.
    pub handshake: Duration,
    /// Without progress of a request (`of_request_timeout`).
    pub request: Duration,
    /// Without any message until the switch is probed; as long again until it is given up
    /// (`of_inactivity_probe`).
    pub probe: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            request: Duration::from_secs(300),
            probe: Duration::from_secs(10),
        }
    }
}

/// The bridges connected, by datapath id.
type Register = BTreeMap<u64, Switch>;

struct Shared {
    register: watch::Sender<Register>,
    next_connection: AtomicU64,
    timing: Timing,
}

/// Listens for bridges; ends all connections when dropped.
pub struct OfController {
    shared: Arc<Shared>,
    address: SocketAddr,
    accepting: AbortHandle,
}

impl fmt::Debug for OfController {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OfController").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Tells when bridges connect or disconnect.
#[derive(Debug)]
pub struct Changes(watch::Receiver<Register>);

impl Changes {
    /// Waits for the next connect or disconnect after the last one told. Safe to drop and call
    /// again. Once the controller is gone it waits for ever.
    pub async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// The bridges connected now, by datapath id.
    #[must_use]
    pub fn connected(&mut self) -> BTreeMap<u64, Switch> {
        self.0.borrow_and_update().clone()
    }
}

impl OfController {
    /// Listens on `address` with the usual [`Timing`]. Port 0 takes any free port.
    ///
    /// # Errors
    /// When the address is not an address or is taken.
    pub async fn listen(address: impl ToSocketAddrs + fmt::Debug) -> Result<Self, OfError> {
        Self::listen_with(address, Timing::default()).await
    }

    /// Listens on `address`.
    ///
    /// # Errors
    /// When the address is not an address or is taken.
    pub async fn listen_with(
        address: impl ToSocketAddrs + fmt::Debug,
        timing: Timing,
    ) -> Result<Self, OfError> {
        let failed = |source| OfError::Listen { address: format!("{address:?}"), source };
        let listener = TcpListener::bind(&address).await.map_err(failed)?;
        let local = listener.local_addr().map_err(failed)?;
        let shared = Arc::new(Shared {
            register: watch::Sender::new(Register::new()),
            next_connection: AtomicU64::new(1),
            timing,
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared))).abort_handle();
        Ok(Self { shared, address: local, accepting })
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The bridge with this datapath id, if it is connected.
    #[must_use]
    pub fn switch(&self, datapath_id: u64) -> Option<Switch> {
        self.shared.register.borrow().get(&datapath_id).cloned()
    }

    /// The bridge with this datapath id, once it is connected.
    ///
    /// # Errors
    /// [`OfError::NotConnected`] after `patience`.
    pub async fn wait_for(&self, datapath_id: u64, patience: Duration) -> Result<Switch, OfError> {
        let mut register = self.shared.register.subscribe();
        let connected = register.wait_for(|register| register.contains_key(&datapath_id));
        let found = match time::timeout(patience, connected).await {
            Ok(Ok(register)) => register.get(&datapath_id).cloned(),
            _ => None,
        };
        found.ok_or(OfError::NotConnected { datapath_id, waited: patience })
    }

    /// Tells of connects and disconnects from now on.
    #[must_use]
    pub fn changes(&self) -> Changes {
        Changes(self.shared.register.subscribe())
    }
}

impl Drop for OfController {
    fn drop(&mut self) {
        // Ends the connections too: they belong to the accepting task.
        self.accepting.abort();
        for switch in self.shared.register.send_replace(Register::new()).into_values() {
            switch.0.pending.close();
            switch.0.closed.send_replace(true);
        }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    connections.spawn(run(stream, peer, Arc::clone(&shared)));
                }
                Err(error) => {
                    tracing::warn!(%error, "accepting a switch failed");
                    time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn run(stream: TcpStream, peer: SocketAddr, shared: Arc<Shared>) {
    let timing = shared.timing;
    let connection = match Connection::handshake(stream, timing.handshake).await {
        Ok(connection) => connection,
        Err(reason) => {
            tracing::warn!(%peer, %reason, "switch did not get through the handshake");
            return;
        }
    };
    let (frames, queue) = mpsc::channel(QUEUE);
    let link = Arc::new(Link {
        features: connection.features,
        connection_id: shared.next_connection.fetch_add(1, Ordering::Relaxed),
        frames,
        pending: Pending::default(),
        closed: watch::Sender::new(false),
        request_timeout: timing.request,
    });
    let datapath_id = link.features.datapath_id;
    let shown = format!("{datapath_id:016x}");
    let mut previous = None;
    shared.register.send_modify(|register| {
        previous = register.insert(datapath_id, Switch(Arc::clone(&link)));
    });
    if let Some(previous) = previous {
        previous.0.closed.send_replace(true);
    }
    tracing::info!(datapath_id = shown, %peer, connection = link.connection_id, "switch connected");
    let reason = connection.serve(&link, queue, timing.probe).await;
    link.pending.close();
    link.closed.send_replace(true);
    shared.register.send_if_modified(|register| {
        let ours = register
            .get(&datapath_id)
            .is_some_and(|switch| switch.connection_id() == link.connection_id);
        if ours {
            register.remove(&datapath_id);
        }
        ours
    });
    tracing::info!(
        datapath_id = shown,
        connection = link.connection_id,
        %reason,
        "switch disconnected"
    );
}
