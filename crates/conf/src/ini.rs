//! The INI dialect of oslo.config: sections, `key = value` or `key: value`, continuation lines
//! that start with white space, whole-line comments with `#` or `;`, repeated keys kept.
//!
//! As there, only what stands right below an option continues it: a blank line, a comment or a
//! section ends it. An indented line is part of the value whatever it begins with.

/// One `key = value` of a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Section as written; options before any section belong to none and are refused.
    pub section: String,
    /// Option name.
    pub key: String,
    /// Value without surrounding white space and quotes; continuation lines joined by newlines.
    pub value: String,
}

/// Where and why a text is not INI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    /// 1-based line.
    pub line: usize,
    /// What is wrong.
    pub problem: &'static str,
}

/// Parses a whole file.
///
/// # Errors
/// The first line that is neither section, option, continuation, comment nor blank.
pub fn parse(text: &str) -> Result<Vec<Entry>, SyntaxError> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut section: Option<String> = None;
    // Whether the line before belongs to an option, so that an indented line continues it.
    let mut open = false;
    for (index, raw) in text.lines().enumerate() {
        let err = |problem| SyntaxError { line: index + 1, problem };
        let line = raw.trim_end();
        if line.is_empty() {
            open = false;
            continue;
        }
        if line.starts_with([' ', '\t']) {
            match entries.last_mut() {
                Some(entry) if open => {
                    entry.value.push('\n');
                    entry.value.push_str(line.trim_start());
                    continue;
                }
                _ => return Err(err("a continuation line without an option before it")),
            }
        }
        open = false;
        if line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(rest) = line.strip_prefix('[') {
            let name = rest.strip_suffix(']').ok_or(err("a section name must end with ']'"))?;
            if name.is_empty() {
                return Err(err("a section name is empty"));
            }
            section = Some(name.to_string());
            continue;
        }
        let at = line.find(['=', ':']).ok_or(err("expected 'option = value' or '[group]'"))?;
        let key = line[..at].trim();
        if key.is_empty() {
            return Err(err("an option name is empty"));
        }
        let section = section.clone().ok_or(err("an option before the first [group]"))?;
        let value = unquote(line[at + 1..].trim()).to_string();
        entries.push(Entry { section, key: key.to_string(), value });
        open = true;
    }
    Ok(entries)
}

/// Strips one pair of equal quotes around the whole value, as oslo.config does. A lone quote is
/// its own pair there.
fn unquote(value: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(inner) = value.strip_prefix(quote) {
            return match inner.strip_suffix(quote) {
                Some(inner) => inner,
                None if inner.is_empty() => inner,
                None => value,
            };
        }
    }
    value
}
