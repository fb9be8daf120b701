//! Queries as long as a URL may be: answered, and nothing overflows.

use crate::support::server::TestServer;

/// A parameter two thousand times, each with another value.
fn repeated(name: &str, value: impl Fn(usize) -> String) -> String {
    (0..2000).map(|n| format!("{name}={}", value(n))).collect::<Vec<_>>().join("&")
}

#[tokio::test]
async fn long_filters_are_answered() {
    let t = TestServer::start().await;
    let tags = (0..5000).map(|n| format!("t{n}")).collect::<Vec<_>>().join(",");
    let number = |n: usize| n.to_string();
    let mut queries: Vec<(&str, String)> = ["tags", "tags-any", "not-tags", "not-tags-any"]
        .map(|name| ("networks", format!("{name}={tags}")))
        .to_vec();
    queries.extend([
        ("networks", repeated("name", number)),
        ("networks", repeated("shared", |n| (n % 2 == 0).to_string())),
        ("networks", repeated("mtu", number)),
        ("networks", repeated("provider:physical_network", number)),
        ("networks", repeated("sort_key", |_| "name&sort_dir=asc".into())),
        ("subnets", repeated("shared", |n| (n % 2 == 0).to_string())),
        ("ports", repeated("fixed_ips", |n| format!("subnet_id%3D{n}"))),
    ]);
    for (collection, query) in queries {
        let answer = t.client.get(&format!("/v2.0/{collection}?{query}")).await;
        assert_eq!(answer.status, 200, "{collection}?{}", &query[..30]);
    }
    let parts = vec!["fixed_ips=ip_address_substr%3D1"; 1000].join("&");
    assert_eq!(t.client.get(&format!("/v2.0/ports?{parts}")).await.status, 400);
    t.stop().await;
}
