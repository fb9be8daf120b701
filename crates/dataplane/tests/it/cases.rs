//! `tests/cases/<case>/view.json` in, one text file of flows per kind of bridge out.
//! `NEUTRINO_UPDATE_GOLDENS=1` rewrites the expected files.

use std::{fmt::Write, fs, path::Path};

use neutrino_dataplane::{br_int, br_phys, br_tun, diff, view::HostView};
use neutrino_openflow::Flow;
use neutrino_ovs_sandbox::Sandbox;

/// The flows as text, one per line, sorted by table, then falling priority, then match.
pub fn text(mut flows: Vec<Flow>) -> String {
    flows.sort_by_key(|f| (f.table, u16::MAX - f.priority, f.fields.clone()));
    flows.into_iter().fold(String::new(), |mut out, flow| {
        let _ = writeln!(out, "{}", flow.canonical());
        out
    })
}

pub fn load(case: &Path) -> HostView {
    let json = fs::read_to_string(case.join("view.json")).expect("view.json is readable");
    serde_json::from_str(&json).expect("view.json is a host view")
}

pub fn check(path: &Path, found: &str, failures: &mut Vec<String>) {
    if std::env::var_os("NEUTRINO_UPDATE_GOLDENS").is_some() {
        fs::write(path, found).expect("golden is writable");
        return;
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    if expected != found {
        failures.push(format!("{}:\n--- expected\n{expected}--- found\n{found}", path.display()));
    }
}

#[test]
fn every_case_renders_its_golden_flows() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut failures = Vec::new();
    for entry in fs::read_dir(&root).expect("cases are readable") {
        let case = entry.expect("case is readable").path();
        let view = load(&case);
        let int = br_int::desired(&view, 1);
        let tun = br_tun::desired(&view, 1);
        let phys: Vec<_> =
            view.physical.keys().map(|n| (n, br_phys::desired(&view, n, 1))).collect();
        for flows in [&int, &tun].into_iter().chain(phys.iter().map(|(_, flows)| flows)) {
            failures.extend(diff::lint(flows).into_iter().map(|p| format!("{case:?}: {p}")));
        }
        check(&case.join("br-int.txt"), &text(int), &mut failures);
        check(&case.join("br-tun.txt"), &text(tun), &mut failures);
        let phys = phys.into_iter().fold(String::new(), |mut out, (name, flows)| {
            let _ = write!(out, "# {name}\n{}", text(flows));
            out
        });
        check(&case.join("br-phys.txt"), &phys, &mut failures);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn open_vswitch_keeps_every_golden_flow_as_it_is() {
    let ovs = Sandbox::start().expect("Open vSwitch runs");
    ovs.vsctl(&["add-br", "br0", "--", "set-fail-mode", "br0", "secure"]).expect("a bridge");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    for entry in fs::read_dir(&root).expect("cases are readable") {
        let case = entry.expect("case is readable").path();
        let view = load(&case);
        let phys = view.physical.keys().map(|name| br_phys::desired(&view, name, 1));
        for flows in [br_int::desired(&view, 1), br_tun::desired(&view, 1)].into_iter().chain(phys)
        {
            let lines: String = flows.iter().map(|flow| format!("{flow}\n")).collect();
            let file = ovs.dir().join("flows.txt");
            fs::write(&file, lines).expect("written");
            let (bridge, file) = (ovs.bridge("br0"), file.display().to_string());
            ovs.ofctl(&["--bundle", "replace-flows", &bridge, &file]).expect("accepted");
            let kept = ovs.dump_flows("br0").expect("dumped");
            let kept = kept.iter().map(|line| line.parse().expect("a flow")).collect();
            assert_eq!(text(kept), text(flows), "{}", case.display());
        }
    }
}
