//! The text form of flows, as ovs-ofctl writes and reads it.

mod action;
mod parse;
mod parse_action;
mod show;
mod value;

pub use show::Of10;

/// The text is not a flow as ovs-ofctl writes it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("parsing flow text: {what}: {text:?}")]
pub struct ParseError {
    /// What was wrong.
    pub what: &'static str,
    /// The piece of text that was.
    pub text: String,
}

impl ParseError {
    pub(crate) fn new(what: &'static str, text: &str) -> Self {
        Self { what, text: text.chars().take(200).collect() }
    }
}

/// A number in decimal or, after `0x`, in hexadecimal.
pub(crate) fn parse_u64(text: &str) -> Result<u64, ParseError> {
    u64::try_from(parse_u128(text)?).map_err(|_| ParseError::new("number too large", text))
}

/// A number in decimal or, after `0x`, in hexadecimal.
pub(crate) fn parse_u128(text: &str) -> Result<u128, ParseError> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let parsed = match digits {
        Some(hex) if !hex.starts_with('+') => u128::from_str_radix(hex, 16).ok(),
        None if !text.starts_with('+') => text.parse().ok(),
        _ => None,
    };
    parsed.ok_or_else(|| ParseError::new("not a number", text))
}

/// A number that fits `T`.
pub(crate) fn parse_num<T: TryFrom<u64>>(text: &str) -> Result<T, ParseError> {
    T::try_from(parse_u64(text)?).map_err(|_| ParseError::new("number out of range", text))
}

/// Splits at commas and blanks outside parentheses and brackets.
pub(crate) fn split_args(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut depth = 0usize;
    let mut start = 0;
    for (at, c) in text.char_indices() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts.retain(|part| !part.is_empty());
    parts
}
