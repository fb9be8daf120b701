//! The envelope against what oslo.messaging 18 really sends (`cases/envelope/generate.py`).

use neutrino_rpc::{
    Request, context,
    envelope::{DuplicateFilter, EnvelopeError, Reply},
};
use neutrino_types::Context;
use serde_json::{Map, Value, json};

fn oslo(case: &str) -> String {
    let cases: Map<String, Value> =
        serde_json::from_str(include_str!("../cases/envelope/oslo.json")).expect("valid file");
    cases[case].as_str().expect("text").to_string()
}

/// The inner message, as a value and with the order of its keys.
fn inner(envelope: &str) -> (Value, Vec<String>) {
    let outer: Value = serde_json::from_str(envelope).expect("JSON");
    assert_eq!(outer["oslo.version"], "2.0");
    let inner: Value =
        serde_json::from_str(outer["oslo.message"].as_str().expect("text")).expect("JSON");
    let keys = inner.as_object().expect("object").keys().cloned().collect();
    (inner, keys)
}

#[test]
fn requests_of_oslo_survive_decoding_and_encoding_key_for_key() {
    for case in ["cast_port_update", "call_get_device_details", "call_namespace", "cast_no_version"]
    {
        let theirs = oslo(case);
        let request = Request::decode(&theirs).expect(case);
        assert_eq!(inner(&request.encode()), inner(&theirs), "{case}");
    }
}

#[test]
fn replies_of_oslo_survive_decoding_and_encoding() {
    for case in [
        "reply_result",
        "reply_null",
        "reply_heartbeat",
        "reply_value_error",
        "reply_no_such_method",
        "reply_unsupported_version",
        "reply_network_not_found",
    ] {
        let theirs = oslo(case);
        let reply = Reply::decode(&theirs).expect(case);
        let (mut ours, _) = inner(&reply.encode());
        let (mut theirs, _) = inner(&theirs);
        // A failure is JSON inside a string: compare what it says, not how it is spaced.
        for side in [&mut ours, &mut theirs] {
            if let Some(failure) = side["failure"].as_str() {
                side["failure"] = serde_json::from_str(failure).expect("JSON");
            }
        }
        assert_eq!(ours, theirs, "{case}");
    }
}

#[test]
fn context_keys_are_those_of_oslo() {
    let request = Request::decode(&oslo("cast_port_update")).expect("decodes");
    let ctx = context::from_keys(&request.context);
    assert_eq!(ctx.user_id.as_deref(), Some("u1"));
    assert_eq!(ctx.project_name.as_deref(), Some("demo"));
    assert_eq!(ctx.roles, ["admin", "member"]);
    assert!(ctx.is_admin);
    let ours = context::to_keys(&ctx);
    let names = |map: &Map<String, Value>| map.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&ours), names(&request.context));
    assert_eq!(ours["user_identity"], "u1 p1 - - -");
    assert_eq!(ours["timestamp"].as_str().map(str::len), Some("2026-11-21 03:00:00.000001".len()));
    assert_eq!(context::from_keys(&ours), ctx);
}

#[test]
fn context_of_old_senders_is_understood() {
    let keys = json!({"tenant_id": "t", "user": "u", "roles": "none", "is_admin": null});
    let ctx = context::from_keys(keys.as_object().expect("object"));
    assert_eq!(
        (ctx.project_id.as_deref(), ctx.user_id.as_deref(), ctx.is_admin),
        (Some("t"), Some("u"), false)
    );
}

#[test]
fn classes_of_untrusted_modules_are_not_taken_by_name() {
    let failure = |case: &str| Reply::decode(&oslo(case)).expect(case).result.expect_err(case);
    assert_eq!(failure("reply_network_not_found").known_class(), Some("NetworkNotFound"));
    assert_eq!(failure("reply_no_such_method").known_class(), Some("NoSuchMethod"));
    let mut evil = failure("reply_network_not_found");
    evil.module = "neutron_lib.exceptions_evil".into();
    assert_eq!(evil.known_class(), None);
    evil.module = "os".into();
    assert_eq!(evil.known_class(), None);
}

#[test]
fn reraised_remote_class_loses_its_suffix() {
    let failure =
        neutrino_rpc::Failure::new("neutron_lib.exceptions_Remote", "PortNotFound_Remote", "x");
    let reply = Reply::decode(&Reply::new("id", Err(failure)).encode()).expect("decodes");
    assert_eq!(reply.result.expect_err("failure").known_class(), Some("PortNotFound"));
}

#[test]
fn other_envelope_versions_are_refused() {
    for version in ["1.0", "2.1", "3.0", "2", "two"] {
        let text = json!({"oslo.version": version, "oslo.message": "{}"}).to_string();
        assert!(matches!(Request::decode(&text), Err(EnvelopeError::Version(_))), "{version}");
    }
}

#[test]
fn bare_message_without_envelope_is_accepted() {
    let request = Request::decode(r#"{"method": "m", "args": {"a": 1}}"#).expect("decodes");
    assert_eq!((request.method.as_str(), request.args["a"].as_i64()), ("m", Some(1)));
}

#[test]
fn fresh_requests_carry_an_agents_context() {
    let mut args = Map::new();
    args.insert("device".into(), "tap1".into());
    let request = Request::new(&Context::admin(), "get_device_details", "1.9", args);
    let (message, _) = inner(&request.encode());
    assert_eq!(message["version"], "1.9");
    assert_eq!(message["_context_is_admin"], true);
    assert_eq!(message["_context_user_id"], Value::Null);
    assert_eq!(message["_unique_id"].as_str().map(str::len), Some(32));
    assert!(message.get("_msg_id").is_none(), "a cast is not correlated");
}

#[test]
fn duplicates_are_dropped_among_the_last_sixteen() {
    let mut filter = DuplicateFilter::default();
    for n in 0..16 {
        assert!(filter.is_new(Some(&n.to_string())));
        assert!(!filter.is_new(Some(&n.to_string())));
    }
    assert!(filter.is_new(None) && filter.is_new(None));
    assert!(!filter.is_new(Some("0")));
    assert!(filter.is_new(Some("16")));
    assert!(filter.is_new(Some("0")), "the oldest is forgotten");
}
