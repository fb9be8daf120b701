//! JSON-RPC 1.0 messages as RFC 7047 §4 uses them.

use serde_json::{Value, json};

use crate::OvsdbError;

/// What the server sent.
#[derive(Debug, Clone, PartialEq)]
pub enum Incoming {
    /// An answer to request `id`: its result, or the error text.
    Reply {
        /// Our request's number.
        id: u64,
        /// Result or error.
        outcome: Result<Value, String>,
    },
    /// `update2`: what changed.
    Update(Value),
    /// An echo request, to be answered with the same parameters and id.
    Echo {
        /// Parameters.
        params: Value,
        /// Id.
        id: Value,
    },
    /// Anything else; ignored.
    Other(String),
}

/// Reads one message.
///
/// # Errors
/// Text that is not a JSON-RPC message.
pub fn parse_incoming(bytes: &[u8]) -> Result<Incoming, OvsdbError> {
    let protocol = |what: &str| OvsdbError::Protocol(what.to_string());
    let message: Value =
        serde_json::from_slice(bytes).map_err(|e| OvsdbError::Protocol(e.to_string()))?;
    let Value::Object(mut message) = message else { return Err(protocol("not an object")) };
    if let Some(method) = message.get("method").and_then(Value::as_str).map(str::to_string) {
        let params = message.remove("params").unwrap_or(Value::Null);
        return Ok(match method.as_str() {
            "echo" => Incoming::Echo { params, id: message.remove("id").unwrap_or(Value::Null) },
            "update2" => match params {
                Value::Array(mut items) if items.len() >= 2 => {
                    Incoming::Update(items.swap_remove(1))
                }
                _ => return Err(protocol("update2 without two parameters")),
            },
            _ => Incoming::Other(method),
        });
    }
    let Some(id) = message.get("id").and_then(Value::as_u64) else {
        return Ok(Incoming::Other("reply to nobody".into()));
    };
    let outcome = match message.remove("error") {
        None | Some(Value::Null) => Ok(message.remove("result").unwrap_or(Value::Null)),
        Some(error) => Err(error.to_string()),
    };
    Ok(Incoming::Reply { id, outcome })
}

/// A request's bytes.
pub(crate) fn request(id: u64, method: &str, params: &Value) -> Vec<u8> {
    json!({"id": id, "method": method, "params": params}).to_string().into_bytes()
}

/// An echo's answer.
pub(crate) fn echo_reply(params: &Value, id: &Value) -> Vec<u8> {
    json!({"id": id, "result": params, "error": null}).to_string().into_bytes()
}
