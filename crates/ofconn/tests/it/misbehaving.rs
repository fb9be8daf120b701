//! Against switches that do what they should not.

use std::{net::SocketAddr, time::Duration};

use neutrino_ofconn::{OfController, OfError, Timing};
use neutrino_openflow::{Message, frame_length, message::Features};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::PATIENCE;

const DATAPATH: u64 = 0x1a83_664a_af47;

/// A switch played by the test.
struct Fake(TcpStream);

impl Fake {
    async fn connect(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).await.unwrap())
    }

    /// Connects and gets through the handshake.
    async fn greeted(address: SocketAddr) -> Self {
        let mut fake = Self::connect(address).await;
        fake.send(&Message::Hello { version: 4, bitmap: 1 << 4 }, 0).await;
        let (xid, _) = fake.expect(|message| matches!(message, Message::FeaturesRequest)).await;
        let features = Features {
            datapath_id: DATAPATH,
            n_buffers: 0,
            n_tables: 254,
            auxiliary_id: 0,
            capabilities: 0,
        };
        fake.send(&Message::FeaturesReply(features), xid).await;
        fake
    }

    async fn send(&mut self, message: &Message, xid: u32) {
        self.0.write_all(&message.encode(xid).unwrap()).await.unwrap();
    }

    /// The next message; `None` when the controller hung up.
    async fn receive(&mut self) -> Option<(u32, Message)> {
        let mut frame = vec![0; 8];
        timeout(PATIENCE, self.0.read_exact(&mut frame)).await.unwrap().ok()?;
        frame.resize(frame_length(&frame).unwrap().unwrap(), 0);
        timeout(PATIENCE, self.0.read_exact(&mut frame[8..])).await.unwrap().ok()?;
        Some(Message::decode(&frame).unwrap())
    }

    async fn expect(&mut self, wanted: impl Fn(&Message) -> bool) -> (u32, Message) {
        loop {
            let (xid, message) = self.receive().await.expect("the controller hung up");
            if wanted(&message) {
                return (xid, message);
            }
        }
    }

    /// Reads until the controller hangs up.
    async fn until_hung_up(&mut self) {
        while self.receive().await.is_some() {}
    }
}

/// Short waits, yet long enough for a busy machine to answer in time.
async fn impatient() -> OfController {
    let timing = Timing {
        handshake: Duration::from_secs(1),
        request: Duration::from_secs(1),
        probe: Duration::from_secs(1),
    };
    OfController::listen_with("127.0.0.1:0", timing).await.unwrap()
}

#[tokio::test]
async fn an_old_protocol_is_refused_with_the_proper_error() {
    let controller = impatient().await;
    let mut fake = Fake::connect(controller.local_addr()).await;
    fake.send(&Message::Hello { version: 1, bitmap: 0 }, 5).await;
    let (_, message) = fake.expect(|message| matches!(message, Message::Error(_))).await;
    let Message::Error(error) = message else { unreachable!() };
    assert_eq!(error.name(), Some("OFPHFC_INCOMPATIBLE"));
    fake.until_hung_up().await;
    let missing = controller.wait_for(DATAPATH, Duration::from_millis(10)).await;
    assert!(matches!(missing, Err(OfError::NotConnected { .. })));
}

#[tokio::test]
async fn garbage_and_silence_end_the_connection_only() {
    let controller = impatient().await;
    let mut garbage = Fake::connect(controller.local_addr()).await;
    garbage.0.write_all(b"GET / HTTP/1.1\r\n\r\n........").await.unwrap();
    let mut silent = Fake::connect(controller.local_addr()).await;
    silent.until_hung_up().await;
    garbage.until_hung_up().await;
    // A good switch gets in all the same.
    let _fake = Fake::greeted(controller.local_addr()).await;
    controller.wait_for(DATAPATH, PATIENCE).await.unwrap();
}

#[tokio::test]
async fn a_switch_that_falls_silent_is_given_up() {
    let controller = impatient().await;
    let mut fake = Fake::greeted(controller.local_addr()).await;
    let switch = controller.wait_for(DATAPATH, PATIENCE).await.unwrap();
    let echo = |message: &Message| matches!(message, Message::EchoRequest(_));
    let (xid, _) = fake.expect(echo).await;
    fake.send(&Message::EchoReply(Vec::new()), xid).await;
    fake.expect(echo).await;
    timeout(PATIENCE, switch.disconnected()).await.unwrap();
    assert!(controller.switch(DATAPATH).is_none());
}

#[tokio::test]
async fn an_echo_is_answered_and_a_missing_answer_times_out() {
    let timing = Timing { request: Duration::from_millis(100), ..Timing::default() };
    let controller = OfController::listen_with("127.0.0.1:0", timing).await.unwrap();
    let mut fake = Fake::greeted(controller.local_addr()).await;
    let switch = controller.wait_for(DATAPATH, PATIENCE).await.unwrap();
    fake.send(&Message::EchoRequest(b"hi".to_vec()), 77).await;
    let (xid, message) = fake.expect(|m| matches!(m, Message::EchoReply(_))).await;
    assert_eq!((xid, message), (77, Message::EchoReply(b"hi".to_vec())));
    let error = switch.barrier().await.unwrap_err();
    assert!(matches!(error, OfError::Timeout { .. }), "{error}");
    // The late answer disturbs nobody.
    let (xid, _) = fake.expect(|m| matches!(m, Message::BarrierRequest)).await;
    fake.send(&Message::BarrierReply, xid).await;
    let (done, ()) = tokio::join!(switch.barrier(), async {
        let (xid, _) = fake.expect(|m| matches!(m, Message::BarrierRequest)).await;
        fake.send(&Message::BarrierReply, xid).await;
    });
    done.unwrap();
}

#[tokio::test]
async fn an_unreadable_answer_fails_its_request_only() {
    let controller = OfController::listen("127.0.0.1:0").await.unwrap();
    let mut fake = Fake::greeted(controller.local_addr()).await;
    let switch = controller.wait_for(DATAPATH, PATIENCE).await.unwrap();
    let (dumped, ()) = tokio::join!(switch.dump_flows(), async {
        let (xid, _) = fake.expect(|m| matches!(m, Message::MultipartRequest(_))).await;
        // Flow statistics of which the first entry claims to be three bytes long.
        let body = vec![0, 1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0];
        fake.send(&Message::Other { version: 4, kind: 19, body }, xid).await;
    });
    assert!(matches!(dumped, Err(OfError::Malformed { .. })), "{dumped:?}");
    let (done, ()) = tokio::join!(switch.barrier(), async {
        let (xid, _) = fake.expect(|m| matches!(m, Message::BarrierRequest)).await;
        fake.send(&Message::BarrierReply, xid).await;
    });
    done.unwrap();
}

#[tokio::test]
async fn a_new_connection_of_the_same_switch_replaces_the_old_one() {
    let controller = OfController::listen("127.0.0.1:0").await.unwrap();
    let mut first = Fake::greeted(controller.local_addr()).await;
    let old = controller.wait_for(DATAPATH, PATIENCE).await.unwrap();
    let waiting = tokio::spawn({
        let old = old.clone();
        async move { old.barrier().await }
    });
    first.expect(|m| matches!(m, Message::BarrierRequest)).await;
    let mut second = Fake::greeted(controller.local_addr()).await;
    timeout(PATIENCE, old.disconnected()).await.unwrap();
    first.until_hung_up().await;
    let lost = timeout(PATIENCE, waiting).await.unwrap().unwrap();
    assert!(matches!(lost, Err(OfError::Disconnected { .. })));
    let new = controller.switch(DATAPATH).unwrap();
    assert!(new.is_connected() && new.connection_id() != old.connection_id());
    let (done, ()) = tokio::join!(new.barrier(), async {
        let (xid, _) = second.expect(|m| matches!(m, Message::BarrierRequest)).await;
        second.send(&Message::BarrierReply, xid).await;
    });
    done.unwrap();
}

#[tokio::test]
async fn dropping_the_controller_ends_its_connections() {
    let controller = OfController::listen("127.0.0.1:0").await.unwrap();
    let mut fake = Fake::greeted(controller.local_addr()).await;
    let switch = controller.wait_for(DATAPATH, PATIENCE).await.unwrap();
    drop(controller);
    fake.until_hung_up().await;
    assert!(!switch.is_connected());
    assert!(matches!(switch.barrier().await, Err(OfError::Disconnected { .. })));
}
