//! Names and domains of DNS, by RFC 952 and 1123.

use serde_json::Value;

use super::{Check, refuse, text};

/// Longest label, in characters.
const LABEL_MAX: usize = 63;
/// Labels that stand for something of the caller.
const KEYWORDS: [&str; 4] = ["<project_id>", "<project_name>", "<user_name>", "<user_id>"];

fn is_label(label: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (label.len() <= LABEL_MAX && label.chars().all(plain)) || KEYWORDS.contains(&label)
}

/// Why `name` is none.
fn flaw(name: &str, max: usize) -> Option<String> {
    let trimmed = name.strip_suffix('.').unwrap_or(name);
    if trimmed.chars().count() > max {
        return Some(format!("'{trimmed}' exceeds the {max} character FQDN limit"));
    }
    let mut last = "";
    for label in trimmed.split('.') {
        if label.is_empty() {
            return Some("Encountered an empty component".into());
        }
        if label.starts_with('-') || label.ends_with('-') {
            return Some(format!("Name '{label}' must not start or end with a hyphen"));
        }
        if !is_label(label) {
            return Some(format!(
                "Name '{label}' must be 1-{LABEL_MAX} characters long, each of which can only be \
                 alphanumeric or a hyphen"
            ));
        }
        last = label;
    }
    let numeric = last != trimmed && last.chars().all(|c| c.is_ascii_digit());
    numeric.then(|| format!("TLD '{last}' must not be all numeric"))
}

fn well_formed(name: &str, max: usize) -> Check {
    match flaw(name, max) {
        None => Ok(()),
        Some(reason) => refuse(format!("'{name}' not a valid PQDN or FQDN. Reason: {reason}")),
    }
}

/// A name, relative or fully qualified; empty is none.
///
/// # Errors
/// No string, no name, or one longer than `max` characters.
pub fn host_name(value: &Value, max: usize) -> Check {
    match string(value)? {
        "" => Ok(()),
        name => well_formed(name, max),
    }
}

/// A relative name that leaves room for a domain; empty is none.
///
/// # Errors
/// No string, no such name, or one that makes more than `max` characters with a domain.
pub fn relative_name(value: &Value, max: usize) -> Check {
    let name = string(value)?;
    if name.is_empty() {
        return Ok(());
    }
    if name.ends_with('.') {
        return refuse(format!("'{name}' is a FQDN. It should be a relative domain name"));
    }
    well_formed(name, max)?;
    let length = name.chars().count();
    if length + 3 > max {
        return refuse(format!(
            "'{name}' contains {length} characters. Adding a domain name will cause it to exceed \
             the maximum length of a FQDN of '{max}'"
        ));
    }
    Ok(())
}

/// A domain, which ends with a period and leaves room for a name; empty is none.
///
/// # Errors
/// No string, no such domain, or one that makes more than `max` characters with a name.
pub fn domain(value: &Value, max: usize) -> Check {
    let name = string(value)?;
    if name.is_empty() {
        return Ok(());
    }
    if !name.ends_with('.') {
        return refuse(format!("'{name}' is not a FQDN"));
    }
    well_formed(name, max)?;
    let length = name.chars().count();
    if length + 2 > max {
        return refuse(format!(
            "'{name}' contains {length} characters. Adding a sub-domain will cause it to exceed \
             the maximum length of a FQDN of '{max}'"
        ));
    }
    Ok(())
}

fn string(value: &Value) -> Result<&str, super::Refusal> {
    text::string(value, usize::MAX)?;
    Ok(value.as_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::validators::Refusal;

    const MAX: usize = 255;

    fn reason(check: Check) -> String {
        match check.expect_err("refused") {
            Refusal::Reason(reason) => reason,
            Refusal::Error(error) => error.message,
        }
    }

    /// 63 + 1 + 63 + ... characters.
    fn long(labels: usize) -> String {
        vec!["a".repeat(LABEL_MAX); labels].join(".")
    }

    #[test]
    fn names() {
        for good in ["", "a", "web-1", "1", "a.b", "a.b.", "1.2.c", "<user_id>.x", &long(3)] {
            assert!(host_name(&json!(good), MAX).is_ok(), "{good}");
        }
        for (bad, why) in [
            (".", "empty component"),
            ("a..b", "empty component"),
            ("-a", "hyphen"),
            ("a-.b", "hyphen"),
            ("a_b", "alphanumeric"),
            ("a\n", "alphanumeric"),
            ("\u{e4}", "alphanumeric"),
            ("<other>", "alphanumeric"),
            (&"a".repeat(64), "1-63 characters"),
            ("a.1", "TLD '1' must not be all numeric"),
            (&long(5), "exceeds the 255 character FQDN limit"),
        ] {
            let found = reason(host_name(&json!(bad), MAX));
            assert!(found.starts_with(&format!("'{bad}' not a valid PQDN or FQDN")), "{found}");
            assert!(found.contains(why), "{found}");
        }
        assert_eq!(reason(host_name(&json!(5), MAX)), "'5' is not a valid string");
    }

    #[test]
    fn relative_names() {
        assert!(relative_name(&json!("web.a"), MAX).is_ok());
        assert_eq!(
            reason(relative_name(&json!("web."), MAX)),
            "'web.' is a FQDN. It should be a relative domain name"
        );
        let most = format!("{}.{}", long(3), "a".repeat(60));
        assert!(relative_name(&json!(most), MAX).is_ok(), "{}", most.len());
        let found = reason(relative_name(&json!(format!("{most}a")), MAX));
        assert!(found.contains("contains 253 characters. Adding a domain name"), "{found}");
    }

    #[test]
    fn domains() {
        assert!(domain(&json!("example.org."), MAX).is_ok());
        assert!(domain(&json!(""), MAX).is_ok());
        assert_eq!(reason(domain(&json!("example.org"), MAX)), "'example.org' is not a FQDN");
        let most = format!("{}.{}.", long(3), "a".repeat(60));
        assert!(domain(&json!(most), MAX).is_ok(), "{}", most.len());
        let found = reason(domain(&json!(format!("a{most}")), MAX));
        assert!(found.contains("1-63 characters"), "{found}");
        let found = reason(domain(&json!(format!("{}.{}.", long(3), "a".repeat(61))), MAX));
        assert!(found.contains("contains 254 characters. Adding a sub-domain"), "{found}");
    }
}
