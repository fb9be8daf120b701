//! One rule as text, and when two texts are the same rule.

use std::{borrow::Cow, fmt::Write};

use ipnet::IpNet;

/// A rule: what it matches, why it is there, where it sends the packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    matches: String,
    comment: Option<Cow<'static, str>>,
    /// The comment stays when comments are not wanted.
    essential: bool,
    target: String,
}

impl Rule {
    /// A rule for packets that `matches` (arguments in the order iptables-save prints them; empty
    /// for all), which go to `target` (a chain, or an action with its arguments).
    #[must_use]
    pub fn new(matches: impl Into<String>, target: impl Into<String>) -> Self {
        Self { matches: matches.into(), comment: None, essential: false, target: target.into() }
    }

    /// Says why the rule is there.
    #[must_use]
    pub fn comment(mut self, comment: impl Into<Cow<'static, str>>) -> Self {
        self.comment = Some(comment.into());
        self
    }

    /// Says whose the rule is; stays even when comments are not wanted.
    #[must_use]
    pub fn noted(mut self, note: String) -> Self {
        self.comment = Some(note.into());
        self.essential = true;
        self
    }

    /// The rule as iptables-save prints it behind `-A <chain> `.
    pub(super) fn text(&self, comments: bool) -> String {
        let mut text = self.matches.clone();
        if !text.is_empty() {
            text.push(' ');
        }
        if let Some(comment) = self.comment.as_ref().filter(|_| comments || self.essential) {
            // Writing to a string cannot fail.
            let _ = write!(text, "-m comment --comment {} ", quoted(comment));
        }
        let _ = write!(text, "-j {}", self.target);
        text
    }
}

/// A string argument as libxtables prints it: bare when made of letters, digits, `_` and `-`.
fn quoted(text: &str) -> Cow<'_, str> {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !text.is_empty() && text.chars().all(bare) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\' | '\'') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    Cow::Owned(out)
}

/// A form in which two texts of the same rule are equal, whichever version of iptables printed
/// them: MAC addresses in lower case, protocols by number, addresses in one notation.
#[must_use]
pub fn canonical(rule: &str) -> String {
    let mut out = String::with_capacity(rule.len());
    let mut option = "";
    // Splitting at every space takes quoted words apart too, but puts them together unchanged:
    // only the word behind one of the options below is touched.
    for word in rule.split(' ') {
        if !out.is_empty() {
            out.push(' ');
        }
        match option {
            "-p" => match protocol_number(word) {
                Some(number) => {
                    let _ = write!(out, "{number}");
                }
                None => out.push_str(word),
            },
            "-s" | "-d" => match word.parse::<IpNet>() {
                Ok(net) => {
                    let _ = write!(out, "{net}");
                }
                Err(_) => out.push_str(word),
            },
            "--mac-source" => out.push_str(&word.to_ascii_lowercase()),
            // Type 255 stands for every type in iptables, whatever the code.
            "--icmp-type" if word == "255" || word.starts_with("255/") => out.push_str("any"),
            _ => out.push_str(word),
        }
        option = word;
    }
    out
}

/// The jump target of a rule's text.
pub(super) fn target(rule: &str) -> Option<&str> {
    // A comment may say anything: words between quotes are none.
    let mut quoted = false;
    let mut words = rule.split(' ').filter(|word| {
        let inside = quoted;
        quoted ^= word.replace("\\\"", "").matches('"').count() % 2 == 1;
        !inside
    });
    words.find(|word| matches!(*word, "-j" | "-g"))?;
    words.next()
}

/// How iptables-save names an IP protocol on Debian (`/etc/protocols`); its number when it has no
/// name.
#[must_use]
pub fn protocol_name(number: u8) -> Cow<'static, str> {
    match PROTOCOLS.binary_search_by_key(&number, |(n, _)| *n) {
        Ok(found) => Cow::Borrowed(PROTOCOLS[found].1),
        Err(_) => Cow::Owned(number.to_string()),
    }
}

/// The number of an IP protocol that iptables prints by name or number.
pub(crate) fn protocol_number(name: &str) -> Option<u8> {
    if let Ok(number) = name.parse() {
        return Some(number);
    }
    let listed = PROTOCOLS.iter().find(|(_, n)| *n == name).map(|(number, _)| *number);
    listed.or_else(|| OTHER_NAMES.iter().find(|(_, n)| *n == name).map(|(number, _)| *number))
}

/// Protocols with a name in Debian's `/etc/protocols`, by number. Number 0 is no match at all.
const PROTOCOLS: [(u8, &str); 54] = [
    (1, "icmp"),
    (2, "igmp"),
    (3, "ggp"),
    (4, "ipencap"),
    (5, "st"),
    (6, "tcp"),
    (8, "egp"),
    (9, "igp"),
    (12, "pup"),
    (17, "udp"),
    (20, "hmp"),
    (22, "xns-idp"),
    (27, "rdp"),
    (29, "iso-tp4"),
    (33, "dccp"),
    (36, "xtp"),
    (37, "ddp"),
    (38, "idpr-cmtp"),
    (41, "ipv6"),
    (43, "ipv6-route"),
    (44, "ipv6-frag"),
    (45, "idrp"),
    (46, "rsvp"),
    (47, "gre"),
    (50, "esp"),
    (51, "ah"),
    (57, "skip"),
    (58, "ipv6-icmp"),
    (59, "ipv6-nonxt"),
    (60, "ipv6-opts"),
    (73, "rspf"),
    (81, "vmtp"),
    (88, "eigrp"),
    (89, "ospf"),
    (93, "ax.25"),
    (94, "ipip"),
    (97, "etherip"),
    (98, "encap"),
    (103, "pim"),
    (108, "ipcomp"),
    (112, "vrrp"),
    (115, "l2tp"),
    (124, "isis"),
    (132, "sctp"),
    (133, "fc"),
    (135, "mobility-header"),
    (136, "udplite"),
    (137, "mpls-in-ip"),
    (138, "manet"),
    (139, "hip"),
    (140, "shim6"),
    (141, "wesp"),
    (142, "rohc"),
    (143, "ethernet"),
];

/// Names that other distributions or iptables itself print for some of them.
const OTHER_NAMES: [(u8, &str); 6] =
    [(4, "ipv4"), (9, "igrp"), (58, "icmpv6"), (113, "pgm"), (135, "ipv6-mh"), (135, "mh")];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_in_the_order_of_iptables_save() {
        let rule = Rule::new("-i qvb1", "CT --zone 4097").comment("Set zone");
        assert_eq!(rule.text(true), "-i qvb1 -m comment --comment \"Set zone\" -j CT --zone 4097");
        assert_eq!(rule.text(false), "-i qvb1 -j CT --zone 4097");
        assert_eq!(Rule::new("", "ACCEPT").text(true), "-j ACCEPT");
    }

    #[test]
    fn comments_are_quoted_as_libxtables_does() {
        assert_eq!(quoted("Set"), "Set");
        assert_eq!(quoted("it's \"x\" \\"), r#""it\'s \"x\" \\""#);
        assert_eq!(quoted("a.b"), "\"a.b\"");
    }

    #[test]
    fn different_prints_of_one_rule_are_equal() {
        let same = [
            ("-p ipencap -j X", "-p 4 -j X"),
            ("-p ipv6-icmp -j X", "-p icmpv6 -j X"),
            (
                "-m mac --mac-source FA:16:3E:00:00:01 -j X",
                "-m mac --mac-source fa:16:3e:00:00:01 -j X",
            ),
            ("-s ::1.2.3.4/128 -j X", "-s ::102:304/128 -j X"),
            ("-p icmp -m icmp --icmp-type any -j X", "-p 1 -m icmp --icmp-type 255/0 -j X"),
        ];
        for (one, other) in same {
            assert_eq!(canonical(one), canonical(other));
        }
        assert_ne!(canonical("-p tcp -j X"), canonical("-p udp -j X"));
    }

    #[test]
    fn target_is_not_read_from_comments() {
        assert_eq!(target(r#"-m comment --comment "a \" -j b" -j c"#), Some("c"));
        assert_eq!(target("-p tcp"), None);
    }

    #[test]
    fn protocols_are_sorted_for_the_search() {
        assert!(PROTOCOLS.is_sorted_by_key(|(number, _)| *number));
        assert_eq!(protocol_name(112), "vrrp");
        assert_eq!(protocol_name(7), "7");
    }
}
