//! The oracle: what ovs-ofctl encodes, decodes and prints.

use std::{
    io::{Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::PathBuf,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    thread,
};

use neutrino_openflow::{Message, frame_length};

/// A directory that goes when dropped.
pub struct TempDir(pub PathBuf);

impl TempDir {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("openflow-{}-{n}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn read_frame(stream: &mut UnixStream) -> Option<Vec<u8>> {
    let mut head = [0; 8];
    stream.read_exact(&mut head).ok()?;
    let length = frame_length(&head).unwrap().unwrap();
    let mut frame = head.to_vec();
    frame.resize(length, 0);
    stream.read_exact(&mut frame[8..]).ok()?;
    Some(frame)
}

/// Plays a switch until the peer leaves; returns the messages of type 14 (flow-mod) it was sent.
fn play_switch(listener: &UnixListener) -> Vec<Vec<u8>> {
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

/// The flow-mods `ovs-ofctl -O OpenFlow13 add-flows` sends for these lines.
pub fn encode_flows(lines: &[&str]) -> Vec<Vec<u8>> {
    let dir = TempDir::new();
    let file = dir.0.join("flows");
    // ovs-ofctl does not take back the flag it prints for every flow it added.
    std::fs::write(&file, lines.join("\n") + "\n").unwrap();
    let socket = dir.0.join("switch");
    let listener = UnixListener::bind(&socket).unwrap();
    let switch = thread::spawn(move || play_switch(&listener));
    let output = Command::new("ovs-ofctl")
        // With names, it would first ask for ports and tables over connections of their own.
        .args(["-O", "OpenFlow13", "--no-names", "--timeout=30", "add-flows"])
        .arg(format!("unix:{}", socket.display()))
        .arg(&file)
        .output()
        .unwrap();
    if !output.status.success() {
        // Frees the switch from waiting for a connection that never came.
        drop(UnixStream::connect(&socket));
        panic!("ovs-ofctl: {}", String::from_utf8_lossy(&output.stderr));
    }
    switch.join().unwrap()
}

/// What `ovs-ofctl ofp-parse` prints for these messages, one line per message.
pub fn print_messages(messages: &[Vec<u8>]) -> String {
    let dir = TempDir::new();
    let file = dir.0.join("messages");
    std::fs::write(&file, messages.concat()).unwrap();
    let output =
        Command::new("ovs-ofctl").args(["--no-names", "ofp-parse"]).arg(&file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
