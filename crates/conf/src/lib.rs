//! Neutron's INI files, read as oslo.config reads them.
//!
//! [`ini`] turns text into sections, [`opts`] defines every option once (name, type, default,
//! help, deprecated names), [`Conf`] answers typed values and [`sample`] prints sample files.
//! What an option means to a component is that component's business.

mod audit;
pub mod ini;
pub mod known;
mod option;
pub mod opts;
mod source;
mod substitute;
mod value;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

pub use audit::{Audit, Refusal, Refusals, Role};
pub use option::{AnyOpt, Opt};
use source::{Source, key};
pub use value::{Multi, OptValue, ValueError};

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
    /// In the order they were read.
    sources: Vec<Arc<Source>>,
    /// Directories given besides files, where files named by options are looked for, too.
    dirs: Vec<PathBuf>,
}

impl std::fmt::Debug for Conf {
    /// Names only: values may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.sources.iter().flat_map(|s| s.values.keys())).finish()
    }
}

/// Where oslo.config looks for Neutron's files.
pub const SYSTEM_DIRS: [&str; 2] = ["/etc/neutron", "/etc"];

impl Conf {
    /// Reads `files` in order, then every `*.conf` of each of `dirs` in name order, and checks
    /// that each known option's value is of its type.
    ///
    /// # Errors
    /// A file that cannot be read, is not INI, or holds a value of the wrong type.
    pub fn load(files: &[PathBuf], dirs: &[PathBuf]) -> Result<Self, ConfError> {
        let mut conf = Self { sources: Vec::new(), dirs: dirs.to_vec() };
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
        let source = Source::parse(Path::new("<text>"), text)?;
        let conf = Self { sources: vec![Arc::new(source)], dirs: Vec::new() };
        conf.check()?;
        Ok(conf)
    }

    /// The same configuration with one option set, as if a last file had said so.
    ///
    /// # Errors
    /// A value that is not of the option's type.
    pub fn with(mut self, opt: &dyn AnyOpt, value: &str) -> Result<Self, ConfError> {
        let values = BTreeMap::from([(key(opt.group(), opt.name()), vec![value.to_string()])]);
        self.sources.push(Arc::new(Source { path: "<set>".into(), values }));
        opt.check(&self)?;
        Ok(self)
    }

    fn merge_file(&mut self, path: &Path) -> Result<(), ConfError> {
        let text = fs::read_to_string(path)
            .map_err(|source| ConfError::Read { path: path.to_path_buf(), source })?;
        self.sources.push(Arc::new(Source::parse(path, &text)?));
        Ok(())
    }

    /// The file or directory that an option names: as it is if absolute, else in the directories
    /// where oslo.config looks: those given, those of the files read, then [`SYSTEM_DIRS`].
    #[must_use]
    pub fn find_file(&self, name: &str) -> Option<PathBuf> {
        let of_files = self.sources.iter().rev().filter_map(|s| s.path.parent());
        let given = self.dirs.iter().rev().map(PathBuf::as_path);
        let dirs = given.chain(of_files).chain(SYSTEM_DIRS.iter().map(Path::new));
        // An absolute name replaces the directory it is joined to.
        dirs.map(|dir| dir.join(name)).find(|path| path.exists())
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

    /// The value that `opt` has in `group` instead of its own group: for options that many groups
    /// share when another option names the group.
    ///
    /// # Errors
    /// A value that is not of the option's type.
    pub fn get_in<T: OptValue>(&self, group: &str, opt: &Opt<T>) -> Result<T, ConfError> {
        opt.read_in(self, group)
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

    /// Every value that the last file naming an option gives to it under one of `names`, after
    /// `$`-substitution. In one file the first of `names` counts.
    pub(crate) fn last_values(&self, names: &[(&str, &str)]) -> Option<Vec<String>> {
        let (source, at) = self.sources.iter().rev().find_map(|source| {
            let keys = names.iter().map(|(group, name)| key(group, name));
            keys.into_iter().find(|k| source.values.contains_key(k)).map(|k| (source, k))
        })?;
        let values = source.values.get(&at)?;
        Some(values.iter().map(|text| self.expand(&at.0, text)).collect())
    }

    /// The values of all files, in order.
    pub(crate) fn all_values(&self, names: &[(&str, &str)]) -> Vec<String> {
        let keys: Vec<_> = names.iter().map(|(group, name)| key(group, name)).collect();
        let of = |source: &Arc<Source>| {
            let texts = keys.iter().filter_map(|k| source.values.get(k).map(|v| (k, v)));
            texts.flat_map(|(k, v)| v.iter().map(|t| self.expand(&k.0, t))).collect::<Vec<_>>()
        };
        self.sources.iter().flat_map(of).collect()
    }
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
