//! Auth callout: rows A09 and E04.

use harness::{Raw, Server};
use nkeys::{KeyPair, XKey};
use security::jwt::{AuthorizationRequest, AuthorizationResponse, Claims, Grant, User};

use crate::visitor::Visitor;

/// A server whose account `AUTH` has a service, and what the service needs to answer.
struct Scene {
    server: Server,
    issuer: KeyPair,
    curve: Option<XKey>,
    service: Raw,
}

/// A question, and where its answer goes.
struct Asked {
    reply: String,
    request: Claims<AuthorizationRequest>,
}

fn now_s() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.expect("after 1970").as_secs() as i64
}

/// The answer by which the user of a question comes into `account`, changed by `change`.
fn token(
    issuer: &KeyPair,
    asked: &Asked,
    account: &str,
    change: impl FnOnce(&mut Claims<User>),
) -> String {
    let AuthorizationRequest { user_nkey, server_id, .. } = &asked.request.content;
    let content = User { grant: Grant::everything(), ..User::default() };
    let mut user = Claims::new(user_nkey.as_str(), content);
    user.audience = account.to_owned();
    change(&mut user);
    let jwt = user.encode(issuer, now_s()).expect("signs");
    let content = AuthorizationResponse { jwt, ..AuthorizationResponse::default() };
    let mut response = Claims::new(user_nkey.as_str(), content);
    response.audience.clone_from(&server_id.id);
    response.encode(issuer, now_s()).expect("signs")
}

impl Scene {
    fn new(curve: Option<XKey>, more: &str) -> Scene {
        let issuer = KeyPair::new_account();
        let xkey = curve.as_ref().map(|curve| format!("xkey: {}", curve.public_key()));
        let config = format!(
            "accounts {{ AUTH {{ users: [{{user: service, password: s}}] }}, \
             A {{ users: [{{user: ann, password: a}}] }}, SYS {{ users: [{{user: sys, password: \
             s}}] }} }}, system_account: SYS, authorization {{ {more} auth_callout {{ issuer: {}, \
             account: AUTH, auth_users: [service, sys], {} }} }}",
            issuer.public_key(),
            xkey.unwrap_or_default()
        );
        let server = Server::builder().cores(2).monitored().config(&config).start();
        let mut service = Visitor::named(&server, "service", "s");
        assert!(service.tells("SUB $SYS.REQ.USER.AUTH 1").is_empty());
        Scene { server, issuer, curve, service: service.raw }
    }

    /// The next question to the service.
    fn asked(&mut self) -> Asked {
        let (line, body) = self.service.message();
        let words: Vec<&str> = line.split(' ').collect();
        let reply = words[3].to_owned();
        let payload = match &self.curve {
            None => body,
            Some(curve) => {
                let header: usize = words[4].parse().expect("a size");
                let (header, sealed) = body.split_at(header);
                let header = String::from_utf8_lossy(header).into_owned();
                let key = header.split("Nats-Server-Xkey: ").nth(1).expect("the server's key");
                let server = XKey::from_public_key(key.trim()).expect("a curve key");
                curve.open(sealed, &server).expect("sealed for the service")
            }
        };
        let token = String::from_utf8(payload).expect("text");
        Asked { reply, request: Claims::decode(&token).expect("a request") }
    }

    fn answer(&mut self, asked: &Asked, payload: &[u8]) {
        let head = format!("PUB {} {}\r\n", asked.reply, payload.len());
        self.service.send_bytes(&[head.as_bytes(), payload, b"\r\n"].concat());
    }

    fn comes(&self, fields: &str) -> Visitor {
        let mut visitor = Visitor::saying(self.server.client(), fields);
        visitor.raw.send("PING");
        visitor
    }
}

#[test]
fn a09_a_service_says_who_comes_in_and_where() {
    let mut scene = Scene::new(None, "");
    let mut visitor = scene.comes(r#""user":"bob","pass":"secret","name":"app","lang":"raw""#);
    let asked = scene.asked();
    let content = &asked.request.content;
    assert_eq!(asked.request.audience, "nats-authorization-request");
    assert_eq!(asked.request.issuer, visitor.raw.info()["server_id"].as_str().expect("an id"));
    assert_eq!(
        (content.connect_opts.user.as_str(), content.connect_opts.pass.as_str()),
        ("bob", "secret")
    );
    assert_eq!(
        (content.client_info.id, content.client_info.name.as_str()),
        (visitor.raw.cid(), "app")
    );
    assert_eq!(content.client_info.host, "127.0.0.1");
    let token = token(&scene.issuer, &asked, "A", |user| {
        user.name = "Bob".into();
        user.content.grant.publish.allow = Some(vec!["open".into()]);
    });
    scene.answer(&asked, token.as_bytes());
    assert_eq!(visitor.raw.line(), "PONG");
    let info = visitor.raw.line();
    assert!(info.contains(r#""remote_account":"A""#), "{info}");
    assert!(visitor.publishes("open").is_empty());
    assert_eq!(visitor.publishes("closed").len(), 1);
    let connz =
        harness::get(scene.server.monitor(), &format!("/connz?auth=1&cid={}", visitor.raw.cid()));
    assert!(connz.body.contains(r#""authorized_user": "Bob""#), "{}", connz.body);
    assert!(!scene.server.log_text().contains("secret"));
}

#[test]
fn a09_the_service_itself_is_not_asked_about_and_its_name_opens_no_door() {
    let scene = Scene::new(None, "");
    let mut wrong = scene.comes(r#""user":"service","pass":"x""#);
    wrong.raw.expect_error("Authorization Violation");
    let mut early = Raw::connect(scene.server.client());
    assert_eq!(early.info()["auth_required"], true);
    assert!(early.info()["xkey"].as_str().expect("a key").starts_with('X'));
    early.send("SUB > 1");
    early.expect_error("Authorization Violation");
}

#[test]
fn a09_what_the_service_refuses_or_does_not_say_lets_nobody_in() {
    let mut scene = Scene::new(None, "timeout: 1,");
    // A password of the configuration does not help.
    let ann = r#""user":"ann","pass":"a""#;
    let mut refused = scene.comes(ann);
    let asked = scene.asked();
    scene.answer(&asked, b"");
    refused.raw.expect_error("Authorization Violation");
    refused.raw.expect_eof();

    let mut forged = scene.comes(ann);
    let asked = scene.asked();
    let forgery = token(&KeyPair::new_account(), &asked, "A", |_| {});
    scene.answer(&asked, forgery.as_bytes());
    forged.raw.expect_error("Authorization Violation");
    scene.server.wait_for_log("[WRN] Auth callout signing key is unknown");

    let mut unanswered = scene.comes(ann);
    let asked = scene.asked();
    unanswered.raw.expect_error("Authorization Violation");
    unanswered.raw.expect_eof();
    // Too late, and for nobody.
    let late = token(&scene.issuer, &asked, "A", |_| {});
    scene.answer(&asked, late.as_bytes());
    scene.service.ping();
}

#[test]
fn a09_an_answer_counts_once_and_for_its_own_login() {
    let mut scene = Scene::new(None, "");
    let mut first = scene.comes(r#""user":"ann""#);
    let asked_first = scene.asked();
    let mut second = scene.comes(r#""user":"bob""#);
    let asked_second = scene.asked();
    let token = token(&scene.issuer, &asked_first, "A", |_| {});
    scene.answer(&asked_second, token.as_bytes());
    second.raw.expect_error("Authorization Violation");
    scene.answer(&asked_first, token.as_bytes());
    assert_eq!(first.raw.line(), "PONG");
    scene.answer(&asked_first, token.as_bytes());
    scene.service.ping();
}

#[test]
fn a10_questions_are_sealed_for_a_service_with_a_curve_key() {
    let mut scene = Scene::new(Some(XKey::new()), "");
    for sealed in [true, false] {
        let mut visitor = scene.comes(r#""auth_token":"t""#);
        let asked = scene.asked();
        assert_eq!(asked.request.content.connect_opts.auth_token, "t");
        let token = token(&scene.issuer, &asked, "A", |_| {}).into_bytes();
        let server = XKey::from_public_key(&asked.request.content.server_id.xkey).expect("a key");
        let curve = scene.curve.as_ref().expect("has one");
        let payload = if sealed { curve.seal(&token, &server).expect("seals") } else { token };
        scene.answer(&asked, &payload);
        assert_eq!(visitor.raw.line(), "PONG");
    }
}

#[test]
fn a09_who_lives_beside_the_service_cannot_ask_it() {
    let mut scene = Scene::new(None, "");
    let mut visitor = scene.comes(r#""user":"bob""#);
    let asked = scene.asked();
    let token = token(&scene.issuer, &asked, "AUTH", |_| {});
    scene.answer(&asked, token.as_bytes());
    assert_eq!(visitor.raw.line(), "PONG");
    assert_eq!(visitor.publishes("$SYS.REQ.USER.AUTH").len(), 1);
}

#[test]
fn a09_a_user_leaves_when_its_token_ends() {
    let mut scene = Scene::new(None, "");
    let mut visitor = scene.comes(r#""user":"bob""#);
    let asked = scene.asked();
    let token = token(&scene.issuer, &asked, "A", |user| user.expires_s = now_s() + 3);
    scene.answer(&asked, token.as_bytes());
    assert_eq!(visitor.raw.line(), "PONG");
    assert!(visitor.raw.line().starts_with("INFO"));
    visitor.raw.expect_error("User Authentication Expired");
    visitor.raw.expect_eof();
}

#[test]
fn e04_an_account_hears_whom_its_service_refused() {
    let mut scene = Scene::new(None, "");
    let mut system = Visitor::named(&scene.server, "sys", "s");
    assert!(system.tells("SUB $SYS.SERVER.*.CLIENT.AUTH.ERR 1").is_empty());
    scene.service.send("SUB $SYS.ACCOUNT.CLIENT.AUTH.ERR 2");
    scene.service.ping();
    let mut refused = scene.comes(r#""user":"bob""#);
    let asked = scene.asked();
    scene.answer(&asked, b"");
    refused.raw.expect_error("Authorization Violation");
    let (line, body) = scene.service.message();
    assert!(line.starts_with("MSG $SYS.ACCOUNT.CLIENT.AUTH.ERR 2 "), "{line}");
    let event: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(event["type"], "io.nats.server.advisory.v1.client_disconnect");
    let why = "Auth callout violation: \"no reason supplied\" on account \"AUTH\"";
    assert_eq!(event["reason"], why);
    assert_eq!(
        (&event["client"]["user"], &event["client"]["name_tag"]),
        (&"bob".into(), &"$G".into())
    );
    assert_eq!(event["client"]["id"], refused.raw.cid());
    scene.server.wait_for_log(why);
    let (line, body) = system.raw.message();
    assert!(line.contains(".CLIENT.AUTH.ERR 1 "), "{line}");
    let event: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(event["reason"], "Authentication Failure");
}

#[test]
fn a09_what_is_wrong_in_the_configuration_is_named() {
    let issuer = KeyPair::new_account().public_key();
    let refused = |callout: &str| {
        let config = format!(
            "authorization {{ users: [{{user: s, password: s}}], auth_callout {{ {callout} }} }}"
        );
        let folder = harness::Folder::new();
        let file = folder.write("bad.conf", &config);
        let end = Server::run_to_end(&["-t", "-c", &file.to_string_lossy()]);
        (end.code != Some(0), end.stderr)
    };
    let of_both = [
        ("auth_users: [s]".to_owned(), "require an issuer"),
        (format!("issuer: {issuer}"), "require authorized users"),
        ("issuer: UABC, auth_users: [s]".to_owned(), "valid public"),
        (format!("issuer: {issuer}, auth_users: [s], xkey: X"), "valid public"),
    ];
    // With these nats-server starts, and nobody gets in.
    let ours = [
        (format!("issuer: {issuer}, auth_users: [t]"), "auth_callout user \"t\" not present"),
        (format!("issuer: {issuer}, auth_users: [s], account: Z"), "account \"Z\" is not"),
    ];
    let ours = ours.into_iter().filter(|_| harness::Subject::from_env().is_corewire());
    for (callout, expected) in of_both.into_iter().chain(ours) {
        let (failed, said) = refused(&callout);
        assert!(failed && said.contains(expected), "{callout}: {said}");
    }
    let (failed, said) = refused(&format!("issuer: {issuer}, auth_users: [s]"));
    assert!(!failed, "{said}");
}
