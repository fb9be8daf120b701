//! An agent that carries steps out on a model of the kernel, which refuses what the kernel would.

use std::net::IpAddr;

use ipnet::IpNet;
use neutrino_dataplane::{
    firewall::Ethertype,
    l3::{
        desired::{Neighbour, Route},
        observed::{Observed, ObservedDevice},
        step::Step,
    },
};

use crate::iptables::restored;

/// What `seen` becomes.
pub fn carry_out(mut seen: Observed, steps: &[Step]) -> Observed {
    for step in steps {
        if let Err(why) = one(&mut seen, step) {
            panic!("{step:?}: {why}\nsteps: {steps:#?}\nseen: {seen:#?}");
        }
    }
    seen
}

type Refused = Result<(), &'static str>;

fn must(condition: bool, why: &'static str) -> Refused {
    if condition { Ok(()) } else { Err(why) }
}

fn device<'s>(seen: &'s mut Observed, name: &str) -> Result<&'s mut ObservedDevice, &'static str> {
    seen.devices.iter_mut().find(|device| device.name == name).ok_or("no such device")
}

fn one(seen: &mut Observed, step: &Step) -> Refused {
    must(seen.exists || *step == Step::CreateNamespace, "no namespace")?;
    match step {
        Step::CreateNamespace => {
            must(!seen.exists, "exists")?;
            seen.exists = true;
        }
        Step::DeleteNamespace => *seen = Observed::default(),
        Step::ReplaceRoute(route) => replace_route(seen, route)?,
        Step::DeleteRoute(route) => remove(&mut seen.routes, route)?,
        Step::AddRule(rule) => {
            must(!seen.rules.contains(rule), "exists")?;
            seen.rules.push(rule.clone());
        }
        Step::DeleteRule(rule) => remove(&mut seen.rules, rule)?,
        Step::SetNeighbour(new) => {
            device(seen, &new.device)?;
            must(!seen.neighbours.contains(new), "exists")?;
            let same = |old: &Neighbour| (&old.device, old.ip) == (&new.device, new.ip);
            seen.neighbours.retain(|old| !same(old));
            seen.neighbours.push(new.clone());
        }
        Step::DeleteNeighbour(neighbour) => remove(&mut seen.neighbours, neighbour)?,
        Step::Restore { family: Ethertype::V4, commands } => {
            seen.iptables_v4 = restored(&seen.iptables_v4, commands);
        }
        Step::Restore { family: Ethertype::V6, commands } => {
            seen.iptables_v6 = restored(&seen.iptables_v6, commands);
        }
        Step::DeleteConntrack(_) => {}
        Step::Radvd(config) => {
            must(seen.radvd != *config, "runs with that")?;
            seen.radvd.clone_from(config);
        }
        Step::Proxy(on) => {
            must(seen.proxied != *on, "is so already")?;
            seen.proxied = *on;
        }
        Step::Announce(announcement) => {
            device(seen, &announcement.device)?;
        }
        of_device => device_step(seen, of_device)?,
    }
    Ok(())
}

/// A step that concerns devices, their addresses and parameters.
fn device_step(seen: &mut Observed, step: &Step) -> Refused {
    match step {
        Step::SetSysctl(sysctl) => {
            let old = seen.sysctls.insert(sysctl.path.clone(), sysctl.value.clone());
            must(old.as_ref() != Some(&sysctl.value), "has that value")?;
            let of_device = sysctl.path.split('/').find(|part| part.contains('-'));
            must(of_device.is_none_or(|d| device(seen, d).is_ok()), "no such device")?;
        }
        Step::AddDevice(new) => {
            must(device(seen, &new.name).is_err(), "exists")?;
            seen.devices.push(ObservedDevice {
                name: new.name.clone(),
                mac: new.mac,
                mtu: new.mtu.unwrap_or(1500),
                up: true,
                addresses: vec![IpNet::new_assert(new.mac.link_local().into(), 64)],
            });
        }
        Step::SetMac { device: name, mac } => device(seen, name)?.mac = *mac,
        Step::SetMtu { device: name, mtu } => device(seen, name)?.mtu = *mtu,
        Step::SetUp { device: name } => device(seen, name)?.up = true,
        Step::AddAddress { device: name, address } => {
            let addresses = &mut device(seen, name)?.addresses;
            must(!addresses.contains(address), "exists")?;
            addresses.push(*address);
        }
        Step::DeleteAddress { device: name, address } => {
            remove(&mut device(seen, name)?.addresses, address)?;
        }
        Step::DeleteDevice { device: name } => {
            device(seen, name)?;
            seen.devices.retain(|device| device.name != *name);
            seen.neighbours.retain(|neighbour| neighbour.device != *name);
            seen.routes.iter_mut().for_each(|r| r.hops.retain(|hop| hop.device != *name));
            seen.routes.retain(|route| !route.hops.is_empty());
            // The kernel keeps no parameters of a device that is gone.
            seen.sysctls.retain(|path, _| !path.split('/').any(|part| part == name));
        }
        _ => return Err("nobody carries that out"),
    }
    Ok(())
}

fn remove<T: PartialEq>(all: &mut Vec<T>, one: &T) -> Refused {
    let at = all.iter().position(|other| other == one).ok_or("there is none")?;
    all.remove(at);
    Ok(())
}

fn replace_route(seen: &mut Observed, route: &Route) -> Refused {
    for hop in &route.hops {
        device(seen, &hop.device)?;
        let reached = hop.gateway.is_none_or(|gateway| is_on_link(seen, &hop.device, gateway));
        must(reached, "gateway is not on the link")?;
    }
    must(!seen.routes.contains(route), "exists")?;
    seen.routes.retain(|old| (old.table, old.destination) != (route.table, route.destination));
    seen.routes.push(route.clone());
    Ok(())
}

fn is_on_link(seen: &Observed, name: &str, gateway: IpAddr) -> bool {
    let devices = seen.devices.iter().filter(|device| device.name == name);
    let connected = devices.flat_map(|device| &device.addresses).any(|net| net.contains(&gateway));
    let by_route = seen.routes.iter().any(|route| {
        route.destination.contains(&gateway)
            && route.hops.iter().any(|hop| hop.gateway.is_none() && hop.device == name)
    });
    connected || by_route
}
