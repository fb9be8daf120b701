//! What another client sees and sends: exchanges, queues, properties and bodies.

use std::time::Duration;

use lapin::ExchangeKind;
use neutrino_rpc::{Target, Transport};
use serde_json::{Value, json};

use super::{
    Node, broker, config, config_with,
    raw::{Raw, inner, next, nothing_within},
    unique,
};
use crate::support::{WAIT, request, wait_until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn properties_and_envelopes_are_oslos() {
    let topic = unique("wire");
    let node = Node::start(config(), "n", &[&topic]).connected().await;
    let raw = Raw::connect(&broker().url()).await;
    let mut casts = raw.tap("neutron", &format!("{topic}.h")).await;
    let mut fanouts = raw.tap(&format!("{topic}_fanout"), "").await;
    for target in [Target::server(&topic, "h"), Target::fanout(&topic)] {
        node.client.cast(&target, request("m", json!({"a": 1}))).await.expect("cast");
    }
    for (consumer, key) in [(&mut casts, format!("{topic}.h")), (&mut fanouts, String::new())] {
        let delivery = next(consumer).await;
        let properties = &delivery.properties;
        assert_eq!(properties.content_type().as_ref().expect("set").as_str(), "application/json");
        assert_eq!(properties.content_encoding().as_ref().expect("set").as_str(), "utf-8");
        assert_eq!((*properties.delivery_mode(), *properties.priority()), (Some(2), Some(0)));
        assert_eq!(properties.expiration(), &None);
        assert_eq!(delivery.routing_key.as_str(), key);
        let inner = inner(&delivery);
        assert_eq!((&inner["method"], &inner["args"]), (&json!("m"), &json!({"a": 1})));
        assert_eq!(inner["_unique_id"].as_str().expect("text").len(), 32);
        assert!(inner.get("_msg_id").is_none() && inner["_context_is_admin"] == true);
    }
    let names = broker().ctl(&["-q", "list_queues", "name", "arguments"]).expect("lists");
    let ours: Vec<_> = names.lines().filter(|line| line.starts_with(&topic)).collect();
    assert_eq!(ours.len(), 3, "{names}");
    assert!(
        ours.iter().any(|line| line.contains("_fanout_") && line.contains("1800000")),
        "{ours:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_answered_in_both_styles_and_heartbeats_are_no_answer() {
    let node = Node::start(config(), "n", &[]).connected().await;
    let raw = Raw::connect(&broker().url()).await;
    let topic = unique("server");
    let mut server = raw.tap("neutron", &topic).await;
    for (n, replies) in [
        vec![json!({"result": 7, "failure": null, "ending": true})],
        vec![json!({"result": 7, "failure": null}), json!({"result": null, "ending": true})],
        vec![
            json!({"result": null, "failure": null, "ending": false}),
            json!({"result": 7, "failure": null, "ending": true}),
        ],
    ]
    .into_iter()
    .enumerate()
    {
        let client = std::sync::Arc::clone(&node.client);
        let target = Target::topic(&topic);
        let call =
            tokio::spawn(async move { client.call(&target, request("m", json!({})), WAIT).await });
        let delivery = next(&mut server).await;
        let expiration = delivery.properties.expiration().as_ref().expect("set").to_string();
        assert_eq!(expiration, WAIT.as_millis().to_string());
        let asked = inner(&delivery);
        assert_eq!(asked["_timeout"], Value::Null);
        let reply_queue = asked["_reply_q"].as_str().expect("text");
        assert!(reply_queue.starts_with("reply_"));
        for mut reply in replies {
            reply["_msg_id"] = asked["_msg_id"].clone();
            raw.envelope("", reply_queue, &reply).await;
        }
        assert_eq!(call.await.expect("joins").expect("answered"), 7, "style {n}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repetitions_are_dropped_and_answers_wait_for_their_queue() {
    let topic = unique("dup");
    let node = Node::start(config(), "n", &[&topic]).connected().await;
    let raw = Raw::connect(&broker().url()).await;
    let message = json!({"method": "m", "args": {}, "_unique_id": "1"});
    raw.envelope("neutron", &topic, &message).await;
    raw.envelope("neutron", &topic, &message).await;
    let reply_queue = unique("late-reply");
    let call = json!({
        "method": "called", "args": {}, "_unique_id": "2", "_msg_id": "m1", "_reply_q": reply_queue,
    });
    raw.envelope("neutron", &format!("{topic}.n"), &call).await;
    assert_eq!(node.received(2).await.len(), 2);
    // The first attempts find no queue.
    tokio::time::sleep(Duration::from_millis(300)).await;
    raw.queue(&reply_queue).await;
    let mut replies = raw.consume(&reply_queue).await;
    let answer = inner(&next(&mut replies).await);
    assert_eq!((&answer["_msg_id"], &answer["ending"]), (&json!("m1"), &json!(true)));
    assert_eq!((&answer["failure"], &answer["result"]["method"]), (&Value::Null, &json!("called")));
    assert!(nothing_within(&mut replies, Duration::from_millis(300)).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signs_of_life_go_to_callers_that_ask_for_them() {
    let topic = unique("monitor");
    let node = Node::start(config(), "n", &[&topic]).connected().await;
    let raw = Raw::connect(&broker().url()).await;
    let reply_queue = unique("monitored");
    raw.queue(&reply_queue).await;
    let mut replies = raw.consume(&reply_queue).await;
    let permits = node.inbox.stop().await;
    let call = json!({
        "method": "m", "args": {}, "_msg_id": "m1", "_reply_q": reply_queue, "_timeout": 2,
    });
    raw.envelope("neutron", &topic, &call).await;
    for _ in 0..2 {
        let sign = inner(&next(&mut replies).await);
        assert_eq!((&sign["result"], &sign["ending"]), (&Value::Null, &json!(false)));
    }
    node.inbox.gate.add_permits(permits);
    let mut last = inner(&next(&mut replies).await);
    while last["ending"] == false {
        last = inner(&next(&mut replies).await);
    }
    assert_eq!(last["result"]["method"], "m");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_declared_durable_is_used_as_it_is() {
    let raw = Raw::connect(&broker().url()).await;
    let exchange = unique("exchange");
    // Not durable, while this process would declare it so.
    raw.exchange(&exchange, ExchangeKind::Topic, false).await;
    let mut durable = config_with(&broker().url(), "amqp_durable_queues = true");
    durable.shape.exchange.clone_from(&exchange);
    let topic = unique("fallback");
    let node = Node::start(durable, "n", &[&topic]).connected().await;
    let mut plain = config();
    plain.shape.exchange = exchange;
    let other = Node::start(plain, "other", &[]).connected().await;
    other.client.cast(&Target::topic(&topic), request("m", json!({}))).await.expect("cast");
    node.received(1).await;
    node.client.cast(&Target::server(&topic, "n"), request("m", json!({}))).await.expect("cast");
    node.received(2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kollas_quorum_queues_stream_fanout_and_managed_names_work() {
    let text = "rabbit_quorum_queue = true\nrabbit_transient_quorum_queue = true\n\
                rabbit_stream_fanout = true\nrabbit_qos_prefetch_count = 1\n\
                use_queue_manager = true\nhostname = h1\n";
    let mut config = config_with(&broker().url(), text);
    // The common exchange is not durable.
    config.shape.exchange = unique("quorum");
    let topic = unique("kolla");
    let first = Node::start(config.clone(), "n1", &[&topic]).connected().await;
    let second = Node::start(config, "n2", &[&topic]).connected().await;
    for n in 0..3 {
        let fanout = request("all", json!({ "n": n }));
        first.client.cast(&Target::fanout(&topic), fanout).await.expect("cast");
    }
    for node in [&first, &second] {
        assert_eq!(node.received(3).await, ["all", "all", "all"]);
    }
    let target = Target::server(&topic, "n2");
    let answer = first.client.call(&target, request("m", json!({})), WAIT).await;
    assert_eq!(answer.expect("answered")["method"], "m");
    let queues = broker().ctl(&["-q", "list_queues", "name", "type"]).expect("lists");
    for expected in
        [format!("{topic}\tquorum"), format!("{topic}_fanout\tstream"), "reply_h1:test:".into()]
    {
        assert!(queues.contains(&expected), "{expected} in {queues}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queues_of_a_process_that_closes_are_deleted() {
    let topic = unique("closing");
    let node = Node::start(config(), "n", &[&topic]).connected().await;
    node.client.close().await;
    let list = || broker().ctl(&["-q", "list_queues", "name"]).expect("lists");
    wait_until("its fanout queue to go", || !list().contains(&format!("{topic}_fanout"))).await;
}
