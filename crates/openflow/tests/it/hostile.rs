//! Hostile input: neither decoder nor parser may panic, and what they accept they can write.

use neutrino_openflow::{Field, Flow, FlowMod, Match, Message, frame_length};
use proptest::prelude::*;

/// A message whose header is right and whose body is anything.
fn framed() -> impl Strategy<Value = Vec<u8>> {
    let kinds = prop::sample::select(vec![0u8, 1, 4, 6, 10, 11, 12, 13, 14, 18, 19]);
    (kinds, prop::collection::vec(any::<u8>(), 0..400)).prop_map(|(kind, body)| {
        let length = u16::try_from(body.len() + 8).unwrap().to_be_bytes();
        let mut out = vec![4, kind, length[0], length[1], 0, 0, 0, 1];
        out.extend(body);
        out
    })
}

/// Valid flow-mods out of the vectors, with some bytes changed.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let hex = std::fs::read_to_string(crate::case("vectors").join("flows.hex")).unwrap();
    let messages: Vec<Vec<u8>> = hex
        .lines()
        .map(|line| {
            (0..line.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&line[at..at + 2], 16).unwrap())
                .collect()
        })
        .collect();
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6);
    (prop::sample::select(messages), changes).prop_map(|(mut bytes, changes)| {
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes
    })
}

/// What was decoded can be encoded, and means the same when read again.
fn check_decoded(bytes: &[u8]) {
    let Ok((xid, message)) = Message::decode(bytes) else { return };
    let Ok(again) = message.encode(xid) else { return };
    let reread = Message::decode(&again);
    // A number wider than its field, or a range a nat action does not say it has, is read in
    // part; once written in full it must stay what it is.
    if let Ok((_, reread)) = reread {
        let third = reread.encode(xid).unwrap();
        assert_eq!(Message::decode(&third), Ok((xid, reread)));
    } else {
        panic!("{message:?} was written as what cannot be read: {reread:?}");
    }
}

fn any_match() -> impl Strategy<Value = Match> {
    let field = prop::sample::select(Field::ALL.to_vec());
    prop::collection::vec((field, any::<u128>(), any::<u128>()), 0..6).prop_map(|entries| {
        entries
            .into_iter()
            .fold(Match::new(), |fields, (field, value, mask)| fields.set(field, value, mask))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = frame_length(&bytes);
        check_decoded(&bytes);
    }

    #[test]
    fn arbitrary_bodies_do_not_panic(bytes in framed()) {
        check_decoded(&bytes);
    }

    #[test]
    fn mutated_messages_do_not_panic(bytes in mutated()) {
        check_decoded(&bytes);
        if let Ok((_, Message::FlowMod(flow_mod))) = Message::decode(&bytes) {
            // Whatever was read can be shown.
            let _ = flow_mod.to_string();
        }
    }

    #[test]
    fn arbitrary_text_does_not_panic(text in "\\PC{0,120}") {
        let _ = text.parse::<Flow>();
    }

    #[test]
    fn text_like_a_flow_does_not_panic(
        text in "((table|in_port|ct_state|dl_vlan|tp_src|arp_spa|reg5|nw_src|vlan_tci)=[0-9a-fx/.:+-]{0,12},){0,4}actions=((learn|ct|load|move|set_field|nat|resubmit|output)[:(][a-zA-Z0-9_,:=>()\\[\\]./-]{0,40},){0,3}"
    ) {
        if let Ok(flow) = text.parse::<Flow>() {
            let _ = flow.to_string();
            let _ = Message::FlowMod(FlowMod::add(flow)).encode(1);
        }
    }

    #[test]
    fn matches_survive_the_wire(fields in any_match()) {
        // A tag's priority without its id, or half a priority, has no OXM form.
        let representable = fields.get(Field::VlanTci).is_none_or(|(value, mask)| {
            mask & 0xe000 == 0 || (mask & 0xf000 == 0xf000 && value & 0x1000 != 0)
        });
        prop_assume!(representable);
        let message = Message::FlowMod(FlowMod::add(Flow::new(1, 2, fields)));
        let bytes = message.encode(1).unwrap();
        prop_assert_eq!(Message::decode(&bytes), Ok((1, message)));
    }
}
