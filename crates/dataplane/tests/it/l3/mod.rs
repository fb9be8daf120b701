//! Routers: golden cases, comparison with what a running Neutron and the seeds show, properties of
//! the difference, and the rule sets before the real iptables.

mod agent;
mod goldens;
mod kernel;
mod observed;
mod packets;
mod properties;
mod seeds;
mod text;

use std::{
    collections::BTreeMap,
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

use neutrino_dataplane::l3::{
    Known,
    desired::Namespace,
    dvr::{self, Link, OnHost, Served},
    legacy,
    view::{Router, Settings, SubnetPort},
};
use neutrino_types::MacAddr;
use serde::Deserialize;

/// What a host knows of a router.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    #[serde(default)]
    pub settings: Settings,
    pub router: Router,
    #[serde(default)]
    link: Option<CaseLink>,
    #[serde(default)]
    priorities: BTreeMap<Ipv4Addr, u32>,
    #[serde(default)]
    ports: BTreeMap<String, Vec<SubnetPort>>,
}

#[derive(Deserialize)]
struct CaseLink {
    pair: String,
    router_mac: MacAddr,
    fip_mac: MacAddr,
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/l3")
}

pub fn load(case: &Path) -> Case {
    let json = fs::read_to_string(case.join("case.json")).expect("case.json is readable");
    serde_json::from_str(&json).unwrap_or_else(|error| panic!("{}: {error}", case.display()))
}

/// A case by its name.
pub fn case(name: &str) -> Case {
    load(&directory().join(name))
}

/// All cases.
pub fn cases() -> Vec<PathBuf> {
    let entries = fs::read_dir(directory()).expect("cases are readable");
    let mut all: Vec<PathBuf> = entries.map(|e| e.expect("case is readable").path()).collect();
    all.sort();
    all
}

impl Case {
    /// The namespaces the host has for the router.
    pub fn namespaces(&self) -> Vec<Namespace> {
        let Self { settings, router, .. } = self;
        let known = Known::default();
        if !router.distributed {
            return vec![legacy(settings, router, &known)];
        }
        let link = self.link.as_ref().map(|link| Link {
            pair: link.pair.parse().expect("a pair"),
            router_mac: link.router_mac,
            fip_mac: link.fip_mac,
        });
        let host = OnHost {
            link: link.as_ref(),
            priorities: self.priorities.clone(),
            ports: self.ports.clone(),
        };
        let mut all = vec![dvr::distributed(settings, router, &host, &known)];
        all.extend(dvr::snat(settings, router, &known));
        if let (Some(gateway), Some(link)) = (dvr::agent_gateway(settings, router), &link) {
            all.push(dvr::fip(settings, gateway, &[Served { router, link }]));
        }
        all
    }
}
