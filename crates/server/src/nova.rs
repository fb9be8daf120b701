//! Nova's `os-server-external-events`, reached as `[nova]` says.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use neutrino_conf::{
    Conf,
    opts::{
        default,
        nova::{self as opts, AUTH, SESSION},
    },
};
use neutrino_keystone::{
    Auth, AuthSettings, Endpoint, Service, Session, SessionSettings, service::Call,
};
use neutrino_services::nova::{NovaApi, NovaConfig, NovaNotifier, Refusal, Sent, events::Event};
use neutrino_types::context::new_request_id;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{ServerError, middleware::request_id::X_REQUEST_ID, parts::Parts};

/// Group of its options.
const GROUP: &str = "nova";

/// The version of Nova's API that has these events in the form they are sent.
const NOVA_API: &str = "2.1";

/// Starts telling Nova of ports; `None` when nobody says where it is or nothing is to be told.
///
/// # Errors
/// [`ServerError::Config`] naming the option of `[nova]` that cannot be used.
pub fn start(conf: &Conf, parts: &Parts) -> Result<Option<NovaNotifier>, ServerError> {
    let config = NovaConfig::from_conf(conf);
    if !(config.wanted.status_changes || config.wanted.data_changes) {
        return Ok(None);
    }
    let fail = |e: &dyn std::fmt::Display| ServerError::Config(e.to_string());
    let Some(auth) = AuthSettings::from_conf(conf, &AUTH, GROUP).map_err(|e| fail(&e))? else {
        tracing::info!("[nova] auth_type is not set: Nova is not told of ports");
        return Ok(None);
    };
    let timeout =
        conf.get(&opts::TIMEOUT).map(|secs| Duration::from_secs_f64(secs.clamp(0.1, 3600.0)));
    let retries = conf.get(&default::HTTP_RETRIES);
    let settings = SessionSettings::from_conf(conf, &SESSION, timeout, retries);
    let session = Session::new(&settings).map_err(|e| fail(&format!("[{GROUP}] {e}")))?;
    let endpoint = Endpoint {
        kind: "compute",
        interface: conf.get(&opts::ENDPOINT_TYPE),
        region: conf.get(&opts::REGION_NAME),
    };
    let auth = Arc::new(Auth::new(session.clone(), auth));
    let nova = Arc::new(Nova(Service::new(session, auth, endpoint)));
    Ok(Some(NovaNotifier::start(config, &parts.registry, parts.ml2.service_ports(), nova)))
}

/// Nova, as our user reaches it.
struct Nova(Service);

#[async_trait]
impl NovaApi for Nova {
    async fn post(&self, events: &[Event]) -> Sent {
        let mut headers = HeaderMap::new();
        headers.insert("x-openstack-nova-api-version", HeaderValue::from_static(NOVA_API));
        headers.insert("openstack-api-version", HeaderValue::from_static("compute 2.1"));
        if let Ok(id) = HeaderValue::from_str(&new_request_id()) {
            headers.insert(X_REQUEST_ID, id);
        }
        let body = json!({"events": events});
        let path = "/os-server-external-events";
        let call = Call { method: Method::POST, path, headers, body: Some(&body) };
        match self.0.send(&call).await {
            Ok(answer) => outcome(answer.status, &answer.body, &answer.excerpt()),
            Err(error) => Sent::Unreached(error.to_string()),
        }
    }
}

/// Body of an answer to events that some instance at least was found for.
#[derive(Deserialize)]
struct Answered {
    events: Vec<Value>,
}

/// What Nova's answer means.
fn outcome(status: StatusCode, body: &[u8], excerpt: &str) -> Sent {
    let said = || format!("{status} {excerpt}");
    match status {
        StatusCode::OK | StatusCode::MULTI_STATUS => match serde_json::from_slice(body) {
            Ok(Answered { events }) => {
                Sent::Taken(events.into_iter().filter_map(refusal).collect())
            }
            Err(_) => Sent::Refused(said()),
        },
        StatusCode::NOT_FOUND => Sent::Unknown,
        StatusCode::TOO_MANY_REQUESTS => Sent::Unreached(said()),
        status if status.is_server_error() => Sent::Unreached(said()),
        _ => Sent::Refused(said()),
    }
}

/// The event, if Nova did not take it.
fn refusal(event: Value) -> Option<Refusal> {
    let code = event.get("code").and_then(Value::as_i64).unwrap_or(0);
    (code != 200).then_some(Refusal { code, event })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, body: &str) -> Sent {
        outcome(StatusCode::from_u16(status).expect("status"), body.as_bytes(), body)
    }

    #[test]
    fn answers_as_nova_documents_them() {
        let taken = r#"{"events": [{"name": "network-changed", "server_uuid": "s", "code": 200, "status": "completed"}]}"#;
        assert_eq!(of(200, taken), Sent::Taken(Vec::new()));
        let mixed = r#"{"events": [{"code": 200}, {"code": 422, "status": "failed"}, {"status": "failed"}]}"#;
        let Sent::Taken(refusals) = of(207, mixed) else { panic!("taken") };
        assert_eq!(refusals.iter().map(|r| r.code).collect::<Vec<_>>(), [422, 0]);
        let unknown =
            r#"{"itemNotFound": {"code": 404, "message": "No instances found for any event"}}"#;
        assert_eq!(of(404, unknown), Sent::Unknown);
        assert!(matches!(of(200, "<html>"), Sent::Refused(_)));
        assert!(matches!(of(400, "{}"), Sent::Refused(_)));
        assert!(matches!(of(403, "{}"), Sent::Refused(_)));
        assert!(matches!(of(503, ""), Sent::Unreached(_)));
    }
}
