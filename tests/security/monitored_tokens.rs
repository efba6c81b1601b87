//! What monitoring and the system account show of users with tokens (spec/monitoring.md §3,
//! `pinned_account_fails`; §4, ConnInfo; §14, ClientInfo).

use data_encoding::BASE64URL_NOPAD;
use harness::{Raw, Server, get};
use nkeys::KeyPair;
use serde_json::Value;

use crate::operator::{World, connect};

fn json(server: &Server, path: &str) -> Value {
    serde_json::from_str(&get(server.monitor(), path).body).expect("JSON")
}

#[test]
fn connz_shows_what_a_users_token_says_to_those_who_ask_for_it() {
    let (user, signing) = (KeyPair::new_user(), KeyPair::new_account());
    let world = World::new(|claims| {
        let key = security::jwt::SigningKey::Plain(signing.public_key());
        claims.content.signing_keys.push(key);
    });
    let server = Server::builder().cores(2).monitored().config(&world.config()).start();
    let token = |bearer: bool| {
        world.token(&user, &signing, |claims| {
            claims.content.tags = vec!["team:red".to_owned()];
            claims.content.grant.bearer_token = bearer;
        })
    };
    for (token, is_shown) in [(token(false), true), (token(true), false)] {
        let mut visitor = connect(&server, &token, Some(&user));
        assert!(visitor.tells("").is_empty());
        // A second CONNECT keeps what it does not say anew.
        assert!(visitor.tells(r#"CONNECT {"verbose":false,"name":"again"}"#).is_empty());
        let cid = visitor.raw.cid();
        let shown = json(&server, &format!("/connz?auth=1&cid={cid}"));
        let shown = &shown["connections"][0];
        assert_eq!(shown["authorized_user"], user.public_key(), "{shown}");
        assert_eq!(shown["issuer_key"], signing.public_key());
        // The account's name, which is its key where its token gives it none.
        let account = world.account.public_key();
        assert_eq!(
            (&shown["name_tag"], &shown["tags"][0]),
            (&Value::from(account.as_str()), &"team:red".into())
        );
        // Whoever has a bearer's token is the user.
        let jwt = is_shown.then(|| Value::from(token));
        assert_eq!(shown.get("jwt"), jwt.as_ref());
        let hidden = json(&server, &format!("/connz?cid={cid}"));
        for field in ["jwt", "issuer_key", "name_tag", "tags"] {
            assert!(hidden["connections"][0].get(field).is_none(), "{field}");
        }
        drop(visitor);
        let closed = harness::until("the end is told", || {
            let closed = json(&server, &format!("/connz?state=closed&auth=1&cid={cid}"));
            closed["connections"].get(0).cloned()
        });
        assert_eq!(closed["name_tag"], account);
        assert_eq!(closed.get("jwt"), jwt.as_ref());
    }
}

#[test]
fn events_tell_what_a_users_token_says() {
    let (user, admin) = (KeyPair::new_user(), KeyPair::new_user());
    let world = World::new(|_| {});
    let server = world.start();
    let of_system = world.token(&admin, &world.system, |claims| {
        claims.content.issuer_account.clear();
    });
    let mut system = connect(&server, &of_system, Some(&admin));
    let account = world.account.public_key();
    // The INFO behind the first PONG comes before the second.
    assert!(system.tells(&format!("SUB $SYS.ACCOUNT.{account}.CONNECT 1")).is_empty());
    assert!(system.tells("").is_empty());
    let token = world.token(&user, &world.account, |_| {});
    let mut visitor = connect(&server, &token, Some(&user));
    assert!(visitor.tells("").is_empty());
    let (_, body) = system.raw.message();
    let event: Value = serde_json::from_slice(&body).expect("JSON");
    let client = &event["client"];
    assert_eq!(
        (&client["name_tag"], &client["jwt"]),
        (&Value::from(account.as_str()), &token.into()),
        "{event}"
    );
    assert_eq!(client["issuer_key"], account);
}

#[test]
fn what_an_operator_calls_an_account_is_told_with_its_key() {
    let (user, world) = (KeyPair::new_user(), World::new(|claims| claims.name = "ACME".to_owned()));
    let config = format!("{}trace: true\n", world.config());
    let server = Server::builder().cores(1).monitored().config(&config).start();
    let mut visitor = connect(&server, &world.token(&user, &world.account, |_| {}), Some(&user));
    assert!(visitor.tells("SUB inbox 1").is_empty() && visitor.tells("").is_empty());
    let (account, key) = (world.account.public_key(), user.public_key());
    server.wait_for_log(&format!(" - \"{account}/ACME/jwt:{key}\" - <<- [SUB inbox 1]"));

    let connz = json(&server, "/connz?auth=1");
    assert_eq!(connz["connections"][0]["name_tag"], "ACME");
    let subsz = json(&server, &format!("/subsz?subs=1&acc={account}"));
    let own = subsz["subscriptions_list"].as_array().expect("subscriptions");
    let own = own.iter().find(|one| one["subject"] == "inbox").expect("its own");
    assert_eq!((&own["account"], &own["account_tag"]), (&account.as_str().into(), &"ACME".into()));
    let accountz = json(&server, &format!("/accountz?acc={account}"));
    assert_eq!(accountz["account_detail"]["name_tag"], "ACME");
    let accstatz = json(&server, "/accstatz");
    let statz = accstatz["account_statz"].as_array().expect("accounts");
    let own = statz.iter().find(|one| one["acc"] == account.as_str()).expect("its own");
    assert_eq!(own["name"], "ACME");

    visitor.raw.send("PUB $SYS.REQ.USER.INFO inbox 0\r\n");
    let (_, body) = visitor.raw.message();
    let info: Value = serde_json::from_slice(&body).expect("JSON");
    let said = ["user", "account", "account_name", "user_name"].map(|name| &info["data"][name]);
    assert_eq!(said, [key.as_str(), account.as_str(), "ACME", "joe"]);
}

#[test]
fn a_user_with_a_key_of_its_own_counts_as_its_accounts() {
    let user = KeyPair::new_user();
    let config = format!("accounts {{ A {{ users: [{{nkey: {}}}] }} }}", user.public_key());
    let server = Server::builder().cores(1).monitored().config(&config).start();
    let mut raw = Raw::connect(server.client());
    let nonce = raw.info()["nonce"].as_str().expect("a nonce").to_owned();
    let sig = BASE64URL_NOPAD.encode(&user.sign(nonce.as_bytes()).expect("signs"));
    let key = user.public_key();
    raw.send(&format!(r#"CONNECT {{"verbose":false,"nkey":"{key}","sig":"{sig}"}}"#));
    raw.ping();
    let connz = json(&server, "/connz?auth=1");
    let shown = ["authorized_user", "account", "issuer_key", "name_tag"];
    let shown = shown.map(|name| &connz["connections"][0][name]);
    assert_eq!(shown, [key.as_str(), "A", "A", "A"]);
}

#[test]
fn varz_counts_who_came_of_an_account_that_is_not_pinned() {
    let (user, pinned) = (KeyPair::new_user(), KeyPair::new_account());
    let world = World::new(|_| {});
    let config = format!("{}resolver_pinned_accounts: [{}]\n", world.config(), pinned.public_key());
    let server = Server::builder().cores(1).monitored().config(&config).start();
    assert!(json(&server, "/varz").get("pinned_account_fails").is_none());
    let token = world.token(&user, &world.account, |_| {});
    for _ in 0..2 {
        connect(&server, &token, Some(&user)).raw.expect_error("Authorization Violation");
    }
    assert_eq!(json(&server, "/varz")["pinned_account_fails"], 2);
}
