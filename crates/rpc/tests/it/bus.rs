//! The embedded bus, end to end over loopback.

use std::{path::PathBuf, sync::Arc, time::Duration};

use neutrino_rpc::{
    BusEvent, RpcError, Target, Transport, methods,
    transport::embedded::{
        ClientTls, Limits, ServerTls,
        protocol::{self, Frame},
    },
};
use serde_json::json;
use tokio::{io::AsyncWriteExt, net::TcpListener};

use crate::support::{Agent, Bus, Got, WAIT, request, wait_until};

#[tokio::test]
async fn wrong_secret_is_refused_and_a_rightful_agent_is_not_disturbed() {
    let bus = Bus::start(Limits::default()).await;
    let mut config = bus.client_config("thief");
    config.secret = "guess".into();
    let thief = bus.agent_with(config, &["topic"]);
    let agent = bus.agent("a", &["topic"]);
    agent.connected().await;
    wait_until("several attempts", || thief.client.attempts() >= 3).await;
    assert_eq!(bus.broker.clients(), ["a"]);
    assert!(thief.inbox.got().is_empty());
    let error = thief.call("t", "m", json!({})).await.expect_err("not connected");
    assert!(matches!(error, RpcError::Disconnected { .. }));
}

#[tokio::test]
async fn server_that_does_not_know_the_secret_is_refused() {
    let bus = Bus::start(Limits::default()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let mut config = bus.client_config("a");
    config.port = listener.local_addr().expect("bound").port();
    let agent = bus.agent_with(config, &["topic"]);
    let impostor = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.expect("accepts");
            let challenge = Frame::Challenge { version: 1, nonce: protocol::nonce() };
            let welcome = Frame::Welcome { proof: "AAAA".into(), heartbeat_ms: 1000, window: 9 };
            for frame in [challenge, welcome] {
                let bytes = protocol::encode(&frame).expect("encodes");
                let _ = stream.write_all(&bytes).await;
            }
        }
    });
    wait_until("several attempts", || agent.client.attempts() >= 3).await;
    assert!(agent.inbox.got().is_empty());
    impostor.abort();
}

#[tokio::test]
async fn empty_secret_is_refused_on_both_sides() {
    use neutrino_rpc::transport::embedded::{Broker, ClientConfig, Listener, ServerConfig};
    let config = ServerConfig {
        bind: ([127, 0, 0, 1], 0).into(),
        secret: String::new(),
        tls: None,
        limits: Limits::default(),
    };
    assert!(Listener::bind(Broker::new(), config).await.is_err());
    assert!(ClientConfig::from_url("embedded://h:1", "", "a").is_err());
}

#[tokio::test]
async fn fanout_reaches_ten_agents_and_a_directed_cast_one() {
    let bus = Bus::start(Limits::default()).await;
    let agents: Vec<Agent> = (0..10).map(|n| bus.agent(&format!("host{n}"), &["t"])).collect();
    for agent in &agents {
        agent.connected().await;
    }
    bus.fanout("t", "port_update", json!({"port": {"id": "p"}})).await;
    bus.broker
        .cast(&Target::server("t", "host7"), request("only_you", json!({})))
        .await
        .expect("cast");
    for (n, agent) in agents.iter().enumerate() {
        let wanted = if n == 7 { 2 } else { 1 };
        wait_until("the message", || agent.inbox.messages().len() == wanted).await;
    }
    assert_eq!(agents[7].inbox.messages()[1].0, "only_you");
    // A plain cast goes to one of them, in turn.
    for _ in 0..10 {
        bus.broker.cast(&Target::topic("t"), request("turn", json!({}))).await.expect("cast");
    }
    for (n, agent) in agents.iter().enumerate() {
        let wanted = if n == 7 { 3 } else { 2 };
        wait_until("its turn", || agent.inbox.messages().len() == wanted).await;
    }
}

#[tokio::test]
async fn killed_server_fails_calls_at_once_and_agents_come_back_by_themselves() {
    let mut bus = Bus::start(Limits::default()).await;
    bus.serve("q-plugin").await;
    let agent = bus.agent("a", &["t"]);
    agent.connected().await;
    let hanging = {
        let client = Arc::clone(&agent.client);
        tokio::spawn(async move {
            client.call(&Target::topic("q-plugin"), request("hang", json!({})), WAIT).await
        })
    };
    agent.call("q-plugin", "echo", json!({})).await.expect("the hanging call is sent");
    bus.kill().await;
    let error = hanging.await.expect("joins").expect_err("fails");
    assert!(matches!(error, RpcError::Disconnected { .. }) && error.retriable(), "{error}");
    wait_until("the loss", || agent.inbox.events().len() == 2).await;
    // Sent while the agent is away: covered by the resync that follows.
    bus.fanout("t", "missed", json!({})).await;
    bus.serve("q-plugin").await;
    bus.restart().await;
    wait_until("the resync", || agent.inbox.events().len() == 3).await;
    use BusEvent::{Connected, Disconnected};
    assert_eq!(agent.inbox.events(), [Connected, Disconnected, Connected]);
    // Subscribed before `Connected` was told, so nothing can be missed from here on.
    bus.fanout("t", "seen", json!({})).await;
    wait_until("the notification", || agent.inbox.messages().len() == 1).await;
    assert_eq!(agent.inbox.messages()[0].0, "seen");
    agent.call("q-plugin", "echo", json!({})).await.expect("works again");
}

#[tokio::test]
async fn silent_server_is_noticed_by_its_missing_heartbeats() {
    let limits = Limits { heartbeat: Duration::from_millis(40), ..Limits::default() };
    let bus = Bus::start(limits).await;
    // A wire between agent and server that is cut without either end noticing.
    let relay = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let mut config = bus.client_config("a");
    config.port = relay.local_addr().expect("bound").port();
    let server = bus.addr();
    let (cut, mut is_cut) = tokio::sync::watch::channel(false);
    let wire = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((mut near, _)) = relay.accept().await {
            let mut far = tokio::net::TcpStream::connect(server).await.expect("connects");
            tokio::select! {
                _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                _ = is_cut.wait_for(|cut| *cut) => held.push((near, far)),
            }
        }
    });
    let agent = bus.agent_with(config, &["t"]);
    agent.connected().await;
    cut.send(true).expect("wire runs");
    wait_until("the loss", || agent.inbox.events().contains(&BusEvent::Disconnected)).await;
    wait_until("the server's notice", || bus.broker.stats().sessions == 0).await;
    wire.abort();
}

#[tokio::test]
async fn newer_connection_of_an_agent_replaces_the_older() {
    let bus = Bus::start(Limits::default()).await;
    let first = bus.agent("same", &["t"]);
    first.connected().await;
    let mut patient = bus.client_config("same");
    patient.min_backoff = WAIT;
    let second = bus.agent_with(patient, &["t"]);
    second.connected().await;
    wait_until("the replacement", || first.inbox.events().contains(&BusEvent::Disconnected)).await;
    assert!(bus.broker.stats().sessions <= 1);
}

#[tokio::test]
async fn slow_agent_gets_the_newest_of_each_port_and_bounded_memory() {
    let limits = Limits { window: 4, queue_len: 16, ..Limits::default() };
    let bus = Bus::start(limits).await;
    let slow = bus.agent("slow", &["t"]);
    let quick = bus.agent("quick", &["t"]);
    slow.connected().await;
    quick.connected().await;
    let permits = slow.inbox.stop().await;
    for n in 0..2000 {
        let args = json!({"port": {"id": format!("p{}", n % 5), "n": n}});
        bus.fanout("t", methods::PORT_UPDATE.name, args).await;
        // Room for the quick one to keep up; it shares the machine with everything else.
        if n % 10 == 9 {
            wait_until("the quick agent", || {
                quick.inbox.messages().last().is_some_and(|(_, a)| a["port"]["n"] == n)
            })
            .await;
        }
    }
    assert!(bus.broker.stats().coalesced > 1900);
    slow.inbox.gate.add_permits(permits);
    wait_until("the last update", || {
        slow.inbox.messages().last().is_some_and(|(_, a)| a["port"]["n"] == 1999)
    })
    .await;
    let seen = slow.inbox.messages();
    assert!(seen.len() < 30, "merged, got {}", seen.len());
    for id in 0..5 {
        let newest = seen.iter().rev().find(|(_, a)| a["port"]["id"] == format!("p{id}"));
        assert_eq!(newest.expect("seen").1["port"]["n"], 1995 + id);
    }
    assert!(!slow.inbox.events().contains(&BusEvent::Resync));
    assert_eq!(bus.broker.stats().overflows, 0);
}

#[tokio::test]
async fn overflowing_queue_becomes_a_resync_in_its_place() {
    let limits = Limits { window: 2, queue_len: 8, ..Limits::default() };
    let bus = Bus::start(limits).await;
    let slow = bus.agent("slow", &["t"]);
    slow.connected().await;
    let permits = slow.inbox.stop().await;
    for n in 0..100 {
        bus.fanout("t", "add_fdb_entries", json!({ "n": n })).await;
    }
    assert!(bus.broker.stats().overflows >= 1);
    slow.inbox.gate.add_permits(permits);
    bus.fanout("t", "last", json!({})).await;
    wait_until("the last message", || {
        slow.inbox.messages().last().is_some_and(|(method, _)| method == "last")
    })
    .await;
    let got = slow.inbox.got();
    let resync = got.iter().rposition(|g| *g == Got::Event(BusEvent::Resync)).expect("told");
    // Between a resync and the end nothing is missing.
    let after: Vec<_> = got[resync + 1..]
        .iter()
        .filter_map(|g| if let Got::Message(_, args) = g { args.get("n")?.as_i64() } else { None })
        .collect();
    let expected: Vec<_> = (100 - after.len() as i64..100).collect();
    assert_eq!(after, expected);
}

#[tokio::test]
async fn notifications_arrive_in_order() {
    let bus = Bus::start(Limits::default()).await;
    let agent = bus.agent("a", &["t", "u"]);
    agent.connected().await;
    for n in 0..500 {
        bus.fanout(if n % 2 == 0 { "t" } else { "u" }, "m", json!({ "n": n })).await;
    }
    wait_until("all", || agent.inbox.messages().len() == 500).await;
    let order: Vec<_> = agent.inbox.messages().iter().map(|(_, a)| a["n"].as_i64()).collect();
    assert_eq!(order, (0..500).map(Some).collect::<Vec<_>>());
}

#[tokio::test]
async fn many_calls_at_once_are_all_answered() {
    let bus = Bus::start(Limits { calls_in_flight: 4, ..Limits::default() }).await;
    bus.serve("q-plugin").await;
    let agent = bus.agent("a", &["t"]);
    agent.connected().await;
    let calls: Vec<_> = (0..500)
        .map(|n| {
            let client = Arc::clone(&agent.client);
            let request = request("echo", json!({ "n": n }));
            tokio::spawn(
                async move { client.call(&Target::topic("q-plugin"), request, WAIT).await },
            )
        })
        .collect();
    for (n, call) in calls.into_iter().enumerate() {
        assert_eq!(call.await.expect("joins").expect("answered")["n"], n);
    }
}

fn tls_file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cases/tls").join(name)
}

#[tokio::test]
async fn tls_carries_the_bus_and_refuses_a_foreign_certificate() {
    let tls = ServerTls { cert_file: tls_file("server.pem"), key_file: tls_file("server.key") };
    let bus = Bus::start_with(Limits::default(), Some(tls)).await;
    bus.serve("q-plugin").await;
    let trusting = |ca: &str, name: &str| {
        let mut config = bus.client_config(name);
        config.tls = Some(ClientTls { ca_file: tls_file(ca), server_name: None });
        bus.agent_with(config, &["t"])
    };
    let agent = trusting("ca.pem", "good");
    agent.connected().await;
    let big = "x".repeat(1 << 20);
    let answer = agent.call("q-plugin", "echo", json!({ "big": big })).await.expect("answered");
    assert_eq!(answer["big"].as_str().map(str::len), Some(1 << 20));
    let wary = trusting("other-ca.pem", "wary");
    let mut config = bus.client_config("plain");
    // The server waits for a TLS greeting, this agent for a challenge.
    config.connect_timeout = Duration::from_millis(50);
    let plain = bus.agent_with(config, &["t"]);
    wait_until("attempts", || wary.client.attempts() > 2 && plain.client.attempts() > 2).await;
    assert_eq!(bus.broker.clients(), ["good"]);
}
