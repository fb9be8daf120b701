//! `iptables-save` and `iptables-restore` of the caller's network namespace ([`crate::NetNs::run`]
//! for another).
//!
//! Works with both of Debian's variants (nf_tables and legacy). What the text means is the
//! caller's business.

use std::process::Command;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::family::Family;
use crate::process;
use crate::sysctl;

/// The parameters by which packets that cross a Linux bridge are shown to the packet filter.
const BRIDGED: [&str; 3] =
    ["bridge-nf-call-arptables", "bridge-nf-call-iptables", "bridge-nf-call-ip6tables"];

/// Lets packets that cross Linux bridges pass the tables; without it they pass no rule at all.
/// False when the kernel cannot: its module `br_netfilter` is not loaded.
///
/// # Errors
/// [`Error::Kernel`] when the kernel refuses.
pub fn filter_bridged() -> Result<bool> {
    for name in BRIDGED {
        match sysctl::set(&["net", "bridge", name], "1") {
            Err(error) if error.is_missing() => return Ok(false),
            other => other?,
        }
    }
    Ok(true)
}

/// Whether the kernel has tables of an IP version: IPv6 may have been left out at boot.
#[must_use]
pub fn available(family: Family) -> bool {
    match family {
        Family::V4 => true,
        Family::V6 => std::path::Path::new("/proc/net/if_inet6").exists(),
    }
}

/// All tables, as `iptables-save` prints them; with packet and byte counters when wanted.
///
/// # Errors
/// [`Error::Kernel`] when the tool cannot be started, [`Error::Child`] when it fails.
pub fn save(family: Family, counters: bool) -> Result<String> {
    let mut command = Command::new(match family {
        Family::V4 => "iptables-save",
        Family::V6 => "ip6tables-save",
    });
    if counters {
        command.arg("-c");
    }
    process::run(&mut command)
}

/// Feeds `input` to `iptables-restore --noflush`: each table of it is changed wholly or not at
/// all. Waits up to `lock_wait` for somebody else's lock, in whole seconds and at least one.
///
/// # Errors
/// [`Error::Kernel`] when the tool cannot be started, [`Error::Child`] when it fails, with the
/// line that it did not like.
pub fn restore(family: Family, input: &str, lock_wait: Duration) -> Result<()> {
    let mut command = Command::new(match family {
        Family::V4 => "iptables-restore",
        Family::V6 => "ip6tables-restore",
    });
    command.args(["--noflush", "-w", &lock_wait.as_secs().max(1).to_string()]);
    match process::run_with_input(&mut command, input) {
        Ok(_) => Ok(()),
        Err(Error::Child { command, status, stderr }) => {
            let stderr = match refused_line(&stderr).and_then(|line| input.lines().nth(line)) {
                Some(line) => format!("{stderr}: `{line}`"),
                None => stderr,
            };
            Err(Error::Child { command, status, stderr })
        }
        Err(error) => Err(error),
    }
}

/// The index, from 0, of the line that iptables-restore complains about: `line 2 failed` or
/// `occurred at line: 2`.
fn refused_line(stderr: &str) -> Option<usize> {
    let (_, rest) = stderr.split_once("line")?;
    let rest = rest.trim_start_matches([':', ' ']);
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..digits].parse::<usize>().ok()?.checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_line_is_found_in_both_complaints() {
        assert_eq!(refused_line("iptables-restore: line 4 failed: No."), Some(3));
        assert_eq!(refused_line("unknown\nError occurred at line: 12\nTry"), Some(11));
        assert_eq!(refused_line("line 0"), None);
        assert_eq!(refused_line("line"), None);
        assert_eq!(refused_line("what"), None);
    }
}
