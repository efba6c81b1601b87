//! Auth callout in operator mode: row A10. The token of an account says which users of its own are
//! the service; whoever else comes with a token of that account is asked about.

use harness::{Raw, Server};
use nkeys::{KeyPair, XKey};
use security::jwt::{
    AuthorizationRequest, AuthorizationResponse, Claims, ExternalAuthorization, Grant, User,
};
use serde_json::Value;

use crate::operator::{World, connect, now_s, unlimited};
use crate::visitor::Visitor;

/// A server whose operator has an account with a service, and another account for its users.
struct Scene {
    world: World,
    server: Server,
    target: KeyPair,
    curve: XKey,
    service: Raw,
    /// A bearer's token of the account with the service.
    sentinel: String,
}

/// A question, and where its answer goes.
struct Asked {
    reply: String,
    request: Claims<AuthorizationRequest>,
}

impl Scene {
    fn new(more: &str) -> Scene {
        let (curve, own, target) = (XKey::new(), KeyPair::new_user(), KeyPair::new_account());
        let mut world = World::new(|claims| {
            claims.content.authorization = ExternalAuthorization {
                auth_users: vec![own.public_key()],
                allowed_accounts: vec![target.public_key()],
                xkey: curve.public_key(),
            };
        });
        world.add(unlimited(&target));
        let sentinel = world.token(&KeyPair::new_user(), &world.account, |claims| {
            claims.name = "sentinel".to_owned();
            claims.content.grant.bearer_token = true;
            claims.content.grant.publish.deny = vec![">".to_owned()];
            claims.content.grant.subscribe.deny = vec![">".to_owned()];
        });
        let config = format!("{}default_sentinel: {sentinel}\n{more}", world.config());
        let server = Server::builder().cores(2).monitored().config(&config).start();
        let token = world.token(&own, &world.account, |_| {});
        let mut service = connect(&server, &token, Some(&own));
        // The INFO behind the first PONG comes before the second.
        assert!(service.tells("SUB $SYS.REQ.USER.AUTH 1").is_empty());
        assert!(service.tells("").is_empty());
        Scene { world, server, target, curve, service: service.raw, sentinel }
    }

    /// Somebody comes with a token of the account and what only the service understands.
    fn comes(&self, jwt: &str) -> Visitor {
        let fields = format!(r#""jwt":"{jwt}","user":"bob","pass":"secret""#);
        let mut visitor = Visitor::saying(self.server.client(), &fields);
        visitor.raw.send("PING");
        visitor
    }

    /// The next question to the service, which only it can read.
    fn asked(&mut self) -> Asked {
        let (line, body) = self.service.message();
        let words: Vec<&str> = line.split(' ').collect();
        let (reply, header) = (words[3].to_owned(), words[4].parse::<usize>().expect("a size"));
        let (header, sealed) = body.split_at(header);
        let header = String::from_utf8_lossy(header).into_owned();
        let key = header.split("Nats-Server-Xkey: ").nth(1).expect("the server's key").trim();
        let server = XKey::from_public_key(key).expect("a curve key");
        let token = self.curve.open(sealed, &server).expect("sealed for the service");
        let request = Claims::decode(str::from_utf8(&token).expect("text")).expect("a request");
        Asked { reply, request }
    }

    /// Answers with a user of `account`, both signed by these keys.
    fn answer(&mut self, asked: &Asked, account: &KeyPair, signer: &KeyPair) {
        let AuthorizationRequest { user_nkey, server_id, .. } = &asked.request.content;
        let content =
            User { grant: Grant::everything(), tags: vec!["team:a".to_owned()], ..User::default() };
        let mut user = Claims::new(user_nkey.as_str(), content);
        user.name = "Bob".to_owned();
        let jwt = user.encode(account, now_s()).expect("signs");
        let content = AuthorizationResponse { jwt, ..AuthorizationResponse::default() };
        let mut response = Claims::new(user_nkey.as_str(), content);
        response.audience.clone_from(&server_id.id);
        let token = response.encode(signer, now_s()).expect("signs");
        let key = XKey::from_public_key(&server_id.xkey).expect("a curve key");
        let sealed = self.curve.seal(token.as_bytes(), &key).expect("seals");
        let head = format!("PUB {} {}\r\n", asked.reply, sealed.len());
        self.service.send_bytes(&[head.as_bytes(), &sealed, b"\r\n"].concat());
    }
}

#[test]
fn a10_the_service_of_an_account_says_who_comes_in_and_where() {
    let mut scene = Scene::new("");
    let (account, target) = (scene.world.account.clone(), scene.target.clone());
    let sentinel = scene.sentinel.clone();
    // With the token of the account, or with none, where one stands for those.
    for jwt in [sentinel.as_str(), ""] {
        let mut visitor = scene.comes(jwt);
        let asked = scene.asked();
        let content = &asked.request.content;
        assert_eq!(asked.request.subject, account.public_key());
        assert_eq!(
            (content.connect_opts.jwt.as_str(), &*content.connect_opts.pass),
            (sentinel.as_str(), "secret")
        );
        assert_eq!(content.client_info.name_tag, "sentinel");
        // Nobody has used the target before: it is fetched.
        scene.answer(&asked, &target, &account);
        assert_eq!(visitor.raw.line(), "PONG");
        let info = visitor.raw.line();
        assert!(info.contains(&target.public_key()), "{info}");
        assert!(visitor.publishes("a").is_empty(), "what the sentinel is denied is not the user's");
        let path = format!("/connz?auth=1&cid={}", visitor.raw.cid());
        let connz = harness::get(scene.server.monitor(), &path).body;
        let connz: Value = serde_json::from_str(&connz).expect("JSON");
        let shown = &connz["connections"][0];
        assert_eq!(shown["authorized_user"], "Bob", "{connz}");
        assert_eq!(shown["account"], target.public_key());
        assert_eq!(shown["issuer_key"], target.public_key());
        assert_eq!(shown["name_tag"], target.public_key(), "what its account is called");
        assert!(shown.get("tags").is_none(), "{connz}");
        assert!(shown.get("jwt").is_none(), "{connz}");
    }
    let mut beside = scene.comes(&sentinel);
    let asked = scene.asked();
    scene.answer(&asked, &account, &account);
    assert_eq!(beside.raw.line(), "PONG");
    assert_eq!(beside.publishes("$SYS.REQ.USER.AUTH").len(), 1, "nobody else asks the service");
}

#[test]
fn a10_what_the_service_of_an_account_may_not_do_lets_nobody_in() {
    let mut scene = Scene::new("authorization { timeout: 1 }");
    let (account, target) = (scene.world.account.clone(), scene.target.clone());
    let (system, sentinel) = (scene.world.system.clone(), scene.sentinel.clone());
    scene.service.send("SUB $SYS.ACCOUNT.CLIENT.AUTH.ERR 2");
    scene.service.ping();
    // nats-server believes an answer that is sealed, whoever signed it.
    let forged = (&target, &target, "[WRN] Auth callout signing key is unknown");
    let misplaced = (&system, &account, "not permitted as valid account option for auth callout");
    let forged = scene.server.subject().is_corewire().then_some(forged);
    for (of, signer, why) in forged.into_iter().chain([misplaced]) {
        let mut refused = scene.comes(&sentinel);
        let asked = scene.asked();
        scene.answer(&asked, of, signer);
        refused.raw.expect_error("Authorization Violation");
        refused.raw.expect_eof();
        scene.server.wait_for_log(why);
        let (line, _) = scene.service.message();
        assert!(line.starts_with("MSG $SYS.ACCOUNT.CLIENT.AUTH.ERR 2 "), "{line}");
    }
    // No answer is a refusal, too, and the account hears of it.
    let mut unanswered = scene.comes(&sentinel);
    scene.asked();
    unanswered.raw.expect_error("Authorization Violation");
    unanswered.raw.expect_eof();
    let (line, _) = scene.service.message();
    assert!(line.starts_with("MSG $SYS.ACCOUNT.CLIENT.AUTH.ERR 2 "), "{line}");
}

#[test]
fn a10_whose_token_is_not_good_is_not_asked_about() {
    let mut scene = Scene::new("");
    let (stranger, user) = (KeyPair::new_account(), KeyPair::new_user());
    let bearer = |claims: &mut Claims<User>| claims.content.grant.bearer_token = true;
    let account = &scene.world.account;
    for token in [
        scene.world.token(&user, &stranger, bearer),
        scene.world.token(&user, account, |_| {}),
        scene.world.token(&user, account, |claims| {
            bearer(claims);
            claims.expires_s = now_s() - 5;
        }),
    ] {
        scene.comes(&token).raw.expect_error("Authorization Violation");
    }
    // Nothing was asked: what comes first is about the one who comes next.
    let mut last = scene.comes(&scene.sentinel);
    let asked = scene.asked();
    assert_eq!(asked.request.content.client_info.id, last.raw.cid());
    let account = scene.world.account.clone();
    scene.answer(&asked, &account, &account);
    assert_eq!(last.raw.line(), "PONG");
}
