//! A Keystone that knows the tokens `good-<user>` and `expired-<user>`.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use axum::{
    Router,
    extract::{OriginalUri, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

/// What it was asked.
#[derive(Debug, Clone, Copy, Default)]
pub struct Seen {
    pub logins: usize,
    pub validations: usize,
    pub most_at_once: usize,
    at_once: usize,
}

#[derive(Debug)]
struct Behaviour {
    seen: Seen,
    /// What validations are answered with.
    status: StatusCode,
    /// Whether services may log in.
    accepts_logins: bool,
    /// Tokens of services before this one are not known any more.
    first_login: usize,
    login_lasts: Duration,
}

type Shared = Arc<(Mutex<Behaviour>, watch::Sender<bool>)>;

pub struct Fake {
    address: std::net::SocketAddr,
    shared: Shared,
    task: JoinHandle<()>,
}

impl Fake {
    pub async fn start() -> Self {
        let behaviour = Behaviour {
            seen: Seen::default(),
            status: StatusCode::OK,
            accepts_logins: true,
            first_login: 0,
            login_lasts: Duration::from_secs(3600),
        };
        let shared: Shared = Arc::new((Mutex::new(behaviour), watch::Sender::new(false)));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("listen");
        let address = listener.local_addr().expect("address");
        let tokens = get(validate).post(login);
        let router = Router::new()
            .route("/v3/auth/tokens", tokens)
            .with_state((shared.clone(), format!("http://{address}")));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.expect("serve") });
        Self { address, shared, task }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn lock(&self) -> MutexGuard<'_, Behaviour> {
        self.shared.0.lock().expect("lock")
    }

    pub fn seen(&self) -> Seen {
        self.lock().seen
    }

    /// Validations are not answered until [`Fake::release`].
    pub fn hold(&self) {
        self.shared.1.send_replace(true);
    }

    pub fn release(&self) {
        self.shared.1.send_replace(false);
    }

    pub fn answer_with(&self, status: StatusCode) {
        self.lock().status = status;
    }

    pub fn refuse_logins(&self) {
        self.lock().accepts_logins = false;
    }

    pub fn logins_last(&self, time: Duration) {
        self.lock().login_lasts = time;
    }

    /// Tokens of services so far are not accepted any more.
    pub fn forget_logins(&self) {
        let mut behaviour = self.lock();
        behaviour.first_login = behaviour.seen.logins + 1;
    }

    /// Waits until `holds`.
    pub async fn until(&self, what: &str, holds: impl Fn(&Seen) -> bool) {
        for _ in 0..3000 {
            if holds(&self.seen()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("waited for {what}: {:?}", self.seen());
    }

    /// Nobody listens there any more.
    pub async fn stop(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

fn body(user: &str, lasts: chrono::TimeDelta, more: Value) -> Value {
    let expires = (chrono::Utc::now() + lasts).format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
    let mut token = json!({"user": {"id": user}, "expires_at": expires, "roles": []});
    token.as_object_mut().expect("object").extend(more.as_object().expect("object").clone());
    json!({"token": token})
}

async fn login(State((shared, url)): State<(Shared, String)>) -> Response {
    let mut behaviour = shared.0.lock().expect("lock");
    behaviour.seen.logins += 1;
    if !behaviour.accepts_logins {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let endpoint = json!({"interface": "internal", "region": "R", "region_id": "R", "url": url});
    let catalog = json!({"catalog": [{"type": "identity", "endpoints": [endpoint]}]});
    let lasts = chrono::TimeDelta::from_std(behaviour.login_lasts).expect("time");
    let token = format!("service-{}", behaviour.seen.logins);
    (StatusCode::CREATED, [("X-Subject-Token", token)], body("u", lasts, catalog).to_string())
        .into_response()
}

/// Counts a validation under way also when its client goes.
struct UnderWay(Shared);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.0.lock().expect("lock").seen.at_once -= 1;
    }
}

async fn validate(
    State((shared, _)): State<(Shared, String)>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Response {
    let text =
        |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or("").to_string();
    let (ours, token) = (text("x-auth-token"), text("x-subject-token"));
    {
        let mut behaviour = shared.0.lock().expect("lock");
        let seen = &mut behaviour.seen;
        seen.validations += 1;
        seen.at_once += 1;
        seen.most_at_once = seen.most_at_once.max(seen.at_once);
    }
    let under_way = UnderWay(shared.clone());
    let mut held = shared.1.subscribe();
    held.wait_for(|held| !held).await.expect("sender");
    drop(under_way);
    let behaviour = shared.0.lock().expect("lock");
    let login: usize = ours.strip_prefix("service-").and_then(|n| n.parse().ok()).unwrap_or(0);
    if login == 0 || login < behaviour.first_login {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    if behaviour.status != StatusCode::OK {
        return behaviour.status.into_response();
    }
    let hour = chrono::TimeDelta::hours(1);
    let allowed = uri.query().is_some_and(|query| query.contains("allow_expired=1"));
    match token.split_once('-') {
        Some(("good", user)) => body(user, hour, json!({})).to_string().into_response(),
        Some(("expired", user)) if allowed => {
            body(user, -hour, json!({})).to_string().into_response()
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}
