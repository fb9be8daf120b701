//! Strings and names.

use serde_json::Value;

use super::{Check, refuse};
use crate::pytext;

/// A string of at most `max` characters.
///
/// # Errors
/// No string, or too long.
pub fn string(value: &Value, max: usize) -> Check {
    let Some(s) = value.as_str() else {
        return refuse(format!("'{}' is not a valid string", pytext::str(value)));
    };
    // Bytes bound characters from above, so most strings need no counting.
    if s.len() > max && s.chars().count() > max {
        return refuse(format!("'{s}' exceeds maximum length of {max}"));
    }
    Ok(())
}

/// A string that may be empty, but neither starts nor ends with white space nor holds control
/// characters or characters beyond the basic multilingual plane.
///
/// # Errors
/// No such string, or too long.
pub fn name(value: &Value, max: usize) -> Check {
    string(value, max)?;
    let s = value.as_str().unwrap_or_default();
    let plain = |c: char| c.is_ascii_graphic() || (c != ' ' && is_printable(c) && !is_space(c));
    let mut chars = s.chars();
    let good = match (chars.next(), s.chars().next_back()) {
        (Some(first), Some(last)) => plain(first) && plain(last) && chars.all(is_printable),
        _ => true,
    };
    if good { Ok(()) } else { refuse(format!("'{s}' is not a valid string")) }
}

/// A [`name`] that is not empty.
///
/// # Errors
/// No such string, or too long.
pub fn name_not_empty(value: &Value, max: usize) -> Check {
    string(value, max)?;
    not_blank(value.as_str().unwrap_or_default())?;
    name(value, max)
}

fn not_blank(s: &str) -> Check {
    if s.trim().is_empty() {
        return refuse(format!("'{s}' Blank strings are not permitted"));
    }
    Ok(())
}

/// A string that is not blank and holds no line break.
///
/// # Errors
/// No such string, or too long.
pub fn oneline_not_empty(value: &Value, max: usize) -> Check {
    string(value, max)?;
    let s = value.as_str().unwrap_or_default();
    not_blank(s)?;
    if s.trim_end_matches(['\n', '\r']).contains(['\n', '\r']) {
        return refuse(format!("Multi-line string is not allowed: '{s}'"));
    }
    Ok(())
}

/// Unicode categories other than C*, Zl and Zp, for assigned characters of the first plane.
fn is_printable(c: char) -> bool {
    if c.is_ascii() {
        return !c.is_ascii_control();
    }
    !matches!(u32::from(c),
        0x80..=0x9f | 0xad | 0x600..=0x605 | 0x61c | 0x6dd | 0x70f | 0x890..=0x891 | 0x8e2
        | 0x180e | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xe000..=0xf8ff
        | 0xfeff | 0xfff0..=0xfffb | 0xfffe..)
}

/// Unicode category Zs.
fn is_space(c: char) -> bool {
    matches!(u32::from(c), 0x20 | 0xa0 | 0x1680 | 0x2000..=0x200a | 0x202f | 0x205f | 0x3000)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names() {
        for good in ["", "a", "net 1", "n\u{e4}t", "\u{4e2d}"] {
            assert!(name(&json!(good), 255).is_ok(), "{good:?}");
        }
        for bad in [" a", "a ", "a\nb", "\u{a0}a", "a\u{200b}", "\u{1f600}"] {
            assert!(name(&json!(bad), 255).is_err(), "{bad:?}");
        }
        assert!(name(&json!("x".repeat(256)), 255).is_err());
        assert!(name(&json!("\u{e4}".repeat(255)), 255).is_ok());
    }
}
