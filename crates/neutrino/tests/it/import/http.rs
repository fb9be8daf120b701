//! Two servers spoken to in the same way.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::process::Process;

/// How long an answer or a start may take: Neutron is slow on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(180);
/// Between two looks.
pub const TICK: Duration = Duration::from_millis(200);

/// A server of the network API in noauth mode.
#[derive(Clone, Debug)]
pub struct Api {
    name: &'static str,
    base: String,
    client: reqwest::Client,
}

impl Api {
    /// The server called `name` on `port` of the loopback.
    pub fn new(name: &'static str, port: u16) -> Self {
        // The client wants it even where nothing is encrypted; a second call changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(PATIENCE)
            // uWSGI answers one request per connection.
            .pool_max_idle_per_host(0)
            .build()
            .expect("HTTP client");
        Self { name, base: format!("http://127.0.0.1:{port}/v2.0/"), client }
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> (u16, Value) {
        let answer = request.send().await.unwrap_or_else(|e| panic!("{}: {e:?}", self.name));
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap_or_else(|e| panic!("{}: {e:?}", self.name));
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// What the server says to GET.
    pub async fn try_get(&self, path: &str) -> (u16, Value) {
        self.send(self.client.get(format!("{}{path}", self.base))).await
    }

    /// Waits until the server, which `process` is, answers.
    pub async fn await_up(&self, process: &Process) {
        let end = Instant::now() + PATIENCE;
        let look = || self.client.get(format!("{}networks?limit=1", self.base)).send();
        while !look().await.is_ok_and(|answer| answer.status().is_success()) {
            let log = process.log();
            assert!(Instant::now() < end, "{} did not come up; it said:\n{log}", self.name);
            tokio::time::sleep(TICK).await;
        }
    }

    /// The answer to a POST that creates something.
    pub async fn post(&self, path: &str, body: &Value) -> Value {
        let (status, answer) =
            self.send(self.client.post(format!("{}{path}", self.base)).json(body)).await;
        assert_eq!(status, 201, "{} POST {path}: {answer}: {body}", self.name);
        answer
    }

    /// The answer to a PUT.
    pub async fn put(&self, path: &str, body: &Value) -> Value {
        let (status, answer) =
            self.send(self.client.put(format!("{}{path}", self.base)).json(body)).await;
        assert!(matches!(status, 200 | 201), "{} PUT {path}: {answer}: {body}", self.name);
        answer
    }

    /// Deletes the resource at `path`.
    pub async fn delete(&self, path: &str) {
        let request = self.client.delete(format!("{}{path}", self.base));
        let (status, answer) = self.send(request).await;
        assert_eq!(status, 204, "{} DELETE {path}: {answer}", self.name);
    }

    /// Creates one resource; answers it.
    pub async fn create(&self, collection: &str, member: &str, body: Value) -> Value {
        self.post(collection, &json!({ member: body })).await[member].clone()
    }

    /// Creates several resources with one request; answers them.
    pub async fn create_all(&self, collection: &str, key: &str, bodies: Vec<Value>) -> Vec<Value> {
        let mut answer = self.post(collection, &json!({ key: bodies })).await;
        match answer[key].take() {
            Value::Array(all) => all,
            other => panic!("{} POST {collection}: {other}", self.name),
        }
    }
}

/// The id of a resource.
pub fn id(resource: &Value) -> &str {
    resource["id"].as_str().unwrap_or_else(|| panic!("no id: {resource}"))
}
