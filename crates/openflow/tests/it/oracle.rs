//! The oracle: what ovs-ofctl encodes, decodes and prints.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::{Command, Output, Stdio},
    thread,
};

use neutrino_openflow::{Message, frame_length};

fn read_frame(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut head = [0; 8];
    stream.read_exact(&mut head).ok()?;
    let length = frame_length(&head).unwrap().unwrap();
    let mut frame = head.to_vec();
    frame.resize(length, 0);
    stream.read_exact(&mut frame[8..]).ok()?;
    Some(frame)
}

/// Plays a switch until the peer leaves; returns the messages of type 14 (flow-mod) it was sent.
fn play_switch(listener: &TcpListener) -> Vec<Vec<u8>> {
    let (mut stream, _) = listener.accept().unwrap();
    let mut flow_mods = Vec::new();
    while let Some(frame) = read_frame(&mut stream) {
        let xid = u32::from_be_bytes([frame[4], frame[5], frame[6], frame[7]]);
        let answer = match frame[1] {
            0 => Message::Hello { version: 4, bitmap: 1 << 4 },
            2 => Message::EchoReply(frame[8..].to_vec()),
            20 => Message::BarrierReply,
            14 => {
                flow_mods.push(frame);
                continue;
            }
            _ => continue,
        };
        if stream.write_all(&answer.encode(xid).unwrap()).is_err() {
            break;
        }
    }
    flow_mods
}

/// Runs ovs-ofctl to its end on this input, which leaves no file behind.
fn ofctl(args: &[&str], input: Vec<u8>) -> Output {
    let mut child = Command::new("ovs-ofctl")
        .args(["--no-names", "--timeout=30"])
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // Written aside: with its output unread, ovs-ofctl might stop reading.
    let writer = thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    output
}

/// The flow-mods `ovs-ofctl -O OpenFlow13 add-flows` sends for these lines.
pub fn encode_flows(lines: &[&str]) -> Vec<Vec<u8>> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let switch = thread::spawn(move || play_switch(&listener));
    let target = format!("tcp:{address}");
    let input = (lines.join("\n") + "\n").into_bytes();
    let output = ofctl(&["-O", "OpenFlow13", "add-flows", &target, "-"], input);
    if !output.status.success() {
        // Frees the switch from waiting for a connection that never came.
        drop(TcpStream::connect(address));
        panic!("ovs-ofctl: {}", String::from_utf8_lossy(&output.stderr));
    }
    switch.join().unwrap()
}

/// What `ovs-ofctl ofp-parse` prints for these messages, one line per message.
pub fn print_messages(messages: &[Vec<u8>]) -> String {
    let output = ofctl(&["ofp-parse", "/dev/stdin"], messages.concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
