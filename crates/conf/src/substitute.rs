//! References between options: `$name`, `${name}`, `$group.name`.

use crate::{Conf, opts};

/// A chain of references longer than this is a cycle; its text is left as it stands.
const DEPTH: u8 = 8;

impl Conf {
    /// `text` with references replaced, as if it stood in `group`. `$$` and `\$` are a dollar
    /// sign; what refers to nothing stays.
    pub(crate) fn expand(&self, group: &str, text: &str) -> String {
        self.substitute(group, text, 0)
    }

    fn substitute(&self, group: &str, text: &str, depth: u8) -> String {
        if depth > DEPTH || !text.contains('$') {
            return text.to_string();
        }
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            let (before, escaped) = match rest[..at].strip_suffix('\\') {
                Some(before) => (before, true),
                None => (&rest[..at], false),
            };
            out.push_str(before);
            rest = &rest[at + 1..];
            if escaped {
                out.push('$');
                continue;
            }
            if let Some(tail) = rest.strip_prefix('$') {
                out.push('$');
                rest = tail;
                continue;
            }
            let (name, tail) = reference(rest);
            match self.referred(group, name, depth) {
                Some(value) => out.push_str(&value),
                None => {
                    out.push('$');
                    out.push_str(&rest[..rest.len() - tail.len()]);
                }
            }
            rest = tail;
        }
        out.push_str(rest);
        out
    }

    /// The value that `name` has for an option of `group`: of the option in that group, else of
    /// the one in `DEFAULT`; nothing for an option without value.
    fn referred(&self, group: &str, name: &str, depth: u8) -> Option<String> {
        if name.is_empty() {
            return None;
        }
        let (group, name) = name.split_once('.').unwrap_or((group, name));
        for group in [group, "DEFAULT"] {
            if let Some(text) = self.raw(group, name) {
                return Some(self.substitute(group, &text, depth + 1));
            }
            if let Some(opt) = opts::find(group, name) {
                let default = opt.default_text().unwrap_or_default();
                return Some(self.substitute(group, default, depth + 1));
            }
        }
        None
    }

    /// The last text given for an option, as it stands.
    fn raw(&self, group: &str, name: &str) -> Option<String> {
        let at = crate::key(group, name);
        let texts = self.sources.iter().rev().find_map(|source| source.values.get(&at))?;
        texts.last().cloned()
    }
}

/// Splits the text after a `$` into the referenced name and what follows it.
fn reference(text: &str) -> (&str, &str) {
    if let Some(braced) = text.strip_prefix('{') {
        return match braced.find('}') {
            Some(end) => (&braced[..end], &braced[end + 1..]),
            None => ("", text),
        };
    }
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    let end = text.find(|c: char| !is_part(c)).unwrap_or(text.len());
    (&text[..end], &text[end..])
}
