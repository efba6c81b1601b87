//! Accounts that change while their users are connected: row A07 and issue 6, account updates live.

use harness::{Raw, Server};
use nkeys::KeyPair;
use security::jwt::{Export, Import};
use serde_json::json;

use crate::folder::full;
use crate::operator::{Account, Operator, Person, now_s, push};

/// A server that knows one account, and the system account's user.
struct Scene {
    operator: Operator,
    server: Server,
    system: Raw,
    account: Account,
}

impl Scene {
    fn new() -> Scene {
        let operator = Operator::new();
        let server = full(&operator, "");
        let mut system = operator.system.user().enters(&server);
        let account = Account::new();
        push(&mut system, &operator, &account);
        Scene { operator, server, system, account }
    }

    fn push(&mut self) {
        push(&mut self.system, &self.operator, &self.account);
    }

    #[track_caller]
    fn enters(&self, person: &Person) -> Raw {
        person.enters(&self.server)
    }
}

#[test]
fn a07_users_that_are_revoked_are_gone_and_others_stay() {
    let mut scene = Scene::new();
    let (one, other) = (scene.account.user(), scene.account.user());
    let (mut gone, mut stays) = (scene.enters(&one), scene.enters(&other));
    let key = one.key.public_key();
    scene.account.change(|claims| {
        let _ = claims.revocations.insert(key, now_s());
    });
    scene.push();
    gone.expect_error("User Authentication Revoked");
    gone.expect_eof();
    stays.ping();
    assert!(!one.is_let_in(&scene.server));
    assert!(other.is_let_in(&scene.server));
    // Revoked up to a time before it was made, it is good again.
    let key = one.key.public_key();
    scene.account.change(|claims| {
        let _ = claims.revocations.insert(key, now_s() - 99);
    });
    scene.push();
    assert!(one.is_let_in(&scene.server));
    scene.account.change(|claims| {
        let _ = claims.revocations.insert("*".to_owned(), now_s());
    });
    scene.push();
    stays.expect_error("User Authentication Revoked");
    stays.expect_eof();
    assert!(!other.is_let_in(&scene.server));
}

#[test]
fn users_of_a_signing_key_that_is_taken_away_are_gone() {
    let mut scene = Scene::new();
    let signer = scene.account.add_signing_key();
    scene.push();
    let theirs = scene.account.user_by(&signer, security::jwt::Grant::everything());
    let own = scene.account.user();
    let (mut gone, mut stays) = (scene.enters(&theirs), scene.enters(&own));
    scene.account.change(|claims| claims.signing_keys.clear());
    scene.push();
    gone.expect_error("Authorization Violation");
    gone.expect_eof();
    stays.ping();
    assert!(!theirs.is_let_in(&scene.server));
}

#[test]
fn limits_hold_from_then_on() {
    let mut scene = Scene::new();
    let user = scene.account.user();
    let mut raw = scene.enters(&user);
    raw.send("PUB a 20\r\n01234567890123456789");
    raw.ping();
    scene.account.change(|claims| {
        claims.limits.payload = 10;
        claims.limits.connections = 1;
    });
    scene.push();
    let second = scene.account.user();
    assert!(!second.is_let_in(&scene.server), "one connection is all it may have");
    raw.send("PUB a 20\r\n01234567890123456789");
    raw.expect_error("Maximum Payload Violation");
}

#[test]
fn default_permissions_change_for_those_who_have_none_of_their_own() {
    let mut scene = Scene::new();
    let user = scene.account.user();
    let mut raw = scene.enters(&user);
    raw.send("PUB open 0\r\n\r\nPUB closed 0\r\n");
    raw.ping();
    scene.account.allow_by_default("open");
    scene.push();
    raw.send("PUB open 0\r\n\r\nPUB closed 0\r\n");
    raw.expect_error("Permissions Violation for Publish to \"closed\"");
}

/// Claims of one stream, as they stand in a token.
fn export(subject: &str) -> Export {
    serde_json::from_value(json!({"subject": subject, "type": "stream"})).expect("an export")
}

fn import(from: &Account, subject: &str) -> Import {
    let claims = json!({"subject": subject, "account": from.name(), "type": "stream"});
    serde_json::from_value(claims).expect("an import")
}

#[test]
fn imports_begin_and_end_with_what_is_exported() {
    let mut scene = Scene::new();
    let mut exporter = Account::new();
    scene.account.change(|claims| claims.imports.push(import(&exporter, "news.>")));
    scene.push();
    let mut here = scene.enters(&scene.account.user());
    here.send("SUB news.> 1");
    here.ping();
    // The exporter comes later than who imports from it.
    exporter.change(|claims| claims.exports.push(export("news.>")));
    push(&mut scene.system, &scene.operator, &exporter);
    let mut there = scene.enters(&exporter.user());
    there.publish("news.a", "1");
    assert_eq!(here.message(), ("MSG news.a 1 1".to_owned(), b"1".to_vec()));
    exporter.change(|claims| claims.exports.clear());
    push(&mut scene.system, &scene.operator, &exporter);
    there.publish("news.b", "2");
    there.ping();
    exporter.change(|claims| claims.exports.push(export("news.>")));
    push(&mut scene.system, &scene.operator, &exporter);
    there.publish("news.c", "3");
    assert_eq!(here.message().0, "MSG news.c 1 1", "what was published meanwhile did not cross");
}

#[test]
fn an_older_token_takes_an_account_back() {
    let mut scene = Scene::new();
    let before = scene.operator.token(&scene.account);
    let user = scene.account.user();
    let key = user.key.public_key();
    scene.account.change(|claims| {
        let _ = claims.revocations.insert(key, now_s());
    });
    scene.push();
    assert!(!user.is_let_in(&scene.server), "it is revoked");
    let update = "$SYS.REQ.CLAIMS.UPDATE";
    let answer = crate::operator::ask_json(&mut scene.system, update, &before);
    assert_eq!(answer["data"]["code"], 200, "{answer}");
    assert!(user.is_let_in(&scene.server));
}

#[test]
fn accounts_that_nobody_concerns_hear_nothing_of_it() {
    let mut scene = Scene::new();
    let quiet = Account::new();
    push(&mut scene.system, &scene.operator, &quiet);
    let mut raw = scene.enters(&quiet.user());
    raw.send("SUB a 1");
    raw.ping();
    for _ in 0..3 {
        let key = KeyPair::new_user().public_key();
        scene.account.change(|claims| {
            let _ = claims.revocations.insert(key, 1);
        });
        scene.push();
    }
    raw.publish("a", "x");
    assert_eq!(raw.message().0, "MSG a 1 1", "neither INFO nor error came before it");
}
