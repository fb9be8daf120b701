//! `/v2.0/address-groups`.

use serde_json::{Value, json};

use crate::support::{
    client::{Answer, Client},
    server::{TestServer, assert_error, text},
};

async fn create(client: &Client, body: Value) -> Value {
    let answer = client.post("/v2.0/address-groups", &json!({"address_group": body})).await;
    assert_eq!(answer.status, 201, "{}", answer.json());
    answer.json()["address_group"].clone()
}

fn path(group: &Value) -> String {
    format!("/v2.0/address-groups/{}", text(group, "id"))
}

async fn act(client: &Client, group: &Value, action: &str, addresses: Value) -> Answer {
    client.put(&format!("{}/{action}", path(group)), &json!({"addresses": addresses})).await
}

#[tokio::test]
async fn groups_live() {
    let t = TestServer::start().await;
    let member = t.user("p1", "member,reader");
    let group = create(
        &member,
        json!({"name": "a", "description": "x".repeat(1024),
               "addresses": ["10.1.2.3/8", "2001:DB8:0::1/64", "192.0.2.1/32"]}),
    )
    .await;
    assert_eq!(group["addresses"], json!(["10.0.0.0/8", "192.0.2.1/32", "2001:db8::/64"]));
    assert_eq!((&group["project_id"], &group["tenant_id"]), (&json!("p1"), &json!("p1")));
    assert_eq!(group["revision_number"], 3);
    let keys: Vec<&String> = group.as_object().expect("object").keys().collect();
    assert_eq!(
        keys,
        [
            "id",
            "name",
            "description",
            "project_id",
            "tenant_id",
            "addresses",
            "revision_number",
            "created_at",
            "updated_at"
        ]
    );
    assert_eq!(member.get(&path(&group)).await.json()["address_group"], group);
    let change = json!({"address_group": {"name": "b"}});
    let changed = member.put(&path(&group), &change).await.json()["address_group"].clone();
    assert_eq!((&changed["name"], &changed["revision_number"]), (&json!("b"), &json!(4)));
    let list = member.get("/v2.0/address-groups?name=b&fields=id&fields=addresses").await.json();
    assert_eq!(
        list["address_groups"],
        json!([{"id": group["id"], "addresses": group["addresses"]}])
    );
    assert_eq!(member.delete(&path(&group)).await.status, 204);
    let gone = member.get(&path(&group)).await;
    assert_error(&gone, 404, "AddressGroupNotFound", "Address group ");
    t.stop().await;
}

#[tokio::test]
async fn addresses_come_and_go() {
    let t = TestServer::start().await;
    let member = t.user("p1", "member,reader");
    let group = create(&member, json!({})).await;
    assert_eq!((&group["addresses"], &group["revision_number"]), (&json!([]), &json!(0)));
    // Single addresses and masks are fine here, as netaddr reads them.
    let added = ["10.0.0.9", "10.1.0.7/255.255.0.0", "fd00::1", "10.0.0.9/32"];
    let answer = act(&member, &group, "add_addresses", json!(added)).await;
    assert_eq!(answer.status, 200);
    let now = answer.json()["address_group"].clone();
    assert_eq!(now["addresses"], json!(["10.0.0.9/32", "10.1.0.0/16", "fd00::1/128"]));
    assert_eq!(now["revision_number"], 3);
    let again = act(&member, &group, "add_addresses", json!(["10.0.0.9", "10.0.0.8"])).await;
    let wanted = format!(
        "Addresses ['10.0.0.9/32'] already exist in the address group {}.",
        text(&group, "id")
    );
    assert_error(&again, 400, "AddressesAlreadyExist", &wanted);
    let missing = act(&member, &group, "remove_addresses", json!(["10.0.0.8"])).await;
    let wanted = "Addresses ['10.0.0.8/32'] not found in the address group";
    assert_error(&missing, 404, "AddressesNotFound", wanted);
    let less = act(&member, &group, "remove_addresses", json!(["10.1.9.9/16"])).await.json();
    assert_eq!(less["address_group"]["addresses"], json!(["10.0.0.9/32", "fd00::1/128"]));
    t.stop().await;
}

#[tokio::test]
async fn bad_input_is_refused() {
    let t = TestServer::start().await;
    let member = t.user("p1", "member,reader");
    for (addresses, why) in [
        (json!(["10.0.0.1"]), "'10.0.0.1' is not a valid IP subnet"),
        (json!(["10.0.0.0/33"]), "is not a valid IP subnet"),
        (json!(["10.0.0.0-10.0.0.9"]), "is not a valid IP subnet"),
        (json!(["10.0.0.0/8", "10.0.0.0/8"]), "Duplicate items in the list: '10.0.0.0/8'"),
        (json!("10.0.0.0/8"), "is not a list"),
    ] {
        let body = json!({"address_group": {"addresses": addresses}});
        let answer = member.post("/v2.0/address-groups", &body).await;
        assert_error(&answer, 400, "HTTPBadRequest", why);
    }
    let long = json!({"address_group": {"description": "x".repeat(1025)}});
    assert_eq!(member.post("/v2.0/address-groups", &long).await.status, 400);
    let group = create(&member, json!({})).await;
    let change = json!({"address_group": {"addresses": ["10.0.0.0/8"]}});
    let answer = member.put(&path(&group), &change).await;
    assert_error(&answer, 400, "HTTPBadRequest", "Cannot update read-only attribute addresses");
    let answer = act(&member, &group, "add_addresses", json!(["10.0.0.0-10.0.0.9"])).await;
    let why = "invalid IPNetwork 10.0.0.0-10.0.0.9";
    assert_error(&answer, 400, "AddrFormatError", why);
    for addresses in [json!([5]), json!(null), json!({})] {
        assert_eq!(act(&member, &group, "add_addresses", addresses).await.status, 400);
    }
    let action = format!("{}/add_addresses", path(&group));
    assert_eq!(member.put(&action, &json!({})).await.status, 400);
    assert_eq!(member.get(&action).await.status, 405);
    assert_eq!(member.put(&format!("{}/nothing", path(&group)), &json!({})).await.status, 404);
    let filtered = member.get("/v2.0/address-groups?shared=true").await;
    assert_error(&filtered, 400, "HTTPBadRequest", "is invalid attribute for filtering");
    let stale = member.with("If-Match", "revision_number=7");
    let change = json!({"address_group": {"name": "b"}});
    assert_eq!(stale.put(&path(&group), &change).await.status, 412);
    assert_eq!(stale.delete(&path(&group)).await.status, 412);
    t.stop().await;
}

#[tokio::test]
async fn strangers_see_nothing_and_readers_change_nothing() {
    let t = TestServer::start().await;
    let (owner, stranger) = (t.user("p1", "member,reader"), t.user("p2", "member,reader"));
    let group = create(&owner, json!({"addresses": ["10.0.0.0/8"]})).await;
    let none = stranger.get("/v2.0/address-groups").await.json();
    assert_eq!(none["address_groups"], json!([]));
    for answer in [
        stranger.get(&path(&group)).await,
        stranger.delete(&path(&group)).await,
        act(&stranger, &group, "add_addresses", json!(["11.0.0.0/8"])).await,
    ] {
        assert_error(&answer, 404, "AddressGroupNotFound", "could not be found");
    }
    let reader = t.user("p1", "reader");
    assert_eq!(reader.get(&path(&group)).await.status, 200);
    let answer = act(&reader, &group, "add_addresses", json!(["11.0.0.0/8"])).await;
    assert_error(&answer, 403, "PolicyNotAuthorized", "rule:add_addresses is disallowed");
    let admin = act(&t.client, &group, "remove_addresses", json!(["10.0.0.0/8"])).await;
    assert_eq!(admin.status, 200);
    t.stop().await;
}
