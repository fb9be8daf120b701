//! The proxy alone.

use std::{net::Ipv4Addr, time::Duration};

use neutrino_agent_metadata::proxy::{Bind, MetadataProxy, Served, Settings};
use neutrino_conf::Conf;

use crate::support::{Directory, Namespace, Recorder};

const METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);
const INSTANCE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 5);
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 4\r\n\r\ni-42";

fn settings(directory: &Directory, more: &str) -> Settings {
    let text = format!("[DEFAULT]\nstate_path = {}\n{more}", directory.0.display());
    Settings::from_conf(&Conf::parse_str(&text).expect("valid"))
}

fn port_80() -> Vec<Bind> {
    vec![Bind { address: (METADATA, 80).into(), device: None }]
}

#[tokio::test]
async fn forged_headers_do_not_reach_the_agent() {
    if !neutrino_privilege::granted() {
        return;
    }
    let directory = Directory::new("forged");
    let settings = settings(&directory, "");
    let agent = Recorder::start(&settings.socket, OK);
    let namespace = Namespace::new(&[METADATA, INSTANCE]);
    let proxy = MetadataProxy::new(settings);
    let listening = proxy
        .listen(&namespace.path(), &port_80(), Served::Network("net-1".into()))
        .await
        .expect("listens");
    let answer = namespace
        .curl(&[
            "--interface",
            "10.0.0.5",
            "--header",
            "X-Forwarded-For: 10.0.0.9",
            "--header",
            "X-Neutron-Router-ID: r",
            "--header",
            "X_Neutron_Network_ID: other",
            "--header",
            "X-Instance-ID: other",
            "http://169.254.169.254/latest/meta-data/instance-id?a=b",
        ])
        .await;
    assert_eq!(answer, "i-42\n200");
    let heard = agent.heard();
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert!(heard[0].starts_with("get /latest/meta-data/instance-id?a=b http/1.1\r\n"));
    assert!(heard[0].contains("\r\nx-forwarded-for: 10.0.0.5\r\n"), "{}", heard[0]);
    assert!(heard[0].contains("\r\nx-neutron-network-id: net-1\r\n"), "{}", heard[0]);
    for forged in ["10.0.0.9", "router", "other"] {
        assert!(!heard[0].contains(forged), "{}", heard[0]);
    }
    listening.stop().await;
    assert_eq!(namespace.curl(&["http://169.254.169.254/"]).await, "\n000", "nobody listens");
}

#[tokio::test]
async fn one_process_serves_namespaces_apart() {
    if !neutrino_privilege::granted() {
        return;
    }
    let directory = Directory::new("apart");
    let settings = settings(&directory, "");
    let agent = Recorder::start(&settings.socket, OK);
    let proxy = MetadataProxy::new(settings);
    let mut kept = Vec::new();
    for n in 0..3 {
        let namespace = Namespace::new(&[METADATA, INSTANCE]);
        let served = Served::Router(format!("router-{n}"));
        let listening = proxy.listen(&namespace.path(), &port_80(), served).await.expect("listens");
        kept.push((namespace, listening));
    }
    for (namespace, _) in &kept {
        // Two requests on one connection.
        let url = "http://169.254.169.254/";
        let output = namespace.curl_output(&["--verbose", url, url]).await;
        assert_eq!(String::from_utf8_lossy(&output.stdout), "i-42\n200i-42\n200");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(told.contains("Re-using existing connection"), "{told}");
    }
    let heard = agent.heard();
    for (n, request) in heard.iter().enumerate() {
        assert!(request.contains(&format!("x-neutron-router-id: router-{}\r\n", n / 2)));
    }
    assert_eq!(heard.len(), 6);
}

#[tokio::test]
async fn limits_are_answered_as_haproxy_does() {
    if !neutrino_privilege::granted() {
        return;
    }
    let directory = Directory::new("limits");
    let limits = "[metadata_rate_limiting]\nrate_limit_enabled = true\nbase_query_rate_limit = 2\n\
        base_window_duration = 3600\nburst_window_duration = 3600\n";
    let mut settings = settings(&directory, limits);
    settings.server = Duration::from_millis(200);
    let namespace = Namespace::new(&[METADATA, INSTANCE]);
    let proxy = MetadataProxy::new(settings.clone());
    let _listening = proxy
        .listen(&namespace.path(), &port_80(), Served::Network("net-1".into()))
        .await
        .expect("listens");
    let url = "http://169.254.169.254/";
    // An agent that accepts and is silent.
    let silent = tokio::net::UnixListener::bind(&settings.socket).expect("bind");
    assert!(namespace.curl(&[url]).await.ends_with("\n504"));
    drop(silent);
    assert!(namespace.curl(&[url]).await.ends_with("\n503"), "nobody listens");
    assert!(namespace.curl(&[url]).await.ends_with("\n429"), "the third");
    let long = format!("X-Long: {}", "x".repeat(20_000));
    let other = ["--interface", "10.0.0.5", "--header", &long, url];
    assert!(namespace.curl(&other).await.ends_with("\n431"));
}
