//! The built-in identity service: discovery, tokens, catalog, look-ups.

use std::sync::Arc;

use neutrino_server::{
    identity::{
        hash_password,
        local::{Directory, LocalIdentity, LocalSettings, routes},
    },
    serve::Listening,
};
use serde_json::{Value, json};

use crate::support::{client::Client, server::TestServer};

/// An identity file with an administrator and a member of project `demo`.
fn directory_text() -> String {
    let hash = hash_password("secret").expect("hash");
    let user = |name: &str, project: &str, role: &str| {
        format!(
            "[[projects]]\nname = '{project}'\n[[users]]\nname = '{name}'\npassword_hash = '{hash}'\n\
             [[assignments]]\nuser = '{name}'\nproject = '{project}'\nroles = ['{role}']\n"
        )
    };
    user("admin", "admin", "admin") + &user("alice", "demo", "member")
}

async fn start(expiration_secs: i64) -> (Listening, Client) {
    let settings = LocalSettings {
        region: "RegionOne".into(),
        token_expiration_secs: expiration_secs,
        network_port: 9696,
        ..LocalSettings::default()
    };
    let directory = Directory::parse(&directory_text()).expect("directory");
    let identity = LocalIdentity::new(directory, b"key", settings).expect("identity");
    let router = routes::router(Arc::new(identity));
    let listening =
        Listening::start("127.0.0.1:0".parse().expect("address"), router).await.expect("listen");
    let client = Client::new(listening.address);
    (listening, client)
}

fn password(user: &str, password: &str, project: Option<&str>) -> Value {
    let mut auth = json!({"auth": {"identity": {"methods": ["password"], "password": {"user": {
        "name": user, "domain": {"id": "default"}, "password": password
    }}}}});
    if let Some(name) = project {
        auth["auth"]["scope"] = json!({"project": {"name": name, "domain": {"name": "Default"}}});
    }
    auth
}

async fn token(client: &Client, user: &str, project: Option<&str>) -> (String, Value) {
    let answer = client.post("/v3/auth/tokens", &password(user, "secret", project)).await;
    assert_eq!(answer.status, 201, "{:?}", answer.json());
    (answer.header("x-subject-token").expect("token").to_string(), answer.json()["token"].clone())
}

#[tokio::test]
async fn discovery_needs_no_token() {
    let (server, client) = start(60).await;
    let root = client.get("/").await;
    assert_eq!(root.status, 300);
    let href = format!("http://{}/v3/", server.address);
    assert_eq!(root.json()["versions"]["values"][0]["links"][0]["href"], href);
    for path in ["/v3", "/v3/"] {
        let v3 = client.get(path).await;
        assert_eq!((v3.status, &v3.json()["version"]["status"]), (200, &json!("stable")));
        assert!(v3.header("x-openstack-request-id").expect("id").starts_with("req-"));
    }
    assert_eq!(client.get("/v3/nothing").await.json()["error"]["code"], 404);
    server.stop(None).await;
}

#[tokio::test]
async fn password_token_is_scoped_and_validates() {
    let (server, client) = start(60).await;
    let (id, body) = token(&client, "alice", Some("demo")).await;
    assert_eq!(body["project"]["name"], "demo");
    let roles: Vec<_> =
        body["roles"].as_array().expect("roles").iter().map(|r| &r["name"]).collect();
    assert_eq!(roles, ["member", "reader"]);
    let expires = body["expires_at"].as_str().expect("time");
    assert!(expires.len() == 27 && expires.ends_with('Z'), "microseconds: {expires}");
    let catalog = body["catalog"].as_array().expect("catalog");
    let network = catalog.iter().find(|s| s["type"] == "network").expect("network");
    assert_eq!(network["endpoints"][0]["url"], "http://127.0.0.1:9696");

    let alice = client.with("X-Auth-Token", &id);
    let shown = alice.with("X-Subject-Token", &id).get("/v3/auth/tokens").await;
    assert_eq!((shown.status, &shown.json()["token"]["user"]["name"]), (200, &json!("alice")));
    assert_eq!(alice.get("/v3/auth/projects").await.json()["projects"][0]["name"], "demo");

    let deleted = alice.with("X-Subject-Token", &id).delete("/v3/auth/tokens").await;
    assert_eq!(deleted.status, 204);
    assert_eq!(alice.get("/v3/auth/projects").await.status, 401);
    server.stop(None).await;
}

#[tokio::test]
async fn token_method_rescopes_without_living_longer() {
    let (server, client) = start(60).await;
    let (unscoped, body) = token(&client, "alice", None).await;
    assert!(body.get("project").is_none() && body.get("catalog").is_none());
    let rescope = json!({"auth": {
        "identity": {"methods": ["token"], "token": {"id": unscoped}},
        "scope": {"project": {"name": "demo", "domain": {"id": "default"}}}
    }});
    let answer = client.post("/v3/auth/tokens", &rescope).await;
    assert_eq!(answer.status, 201);
    assert_eq!(answer.json()["token"]["expires_at"], body["expires_at"]);
    server.stop(None).await;
}

#[tokio::test]
async fn wrong_credentials_are_all_the_same_401() {
    let (server, client) = start(60).await;
    for body in [
        password("alice", "wrong", Some("demo")),
        password("nobody", "secret", Some("demo")),
        password("alice", "secret", Some("admin")),
        password("alice", "secret", Some("nothing")),
    ] {
        let answer = client.post("/v3/auth/tokens", &body).await;
        assert_eq!(answer.status, 401);
        assert_eq!(answer.json()["error"]["title"], "Unauthorized");
    }
    for body in
        ["{", "[]", "{}", r#"{"auth": {}}"#, r#"{"auth": {"identity": {"methods": ["password"]}}}"#]
    {
        assert_eq!(
            client.raw("POST", "/v3/auth/tokens", body.as_bytes()).await.status,
            400,
            "{body}"
        );
    }
    server.stop(None).await;
}

#[tokio::test]
async fn expired_token_is_refused() {
    let (server, client) = start(0).await;
    let answer = client.post("/v3/auth/tokens", &password("alice", "secret", None)).await;
    assert_eq!(answer.status, 401, "a token that is already expired is never handed out");
    server.stop(None).await;
}

#[tokio::test]
async fn lookups_by_name_and_id_are_the_admins() {
    let (server, client) = start(60).await;
    let (id, _) = token(&client, "admin", Some("admin")).await;
    let admin = client.with("X-Auth-Token", &id);
    let found = admin.get("/v3/projects?name=demo").await.json();
    let demo = found["projects"][0]["id"].as_str().expect("id").to_string();
    assert_eq!(found["projects"].as_array().expect("list").len(), 1);
    assert_eq!(admin.get(&format!("/v3/projects/{demo}")).await.status, 200);
    assert_eq!(admin.get("/v3/projects/demo").await.status, 404, "a name is no id");
    for path in
        ["users", "roles", "domains", "services", "endpoints", "regions", "role_assignments"]
    {
        let answer = admin.get(&format!("/v3/{path}")).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(!answer.json()[path].as_array().expect(path).is_empty(), "{path}");
    }

    let (id, _) = token(&client, "alice", Some("demo")).await;
    let alice = client.with("X-Auth-Token", &id);
    assert_eq!(alice.get(&format!("/v3/projects/{demo}")).await.status, 200, "her own");
    assert_eq!(alice.get("/v3/projects").await.status, 403);
    assert_eq!(alice.get("/v3/users").await.json()["error"]["title"], "Forbidden");
    assert_eq!(client.get("/v3/projects").await.status, 401);
    server.stop(None).await;
}

#[tokio::test]
async fn network_api_takes_tokens_of_the_local_identity() {
    let dir = neutrino_db::testing::TempDir::new("identity").expect("directory");
    let file = dir.path().join("identity.toml");
    std::fs::write(&file, directory_text()).expect("write");
    let options = format!(
        "[DEFAULT]\nauth_strategy = local\n[local_identity]\nconfig_file = {}\n",
        file.display()
    );
    let t = TestServer::start_with(&options).await;
    let identity = Client::new(t.server.identity.as_ref().expect("identity").address);
    let refused = t.client.get("/v2.0/networks").await;
    assert_eq!(refused.status, 401);
    assert_eq!(refused.json()["error"]["title"], "Unauthorized");
    assert!(refused.header("www-authenticate").is_some());
    assert!(refused.header("x-openstack-request-id").is_some());
    assert_eq!(t.client.get("/").await.status, 200, "versions are public");

    let (id, body) = token(&identity, "alice", Some("demo")).await;
    let alice = t.client.with("X-Auth-Token", &id);
    let made = alice.post("/v2.0/networks", &json!({"network": {"name": "n"}})).await;
    assert_eq!(made.status, 201, "{}", made.json());
    assert_eq!(made.json()["network"]["project_id"], body["project"]["id"]);
    assert_eq!(alice.get("/v2.0/agents").await.json()["agents"], json!([]));
    let (unscoped, _) = token(&identity, "alice", None).await;
    let nobody = t.client.with("X-Auth-Token", &unscoped);
    assert_eq!(nobody.get("/v2.0/networks").await.json()["networks"], json!([]));
    let (admin, _) = token(&identity, "admin", Some("admin")).await;
    let admin = t.client.with("X-Auth-Token", &admin);
    assert_eq!(admin.get("/v2.0/networks").await.json()["networks"][0]["name"], "n");
    let mut forged = id.clone();
    forged.replace_range(3..4, if &id[3..4] == "A" { "B" } else { "A" });
    assert_eq!(t.client.with("X-Auth-Token", &forged).get("/v2.0/networks").await.status, 401);
    t.stop().await;
}

#[tokio::test]
async fn catalog_entries_are_found_by_id() {
    let (server, client) = start(60).await;
    let (id, _) = token(&client, "admin", Some("admin")).await;
    let admin = client.with("X-Auth-Token", &id);
    for (path, member) in
        [("services", "service"), ("endpoints", "endpoint"), ("regions", "region")]
    {
        let first = admin.get(&format!("/v3/{path}")).await.json()[path][0].clone();
        let id = first["id"].as_str().expect("id");
        let one = admin.get(&format!("/v3/{path}/{id}")).await;
        assert_eq!((one.status, &one.json()[member]), (200, &first), "{path}");
        assert_eq!(admin.get(&format!("/v3/{path}/none")).await.status, 404, "{path}");
    }
    server.stop(None).await;
}

#[tokio::test]
async fn role_assignments_carry_names_on_request() {
    let (server, client) = start(60).await;
    let (id, _) = token(&client, "admin", Some("admin")).await;
    let admin = client.with("X-Auth-Token", &id);
    let all = admin.get("/v3/role_assignments").await.json();
    assert!(all["role_assignments"][0]["user"].get("name").is_none(), "{all}");
    let user = admin.get("/v3/users?name=alice").await.json()["users"][0]["id"].clone();
    let user = user.as_str().expect("id");
    let path = format!("/v3/role_assignments?include_names=True&user.id={user}");
    let found = admin.get(&path).await.json();
    let found = found["role_assignments"].as_array().expect("list");
    assert!(
        !found.is_empty() && found.len() < all["role_assignments"].as_array().map_or(0, Vec::len)
    );
    for item in found {
        assert_eq!(item["user"]["name"], "alice");
        assert_eq!(item["user"]["domain"], json!({"id": "default", "name": "Default"}));
        assert!(item["role"]["name"].is_string() && item["scope"]["project"]["name"].is_string());
    }
    server.stop(None).await;
}
