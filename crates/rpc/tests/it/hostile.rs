//! Decoders fed with hostile bytes, and peers that do not keep to the protocol.

use std::time::Duration;

use neutrino_rpc::{
    Request,
    envelope::Reply,
    transport::embedded::{
        Limits,
        protocol::{self, Frame, FrameDecoder, FrameError, Proof},
    },
};
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::support::{Bus, SECRET, WAIT, wait_until};

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z_.0-9\"\\\\]{0,12}".prop_map(Value::from),
    ];
    let key = prop_oneof![
        Just("oslo.version".to_string()),
        Just("oslo.message".to_string()),
        Just("method".to_string()),
        Just("args".to_string()),
        Just("failure".to_string()),
        Just("_msg_id".to_string()),
        Just("t".to_string()),
        Just("body".to_string()),
        "[a-z_]{0,8}",
    ];
    leaf.prop_recursive(4, 32, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((key.clone(), inner), 0..6)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn envelope_decoders_answer_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let text = String::from_utf8_lossy(&bytes);
        let _ = Request::decode(&text);
        let _ = Reply::decode(&text);
    }

    #[test]
    fn envelope_decoders_answer_any_json(outer in any_json(), inner in any_json()) {
        let _ = Request::from_value(outer.clone());
        let _ = Reply::from_value(outer);
        let wrapped = json!({"oslo.version": "2.0", "oslo.message": inner.to_string()});
        let _ = Reply::from_value(wrapped.clone());
        if let Ok(request) = Request::from_value(wrapped) {
            // What was understood is understood the same after a round trip.
            prop_assert_eq!(Request::decode(&request.encode()).expect("own output"), request);
        }
    }

    #[test]
    fn frame_decoder_answers_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut decoder = FrameDecoder::new(4096);
        decoder.buffer.extend_from_slice(&bytes);
        while let Ok(Some(_)) = decoder.next_frame() {}
    }

    #[test]
    fn frame_decoder_answers_any_json(value in any_json()) {
        let json = value.to_string();
        let mut decoder = FrameDecoder::new(1 << 20);
        decoder.buffer.extend_from_slice(&(json.len() as u32).to_be_bytes());
        decoder.buffer.extend_from_slice(json.as_bytes());
        let _ = decoder.next_frame();
    }

    #[test]
    fn frames_survive_any_segmentation(cuts in proptest::collection::vec(1usize..40, 1..40)) {
        let frames = vec![
            Frame::Ping,
            Frame::Subscribe { seq: 1, topic: "t".into(), server: "s".into() },
            Frame::Deliver { tag: 9, call: true, topic: "t".into(), body: json!({"a": [1, null]}) },
            Frame::Ack { tag: 9 },
        ];
        let bytes: Vec<u8> =
            frames.iter().flat_map(|f| protocol::encode(f).expect("encodes").to_vec()).collect();
        let mut decoder = FrameDecoder::new(4096);
        let mut out = Vec::new();
        let mut rest = bytes.as_slice();
        for cut in cuts.iter().cycle() {
            if rest.is_empty() { break; }
            let (now, later) = rest.split_at((*cut).min(rest.len()));
            decoder.buffer.extend_from_slice(now);
            rest = later;
            while let Some(frame) = decoder.next_frame().expect("decodes") { out.push(frame); }
        }
        prop_assert_eq!(out, frames);
    }
}

#[test]
fn deeply_nested_json_is_an_error() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(Request::decode(&deep).is_err());
    let wrapped = json!({"oslo.version": "2.0", "oslo.message": deep}).to_string();
    assert!(Request::decode(&wrapped).is_err());
}

#[test]
fn announced_length_is_checked_before_anything_is_read() {
    let mut decoder = FrameDecoder::new(100);
    decoder.buffer.extend_from_slice(&u32::MAX.to_be_bytes());
    assert!(matches!(decoder.next_frame(), Err(FrameError::TooLarge { .. })));
}

/// A peer that speaks the protocol by hand.
struct Raw {
    stream: TcpStream,
    decoder: FrameDecoder,
}

impl Raw {
    async fn connect(bus: &Bus) -> Self {
        let stream = TcpStream::connect(bus.addr()).await.expect("connects");
        Self { stream, decoder: FrameDecoder::new(protocol::MAX_FRAME) }
    }

    async fn send(&mut self, frame: &Frame) {
        let bytes = protocol::encode(frame).expect("encodes");
        // The server may have closed already, which is what some tests wait for.
        let _ = self.stream.write_all(&bytes).await;
    }

    /// The next frame, `None` at the end of the connection.
    async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.decoder.next_frame().expect("decodes") {
                return Some(frame);
            }
            let read = self.stream.read_buf(&mut self.decoder.buffer);
            match timeout(WAIT, read).await.expect("in time") {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    async fn closed(&mut self) {
        while self.next().await.is_some() {}
    }

    async fn authenticate(&mut self, client: &str) {
        let Some(Frame::Challenge { nonce: server_nonce, .. }) = self.next().await else {
            panic!("no challenge")
        };
        let nonce = protocol::nonce();
        let proof =
            Proof { secret: SECRET, server_nonce: &server_nonce, client_nonce: &nonce, client }
                .client();
        let hello =
            Frame::Hello { version: protocol::VERSION, nonce, client: client.into(), proof };
        self.send(&hello).await;
        assert!(matches!(self.next().await, Some(Frame::Welcome { .. })));
    }
}

#[tokio::test]
async fn frames_before_authentication_close_the_connection() {
    let bus = Bus::start(Limits::default()).await;
    let mut raw = Raw::connect(&bus).await;
    raw.send(&Frame::Subscribe { seq: 1, topic: "t".into(), server: "s".into() }).await;
    raw.closed().await;
    assert_eq!(bus.broker.stats().sessions, 0);
}

#[tokio::test]
async fn large_frame_before_authentication_closes_the_connection() {
    let bus = Bus::start(Limits::default()).await;
    let mut raw = Raw::connect(&bus).await;
    let _ = raw.stream.write_all(&(1u32 << 20).to_be_bytes()).await;
    raw.closed().await;
}

#[tokio::test]
async fn silent_newcomer_is_closed_in_time() {
    let limits = Limits { handshake: Duration::from_millis(50), ..Limits::default() };
    let bus = Bus::start(limits).await;
    Raw::connect(&bus).await.closed().await;
}

#[tokio::test]
async fn proof_cannot_be_replayed() {
    let bus = Bus::start(Limits::default()).await;
    let mut raw = Raw::connect(&bus).await;
    let Some(Frame::Challenge { nonce, .. }) = raw.next().await else { panic!("no challenge") };
    let proof = Proof { secret: SECRET, server_nonce: &nonce, client_nonce: "n", client: "a" };
    let hello = Frame::Hello {
        version: protocol::VERSION,
        nonce: "n".into(),
        client: "a".into(),
        proof: proof.client(),
    };
    raw.send(&hello).await;
    assert!(matches!(raw.next().await, Some(Frame::Welcome { .. })));
    let mut again = Raw::connect(&bus).await;
    assert!(matches!(again.next().await, Some(Frame::Challenge { .. })));
    again.send(&hello).await;
    assert!(matches!(again.next().await, Some(Frame::Refused { .. })));
    again.closed().await;
}

#[tokio::test]
async fn dead_agent_is_dropped_after_three_heartbeats() {
    let limits = Limits { heartbeat: Duration::from_millis(30), ..Limits::default() };
    let bus = Bus::start(limits).await;
    let mut raw = Raw::connect(&bus).await;
    raw.authenticate("agent").await;
    wait_until("the session", || bus.broker.stats().sessions == 1).await;
    raw.closed().await;
    wait_until("no session", || bus.broker.stats().sessions == 0).await;
}

#[tokio::test]
async fn acknowledging_what_was_not_sent_closes_the_connection() {
    let bus = Bus::start(Limits::default()).await;
    let mut raw = Raw::connect(&bus).await;
    raw.authenticate("agent").await;
    raw.send(&Frame::Ack { tag: 77 }).await;
    raw.closed().await;
}

#[tokio::test]
async fn malformed_envelopes_are_answered_and_survived() {
    let bus = Bus::start(Limits::default()).await;
    let mut raw = Raw::connect(&bus).await;
    raw.authenticate("agent").await;
    raw.send(&Frame::Cast { topic: "t".into(), server: None, fanout: true, body: json!(5) }).await;
    raw.send(&Frame::Call {
        id: 1,
        topic: "t".into(),
        server: None,
        timeout_ms: u64::MAX,
        body: json!({"method": 5}),
    })
    .await;
    let nack = Frame::Nack { id: 1, reason: protocol::NackReason::Malformed };
    assert_eq!(raw.next().await, Some(nack));
    assert_eq!(bus.broker.stats().sessions, 1);
}

#[tokio::test]
async fn agent_that_never_reads_costs_bounded_memory_and_is_dropped() {
    let limits = Limits {
        // Long beside what a busy machine keeps this test from sending one.
        heartbeat: Duration::from_millis(500),
        window: 1000,
        queue_len: 50,
        queue_bytes: 1 << 20,
        ..Limits::default()
    };
    let bus = Bus::start(limits).await;
    let mut raw = Raw::connect(&bus).await;
    raw.authenticate("agent").await;
    raw.send(&Frame::Subscribe { seq: 1, topic: "t".into(), server: "s".into() }).await;
    assert_eq!(raw.next().await, Some(Frame::Subscribed { seq: 1 }));
    let big = "x".repeat(100_000);
    let filler = async {
        loop {
            // Somewhat more than the queue takes, so that most of the time is for writing.
            for _ in 0..12 {
                bus.fanout("t", "m", json!({ "big": big })).await;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    // It still sends heartbeats, so only that it does not read gives it away.
    let ping = protocol::encode(&Frame::Ping).expect("encodes");
    let ended = wait_until("the session to end", || {
        let _ = raw.stream.try_write(&ping);
        bus.broker.stats().sessions == 0
    });
    tokio::select! {
        () = filler => {}
        () = ended => {}
    }
    assert!(bus.broker.stats().overflows > 0);
}
