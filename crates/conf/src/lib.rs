//! Neutron's INI files, read as oslo.config reads them.
//!
//! [`ini`] turns text into sections, [`opts`] defines every option once (name, type, default,
//! help, deprecated names), [`Conf`] answers typed values and [`sample`] prints sample files.
//! What an option means to a component is that component's business.

pub mod ini;
mod option;
pub mod opts;
mod value;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

pub use option::{AnyOpt, Opt};
pub use value::{OptValue, ValueError};

/// Why a configuration cannot be used. The text names the file or option and what is expected.
#[derive(Debug, thiserror::Error)]
pub enum ConfError {
    /// A file or directory could not be read.
    #[error("cannot read configuration {path}: {source}")]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is not INI.
    #[error("{path}:{line}: {problem}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// 1-based line.
        line: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// An option's value is not of the option's type.
    #[error("option {name} in group [{group}] has the value '{value}': {problem}")]
    Value {
        /// Group name.
        group: String,
        /// Option name.
        name: String,
        /// The text found.
        value: String,
        /// What the option accepts.
        problem: String,
    },
}

/// Options read from files, in order, later files winning.
#[derive(Clone, Default)]
pub struct Conf {
    /// (lower-case group, option) to every value given in the file that last named it.
    values: BTreeMap<(String, String), Vec<String>>,
}

impl std::fmt::Debug for Conf {
    /// Names only: values may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

impl Conf {
    /// Reads `files` in order, then every `*.conf` of each of `dirs` in name order, and checks
    /// that each known option's value is of its type.
    ///
    /// # Errors
    /// A file that cannot be read, is not INI, or holds a value of the wrong type.
    pub fn load(files: &[PathBuf], dirs: &[PathBuf]) -> Result<Self, ConfError> {
        let mut conf = Self::default();
        for file in files {
            conf.merge_file(file)?;
        }
        for dir in dirs {
            let read = |source| ConfError::Read { path: dir.clone(), source };
            let mut found: Vec<PathBuf> = fs::read_dir(dir)
                .map_err(read)?
                .filter_map(|entry| entry.ok().map(|e| e.path()))
                .filter(|p| p.extension().is_some_and(|x| x == "conf"))
                .collect();
            found.sort();
            for file in &found {
                conf.merge_file(file)?;
            }
        }
        conf.check()?;
        Ok(conf)
    }

    /// Reads one INI text, as [`Conf::load`] reads a file.
    ///
    /// # Errors
    /// Text that is not INI, or a value of the wrong type.
    pub fn parse_str(text: &str) -> Result<Self, ConfError> {
        let mut conf = Self::default();
        conf.merge_text(Path::new("<text>"), text)?;
        conf.check()?;
        Ok(conf)
    }

    /// The same configuration with one option set, as if a last file had said so.
    ///
    /// # Errors
    /// A value that is not of the option's type.
    pub fn with<T: OptValue>(mut self, opt: &Opt<T>, value: &str) -> Result<Self, ConfError> {
        self.values.insert((opt.group.to_lowercase(), opt.name.to_string()), vec![value.into()]);
        opt.check(&self)?;
        Ok(self)
    }

    fn merge_file(&mut self, path: &Path) -> Result<(), ConfError> {
        let text = fs::read_to_string(path)
            .map_err(|source| ConfError::Read { path: path.to_path_buf(), source })?;
        self.merge_text(path, &text)
    }

    fn merge_text(&mut self, path: &Path, text: &str) -> Result<(), ConfError> {
        let entries = ini::parse(text).map_err(|e| ConfError::Syntax {
            path: path.to_path_buf(),
            line: e.line,
            problem: e.problem,
        })?;
        let mut from_this_file: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
        for entry in entries {
            let key = (entry.section.to_lowercase(), entry.key);
            from_this_file.entry(key).or_default().push(entry.value);
        }
        self.values.extend(from_this_file);
        Ok(())
    }

    fn check(&self) -> Result<(), ConfError> {
        opts::all().iter().try_for_each(|opt| opt.check(self))
    }

    /// The value of `opt`: as configured under its name or a deprecated one, else its default.
    ///
    /// Values were checked when the configuration was read, so this cannot fail.
    #[must_use]
    pub fn get<T: OptValue>(&self, opt: &Opt<T>) -> T {
        opt.read(self).unwrap_or_else(|_| opt.default_value())
    }

    /// The value of `text`, or else the trimmed contents of the file that `file` names: for
    /// secrets, which may be given either way.
    ///
    /// # Errors
    /// The file is named but cannot be read.
    pub fn get_or_read(
        &self,
        text: &Opt<Option<String>>,
        file: &Opt<Option<String>>,
    ) -> Result<Option<String>, ConfError> {
        if let Some(value) = self.get(text) {
            return Ok(Some(value));
        }
        let Some(path) = self.get(file) else { return Ok(None) };
        match fs::read_to_string(&path) {
            Ok(value) => Ok(Some(value.trim().to_string())),
            Err(source) => Err(ConfError::Read { path: path.into(), source }),
        }
    }

    fn raw_all(&self, group: &str, name: &str) -> Option<&[String]> {
        self.values.get(&(group.to_lowercase(), name.to_string())).map(Vec::as_slice)
    }

    /// The text configured for `name` in `group`, after `$`-substitution.
    pub(crate) fn raw(&self, group: &str, name: &str) -> Option<String> {
        let text = self.raw_all(group, name)?.last()?;
        Some(self.substitute(group, text, 0))
    }

    /// `text` after `$`-substitution, as if it stood in `group`.
    pub(crate) fn expand(&self, group: &str, text: &str) -> String {
        self.substitute(group, text, 0)
    }

    /// Replaces `$name`, `${name}` and `${group.name}` by that option's value and `$$` by `$`.
    fn substitute(&self, group: &str, text: &str, depth: u8) -> String {
        // A cycle of references ends here and shows its text instead of hanging.
        if depth > 8 || !text.contains('$') {
            return text.to_string();
        }
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            out.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            if let Some(tail) = rest.strip_prefix('$') {
                out.push('$');
                rest = tail;
                continue;
            }
            let (name, tail) = reference(rest);
            match self.lookup(group, name) {
                Some(value) => out.push_str(&self.substitute(group, &value, depth + 1)),
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

    fn lookup(&self, group: &str, name: &str) -> Option<String> {
        if name.is_empty() {
            return None;
        }
        let (group, name) = name.split_once('.').unwrap_or((group, name));
        for g in [group, "DEFAULT"] {
            if let Some(text) = self.raw_all(g, name).and_then(|all| all.last()) {
                return Some(text.clone());
            }
            if let Some(opt) = opts::find(g, name) {
                return opt.default_text().map(str::to_string);
            }
        }
        None
    }

    /// Options set under a group no component of this binary knows, for a warning at start.
    #[must_use]
    pub fn unknown(&self) -> Vec<(String, String)> {
        self.values
            .keys()
            .filter(|(g, n)| !opts::all().iter().any(|o| o.answers_to(g, n)))
            .cloned()
            .collect()
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
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len());
    (&text[..end], &text[end..])
}

/// A commented sample file of these options, as `oslo-config-generator` prints one: group by
/// group, each where its first option stands.
#[must_use]
pub fn sample(options: &[&dyn AnyOpt]) -> String {
    let mut groups: Vec<&str> = Vec::new();
    for option in options {
        if !groups.contains(&option.group()) {
            groups.push(option.group());
        }
    }
    let mut out = String::new();
    for group in groups {
        out.push_str(&format!("[{group}]\n\n"));
        for opt in options.iter().filter(|o| o.group() == group) {
            for line in wrap(opt.help(), 76) {
                out.push_str(&format!("# {line}\n"));
            }
            let default = opt.default_text().unwrap_or("<None>");
            out.push_str(&format!("#{} = {default}\n\n", opt.name()));
        }
    }
    out
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().map(|l| l.len()).unwrap_or(0);
        if line + word.len() + 1 > width {
            lines.push(String::new());
        }
        if let Some(last) = lines.last_mut() {
            if !last.is_empty() {
                last.push(' ');
            }
            last.push_str(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests;
