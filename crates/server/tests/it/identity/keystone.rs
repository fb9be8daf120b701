//! Tokens of a real Keystone 30: who sees what, and what ends a token.
//!
//! One Keystone serves the whole story, which ends with its death.

use std::{process::Command, time::Duration};

use serde_json::{Value, json};

use crate::{
    nova::{FakeNova, INSTANCE},
    support::{
        client::{Answer, Client},
        keystone::{Keystone, checkout, subject},
        server::{TestServer, create},
    },
};

const USERS: &str = r#"
projects = [{ name = "demo" }, { name = "other" }, { name = "service" }]
users = [
    { name = "alice", password = "secret" },
    { name = "rita", password = "secret" },
    { name = "bob", password = "secret" },
    { name = "neutron", password = "secret" },
    { name = "nova", password = "secret" },
]
assignments = [
    { user = "alice", project = "demo", roles = ["member"] },
    { user = "rita", project = "demo", roles = ["reader"] },
    { user = "bob", project = "other", roles = ["member"] },
    { user = "neutron", project = "service", roles = ["service"] },
    { user = "nova", project = "service", roles = ["service"] },
    { user = "admin", roles = ["admin"] },
]
"#;

/// The configuration as an operator writes it, and `more` of `[keystone_authtoken]`.
fn options(keystone: &Keystone, more: &str) -> String {
    let url = keystone.url();
    let login = |user: &str| {
        format!(
            "auth_type = password\nauth_url = {url}\nusername = {user}\npassword = secret\n\
             user_domain_name = Default\nproject_name = service\nproject_domain_name = Default\n"
        )
    };
    format!(
        "[DEFAULT]\nauth_strategy = keystone\nsend_events_interval = 1\n[nova]\n{}region_name = RegionOne\n\
         [keystone_authtoken]\nwww_authenticate_uri = {url}/public\n{}http_request_max_retries = 0\n{more}\n",
        login("nova"),
        login("neutron"),
    )
}

/// Tells the catalog where the service `kind` is.
async fn publish(keystone: &Keystone, kind: &str, url: &str) {
    let admin =
        keystone.client.with("X-Auth-Token", &keystone.project_token("admin", "admin").await);
    let service = json!({"service": {"name": kind, "type": kind}});
    let made = admin.post("/v3/services", &service).await;
    assert_eq!(made.status, 201, "{}", made.json());
    let endpoint = json!({"endpoint": {"service_id": made.json()["service"]["id"], "interface": "public",
        "region_id": "RegionOne", "url": url}});
    let made = admin.post("/v3/endpoints", &endpoint).await;
    assert_eq!(made.status, 201, "{}", made.json());
}

/// Names of the networks that the real `openstack` client lists for `user`.
async fn listed(keystone: &Keystone, user: &str, project: &str) -> Vec<String> {
    let mut command = Command::new(checkout().join(".venv/bin/openstack"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("OS_")) {
        command.env_remove(name);
    }
    command.args(["network", "list", "-f", "json"]).envs([
        ("OS_AUTH_URL", keystone.url().as_str()),
        ("OS_USERNAME", user),
        ("OS_PASSWORD", "secret"),
        ("OS_PROJECT_NAME", project),
        ("OS_USER_DOMAIN_ID", "default"),
        ("OS_PROJECT_DOMAIN_ID", "default"),
        ("OS_IDENTITY_API_VERSION", "3"),
        ("no_proxy", "127.0.0.1"),
    ]);
    let run = tokio::task::spawn_blocking(move || command.output());
    let output = run.await.expect("thread").expect("make deps installs the openstack client");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let found = found.as_array().expect("a list").iter();
    found.map(|network| network["Name"].as_str().expect("name").to_string()).collect()
}

async fn networks(client: &Client) -> Answer {
    client.get("/v2.0/networks").await
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_a_real_keystone() {
    let mut keystone = Keystone::start(USERS);
    let strict = options(&keystone, "token_cache_time = -1\nservice_type = network");
    let strict = TestServer::start_with(&strict).await;
    let caching = TestServer::start_with(&options(&keystone, "")).await;
    publish(&keystone, "network", &format!("http://{}", strict.client.address)).await;

    everybody_sees_what_is_theirs(&keystone, &strict.client).await;
    scopes_other_than_projects_are_good_for_nothing(&keystone, &strict.client).await;
    who_has_no_token_is_sent_to_keystone(&keystone, &strict.client).await;
    a_revoked_token_is_refused(&keystone, &strict.client).await;
    an_expired_token_is_refused_but_from_a_service(&mut keystone, &caching.client).await;
    access_rules_are_kept(&keystone, &strict.client, &caching.client).await;
    nova_is_found_in_the_catalog(&keystone, &strict.client).await;

    let token = keystone.project_token("alice", "demo").await;
    let known = caching.client.with("X-Auth-Token", &token);
    assert_eq!(networks(&known).await.status, 200);
    keystone.kill();
    assert_eq!(networks(&known).await.status, 200, "what is remembered needs no Keystone");
    let answer = networks(&strict.client.with("X-Auth-Token", &token)).await;
    assert_eq!(answer.status, 503);
    assert_eq!(
        answer.json()["NeutronError"]["message"],
        "The Keystone service is temporarily unavailable."
    );
    strict.stop().await;
    caching.stop().await;
}

async fn everybody_sees_what_is_theirs(keystone: &Keystone, server: &Client) {
    let alice = server.with("X-Auth-Token", &keystone.project_token("alice", "demo").await);
    let made = alice.post("/v2.0/networks", &json!({"network": {"name": "hers"}})).await;
    assert_eq!(made.status, 201, "{}", made.json());
    let rita = server.with("X-Auth-Token", &keystone.project_token("rita", "demo").await);
    let refused = rita.post("/v2.0/networks", &json!({"network": {"name": "no"}})).await;
    assert_eq!(refused.status, 403, "{}", refused.json());

    let (admin, alice, rita, bob) = tokio::join!(
        listed(keystone, "admin", "admin"),
        listed(keystone, "alice", "demo"),
        listed(keystone, "rita", "demo"),
        listed(keystone, "bob", "other"),
    );
    assert_eq!(
        (admin, alice, rita),
        (vec!["hers".into()], vec!["hers".into()], vec!["hers".into()])
    );
    assert_eq!(bob, Vec::<String>::new());
}

async fn scopes_other_than_projects_are_good_for_nothing(keystone: &Keystone, server: &Client) {
    let token = keystone.token("admin", json!({"system": {"all": true}})).await;
    let system = server.with("X-Auth-Token", &token);
    assert_eq!(networks(&system).await.json()["networks"], json!([]), "as in Neutron");
    let body = json!({"network": {"name": "no", "project_id": "p"}});
    assert_eq!(system.post("/v2.0/networks", &body).await.status, 403);
}

async fn who_has_no_token_is_sent_to_keystone(keystone: &Keystone, server: &Client) {
    for client in [server.clone(), server.with("X-Auth-Token", "nonsense")] {
        let refused = networks(&client).await;
        let challenge = format!("Keystone uri=\"{}/public\"", keystone.url());
        assert_eq!(
            (refused.status, refused.header("www-authenticate")),
            (401, Some(challenge.as_str()))
        );
        assert_eq!(refused.json()["error"]["title"], "Unauthorized");
    }
    assert_eq!(server.get("/").await.status, 200, "versions are public");
}

async fn a_revoked_token_is_refused(keystone: &Keystone, server: &Client) {
    let token = keystone.project_token("alice", "demo").await;
    let alice = server.with("X-Auth-Token", &token);
    assert_eq!(networks(&alice).await.status, 200);
    let revoking = keystone.client.with("X-Auth-Token", &token).with("X-Subject-Token", &token);
    assert_eq!(revoking.delete("/v3/auth/tokens").await.status, 204);
    assert_eq!(networks(&alice).await.status, 401);
}

async fn an_expired_token_is_refused_but_from_a_service(keystone: &mut Keystone, server: &Client) {
    keystone.set("token", "expiration", "4");
    let alice = server.with("X-Auth-Token", &keystone.project_token("alice", "demo").await);
    keystone.set("token", "expiration", "3600");
    assert_eq!(networks(&alice).await.status, 200);
    // The server remembers tokens for five minutes, but not beyond their end.
    let mut last = 0;
    for _ in 0..300 {
        last = networks(&alice).await.status;
        if last == 401 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(last, 401, "30 s after its end");

    let nova = keystone.project_token("nova", "service").await;
    assert_eq!(networks(&alice.with("X-Service-Token", &nova)).await.status, 200);
    let bob = keystone.project_token("bob", "other").await;
    assert_eq!(
        networks(&alice.with("X-Service-Token", &bob)).await.status,
        401,
        "bob is no service"
    );
    let rita = server.with("X-Auth-Token", &keystone.project_token("rita", "demo").await);
    assert_eq!(networks(&rita.with("X-Service-Token", "nonsense")).await.status, 401);
}

async fn access_rules_are_kept(keystone: &Keystone, server: &Client, without_type: &Client) {
    let token = keystone.project_token("alice", "demo").await;
    let alice = keystone.client.with("X-Auth-Token", &token);
    let user = alice.with("X-Subject-Token", &token).get("/v3/auth/tokens").await;
    let user = user.json()["token"]["user"]["id"].as_str().expect("id").to_string();
    let rule = json!({"service": "network", "method": "GET", "path": "/v2.0/networks"});
    let wanted = json!({"application_credential": {"name": "lister", "secret": "s", "access_rules": [rule]}});
    let made = alice.post(&format!("/v3/users/{user}/application_credentials"), &wanted).await;
    assert_eq!(made.status, 201, "{}", made.json());
    let credential = json!({"id": made.json()["application_credential"]["id"], "secret": "s"});
    let body = json!({"auth": {"identity": {
        "methods": ["application_credential"], "application_credential": credential}}});
    let token = subject(&keystone.client.post("/v3/auth/tokens", &body).await);

    let lister = server.with("X-Auth-Token", &token);
    assert_eq!(networks(&lister).await.json()["networks"][0]["name"], "hers");
    assert_eq!(lister.get("/v2.0/ports").await.status, 401);
    assert_eq!(networks(&without_type.with("X-Auth-Token", &token)).await.status, 401);
}

async fn nova_is_found_in_the_catalog(keystone: &Keystone, server: &Client) {
    let nova = FakeNova::start().await;
    publish(keystone, "compute", &nova.url).await;
    let alice = server.with("X-Auth-Token", &keystone.project_token("alice", "demo").await);
    let network = networks(&alice).await.json()["networks"][0]["id"].clone();
    let body =
        json!({"network_id": network, "device_id": INSTANCE, "device_owner": "compute:nova"});
    let port = create(&alice, "ports", body).await;
    let path = format!("/v2.0/ports/{}", port["id"].as_str().expect("id"));
    assert_eq!(alice.put(&path, &json!({"port": {"name": "renamed"}})).await.status, 200);
    let event = &nova.events(1).await[0];
    assert_eq!((&event["name"], &event["tag"]), (&json!("network-changed"), &port["id"]));
    // As the user of [nova], whose token Keystone knows.
    let token = nova.requests()[0].0["x-auth-token"].to_str().expect("text").to_string();
    let who = keystone.client.with("X-Auth-Token", &token).with("X-Subject-Token", &token);
    assert_eq!(who.get("/v3/auth/tokens").await.json()["token"]["user"]["name"], "nova");
}
