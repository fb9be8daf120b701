//! Bytes nobody should send do not keep a process from what follows them.

use neutrino_rpc::{Target, Transport};
use serde_json::json;

use super::{
    Node, broker, config,
    raw::{Raw, inner, next},
    unique,
};
use crate::support::{WAIT, request};

const GARBAGE: &[&[u8]] = &[
    b"",
    b"\x00\xff\xfe",
    b"{",
    b"[]",
    b"null",
    b"{\"oslo.version\": \"9.9\", \"oslo.message\": \"{}\"}",
    b"{\"oslo.version\": \"2.0\", \"oslo.message\": 5}",
    b"{\"oslo.version\": \"2.0\", \"oslo.message\": \"{\\\"method\\\": 5}\"}",
    b"{\"method\": \"m\", \"args\": []}",
    b"{\"_msg_id\": 7, \"ending\": \"yes\", \"failure\": {}}",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_on_every_queue_is_survived() {
    let topic = unique("hostile");
    let node = Node::start(config(), "n", &[&topic]).connected().await;
    let raw = Raw::connect(&broker().url()).await;
    let mut server = raw.tap("neutron", "asked").await;
    let client = std::sync::Arc::clone(&node.client);
    let call = tokio::spawn(async move {
        client.call(&Target::topic("asked"), request("m", json!({})), WAIT).await
    });
    let asked = inner(&next(&mut server).await);
    let reply_queue = asked["_reply_q"].as_str().expect("text");
    for garbage in GARBAGE {
        raw.publish("neutron", &topic, garbage).await;
        raw.publish("neutron", &format!("{topic}.n"), garbage).await;
        raw.publish(&format!("{topic}_fanout"), "", garbage).await;
        raw.publish("", reply_queue, garbage).await;
    }
    let reply = json!({"_msg_id": asked["_msg_id"], "result": 1, "ending": true});
    raw.envelope("", reply_queue, &reply).await;
    assert_eq!(call.await.expect("joins").expect("answered"), 1);
    let good = json!({"method": "good", "args": {}});
    raw.envelope("neutron", &topic, &good).await;
    raw.envelope("neutron", &format!("{topic}.n"), &good).await;
    raw.envelope(&format!("{topic}_fanout"), "", &good).await;
    assert_eq!(node.received(3).await, ["good"; 3]);
    assert_eq!(node.client.attempts(), 1);
}
