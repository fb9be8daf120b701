//! Where services are: the catalog that comes with a token.

use serde::Deserialize;

/// The services a token's bearer may see.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Catalog(Vec<Entry>);

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Entry {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    endpoints: Vec<Place>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Place {
    interface: String,
    #[serde(default)]
    region: Option<String>,
    #[serde(default)]
    region_id: Option<String>,
    url: String,
}

impl Catalog {
    /// The URL of the service `kind` at `interface` in `region` (any, when `None`), without a
    /// slash at its end.
    #[must_use]
    pub fn find(&self, kind: &str, interface: &str, region: Option<&str>) -> Option<&str> {
        let interface = interface.strip_suffix("URL").unwrap_or(interface);
        let entries = self.0.iter().filter(|entry| entry.kind == kind);
        let place = entries.flat_map(|entry| &entry.endpoints).find(|place| {
            place.interface == interface && region.is_none_or(|region| place.is_in(region))
        });
        place.map(|place| place.url.trim_end_matches('/'))
    }

    /// Whether there is a service `kind`.
    #[must_use]
    pub fn has(&self, kind: &str) -> bool {
        self.0.iter().any(|entry| entry.kind == kind)
    }
}

impl Place {
    /// The id replaced the name in the Identity API; answers have both.
    fn is_in(&self, region: &str) -> bool {
        self.region.as_deref().or(self.region_id.as_deref()) == Some(region)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn endpoints_are_found_by_kind_interface_and_region() {
        let place = |interface: &str, region: &str, url: &str| json!({"id": "x", "interface": interface, "region": region, "region_id": region, "url": url});
        let catalog: Catalog = serde_json::from_value(json!([
            {"type": "identity", "name": "keystone", "id": "1", "endpoints": []},
            {"type": "compute", "endpoints": [
                place("public", "one", "http://one/v2.1/"),
                place("internal", "one", "http://in-one/v2.1"),
                place("public", "two", "http://two/v2.1"),
            ]},
        ]))
        .expect("catalog");
        let compute = |interface, region| catalog.find("compute", interface, region);
        assert_eq!(compute("public", None), Some("http://one/v2.1"));
        assert_eq!(compute("public", Some("two")), Some("http://two/v2.1"));
        assert_eq!(compute("internalURL", Some("one")), Some("http://in-one/v2.1"));
        assert_eq!(compute("internal", Some("two")), None);
        assert_eq!(catalog.find("identity", "public", None), None);
        assert!(catalog.has("identity") && !catalog.has("network"));
    }
}
