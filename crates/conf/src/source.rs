//! What one file says: its options by group and name.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use crate::{ConfError, ini};

/// An option's place, normalised: see [`key`].
pub(crate) type Key = (String, String);

/// Group and name as they are compared: groups in lower case but for `DEFAULT`, and `_` in names
/// where older files have `-`, as oslo.config has them.
pub(crate) fn key(group: &str, name: &str) -> Key {
    let group = if group == "DEFAULT" { group.to_string() } else { group.to_lowercase() };
    (group, name.replace('-', "_"))
}

/// The options of one file.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// The file.
    pub path: PathBuf,
    /// Option to every value given, in order.
    pub values: BTreeMap<Key, Vec<String>>,
}

impl Source {
    /// Reads the INI text of the file at `path`.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfError> {
        let entries = ini::parse(text).map_err(|e| ConfError::Syntax {
            path: path.to_path_buf(),
            line: e.line,
            problem: e.problem,
        })?;
        let mut values: BTreeMap<Key, Vec<String>> = BTreeMap::new();
        for entry in entries {
            values.entry(key(&entry.section, &entry.key)).or_default().push(entry.value);
        }
        Ok(Self { path: path.to_path_buf(), values })
    }
}
