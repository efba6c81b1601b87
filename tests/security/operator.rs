//! Operator mode with a server: rows A04 to A07, A11, N04, N10. Tokens are made here; those of the
//! official libraries are in `src/security/jwt/corpus` and `tests/clients`.

use data_encoding::BASE64URL_NOPAD;
use harness::{Folder, Pings, Raw, Server};
use nkeys::KeyPair;
use security::jwt::{
    Account, AccountLimits, Claims, Grant, Operator, Responses, Scope, ScopeKind, SigningKey,
    Subjects, User,
};

use crate::visitor::Visitor;

/// An operator with a system account and one account of users.
pub struct World {
    pub operator: KeyPair,
    pub account: KeyPair,
    pub system: KeyPair,
    pub preload: Vec<(String, String)>,
}

pub fn now_s() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(since.expect("after 1970").as_secs()).expect("before the year 292 billion")
}

pub fn unlimited(pair: &KeyPair) -> Claims<Account> {
    let content = Account { limits: AccountLimits::unlimited(), ..Account::default() };
    Claims::new(pair.public_key(), content)
}

impl World {
    pub fn new(change: impl FnOnce(&mut Claims<Account>)) -> World {
        let [account, system] = [KeyPair::new_account(), KeyPair::new_account()];
        let operator = KeyPair::new_operator();
        let mut world = World { operator, account, system, preload: Vec::new() };
        let mut claims = unlimited(&world.account);
        change(&mut claims);
        world.add(claims);
        let system = unlimited(&world.system);
        world.add(system);
        world
    }

    /// Preloads an account.
    pub fn add(&mut self, claims: Claims<Account>) {
        let key = claims.subject.clone();
        let token = claims.encode(&self.operator, now_s()).expect("signs");
        self.preload.push((key, token));
    }

    pub fn config(&self) -> String {
        let operator = Operator { system_account: self.system.public_key(), ..Operator::default() };
        let claims = Claims::new(self.operator.public_key(), operator);
        let token = claims.encode(&self.operator, now_s()).expect("signs");
        let entry = |(key, token): &(String, String)| format!("  {key}: {token}\n");
        let preload: String = self.preload.iter().map(entry).collect();
        format!("operator: {token}\nresolver: MEMORY\nresolver_preload {{\n{preload}}}\n")
    }

    pub fn start(&self) -> Server {
        Server::builder().cores(2).config(&self.config()).args(&["-D"]).start()
    }

    /// A token of a user, signed by `signer`.
    pub fn token(
        &self,
        user: &KeyPair,
        signer: &KeyPair,
        change: impl FnOnce(&mut Claims<User>),
    ) -> String {
        let content = User { grant: Grant::everything(), ..User::default() };
        let mut claims = Claims::new(user.public_key(), content);
        claims.name = "joe".to_owned();
        if signer.public_key() != self.account.public_key() {
            claims.content.issuer_account = self.account.public_key();
        }
        change(&mut claims);
        claims.encode(signer, now_s()).expect("signs")
    }
}

/// Says CONNECT with a token, and signs the nonce with `signer`.
pub fn connect(server: &Server, token: &str, signer: Option<&KeyPair>) -> Visitor {
    let mut raw = Raw::connect(server.client());
    raw.set_pings(Pings::Answered);
    let nonce = raw.info()["nonce"].as_str().expect("a nonce").to_owned();
    let sig = signer.map(|pair| pair.sign(nonce.as_bytes()).expect("signs")).unwrap_or_default();
    let sig = BASE64URL_NOPAD.encode(&sig);
    let common = r#""verbose":false,"pedantic":false,"headers":true,"no_responders":true"#;
    raw.send(&format!(r#"CONNECT {{{common},"protocol":1,"jwt":"{token}","sig":"{sig}"}}"#));
    Visitor { raw }
}

fn is_let_in(server: &Server, token: &str, signer: Option<&KeyPair>) -> bool {
    let mut visitor = connect(server, token, signer);
    visitor.raw.send("PING");
    visitor.raw.line() == "PONG"
}

#[test]
fn a04_users_of_accounts_that_the_operator_signed_are_let_in() {
    let world = World::new(|_| {});
    let server = world.start();
    let (user, other) = (KeyPair::new_user(), KeyPair::new_user());
    let token = world.token(&user, &world.account, |_| {});
    let mut first = connect(&server, &token, Some(&user));
    assert!(first.tells("SUB a 1").is_empty());
    let mut second = connect(&server, &token, Some(&user));
    assert!(second.publishes("a").is_empty());
    assert_eq!(first.tells("PING\r\nPING").first().map(String::as_str), Some("MSG a 1 0"));
    assert!(!is_let_in(&server, &token, Some(&other)), "signed by another");
    assert!(!is_let_in(&server, &token, None), "not signed");
    assert!(!is_let_in(&server, "", Some(&user)), "no token");
    let mut forged = token.clone();
    forged.truncate(token.len() - 4);
    assert!(!is_let_in(&server, &format!("{forged}AAAA"), Some(&user)), "forged");
    let stranger = KeyPair::new_account();
    let unknown = world.token(&user, &stranger, |claims| claims.content.issuer_account.clear());
    assert!(!is_let_in(&server, &unknown, Some(&user)), "of an account that nobody knows");
    let claimed = world.token(&user, &stranger, |_| {});
    assert!(!is_let_in(&server, &claimed, Some(&user)), "signed by no key of the account");
    server.wait_for_log("User JWT issuer is not known");
    for fields in [r#""user":"a","pass":"b""#, r#""auth_token":"t""#, ""] {
        Visitor::saying(server.client(), fields).raw.expect_error("Authorization Violation");
    }
}

#[test]
fn a05_a_bearer_needs_no_key_unless_the_account_wants_one() {
    let user = KeyPair::new_user();
    for (disallowed, expected) in [(false, true), (true, false)] {
        let world = World::new(|claims| claims.content.limits.disallow_bearer = disallowed);
        let server = world.start();
        let bearer = |claims: &mut Claims<User>| claims.content.grant.bearer_token = true;
        let token = world.token(&user, &world.account, bearer);
        assert_eq!(is_let_in(&server, &token, None), expected);
    }
}

#[test]
fn a06_a_scoped_key_says_what_its_users_may_do() {
    let (scoped, user) = (KeyPair::new_account(), KeyPair::new_user());
    let allow = |subject: &str| Subjects { allow: Some(vec![subject.to_owned()]), deny: vec![] };
    let template = Grant {
        publish: allow("of.{{name()}}.>"),
        subscribe: allow("team.{{tag(team)}}"),
        responses: Some(Responses::default()),
        ..Grant::everything()
    };
    let world = World::new(|claims| {
        claims.content.signing_keys.push(SigningKey::Scoped(Box::new(Scope {
            kind: ScopeKind::User,
            key: scoped.public_key(),
            role: "member".to_owned(),
            template,
            description: String::new(),
        })));
    });
    let server = world.start();
    let token = world.token(&user, &scoped, |claims| {
        claims.content.grant = Grant::default();
        claims.content.tags = vec!["team:red".to_owned(), "team:blue".to_owned()];
    });
    let mut joe = connect(&server, &token, Some(&user));
    assert!(joe.tells("SUB team.red 1\r\nSUB team.blue 2").is_empty());
    let refused = joe.tells("SUB team.green 3");
    assert_eq!(refused, ["-ERR 'Permissions Violation for Subscription to \"team.green\"'"]);
    assert!(joe.publishes("of.joe.x").is_empty());
    assert_eq!(joe.publishes("of.ann.x").len(), 1);
    let claims_more = world.token(&user, &scoped, |_| {});
    assert!(!is_let_in(&server, &claims_more, Some(&user)), "it claims what is not its own");
}

#[test]
fn a07_networks_times_and_revocations_keep_users_out() {
    let (good, revoked) = (KeyPair::new_user(), KeyPair::new_user());
    let world = World::new(|claims| {
        claims.content.revocations.insert(revoked.public_key(), now_s() + 60);
    });
    let server = world.start();
    let account = &world.account;
    assert!(!is_let_in(&server, &world.token(&revoked, account, |_| {}), Some(&revoked)));
    let from = |network: &str| {
        let token = world.token(&good, account, |claims| {
            claims.content.grant.networks = vec![network.to_owned()];
        });
        is_let_in(&server, &token, Some(&good))
    };
    assert!(from("127.0.0.0/8") && !from("10.0.0.0/8"));
    let expired = world.token(&good, account, |claims| claims.expires_s = now_s() - 5);
    assert!(!is_let_in(&server, &expired, Some(&good)));
    let early = world.token(&good, account, |claims| claims.not_before_s = now_s() + 60);
    assert!(!is_let_in(&server, &early, Some(&good)));
    let by_mqtt = world.token(&good, account, |claims| {
        claims.content.grant.allowed_connection_types = vec!["MQTT".to_owned()];
    });
    assert!(!is_let_in(&server, &by_mqtt, Some(&good)));
}

#[test]
fn a07_who_stays_until_its_time_is_over_hears_so() {
    let (user, late) = (KeyPair::new_user(), KeyPair::new_account());
    let mut world = World::new(|_| {});
    let mut claims = unlimited(&late);
    claims.expires_s = now_s() + 6;
    world.add(claims);
    let server = world.start();
    let token = world.token(&user, &world.account, |claims| claims.expires_s = now_s() + 2);
    let mut visitor = connect(&server, &token, Some(&user));
    // The INFO behind the first PONG comes before the second.
    assert!(visitor.tells("").is_empty() && visitor.tells("").is_empty());
    let token = world.token(&user, &late, |claims| claims.content.issuer_account.clear());
    let mut of_late = connect(&server, &token, Some(&user));
    assert!(of_late.tells("").is_empty() && of_late.tells("").is_empty());
    visitor.raw.expect_error("User Authentication Expired");
    visitor.raw.expect_eof();
    of_late.raw.expect_error("Account Authentication Expired");
    of_late.raw.expect_eof();
}

#[test]
fn a11_who_brings_no_token_is_the_sentinel() {
    let (user, named) = (KeyPair::new_user(), KeyPair::new_user());
    let world = World::new(|_| {});
    let sentinel = world.token(&user, &world.account, |claims| {
        claims.content.grant.bearer_token = true;
        claims.content.grant.publish.deny = vec!["x".to_owned()];
    });
    let config = format!("{}default_sentinel: {sentinel}\n", world.config());
    let server = Server::builder().cores(1).config(&config).start();
    let mut nobody = Visitor::saying(server.client(), "");
    assert_eq!(nobody.publishes("x").len(), 1);
    let token = world.token(&named, &world.account, |_| {});
    let mut somebody = connect(&server, &token, Some(&named));
    assert!(somebody.publishes("x").is_empty());
    // It stands for those who say nothing, and is no way around a token that is none; with
    // nats-server it is.
    assert_eq!(is_let_in(&server, "eyJ.x.y", None), !server.subject().is_corewire());
}

#[test]
fn n10_limits_and_permissions_of_an_account_hold_for_its_users() {
    let user = KeyPair::new_user();
    let world = World::new(|claims| {
        claims.content.limits.connections = 2;
        claims.content.limits.subscriptions = 1;
        claims.content.limits.payload = 5;
        claims.content.default_permissions.publish.deny = vec!["secret".to_owned()];
        let mapping = r#"{"from":[{"subject":"to"}]}"#;
        claims.content.mappings = serde_json::from_str(mapping).expect("mappings");
    });
    let server = world.start();
    let token = world.token(&user, &world.account, |_| {});
    let mut one = connect(&server, &token, Some(&user));
    assert_eq!(one.tells("SUB to 1\r\nSUB b 2"), ["-ERR 'maximum subscriptions exceeded'"]);
    assert_eq!(one.publishes("secret").len(), 1);
    assert_eq!(one.publishes("from"), ["MSG to 1 0", ""]);
    let mut two = connect(&server, &token, Some(&user));
    assert!(two.tells("").is_empty());
    let mut three = connect(&server, &token, Some(&user));
    three.raw.expect_error("maximum account active connections exceeded");
    one.raw.send("PUB a 6\r\n123456");
    one.raw.expect_error("Maximum Payload Violation");
}

/// spec/security.md §6: -1 none, 0 = none allowed. `data` no server enforces: nats-server 2.9.10
/// lets the same messages pass (`tests/clients/jwt/run` compares the two).
#[test]
fn n08_limits_of_a_users_token_hold_for_its_connections() {
    let (user, scoped) = (KeyPair::new_user(), KeyPair::new_account());
    let limited =
        |subscriptions, payload| Grant { subscriptions, payload, data: 1, ..Grant::everything() };
    let world = World::new(|claims| {
        claims.content.limits.data = 1;
        claims.content.limits.subscriptions = 3;
        claims.content.signing_keys.push(SigningKey::Scoped(Box::new(Scope {
            kind: ScopeKind::User,
            key: scoped.public_key(),
            role: String::new(),
            template: limited(2, 5),
            description: String::new(),
        })));
    });
    let server = world.start();
    let exceeded = "-ERR 'maximum subscriptions exceeded'";
    let own =
        |grant: Grant| world.token(&user, &world.account, |claims| claims.content.grant = grant);
    let by_template = world.token(&user, &scoped, |claims| claims.content.grant = Grant::default());
    for token in [own(limited(2, 5)), by_template] {
        let mut visitor = connect(&server, &token, Some(&user));
        assert_eq!(visitor.tells("SUB a 1\r\nSUB b 2\r\nSUB c 3"), [exceeded]);
        // Far more bytes than `data` says.
        for _ in 0..3 {
            assert_eq!(visitor.tells("PUB x 5\r\n12345"), Vec::<String>::new());
        }
        visitor.raw.send("PUB x 6\r\n123456");
        visitor.raw.expect_error("Maximum Payload Violation");
    }
    let mut nothing = connect(&server, &own(limited(0, 0)), Some(&user));
    // nats-server says so when it lets the user in, too.
    let mut said = nothing.tells("SUB a 1\r\nPUB x 0\r\n");
    said.dedup();
    assert_eq!(said, [exceeded]);
    let more = nothing.tells("");
    assert!(more.iter().all(|line| !server.subject().is_corewire() && line == exceeded));
    nothing.raw.send("PUB x 1\r\n1");
    nothing.raw.expect_error("Maximum Payload Violation");
    // The account's own limit holds where the user's is wider.
    let mut wide = connect(&server, &own(limited(9, -1)), Some(&user));
    assert_eq!(wide.tells("SUB a 1\r\nSUB b 2\r\nSUB c 3\r\nSUB d 4"), [exceeded]);
}

#[test]
fn n04_a_private_service_is_imported_with_an_activation() {
    let (exporter, user) = (KeyPair::new_account(), KeyPair::new_user());
    let content = security::jwt::Activation {
        subject: "q".to_owned(),
        kind: Some(security::jwt::ExchangeKind::Service),
        ..security::jwt::Activation::default()
    };
    let mut world = World::new(|claims| {
        let activation = Claims::new(claims.subject.clone(), content);
        let token = activation.encode(&exporter, now_s()).expect("signs");
        let account = exporter.public_key();
        let imports = format!(
            r#"[{{"subject":"q","account":"{account}","token":"{token}","type":"service",
                 "local_subject":"ask"}},
                {{"subject":"r","account":"{account}","type":"service"}}]"#
        );
        claims.content.imports = serde_json::from_str(&imports).expect("imports");
    });
    let mut claims = unlimited(&exporter);
    claims.content.exports = serde_json::from_str(
        r#"[{"subject":"q","type":"service","token_req":true},
            {"subject":"r","type":"service","token_req":true}]"#,
    )
    .expect("exports");
    world.add(claims);
    let server = Server::builder().cores(1).config(&world.config()).start();
    let of_exporter = world.token(&user, &exporter, |claims| {
        claims.content.issuer_account.clear();
    });
    let mut service = connect(&server, &of_exporter, Some(&user));
    assert!(service.tells("SUB q 1\r\nSUB r 2").is_empty() && service.tells("").is_empty());
    let token = world.token(&user, &world.account, |_| {});
    let mut asker = connect(&server, &token, Some(&user));
    asker.tells("SUB inbox 1");
    asker.tells("PUB ask inbox 0\r\n");
    let (line, _) = service.raw.message();
    assert!(line.starts_with("HMSG q 1 _R_.") || line.starts_with("MSG q 1 _R_."), "{line}");
    asker.tells("PUB r inbox 0\r\n");
    assert!(service.tells("").is_empty(), "nothing without an activation");
    // nats-server says nothing of it.
    if server.subject().is_corewire() {
        server.wait_for_log("service import of \"r\" not authorized");
    }
}

#[test]
fn the_system_account_of_the_operator_hears_the_server() {
    let world = World::new(|_| {});
    let server = world.start();
    let user = KeyPair::new_user();
    let token = world.token(&user, &world.system, |claims| {
        claims.content.issuer_account.clear();
    });
    let mut admin = connect(&server, &token, Some(&user));
    assert!(admin.tells("SUB inbox 1").is_empty() && admin.tells("").is_empty());
    admin.raw.send("PUB $SYS.REQ.SERVER.PING inbox 0\r\n");
    let (line, body) = admin.raw.message();
    let body = String::from_utf8(body).expect("text");
    assert!(line.starts_with("MSG inbox 1 "), "{line}");
    assert!(body.contains("\"statsz\""), "{body}");
}

#[test]
fn what_cannot_be_stops_the_start() {
    let refused = |config: &str| {
        let folder = Folder::new();
        let file = folder.write("bad.conf", config);
        let args = ["-c", &file.to_string_lossy(), "-a", "127.0.0.1", "-p", "-1"];
        let end = Server::run_to_end(&args);
        assert_ne!(end.code, Some(0), "{config}");
        end.stderr
    };
    let world = World::new(|_| {});
    let config = world.config();
    let users = refused(&format!("{config}authorization {{ users: [{{user: a, password: b}}] }}"));
    assert!(users.contains("operators do not allow users"), "{users}");
    let accounts = refused(&format!("{config}accounts {{ A {{}} }}"));
    assert!(accounts.contains("operators do not allow Accounts"), "{accounts}");
    let other = KeyPair::new_account().public_key();
    let system = refused(&format!("{config}system_account: {other}\n"));
    assert!(system.contains("must be identical"), "{system}");
    let mut alone = World::new(|_| {});
    alone.preload.clear();
    let missing = refused(&alone.config());
    assert!(missing.contains("error resolving system account"), "{missing}");
}

#[test]
fn short_keys_in_tokens_bring_nobody_in_and_nothing_down() {
    let world = World::new(|_| {});
    let server = world.start();
    let whole = world.account.public_key();
    let part = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
    let header = part(r#"{"typ":"JWT","alg":"ed25519-nkey"}"#);
    let keys = [&whole[..0], &whole[..1], &whole[..8], &whole[..55], "A", "AAAAAAAA"];
    // nats-server takes a user without a key for one, if its account signed that.
    let is_corewire = server.subject().is_corewire();
    for key in keys.into_iter().filter(|key| is_corewire || !key.is_empty()) {
        for (issuer, account, subject) in [(key, "", &*whole), (&*whole, key, key)] {
            let nats = format!(
                r#"{{"type":"user","version":2,"issuer_account":"{account}","bearer_token":true}}"#
            );
            let claims = format!(r#"{{"iss":"{issuer}","sub":"{subject}","nats":{nats}}}"#);
            let signed = format!("{header}.{}", part(&claims));
            let sig = world.account.sign(signed.as_bytes()).expect("signs");
            let token = format!("{signed}.{}", BASE64URL_NOPAD.encode(&sig));
            assert!(!is_let_in(&server, &token, None), "{key}");
        }
    }
    let user = KeyPair::new_user();
    let token = world.token(&user, &world.account, |_| {});
    assert!(is_let_in(&server, &token, Some(&user)), "and the server is well");
}
