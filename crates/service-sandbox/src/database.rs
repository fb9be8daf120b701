//! The handle of a database server.

use std::{
    marker::PhantomData,
    ops::{Deref, DerefMut},
    path::PathBuf,
};

use crate::{
    Launch, PASSWORD, Port, Result, USER,
    server::{Kind, Place, Server},
};

/// A private database server of kind `K`; ended and removed when dropped.
#[derive(Debug)]
pub struct Database<K> {
    server: Server,
    /// What URLs of its databases begin with, as SQLAlchemy has it.
    scheme: &'static str,
    _port: Port,
    _kind: PhantomData<K>,
}

impl<K> Database<K> {
    /// Starts what `launch` says of a directory, called after `name`, and a port.
    pub(crate) fn start_as(
        kind: Kind,
        name: &str,
        scheme: &'static str,
        launch: impl FnOnce(PathBuf, u16) -> Launch,
    ) -> Result<Self> {
        let port = Port::take()?;
        let place = Place::new(name)?;
        let launch = launch(place.dir.clone(), port.number());
        let server = Server::start(kind, place, port.number(), launch)?;
        Ok(Self { server, scheme, _port: port, _kind: PhantomData })
    }

    /// `[database] connection` of its empty database `neutron`; the user may make others.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{USER}:{PASSWORD}@127.0.0.1:{}/{USER}", self.scheme, self.port())
    }
}

impl<K> Deref for Database<K> {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

impl<K> DerefMut for Database<K> {
    fn deref_mut(&mut self) -> &mut Server {
        &mut self.server
    }
}
