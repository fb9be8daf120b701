//! The metadata proxies of routers, which run in this process.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use neutrino_agent::external_process::Daemon;
use neutrino_agent_metadata::proxy::{Bind, Listening, MetadataProxy, ProxyError, Served};
use neutrino_linux::NetNs;

use crate::{config::Config, observe};

/// All of them. Cheap to clone.
#[derive(Clone)]
pub struct Proxies {
    proxy: MetadataProxy,
    binds: Vec<Bind>,
    config: Arc<Config>,
    /// By router, with what tells the namespace from a later one of the same name.
    running: Arc<Mutex<HashMap<String, (u64, Listening)>>>,
}

impl Proxies {
    /// None yet.
    #[must_use]
    pub fn new(config: &Arc<Config>) -> Self {
        // One socket for both IP versions where there are two.
        let ip: IpAddr = if config.settings.ipv6 {
            Ipv6Addr::UNSPECIFIED.into()
        } else {
            Ipv4Addr::UNSPECIFIED.into()
        };
        let address = SocketAddr::new(ip, config.settings.metadata_port);
        Self {
            proxy: MetadataProxy::new(config.metadata.clone()),
            binds: vec![Bind { address, device: None }],
            config: Arc::clone(config),
            running: Arc::default(),
        }
    }

    /// Whether the proxy of a router listens in its namespace.
    #[must_use]
    pub fn listens(&self, router_id: &str, namespace: &str) -> bool {
        let identity = observe::identity(namespace);
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.get(router_id).is_some_and(|(found, _)| Some(*found) == identity)
    }

    /// Has the proxy of a router listen in its namespace.
    ///
    /// # Errors
    /// The namespace is not there, or something else listens there.
    pub async fn listen(&self, router_id: &str, namespace: &str) -> Result<(), ProxyError> {
        self.stop(router_id).await;
        self.stop_neutrons(router_id).await;
        let path = NetNs::named_path(namespace);
        let served = Served::Router(router_id.to_string());
        let listening = self.proxy.listen(Path::new(&path), &self.binds, served).await?;
        if let Some(identity) = observe::identity(namespace) {
            let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            running.insert(router_id.to_string(), (identity, listening));
        }
        Ok(())
    }

    /// Where Neutron's agent was before, its haproxy has the port.
    async fn stop_neutrons(&self, router_id: &str) {
        let pid_file = self.config.external_pids.join(format!("{router_id}.pid.haproxy"));
        Daemon { id: router_id.to_string(), pid_file }.stop().await;
    }

    /// Stops the proxy of a router. An open socket keeps its namespace alive.
    pub async fn stop(&self, router_id: &str) {
        let taken = {
            let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            running.remove(router_id)
        };
        if let Some((_, listening)) = taken {
            listening.stop().await;
        }
    }
}
