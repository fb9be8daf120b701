//! Names of ports, as the DHCP agents of a deployment without an external DNS service serve them.

use std::net::IpAddr;

use serde::Serialize;

use crate::models::port::FixedIp;

/// Longest fully qualified name, in characters.
const FQDN_MAX: usize = 255;

/// The domain under which users cannot name ports: the default.
const UNNAMED: &str = "openstacklocal.";

/// What `[DEFAULT] dns_domain` makes of ports' names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dns {
    /// As configured.
    configured: String,
    /// With a period at its end, or empty.
    domain: String,
}

/// One entry of `dns_assignment`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DnsAssignment {
    /// Address of the port.
    pub ip_address: IpAddr,
    /// Its name.
    pub hostname: String,
    /// Its name with the domain.
    pub fqdn: String,
}

impl Dns {
    /// Names under `domain`, which may end with a period or be empty.
    #[must_use]
    pub fn new(domain: &str) -> Self {
        let ended = domain.is_empty() || domain.ends_with('.');
        let period = if ended { "" } else { "." };
        Self { configured: domain.to_string(), domain: format!("{domain}{period}") }
    }

    /// Whether users name their ports. They do not without a domain, nor under the default one.
    #[must_use]
    pub fn takes_names(&self) -> bool {
        !self.domain.is_empty() && self.domain != UNNAMED
    }

    /// The names of a port's addresses: `name`, or one made of the address.
    #[must_use]
    pub fn assignment(&self, name: &str, ips: &[FixedIp]) -> Vec<DnsAssignment> {
        // A name may be older than the present domain.
        let name = if self.takes_names() { name } else { "" };
        ips.iter().map(|ip| self.named(name, ip.ip_address)).collect()
    }

    fn named(&self, name: &str, ip_address: IpAddr) -> DnsAssignment {
        let hostname = if name.is_empty() {
            format!("host-{}", ip_address.to_string().replace(['.', ':'], "-"))
        } else {
            name.to_string()
        };
        let fqdn = if self.domain.is_empty() || hostname.ends_with('.') {
            hostname.clone()
        } else {
            format!("{hostname}.{}", self.domain)
        };
        DnsAssignment { ip_address, hostname, fqdn }
    }

    /// Why `name`, which is well formed, cannot be a port's name under this domain.
    ///
    /// # Errors
    /// The reason: the name would become too long with the domain, or has another one.
    pub fn check(&self, name: &str) -> Result<(), String> {
        if !self.takes_names() || name.is_empty() {
            return Ok(());
        }
        let (domain, higher) = (&self.configured, format!(".{}", self.domain));
        let (length, higher_length) = (name.chars().count(), higher.chars().count());
        if name.ends_with('.') {
            if length <= higher_length || !name.ends_with(&higher) {
                return Err(format!(
                    "The dns_name passed is a FQDN. Its higher level labels must be equal to the \
                     dns_domain option in neutron.conf, that has been set to '{domain}'. It must \
                     also include one or more valid DNS labels to the left of '{domain}'"
                ));
            }
        } else if length + higher_length > FQDN_MAX {
            return Err(format!(
                "The dns_name passed is a PQDN and its size is '{length}'. The dns_domain option \
                 in neutron.conf is set to {domain}, with a length of '{higher_length}'. When the \
                 two are concatenated to form a FQDN (with a '.' at the end), the resulting length \
                 exceeds the maximum size of '{FQDN_MAX}'"
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(domain: &str, name: &str, ip: &str) -> (String, String) {
        let ip = FixedIp { subnet_id: String::new(), ip_address: ip.parse().expect("address") };
        let DnsAssignment { hostname, fqdn, .. } =
            Dns::new(domain).assignment(name, &[ip]).remove(0);
        (hostname, fqdn)
    }

    #[test]
    fn addresses_have_names() {
        for (domain, name, ip, hostname, fqdn) in [
            ("openstacklocal", "", "10.0.0.5", "host-10-0-0-5", "host-10-0-0-5.openstacklocal."),
            ("openstacklocal", "vm", "10.0.0.5", "host-10-0-0-5", "host-10-0-0-5.openstacklocal."),
            ("", "vm", "10.0.0.5", "host-10-0-0-5", "host-10-0-0-5"),
            ("example.org", "", "fd00::5", "host-fd00--5", "host-fd00--5.example.org."),
            ("example.org.", "vm", "10.0.0.5", "vm", "vm.example.org."),
            ("example.org", "vm.example.org.", "::1", "vm.example.org.", "vm.example.org."),
        ] {
            let wanted = (hostname.to_string(), fqdn.to_string());
            assert_eq!(names(domain, name, ip), wanted, "{domain} {name} {ip}");
        }
    }

    #[test]
    fn names_fit_the_domain() {
        let dns = Dns::new("example.org");
        for good in ["", "vm", "a.b", "vm.example.org.", &"a".repeat(242)] {
            assert_eq!(dns.check(good), Ok(()), "{good}");
        }
        for bad in ["vm.", ".example.org.", "vm.example.com.", "vmexample.org."] {
            let reason = dns.check(bad).expect_err(bad);
            assert!(reason.contains("has been set to 'example.org'"), "{reason}");
        }
        let reason = dns.check(&"a".repeat(243)).expect_err("too long");
        assert!(reason.contains("its size is '243'"), "{reason}");
        assert_eq!(Dns::new("openstacklocal").check("vm.example.com."), Ok(()));
    }
}
