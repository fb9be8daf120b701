//! The dependency graph, as `cargo metadata` tells it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    process::Command,
};

use serde_json::Value;

/// One package of the graph.
pub struct Package {
    pub name: String,
    pub version: String,
    /// SPDX expression; empty when the package states none.
    pub licence: String,
    ours: bool,
    /// Runs in the compiler and is not linked into anything.
    macros: bool,
    normal: Vec<String>,
}

impl Package {
    /// Names of the packages it depends on, build and test dependencies aside.
    pub fn normal_dependencies(&self) -> impl Iterator<Item = &str> {
        self.normal.iter().map(String::as_str)
    }
}

/// All packages, and which of them end up in the binary.
pub struct Graph {
    packages: Vec<Package>,
    shipped: BTreeSet<usize>,
}

impl Graph {
    /// Runs `cargo metadata` for this machine's target.
    pub fn load() -> Result<Self, String> {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
        let output = Command::new(cargo)
            .args(["metadata", "--format-version", "1", "--locked"])
            .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
            .output()
            .map_err(|e| format!("cannot run cargo metadata: {e}"))?;
        if !output.status.success() {
            return Err(format!(
                "cargo metadata failed: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            ));
        }
        let metadata: Value = serde_json::from_slice(&output.stdout)
            .map_err(|e| format!("cargo metadata is not JSON: {e}"))?;
        Self::from_metadata(&metadata).ok_or_else(|| "cargo metadata has another form".into())
    }

    fn from_metadata(metadata: &Value) -> Option<Self> {
        let members: BTreeSet<&str> =
            metadata["workspace_members"].as_array()?.iter().filter_map(Value::as_str).collect();
        let mut index = HashMap::new();
        let mut packages = Vec::new();
        for package in metadata["packages"].as_array()? {
            let id = package["id"].as_str()?;
            index.insert(id, packages.len());
            let normal = package["dependencies"].as_array()?.iter();
            packages.push(Package {
                name: package["name"].as_str()?.to_string(),
                version: package["version"].as_str()?.to_string(),
                licence: package["license"].as_str().unwrap_or_default().to_string(),
                ours: members.contains(id),
                macros: package["targets"].as_array()?.iter().any(|t| {
                    t["kind"].as_array().is_some_and(|k| k.contains(&"proc-macro".into()))
                }),
                normal: normal
                    .filter(|d| d["kind"].is_null())
                    .filter_map(|d| d["name"].as_str().map(str::to_string))
                    .collect(),
            });
        }
        let mut edges: Vec<Vec<usize>> = vec![Vec::new(); packages.len()];
        for node in metadata["resolve"]["nodes"].as_array()? {
            let from = *index.get(node["id"].as_str()?)?;
            for dependency in node["deps"].as_array()? {
                let kinds = dependency["dep_kinds"].as_array()?;
                if kinds.iter().any(|k| k["kind"].is_null()) {
                    edges[from].push(*index.get(dependency["pkg"].as_str()?)?);
                }
            }
        }
        let mut todo: Vec<usize> =
            packages.iter().position(|p| p.ours && p.name == "neutrino").into_iter().collect();
        let mut shipped = BTreeSet::new();
        while let Some(at) = todo.pop() {
            if !packages[at].macros && shipped.insert(at) {
                todo.extend(&edges[at]);
            }
        }
        Some(Self { packages, shipped })
    }

    /// Our own packages.
    pub fn workspace(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|p| p.ours)
    }

    /// What the binary is linked from.
    pub fn shipped(&self) -> impl Iterator<Item = &Package> {
        self.shipped.iter().map(|i| &self.packages[*i])
    }

    /// Shipped packages that come in several versions.
    pub fn doubled(&self) -> BTreeMap<String, Vec<String>> {
        let mut versions: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for package in self.shipped() {
            versions.entry(package.name.clone()).or_default().push(package.version.clone());
        }
        versions.retain(|_, v| v.len() > 1);
        versions
    }
}
