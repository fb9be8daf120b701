//! Flows as text and as bytes. `flows.hex` is what ovs-ofctl makes of `flows.txt`; our codec must
//! make the same of it, in both directions.

use std::{collections::BTreeMap, fmt::Write as _, fs};

use neutrino_openflow::{Action, Flow, FlowMod, Message, Of10};
use neutrino_ovs_sandbox::Sandbox;

use crate::oracle;

fn lines(file: &str) -> Vec<String> {
    let text = fs::read_to_string(crate::case("vectors").join(file)).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        write!(out, "{byte:02x}").unwrap();
        out
    })
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

#[test]
fn text_round_trips() {
    for line in lines("flows.txt") {
        let flow: Flow = line.parse().unwrap_or_else(|e| panic!("{e} in {line}"));
        assert_eq!(flow.to_string(), line);
    }
}

#[test]
fn bytes_are_those_of_ovs_ofctl() {
    let (texts, hexes) = (lines("flows.txt"), lines("flows.hex"));
    assert_eq!(texts.len(), hexes.len());
    for (text, expected) in texts.iter().zip(&hexes) {
        let message = Message::FlowMod(FlowMod::add(text.parse().unwrap()));
        let (_, decoded) =
            Message::decode(&unhex(expected)).unwrap_or_else(|e| panic!("{e} {text}"));
        assert_eq!(decoded, message, "{text}");
        assert_eq!(&hex(&message.encode(0).unwrap()), expected, "{text}");
    }
}

#[test]
fn recorded_bytes_are_still_what_ovs_ofctl_makes() {
    let texts = lines("flows.txt");
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let made: Vec<String> = oracle::encode_flows(&texts)
        .into_iter()
        .map(|mut bytes| {
            bytes[4..8].fill(0);
            hex(&bytes)
        })
        .collect();
    if crate::update_goldens() {
        fs::write(crate::case("vectors").join("flows.hex"), made.join("\n") + "\n").unwrap();
    }
    assert_eq!(made, lines("flows.hex"));
}

#[test]
fn ovs_ofctl_prints_our_bytes_as_we_print_them() {
    let texts = lines("flows.txt");
    let messages: Vec<Vec<u8>> = texts
        .iter()
        .map(|text| Message::FlowMod(FlowMod::add(text.parse().unwrap())).encode(1).unwrap())
        .collect();
    let printed = oracle::print_messages(&messages);
    assert_eq!(printed.lines().count(), texts.len(), "{printed}");
    for (text, printed) in texts.iter().zip(printed.lines()) {
        // A flow-mod is printed with its table, cookie and timeouts in other places.
        let actions = |line: &str| line.split_once("actions=").unwrap().1.to_owned();
        assert_eq!(actions(printed), actions(text), "{printed}");
        let flow: Flow = text.parse().unwrap();
        let fields = flow.fields.to_string();
        assert!(printed.contains(&fields), "{printed} lacks {fields}");
    }
}

/// The flows of the vectors, one per key: they come from several bridges, the last one stays.
fn flows() -> Vec<Flow> {
    let mut flows = BTreeMap::new();
    for text in lines("flows.txt") {
        let flow: Flow = text.parse().unwrap();
        flows.insert(flow.key(), flow);
    }
    flows.into_values().collect()
}

/// A bridge that was given these flows by ovs-ofctl.
fn bridge_with(flows: &[Flow]) -> Sandbox {
    let ovs = Sandbox::start().unwrap();
    let secure = ["set", "Bridge", "br0", "fail_mode=secure", "protocols=[OpenFlow10,OpenFlow13]"];
    ovs.vsctl(&[&["add-br", "br0", "--"][..], &secure[..]].concat()).unwrap();
    let bridge = ovs.bridge("br0");
    ovs.ofctl(&["add-meter", &bridge, "meter=4,kbps,band=type=drop,rate=1"]).unwrap();
    ovs.ofctl(&["add-group", &bridge, "group_id=7,type=all,bucket=output:1"]).unwrap();
    let path = ovs.dir().join("flows.txt");
    let text: String = flows.iter().map(|flow| format!("{flow}\n")).collect();
    fs::write(&path, text).unwrap();
    ovs.ofctl(&["add-flows", &bridge, &path.display().to_string()]).unwrap();
    ovs
}

#[test]
fn a_switch_dumps_flows_as_we_print_them() {
    let flows = flows();
    let ovs = bridge_with(&flows);
    let mut expected: Vec<String> = flows.iter().map(Flow::to_string).collect();
    expected.sort();
    assert_eq!(ovs.dump_flows("br0").unwrap(), expected);
}

#[test]
fn a_switch_dumps_flows_over_openflow_10_as_we_print_them() {
    // What OpenFlow 1.0 has no words for.
    let unsayable = |action: &Action| {
        matches!(
            action,
            Action::ClearActions
                | Action::WriteActions(_)
                | Action::WriteMetadata { .. }
                | Action::Meter(_)
                | Action::Group(_)
        )
    };
    let mut flows = flows();
    flows.retain(|flow| !flow.actions.iter().any(unsayable));
    let ovs = bridge_with(&flows);
    let dump = ["--no-stats", "--no-names", "dump-flows", &ovs.bridge("br0")];
    let text = ovs.run("ovs-ofctl", &dump).unwrap();
    let mut dumped: Vec<String> =
        text.lines().map(|l| l.trim().to_owned()).filter(|l| l.contains("actions=")).collect();
    dumped.sort();
    let mut expected: Vec<String> = flows.iter().map(|flow| Of10(flow).to_string()).collect();
    expected.sort();
    for (theirs, ours) in dumped.iter().zip(&expected) {
        assert_eq!(theirs, ours);
    }
    assert_eq!(dumped.len(), expected.len());
}
