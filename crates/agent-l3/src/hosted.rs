//! What this host chose by itself for distributed routers, kept in Neutron's files over restarts.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use neutrino_dataplane::l3::allocations::{
    Allocations, Item, LINK_LOCAL_FILE, PRIORITIES_FILE, Pair, Priority,
};

use crate::observe;

/// Nothing can be given to a router or floating IP.
#[derive(Debug, thiserror::Error)]
pub enum HostedError {
    /// A file.
    #[error("writing {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// All is given away.
    #[error("nothing is left for {key} in {path}")]
    Full {
        /// The file.
        path: PathBuf,
        /// Who asked.
        key: String,
    },
}

/// Result of this module's functions.
pub type Result<T> = std::result::Result<T, HostedError>;

/// A pool with its file.
#[derive(Debug)]
struct Pool<T> {
    path: PathBuf,
    given: Allocations<T>,
}

impl<T: Item> Pool<T> {
    fn open(path: PathBuf) -> io::Result<Self> {
        let given = Allocations::parse(&observe::file(&path)?);
        Ok(Self { path, given })
    }

    fn allocate(&mut self, key: &str) -> Result<T> {
        if let Some(item) = self.given.get(key) {
            return Ok(item);
        }
        let item = self.given.allocate(key);
        let full = || HostedError::Full { path: self.path.clone(), key: key.to_string() };
        let item = item.ok_or_else(full)?;
        // Not written, it would be another's after a restart.
        if let Err(error) = self.write() {
            self.given.release(key);
            return Err(error);
        }
        Ok(item)
    }

    fn retain(&mut self, stays: impl Fn(&str) -> bool) -> Result<()> {
        if self.given.retain(stays) { self.write() } else { Ok(()) }
    }

    fn write(&self) -> Result<()> {
        let fail = |source| HostedError::File { path: self.path.clone(), source };
        let temporary = self.path.with_extension("new");
        if let Some(dir) = self.path.parent() {
            fs::create_dir_all(dir).map_err(fail)?;
        }
        fs::write(&temporary, self.given.format()).map_err(fail)?;
        fs::rename(&temporary, &self.path).map_err(fail)
    }
}

/// What this host chose. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Hosted(Arc<Mutex<(Pool<Pair>, Pool<Priority>)>>);

impl Hosted {
    /// Reads what was chosen before.
    ///
    /// # Errors
    /// A file is there and cannot be read.
    pub fn open(state_path: &Path) -> io::Result<Self> {
        let pairs = Pool::open(state_path.join(LINK_LOCAL_FILE))?;
        let priorities = Pool::open(state_path.join(PRIORITIES_FILE))?;
        Ok(Self(Arc::new(Mutex::new((pairs, priorities)))))
    }

    /// The addresses between a router and the external network's namespace.
    ///
    /// # Errors
    /// None is left, or it cannot be written down.
    pub fn pair(&self, router_id: &str) -> Result<Pair> {
        self.lock().0.allocate(router_id)
    }

    /// The priority of a floating IP's rule.
    ///
    /// # Errors
    /// None is left, or it cannot be written down.
    pub fn priority(&self, floating_ip: &str) -> Result<u32> {
        Ok(self.lock().1.allocate(floating_ip)?.0)
    }

    /// Takes back what routers and floating IPs have that are not here any more.
    ///
    /// # Errors
    /// It cannot be written down.
    pub fn retain(
        &self,
        routers: impl Fn(&str) -> bool,
        floating_ips: impl Fn(&str) -> bool,
    ) -> Result<()> {
        let mut pools = self.lock();
        pools.0.retain(routers)?;
        pools.1.retain(floating_ips)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, (Pool<Pair>, Pool<Priority>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
