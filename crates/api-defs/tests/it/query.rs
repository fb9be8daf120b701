//! Query strings: Neutron's rules and texts.

use neutrino_api_defs::{AGENTS, NETWORKS, PORTS, Resource, SERVICE_PROVIDERS, query};
use neutrino_types::{ApiError, ListQuery, SortDir};
use serde_json::json;

fn parse(resource: &Resource, text: &str) -> Result<ListQuery, ApiError> {
    let pairs: Vec<(String, String)> = text
        .split('&')
        .filter(|p| !p.is_empty())
        .map(|p| p.split_once('=').unwrap_or((p, "")))
        .map(|(k, v)| (k.to_string(), v.to_string()))
        .collect();
    query::parse(resource, &pairs, None)
}

fn message(resource: &Resource, text: &str) -> String {
    let e = parse(resource, text).expect_err(text);
    assert_eq!(e.status, 400);
    e.message
}

#[test]
fn filters() {
    let q = parse(
        &NETWORKS,
        "name=a&name=b&admin_state_up=True&mtu=1450&tenant_id=p&tags=x,y&description=&revision_number=3",
    )
    .expect("valid");
    assert_eq!(q.values("name"), Some(&[json!("a"), json!("b")][..]));
    assert_eq!(q.values("admin_state_up"), Some(&[json!(true)][..]));
    assert_eq!(q.values("mtu"), Some(&[json!(1450)][..]));
    assert_eq!(q.values("project_id"), Some(&[json!("p")][..]));
    assert_eq!(q.values("tags"), Some(&[json!("x"), json!("y")][..]));
    assert_eq!(q.values("description"), Some(&[json!("")][..]));
    assert_eq!(q.values("revision_number"), Some(&[json!(3)][..]));
    let q = parse(&PORTS, "fixed_ips=ip_address=10.0.0.3&mac_address=FA163E000001").expect("valid");
    assert_eq!(q.values("fixed_ips"), Some(&[json!("ip_address=10.0.0.3")][..]));
    assert_eq!(q.values("mac_address"), Some(&[json!("fa:16:3e:00:00:01")][..]));
    assert_eq!(
        parse(&AGENTS, "alive=true").expect("valid").values("alive"),
        Some(&[json!(true)][..])
    );
}

#[test]
fn refused_filters() {
    assert_eq!(
        message(&NETWORKS, "nosuch=1&subnets=2&name=a"),
        "['nosuch', 'subnets'] is invalid attribute for filtering"
    );
    assert_eq!(
        message(&NETWORKS, "shared=maybe"),
        "Invalid input for operation: 'maybe' cannot be converted to boolean."
    );
    assert_eq!(
        message(&PORTS, "fixed_ips=10.0.0.3"),
        "Invalid input for operation: '10.0.0.3' is not of the form <key>=[value]."
    );
    assert!(parse(&SERVICE_PROVIDERS, "whatever=1").is_ok());
}

#[test]
fn sort_order() {
    let q = parse(&NETWORKS, "sort_key=name&sort_dir=asc&sort_key=tenant_id&sort_dir=desc")
        .expect("valid");
    assert_eq!(q.sorts[0].key, "name");
    assert_eq!(q.sorts[1].key, "project_id");
    assert_eq!(q.sorts[1].dir, SortDir::Desc);
    assert_eq!(
        message(&NETWORKS, "sort_key=name"),
        "The number of sort_keys and sort_dirs must be same"
    );
    assert_eq!(
        message(&NETWORKS, "sort_key=subnets&sort_dir=asc"),
        "['subnets'] is invalid attribute for sort_keys"
    );
    assert_eq!(
        message(&NETWORKS, "sort_key=name&sort_dir=up"),
        "['up'] is invalid value for sort_dirs, valid value is 'asc' and 'desc'"
    );
}

#[test]
fn pages() {
    let pairs = |text: &[(&str, &str)]| -> Vec<(String, String)> {
        text.iter().map(|(k, v)| ((*k).to_string(), (*v).to_string())).collect()
    };
    let q = query::parse(
        &NETWORKS,
        &pairs(&[("limit", "5"), ("marker", "m"), ("page_reverse", "True")]),
        Some(3),
    )
    .expect("valid");
    assert_eq!((q.limit, q.marker.as_deref(), q.page_reverse), (Some(3), Some("m"), true));
    let q =
        query::parse(&NETWORKS, &pairs(&[("limit", "0"), ("marker", "m")]), None).expect("valid");
    assert_eq!((q.limit, q.marker), (None, None));
    assert_eq!(
        message(&NETWORKS, "limit=-1"),
        "Bad limit request: Limit must be an integer 0 or greater and not '-1'."
    );
    assert_eq!(
        message(&NETWORKS, "limit=x"),
        "Bad limit request: Limit must be an integer 0 or greater and not 'x'."
    );
    let q = parse(&NETWORKS, "fields=id&fields=name&fields=id").expect("valid");
    assert_eq!(q.fields, ["id", "name"]);
}
