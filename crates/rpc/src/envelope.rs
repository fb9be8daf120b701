//! The oslo.messaging 2.0 envelope: requests, replies, failures, duplicate dropping.
//!
//! Pure: text in, values out. Nothing here panics on foreign bytes.

use std::{collections::VecDeque, time::Duration};

use neutrino_types::Context;
use serde_json::{Map, Value, json};

use crate::{
    context,
    error::{Failure, PythonException},
};

/// Envelope version sent and understood.
const ENVELOPE_VERSION: &str = "2.0";
const VERSION_KEY: &str = "oslo.version";
const MESSAGE_KEY: &str = "oslo.message";
const CONTEXT_PREFIX: &str = "_context_";

/// Why bytes are not an RPC message.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// Not JSON.
    #[error("the {0} is not JSON")]
    Json(&'static str, #[source] serde_json::Error),
    /// A version of the envelope that is not understood.
    #[error("envelope version {0:?} is not supported")]
    Version(String),
    /// JSON, but of the wrong shape.
    #[error("{0}")]
    Shape(&'static str),
}

/// What makes a request a call.
#[derive(Clone, Debug, PartialEq)]
pub struct CallHeader {
    /// Correlates the reply.
    pub msg_id: String,
    /// Queue the reply goes to; empty on transports that know the way back.
    pub reply_q: String,
    /// How long the caller waits for a sign of life (`_timeout`); absent when it wants none.
    pub monitor: Option<Duration>,
}

impl CallHeader {
    /// A call over a transport that knows the way back.
    #[must_use]
    pub fn direct() -> Self {
        Self { msg_id: hex_id(), reply_q: String::new(), monitor: None }
    }
}

/// One method invocation.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Method name.
    pub method: String,
    /// Keyword arguments.
    pub args: Map<String, Value>,
    /// Namespace of the target, null for nearly all of Neutron.
    pub namespace: Option<String>,
    /// Interface version asked for; absent means `1.0`.
    pub version: Option<String>,
    /// Context keys without prefix.
    pub context: Map<String, Value>,
    /// Identifies this message among repetitions.
    pub unique_id: Option<String>,
    /// Present on calls.
    pub call: Option<CallHeader>,
}

impl Request {
    /// A request with a fresh unique id.
    #[must_use]
    pub fn new(ctx: &Context, method: &str, version: &str, args: Map<String, Value>) -> Self {
        Self {
            method: method.into(),
            args,
            namespace: None,
            version: Some(version.into()),
            context: context::to_keys(ctx),
            unique_id: Some(hex_id()),
            call: None,
        }
    }

    /// The request in its envelope, as the JSON text oslo would send.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut inner = Map::new();
        inner.insert("method".into(), Value::String(self.method.clone()));
        inner.insert("args".into(), Value::Object(self.args.clone()));
        if let Some(namespace) = &self.namespace {
            inner.insert("namespace".into(), Value::String(namespace.clone()));
        }
        if let Some(version) = &self.version {
            inner.insert("version".into(), Value::String(version.clone()));
        }
        for (key, value) in &self.context {
            inner.insert(format!("{CONTEXT_PREFIX}{key}"), value.clone());
        }
        if let Some(id) = &self.unique_id {
            inner.insert("_unique_id".into(), Value::String(id.clone()));
        }
        if let Some(call) = &self.call {
            inner.insert("_msg_id".into(), Value::String(call.msg_id.clone()));
            inner.insert("_reply_q".into(), Value::String(call.reply_q.clone()));
            inner.insert("_timeout".into(), json!(call.monitor.map(|m| m.as_secs())));
        }
        wrap(&Value::Object(inner))
    }

    /// Decodes a request from JSON text.
    pub fn decode(text: &str) -> Result<Self, EnvelopeError> {
        Self::from_value(parse(text)?)
    }

    /// Decodes a request from an already parsed envelope.
    pub fn from_value(outer: Value) -> Result<Self, EnvelopeError> {
        let mut inner = unwrap(outer)?;
        let method = match inner.shift_remove("method") {
            Some(Value::String(method)) if !method.is_empty() => method,
            _ => return Err(EnvelopeError::Shape("a request has no method name")),
        };
        let args = match inner.shift_remove("args") {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(args)) => args,
            Some(_) => return Err(EnvelopeError::Shape("a request's args are not an object")),
        };
        let msg_id = take_text(&mut inner, "_msg_id");
        let reply_q = take_text(&mut inner, "_reply_q").unwrap_or_default();
        let monitor = monitor(inner.get("_timeout"));
        let request = Self {
            method,
            args,
            namespace: take_text(&mut inner, "namespace"),
            version: take_text(&mut inner, "version"),
            unique_id: take_text(&mut inner, "_unique_id"),
            call: msg_id.map(|msg_id| CallHeader { msg_id, reply_q, monitor }),
            context: inner
                .into_iter()
                .filter_map(|(k, v)| Some((k.strip_prefix(CONTEXT_PREFIX)?.to_string(), v)))
                .collect(),
        };
        Ok(request)
    }
}

/// One answer to a call. A server may send several; the one that is `ending` completes the call.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// The call answered.
    pub msg_id: String,
    /// What the method returned or raised.
    pub result: Result<Value, Failure>,
    /// False for a call-monitor heartbeat, and for a result from senders that end separately.
    pub ending: bool,
    /// Identifies this message among repetitions.
    pub unique_id: Option<String>,
}

impl Reply {
    /// The final answer to `msg_id`.
    #[must_use]
    pub fn new(msg_id: &str, result: Result<Value, Failure>) -> Self {
        Self { msg_id: msg_id.into(), result, ending: true, unique_id: Some(hex_id()) }
    }

    /// A sign of life to the caller of `msg_id`: the method still runs.
    #[must_use]
    pub fn working(msg_id: &str) -> Self {
        Self { ending: false, ..Self::new(msg_id, Ok(Value::Null)) }
    }

    /// The reply in its envelope, as JSON text.
    #[must_use]
    pub fn encode(&self) -> String {
        let (result, failure) = match &self.result {
            Ok(value) => (value.clone(), Value::Null),
            Err(failure) => (Value::Null, Value::String(encode_failure(failure))),
        };
        let mut inner = Map::new();
        inner.insert("result".into(), result);
        inner.insert("failure".into(), failure);
        inner.insert("ending".into(), Value::Bool(self.ending));
        inner.insert("_msg_id".into(), Value::String(self.msg_id.clone()));
        if let Some(id) = &self.unique_id {
            inner.insert("_unique_id".into(), Value::String(id.clone()));
        }
        wrap(&Value::Object(inner))
    }

    /// Decodes a reply from JSON text.
    pub fn decode(text: &str) -> Result<Self, EnvelopeError> {
        Self::from_value(parse(text)?)
    }

    /// Decodes a reply from an already parsed envelope.
    pub fn from_value(outer: Value) -> Result<Self, EnvelopeError> {
        let mut inner = unwrap(outer)?;
        let result = match inner.shift_remove("failure") {
            None | Some(Value::Null) => Ok(inner.shift_remove("result").unwrap_or(Value::Null)),
            Some(Value::String(text)) => Err(decode_failure(&text)?),
            Some(_) => return Err(EnvelopeError::Shape("a reply's failure is not a string")),
        };
        Ok(Self {
            msg_id: take_text(&mut inner, "_msg_id").unwrap_or_default(),
            result,
            ending: inner.get("ending").and_then(Value::as_bool).unwrap_or(false),
            unique_id: take_text(&mut inner, "_unique_id"),
        })
    }
}

/// Drops repetitions of a message: remembers the last 16 ids, as oslo.messaging does.
#[derive(Debug, Default)]
pub struct DuplicateFilter {
    seen: VecDeque<String>,
}

impl DuplicateFilter {
    /// How many ids are remembered.
    const SIZE: usize = 16;

    /// Whether `id` is new; a message without one always is.
    pub fn is_new(&mut self, id: Option<&str>) -> bool {
        let Some(id) = id else { return true };
        if self.seen.iter().any(|seen| seen == id) {
            return false;
        }
        if self.seen.len() == Self::SIZE {
            self.seen.pop_front();
        }
        self.seen.push_back(id.to_string());
        true
    }
}

/// A random UUID as 32 hex digits, oslo's form of message and unique ids.
#[must_use]
pub fn hex_id() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

fn parse(text: &str) -> Result<Value, EnvelopeError> {
    serde_json::from_str(text).map_err(|e| EnvelopeError::Json("envelope", e))
}

fn wrap(inner: &Value) -> String {
    let mut outer = Map::new();
    outer.insert(VERSION_KEY.into(), Value::String(ENVELOPE_VERSION.into()));
    outer.insert(MESSAGE_KEY.into(), Value::String(inner.to_string()));
    Value::Object(outer).to_string()
}

/// The inner message; an object without envelope keys is taken as a bare (1.0) message.
fn unwrap(outer: Value) -> Result<Map<String, Value>, EnvelopeError> {
    let Value::Object(mut outer) = outer else {
        return Err(EnvelopeError::Shape("a message is not an object"));
    };
    if !(outer.contains_key(VERSION_KEY) && outer.contains_key(MESSAGE_KEY)) {
        return Ok(outer);
    }
    let version = take_text(&mut outer, VERSION_KEY).unwrap_or_default();
    let major_minor = version
        .split_once('.')
        .and_then(|(major, minor)| Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?)));
    if major_minor != Some((2, 0)) {
        return Err(EnvelopeError::Version(version));
    }
    let Some(text) = take_text(&mut outer, MESSAGE_KEY) else {
        return Err(EnvelopeError::Shape("an envelope's message is not a string"));
    };
    match serde_json::from_str(&text).map_err(|e| EnvelopeError::Json("inner message", e))? {
        Value::Object(inner) => Ok(inner),
        _ => Err(EnvelopeError::Shape("an inner message is not an object")),
    }
}

/// `_timeout` in whole seconds: a number or, as Python's `int` takes it too, its text.
fn monitor(timeout: Option<&Value>) -> Option<Duration> {
    let seconds = match timeout? {
        Value::Number(number) => number.as_u64().or_else(|| number.as_f64().map(|f| f as u64))?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    // Longer than any call lasts.
    Some(Duration::from_secs(seconds.min(u64::from(u32::MAX))))
}

fn take_text(map: &mut Map<String, Value>, key: &str) -> Option<String> {
    match map.shift_remove(key) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

fn encode_failure(failure: &Failure) -> String {
    let mut failure = failure.clone();
    // A class re-raised from a remote side carries this suffix in Python; it must not travel.
    if let Some(class) = failure.class.strip_suffix("_Remote") {
        failure.class = class.to_string();
    }
    if let Some(module) = failure.module.strip_suffix("_Remote") {
        failure.module = module.to_string();
    }
    serde_json::to_string(&failure).unwrap_or_else(|_| "{}".into())
}

fn decode_failure(text: &str) -> Result<Failure, EnvelopeError> {
    let value: Value = serde_json::from_str(text).map_err(|e| EnvelopeError::Json("failure", e))?;
    let Value::Object(mut map) = value else {
        return Err(EnvelopeError::Shape("a failure is not an object"));
    };
    // Field by field: an odd traceback must not hide the error itself.
    Ok(Failure {
        class: take_text(&mut map, "class").unwrap_or_default(),
        module: take_text(&mut map, "module").unwrap_or_default(),
        message: take_text(&mut map, "message").unwrap_or_default(),
        python: Box::new(PythonException {
            tb: match map.remove("tb") {
                Some(Value::Array(lines)) => {
                    lines.iter().filter_map(Value::as_str).map(str::to_string).collect()
                }
                _ => Vec::new(),
            },
            args: match map.remove("args") {
                Some(Value::Array(args)) => args,
                _ => Vec::new(),
            },
            kwargs: match map.remove("kwargs") {
                Some(Value::Object(kwargs)) => kwargs,
                _ => Map::new(),
            },
            cause: None,
        }),
        expected: true,
    })
}
