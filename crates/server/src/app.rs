//! The running server: its parts, built from a configuration and taken down in order.

use std::sync::Arc;

use crate::{
    ServerError,
    config::{AuthStrategy, IdentityConfig, ServerConfig},
    identity::{
        Authenticator, NoAuth,
        local::{Directory, LocalIdentity, load_or_create_secret, routes},
    },
    router,
    serve::Listening,
};

/// A server that listens. Dropped without [`Server::stop`] it goes on until the process ends.
#[derive(Debug)]
pub struct Server {
    /// The network API.
    pub api: Listening,
    /// The identity API, with `auth_strategy = local`.
    pub identity: Option<Listening>,
}

impl Server {
    /// Builds every part and starts listening.
    ///
    /// # Errors
    /// [`ServerError`] naming the part that could not be built.
    pub async fn start(config: ServerConfig) -> Result<Self, ServerError> {
        let mut identity = None;
        let authenticator: Arc<dyn Authenticator> = match (config.auth_strategy, &config.identity) {
            (AuthStrategy::Local, Some(options)) => {
                let local = Arc::new(local_identity(options)?);
                identity =
                    Some(Listening::start(options.bind, routes::router(local.clone())).await?);
                local
            }
            _ => Arc::new(NoAuth),
        };
        let api = Listening::start(config.bind, router::router(authenticator)).await?;
        Ok(Self { api, identity })
    }

    /// Stops listening and lets requests under way finish.
    pub async fn stop(self) {
        self.api.stop().await;
        if let Some(identity) = self.identity {
            identity.stop().await;
        }
    }
}

fn local_identity(options: &IdentityConfig) -> Result<LocalIdentity, ServerError> {
    let fail = |e: Box<dyn std::error::Error + Send + Sync>| ServerError::Identity(e);
    let directory = Directory::load(&options.file).map_err(|e| fail(e.into()))?;
    let secret = match &options.secret {
        Some(secret) => secret.as_bytes().to_vec(),
        None => load_or_create_secret(&options.state_path).map_err(|e| fail(e.into()))?,
    };
    LocalIdentity::new(directory, &secret, options.settings.clone()).map_err(|e| fail(e.into()))
}
