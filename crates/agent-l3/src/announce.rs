//! Gratuitous ARP in the background: who has an address now.
//!
//! Said more than once, as Neutron does, for the device may not be wired yet when it is said first.

use std::time::Duration;

use neutrino_agent::interface::blocking;
use neutrino_dataplane::l3::desired::Announcement;
use neutrino_linux::{NetNs, Netlink, arp::Announcer};

use crate::observe;

/// How often an address is announced.
const ROUNDS: u32 = 3;
/// Pause between two announcements.
const PAUSE: Duration = Duration::from_secs(2);

/// Announces addresses that are new in `namespace`. It ends early when the namespace goes.
pub fn start(namespace: &str, announcements: Vec<Announcement>) {
    if announcements.is_empty() {
        return;
    }
    let namespace = namespace.to_string();
    let identity = observe::identity(&namespace);
    tokio::spawn(async move {
        for round in 0..ROUNDS {
            if round > 0 {
                tokio::time::sleep(PAUSE).await;
            }
            if identity.is_none() || observe::identity(&namespace) != identity {
                return;
            }
            let (name, wanted) = (namespace.clone(), announcements.clone());
            if let Err(error) = blocking(move || Ok(announce(&name, &wanted)?)).await {
                tracing::debug!(namespace, %error, "announcing addresses failed");
            }
        }
    });
}

/// Says it once. The socket is not kept: it would keep the namespace.
fn announce(namespace: &str, announcements: &[Announcement]) -> neutrino_linux::Result<()> {
    let Some(namespace) = NetNs::named(namespace)? else { return Ok(()) };
    let links = Netlink::open_in(&namespace)?.links()?;
    let announcer = Announcer::open_in(&namespace)?;
    let mut done = Ok(());
    for announcement in announcements {
        if let Some(link) = links.iter().find(|link| link.name == announcement.device) {
            done = done.and(announcer.announce(link.index, link.mac, announcement.ip));
        }
    }
    done
}
