//! What a test that failed leaves to look at: the lab itself is gone by then.
//!
//! `target/lab-failures/LAB/` gets, of every host, the logs of its services, namespaces and flows.

use std::{
    fs,
    ops::Deref,
    path::{Path, PathBuf},
    thread,
};

use neutrino_lab::Lab;

/// Everything of a host, one file after the other, bounded.
const SCRIPT: &str = "for f in /var/log/neutron/*.log; do echo \"== $f\"; tail -n 4000 $f; done; \
    for b in $(ovs-vsctl list-br); do echo \"== $b\"; ovs-ofctl --no-stats dump-flows $b; \
    ovs-appctl fdb/show $b; done; echo == ovsdb; ovs-vsctl show; \
    for n in $(ip netns list | cut -d' ' -f1); do echo \"== $n\"; ip -n $n address; \
    ip -n $n route show table all; ip -n $n rule; ip -n $n neigh; \
    ip netns exec $n iptables-save; done; echo == iptables; iptables-save";
/// Lines of complaint that are printed, the last ones.
const COMPLAINTS: usize = 15;

/// A lab that tells what it was like when its test fails.
pub struct Watched(Option<Lab>);

impl Watched {
    /// Of `lab`.
    pub fn new(lab: Lab) -> Self {
        Self(Some(lab))
    }

    /// Ends the lab.
    pub fn down(mut self) -> neutrino_lab::Result<()> {
        self.0.take().map_or(Ok(()), Lab::down)
    }
}

impl Deref for Watched {
    type Target = Lab;

    fn deref(&self) -> &Lab {
        self.0.as_ref().expect("there until it is taken down")
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let Some(lab) = self.0.take().filter(|_| thread::panicking()) else { return };
        let Some(folder) = folder(&lab.spec().name) else { return };
        println!("evidence of {} is in {}", lab.spec().name, folder.display());
        for host in &lab.spec().hosts {
            let Ok(output) = lab.exec(&host.name, &["sh", "-c", SCRIPT]) else { continue };
            let text = String::from_utf8_lossy(&output.stdout);
            let complains = |line: &&str| [" WARN", " ERROR "].iter().any(|w| line.contains(w));
            let complaints: Vec<&str> = text.lines().filter(complains).collect();
            for line in &complaints[complaints.len().saturating_sub(COMPLAINTS)..] {
                println!("{}: {line}", host.name);
            }
            // Evidence that cannot be kept is no reason to fail again.
            let _ = fs::write(folder.join(format!("{}.txt", host.name)), text.as_bytes());
        }
    }
}

fn folder(name: &str) -> Option<PathBuf> {
    let test = std::env::current_exe().ok()?;
    let target = test.ancestors().find(|path: &&Path| path.ends_with("debug"))?.parent()?;
    let folder = target.join("lab-failures").join(name);
    fs::create_dir_all(&folder).ok()?;
    Some(folder)
}
