//! Messages other than flow-mods: what we write is what ovs-ofctl reads, and what we write we read.

use neutrino_openflow::{
    Flow, FlowMod, FlowStats, Match, Message,
    message::{
        BUNDLE_ATOMIC_ORDERED, BundleAdd, BundleControl, BundleStep, ErrorMessage, Features,
        FlowFilter, FlowRemoved, Fragments, MultipartReply, MultipartRequest, ONF, PacketIn,
        PacketOut, PortDesc, PortStatus,
    },
};

use crate::oracle;

fn flow() -> Flow {
    "cookie=0x7, table=4, priority=1,tun_id=0x1 actions=push_vlan:0x8100,\
     set_field:4099->vlan_vid,goto_table:10"
        .parse()
        .unwrap()
}

fn port() -> PortDesc {
    PortDesc {
        number: 3,
        mac: "fa:16:3e:00:00:01".parse().unwrap(),
        name: "patch-tun".into(),
        config: 0,
        state: 4,
    }
}

fn stats() -> FlowStats {
    FlowStats { flow: flow(), duration_sec: 5, duration_nsec: 0, packets: 6, bytes: 7 }
}

/// Each kind of message with what ovs-ofctl must say of it.
fn all() -> Vec<(Message, &'static str)> {
    let removed = FlowStats { flow: Flow { actions: Vec::new(), ..flow() }, ..stats() };
    vec![
        (Message::Hello { version: 4, bitmap: 1 << 4 }, "OFPT_HELLO (OF1.3) (xid=0x1):"),
        (
            Message::SetConfig { fragments: Fragments::Match, miss_send_len: 128 },
            "OFPT_SET_CONFIG (OF1.3) (xid=0x1): frags=nx-match miss_send_len=128",
        ),
        (Message::EchoRequest(b"abc".to_vec()), "OFPT_ECHO_REQUEST (OF1.3) (xid=0x1): 3 bytes"),
        (Message::EchoReply(Vec::new()), "OFPT_ECHO_REPLY (OF1.3) (xid=0x1): 0 bytes"),
        (
            Message::Error(ErrorMessage {
                kind: 2,
                code: 4,
                experimenter: None,
                data: Message::BarrierRequest.encode(1).unwrap(),
            }),
            "OFPT_ERROR (OF1.3) (xid=0x1): OFPBAC_BAD_OUT_PORT",
        ),
        (
            Message::Error(ErrorMessage {
                kind: 0xffff,
                code: 2315,
                experimenter: Some(ONF),
                data: Message::BarrierRequest.encode(1).unwrap(),
            }),
            "OFPT_ERROR (OF1.3) (xid=0x1): OFPBFC_BUNDLE_IN_PROGRESS",
        ),
        (Message::FeaturesRequest, "OFPT_FEATURES_REQUEST (OF1.3) (xid=0x1):"),
        (
            Message::FeaturesReply(Features {
                datapath_id: 0x1a83_664a_af47,
                n_buffers: 0,
                n_tables: 254,
                auxiliary_id: 0,
                capabilities: 0x4f,
            }),
            "OFPT_FEATURES_REPLY (OF1.3) (xid=0x1): dpid:00001a83664aaf47",
        ),
        (Message::BarrierRequest, "OFPT_BARRIER_REQUEST (OF1.3) (xid=0x1):"),
        (Message::BarrierReply, "OFPT_BARRIER_REPLY (OF1.3) (xid=0x1):"),
        (
            Message::FlowMod(FlowMod::delete(4, Match::new().tun_id(1)).only_cookie(7, u64::MAX)),
            "OFPT_FLOW_MOD (OF1.3) (xid=0x1): DEL table:4 tun_id=0x1 cookie:0x7/0xffffffffffffffff",
        ),
        (
            Message::FlowMod(FlowMod::delete_strict(&flow())),
            "OFPT_FLOW_MOD (OF1.3) (xid=0x1): DEL_STRICT table:4 priority=1,tun_id=0x1 actions=drop",
        ),
        (
            Message::FlowMod(FlowMod::modify_strict(flow())),
            "OFPT_FLOW_MOD (OF1.3) (xid=0x1): MOD_STRICT table:4 priority=1,tun_id=0x1",
        ),
        (
            Message::MultipartRequest(MultipartRequest::Flows(FlowFilter::table(23))),
            "OFPST_FLOW request (OF1.3) (xid=0x1): table=23",
        ),
        (
            Message::MultipartReply { more: false, reply: MultipartReply::Flows(vec![stats()]) },
            "cookie=0x7, duration=5s, table=4, n_packets=6, n_bytes=7, priority=1,tun_id=0x1",
        ),
        (
            Message::MultipartRequest(MultipartRequest::Ports),
            "OFPST_PORT_DESC request (OF1.3) (xid=0x1): port=ANY",
        ),
        (
            Message::MultipartReply { more: true, reply: MultipartReply::Ports(vec![port()]) },
            "3(patch-tun): addr:fa:16:3e:00:00:01",
        ),
        (
            Message::BundleControl(BundleControl {
                bundle_id: 9,
                step: BundleStep::CommitRequest,
                flags: BUNDLE_ATOMIC_ORDERED,
            }),
            "bundle_id=0x9 type=COMMIT_REQUEST flags=atomic ordered",
        ),
        (
            Message::BundleAdd(BundleAdd {
                bundle_id: 9,
                flags: BUNDLE_ATOMIC_ORDERED,
                message: Box::new(Message::FlowMod(FlowMod::add(flow()))),
            }),
            "bundle_id=0x9 flags=atomic ordered",
        ),
        (
            Message::PacketIn(PacketIn {
                buffer_id: u32::MAX,
                total_len: 60,
                reason: 1,
                table: 2,
                cookie: 7,
                fields: Match::new().in_port(3),
                data: vec![0; 60],
            }),
            "OFPT_PACKET_IN (OF1.3) (xid=0x1): table_id=2 cookie=0x7 total_len=60 in_port=3",
        ),
        (
            Message::PacketOut(PacketOut {
                in_port: neutrino_openflow::port::ANY,
                actions: vec![neutrino_openflow::Action::Output(3)],
                data: vec![0; 60],
            }),
            "actions=output:3",
        ),
        (
            Message::PortStatus(PortStatus { reason: 2, port: port() }),
            "OFPT_PORT_STATUS (OF1.3) (xid=0x1): MOD: 3(patch-tun)",
        ),
        (
            Message::FlowRemoved(FlowRemoved { reason: 2, stats: removed }),
            "OFPT_FLOW_REMOVED (OF1.3) (xid=0x1): priority=1,tun_id=0x1 reason=delete",
        ),
    ]
}

#[test]
fn ovs_ofctl_reads_what_we_write() {
    for (message, expected) in all() {
        let printed = oracle::print_messages(&[message.encode(1).unwrap()]);
        assert!(printed.contains(expected), "{message:?} reads as {printed}");
    }
}

#[test]
fn we_read_what_we_write() {
    for (message, _) in all() {
        let bytes = message.encode(0x1234_5678).unwrap();
        assert_eq!(Message::decode(&bytes), Ok((0x1234_5678, message)));
    }
}

#[test]
fn a_message_beyond_64_kib_is_refused() {
    let actions = vec![neutrino_openflow::Action::Output(1); 5000];
    let flow = Flow { actions, ..flow() };
    assert!(Message::FlowMod(FlowMod::add(flow)).encode(1).is_err());
}
