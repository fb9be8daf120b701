//! Versioned objects beside Neutron's own library: it has the same objects with the same fields,
//! reads what we write, and what it writes is what we write, in older versions too.

use std::{
    collections::BTreeMap,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use neutrino_rpc::{
    Version,
    objects::{
        Attributes, Kind, ObjectType, by_name,
        catalog::{PARTS, RESOURCES},
        compat::Incompatible,
        decode,
    },
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn all() -> impl Iterator<Item = &'static ObjectType> {
    RESOURCES.iter().chain(PARTS).copied()
}

/// A value that Neutron takes for a text field of this name.
fn sample_text(object: &str, field: &str) -> &'static str {
    match (object, field) {
        ("NDPProxy", "ip_address") => "2001:db8::7",
        ("AllowedAddressPair", "ip_address") => "10.0.0.0/24",
        ("AddressAssociation", "address")
        | (_, "cidr" | "remote_ip_prefix" | "normalized_cidr" | "destination") => "10.0.0.0/24",
        (_, "gateway_ip" | "nexthop" | "start" | "end" | "address" | "fixed_ip") => "10.0.0.7",
        (_, name) if name.ends_with("ip_address") => "10.0.0.7",
        (_, name) if name.ends_with("_at") || name.ends_with("timestamp") => "2026-01-02T03:04:05Z",
        (_, name) if name.ends_with("_port_range") => "80:90",
        (_, "ipv6_ra_mode" | "ipv6_address_mode") => "slaac",
        (_, "protocol") => "tcp",
        (_, "direction") => "ingress",
        (_, "ethertype") => "IPv4",
        (_, "event") => "ALL",
        (_, "status") => "ACTIVE",
        (_, "pvlan_type") => "isolated",
        (_, name) if name == "id" || name.ends_with("_id") => {
            "5f2c7a1e-3b47-4f0a-9d4e-0a1b2c3d4e5f"
        }
        _ => "text",
    }
}

fn sample_value(object: &str, field: &str, kind: Kind) -> Value {
    match kind {
        Kind::Text => sample_text(object, field).into(),
        Kind::Integer if field == "ip_version" => 4.into(),
        Kind::Integer => 10.into(),
        Kind::Boolean => true.into(),
        Kind::Mac => "fa:16:3e:00:00:01".into(),
        Kind::Json => json!({ "a": 1, "b": { "c": [true] } }),
        Kind::Texts => json!(["b", "a"]),
        Kind::Set => json!(["5f2c7a1e-3b47-4f0a-9d4e-0a1b2c3d4e5f"]),
        Kind::Object(name) => sample_of(name),
        Kind::Objects(name) => json!([sample_of(name)]),
        Kind::Variants(names) => {
            let tagged = |(tag, name): &(&str, &str)| {
                let mut out = sample_of(name);
                out["type"] = (*tag).into();
                out
            };
            names.iter().map(tagged).collect()
        }
    }
}

fn sample_of(name: &str) -> Value {
    Value::Object(sample(by_name(name).expect("a known part")))
}

/// An object with a value in every field.
fn sample(object: &ObjectType) -> Attributes {
    let value = |name, kind| sample_value(object.name, name, kind);
    object.fields().map(|f| (f.name.to_string(), value(f.name, f.kind))).collect()
}

/// [`sample`] with null wherever it may be, and without parts: Python cannot say null for a list of
/// objects in older versions.
fn sample_of_nulls(object: &ObjectType) -> Attributes {
    let mut out = sample(object);
    for field in object.fields().filter(|f| f.nullable) {
        let is_list = matches!(field.kind, Kind::Objects(_));
        out.insert(field.name.into(), if is_list { json!([]) } else { Value::Null });
    }
    out
}

fn versions(object: &ObjectType) -> Vec<Version> {
    // Ours, all before it, and the next.
    (0..=object.version.minor + 1).map(|minor| Version { major: 1, minor }).collect()
}

/// What Neutron's library answers.
fn python(asked: &Value) -> Value {
    let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    let interpreter = crate_dir.join("../../.venv-neutron/bin/python");
    let mut child = Command::new(&interpreter)
        .arg(crate_dir.join("tests/peers/objects.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{}: {e}; run make peers", interpreter.display()));
    child.stdin.take().expect("piped").write_all(asked.to_string().as_bytes()).expect("written");
    let out = child.wait_with_output().expect("ends");
    assert!(out.status.success(), "{}", out.status);
    serde_json::from_slice(&out.stdout).expect("JSON")
}

fn kind_in_words(kind: Kind) -> String {
    match kind {
        Kind::Object(name) => format!("Object {name}"),
        Kind::Objects(name) => format!("Objects {name}"),
        Kind::Variants(_) => "Objects QosRule".into(),
        other => format!("{other:?}"),
    }
}

/// With texts that are JSON objects parsed: how they are spaced does not matter.
fn parsed(value: &Value) -> Value {
    match value {
        Value::String(text) if text.starts_with('{') => {
            serde_json::from_str(text).expect("JSON in a string")
        }
        Value::Array(items) => items.iter().map(parsed).collect(),
        Value::Object(map) => map.iter().map(|(k, v)| (k.clone(), parsed(v))).collect(),
        other => other.clone(),
    }
}

#[test]
fn objects_are_those_of_neutrons_library() {
    let samples: Vec<(&ObjectType, Attributes)> =
        all().flat_map(|o| [(o, sample(o)), (o, sample_of_nulls(o))]).collect();
    let of_each = |o: &ObjectType| versions(o).iter().map(ToString::to_string).collect();
    let asked: BTreeMap<&str, Vec<String>> = all().map(|o| (o.name, of_each(o))).collect();
    let answer = python(&json!({
        "names": all().map(|o| o.name).collect::<Vec<_>>(),
        "primitives": samples.iter().map(|(o, sample)| o.encode(sample)).collect::<Vec<_>>(),
        "versions": asked,
    }));
    for object in all() {
        let theirs = &answer["described"][object.name];
        assert_eq!(theirs["version"], object.version.to_string(), "{}", object.name);
        let fields = object.fields().map(|f| (f.name, json!([kind_in_words(f.kind), f.nullable])));
        let ours: BTreeMap<&str, Value> = fields.collect();
        assert_eq!(theirs["fields"], json!(ours), "{}", object.name);
    }
    for ((object, sample), theirs) in samples.iter().zip(answer["read"].as_array().expect("list")) {
        for version in versions(object) {
            let ours = match object.encode_for(sample, version) {
                Ok(primitive) => parsed(&primitive),
                Err(Incompatible::Newer(_)) => "InvalidTargetVersion".into(),
                Err(Incompatible::TooOld { .. }) => "IncompatibleObjectVersion".into(),
            };
            let theirs = parsed(&theirs[version.to_string()]);
            // Of some objects with parts Neutron itself does not know how to say them.
            if theirs == "ObjectActionError" {
                continue;
            }
            assert_eq!(ours, theirs, "{} {version}", object.name);
        }
        let back = decode(&theirs[object.version.to_string()]).expect("understood");
        assert_eq!((back.object.name, &back.attributes), (object.name, sample));
    }
}

#[test]
fn what_is_no_object_of_ours_is_refused() {
    for (primitive, problem) in [
        (json!(null), "no versioned object"),
        (json!({ "versioned_object.name": "Port" }), "no versioned object"),
        (
            json!({ "versioned_object.name": "Pot", "versioned_object.version": "1.0",
                    "versioned_object.data": {} }),
            "\"Pot\" is not known",
        ),
        (
            json!({ "versioned_object.name": "Port", "versioned_object.version": "2.0",
                    "versioned_object.data": {} }),
            "version \"2.0\" of the versioned object Port",
        ),
        (
            json!({ "versioned_object.name": "Port", "versioned_object.version": "1.11",
                    "versioned_object.data": { "id": 5 } }),
            "field id of the versioned object Port",
        ),
        (
            json!({ "versioned_object.name": "Port", "versioned_object.version": "1.11",
                    "versioned_object.data": { "security": {
                        "versioned_object.name": "Route", "versioned_object.version": "1.0",
                        "versioned_object.data": {} } } }),
            "\"Route\" is not known here",
        ),
    ] {
        let error = decode(&primitive).expect_err("refused").to_string();
        assert!(error.contains(problem), "{error}");
    }
}

#[test]
fn a_newer_minor_version_is_read_without_what_is_new() {
    let primitive = json!({
        "versioned_object.name": "PortForwarding", "versioned_object.namespace": "versionedobjects",
        "versioned_object.version": "1.9", "versioned_object.changes": ["id"],
        "versioned_object.data": { "id": "x", "colour": "red" },
    });
    let read = decode(&primitive).expect("understood");
    assert_eq!(read.version, Version { major: 1, minor: 9 });
    assert_eq!(Value::Object(read.attributes), json!({ "id": "x" }));
}

fn any_primitive() -> impl Strategy<Value = Value> {
    let names: Vec<&str> = all().map(|o| o.name).chain(["X"]).collect();
    let fields: Vec<&str> =
        all().flat_map(ObjectType::fields).map(|f| f.name).chain(["x"]).collect();
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z{}\":0-9]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 48, 6, move |inner| {
        let object = (
            proptest::sample::select(names.clone()),
            "1?[.]?[0-9]{0,2}",
            proptest::collection::vec(
                (proptest::sample::select(fields.clone()), inner.clone()),
                0..6,
            ),
        );
        prop_oneof![
            proptest::collection::vec(inner, 0..4).prop_map(Value::from),
            object.prop_map(|(name, version, fields)| {
                let data: serde_json::Map<String, Value> =
                    fields.into_iter().map(|(k, v)| (k.to_string(), v)).collect();
                json!({ "versioned_object.name": name, "versioned_object.version": version,
                        "versioned_object.data": data })
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Whatever is sent, it is read or refused; what was read is written and read again the same.
    #[test]
    fn hostile_primitives_are_read_or_refused(primitive in any_primitive()) {
        if let Ok(read) = decode(&primitive) {
            let again = decode(&read.object.encode(&read.attributes)).expect("our own");
            prop_assert_eq!(again.attributes, read.attributes);
        }
    }
}
