//! Tokens made here, tokens made by the official Go library, and tokens that are none.

use super::*;

const NOW_S: i64 = 1_700_000_000;

fn sign(pair: &KeyPair, header: &str, payload: &str, signed: Signed) -> String {
    let header = BASE64URL_NOPAD.encode(header.as_bytes());
    let payload = BASE64URL_NOPAD.encode(payload.as_bytes());
    let both = format!("{header}.{payload}");
    let covered = if signed == Signed::Payload { &payload } else { &both };
    let signature = pair.sign(covered.as_bytes()).expect("signs");
    format!("{both}.{}", BASE64URL_NOPAD.encode(&signature))
}

fn user_payload(issuer: &KeyPair, nats: &str) -> String {
    let subject = KeyPair::new_user().public_key();
    format!(r#"{{"iss":"{}","sub":"{subject}","nats":{nats}}}"#, issuer.public_key())
}

#[test]
fn limits_that_a_template_does_not_name_are_none() {
    let scope = |template: &str| {
        let text = format!(r#"{{"kind":"user_scope","key":"A"{template}}}"#);
        serde_json::from_str::<Scope>(&text).expect("a scope").template
    };
    assert_eq!(scope(""), Grant::everything());
    let some = scope(r#","template":{"sub":{"allow":["in.>"]},"payload":7}"#);
    assert_eq!((some.subscriptions, some.data, some.payload), (-1, -1, 7));
    assert_eq!(some.subscribe.allow, Some(vec!["in.>".to_owned()]));
    assert!(
        serde_json::from_str::<Scope>(r#"{"kind":"user_scope","key":"A","template":7}"#).is_err()
    );
}

#[test]
fn what_is_written_reads_the_same() {
    let (operator, account) = (KeyPair::new_operator(), KeyPair::new_account());
    let content = Account {
        limits: AccountLimits::unlimited(),
        signing_keys: vec![
            SigningKey::Plain(KeyPair::new_account().public_key()),
            SigningKey::Scoped(Box::new(Scope {
                kind: ScopeKind::User,
                key: KeyPair::new_account().public_key(),
                role: "reader".to_owned(),
                template: Grant {
                    subscribe: Subjects { allow: Some(vec!["{{name()}}.>".into()]), deny: vec![] },
                    ..Grant::everything()
                },
                description: String::new(),
            })),
        ],
        ..Account::default()
    };
    let mut claims = Claims::new(account.public_key(), content.clone());
    claims.expires_s = NOW_S + 5;
    let token = claims.encode(&operator, NOW_S).expect("signs");
    let read = Claims::<Account>::decode(&token).expect("reads");
    assert_eq!(read.content, content);
    assert_eq!((read.issuer, read.subject), (operator.public_key(), account.public_key()));
    assert_eq!((read.issued_s, read.expires_s), (NOW_S, NOW_S + 5));
    assert_eq!(read.id.len(), 52);
}

#[test]
fn only_the_key_that_is_named_may_have_signed() {
    let (one, other) = (KeyPair::new_account(), KeyPair::new_account());
    let payload = user_payload(&one, r#"{"type":"user","version":2}"#);
    let good = sign(&one, HEADER, &payload, Signed::HeaderAndPayload);
    assert!(Claims::<User>::decode(&good).is_ok());
    let forged = sign(&other, HEADER, &payload, Signed::HeaderAndPayload);
    assert_eq!(Claims::<User>::decode(&forged), Err(TokenError::Signature));
    // A signature of version 1 does not cover the header, and is none for version 2.
    let less = sign(&one, HEADER, &payload, Signed::Payload);
    assert_eq!(Claims::<User>::decode(&less), Err(TokenError::Signature));
    for end in 0..good.len() {
        assert!(Claims::<User>::decode(&good[..end]).is_err(), "{end}");
    }
}

#[test]
fn keys_of_a_wrong_length_are_refused_and_nothing_panics() {
    let pair = KeyPair::new_account();
    let whole = pair.public_key();
    let keys = [&whole[..0], &whole[..1], &whole[..2], &whole[..8], &whole[..55], "A", "AA======"];
    for key in keys.map(str::to_owned).into_iter().chain([format!("{whole}A"), "é".repeat(28)]) {
        let nats = r#"{"type":"user","version":2}"#;
        let payload = format!(r#"{{"iss":"{key}","sub":"{whole}","nats":{nats}}}"#);
        let token = sign(&pair, HEADER, &payload, Signed::HeaderAndPayload);
        assert_eq!(Claims::<User>::decode(&token), Err(TokenError::Issuer), "{key}");
        assert!(!is_key(&key, KeyPairType::Account));
    }
}

#[test]
fn what_a_token_is_not() {
    let account = KeyPair::new_account();
    let payload = |nats: &str| user_payload(&account, nats);
    let user = |nats| payload(nats);
    let good = r#"{"type":"user","version":2}"#;
    let twice = r#"{"type":"user","version":2,"bearer_token":false,"bearer_token":true}"#;
    let table = [
        (HEADER, user(good), Ok(())),
        (r#"{"typ":"jwt","alg":"ED25519-NKEY"}"#, user(good), Ok(())),
        (r#"{"typ":"JWT","alg":"none"}"#, user(good), Err(TokenError::Algorithm)),
        (r#"{"typ":"JWT","alg":"HS256"}"#, user(good), Err(TokenError::Algorithm)),
        (r#"{"typ":"X","alg":"ed25519-nkey"}"#, user(good), Err(TokenError::Algorithm)),
        (r#"{}"#, user(good), Err(TokenError::Algorithm)),
        (r#"{"typ":"JWT""#, user(good), Err(TokenError::Malformed)),
        (HEADER, user(r#"{"type":"account","version":2}"#), Err(TokenError::Kind)),
        (HEADER, user(r#"{"type":"user","version":3}"#), Err(TokenError::Version)),
        (HEADER, user(r#"{"type":"user"}"#), Err(TokenError::Version)),
        (HEADER, user(r#"{"type":"user","version":2,"subs":"1"}"#), Err(TokenError::Claims)),
        (HEADER, user(r#"{"type":"user","version":2,"subs":1e9}"#), Err(TokenError::Claims)),
        (HEADER, user(twice), Err(TokenError::Malformed)),
        (HEADER, format!("{} ", user(good)), Ok(())),
        (HEADER, format!("{}{{}}", user(good)), Err(TokenError::Malformed)),
        (HEADER, "[]".to_owned(), Err(TokenError::Malformed)),
        (HEADER, "[".repeat(200), Err(TokenError::Malformed)),
        (HEADER, user("7"), Err(TokenError::Claims)),
    ];
    for (header, payload, expected) in table {
        let token = sign(&account, header, &payload, Signed::HeaderAndPayload);
        assert_eq!(Claims::<User>::decode(&token).map(drop), expected, "{header} {payload}");
    }
    let operator = KeyPair::new_operator();
    let token = sign(&operator, HEADER, &user_payload(&operator, good), Signed::HeaderAndPayload);
    assert_eq!(Claims::<User>::decode(&token), Err(TokenError::Issuer));
    let long = "a".repeat(limits::JWT_BYTES_MAX + 1);
    assert_eq!(Claims::<User>::decode(&long), Err(TokenError::TooLong));
    for text in ["", ".", "..", "...", "a.b.c", "é.é.é", "e30.e30.e30"] {
        assert!(Claims::<User>::decode(text).is_err(), "{text}");
    }
}

#[test]
fn claims_of_the_first_version_are_read() {
    let account = KeyPair::new_account();
    let header = r#"{"typ":"jwt","alg":"ed25519"}"#;
    let (issuer, user) = (account.public_key(), KeyPair::new_user().public_key());
    let payload = format!(
        r#"{{"iss":"{issuer}","sub":"{user}","type":"user","tags":["a:b"],
            "nats":{{"src":"10.0.0.0/8, 192.168.1.0/24","payload":7}}}}"#
    );
    let token = sign(&account, header, &payload, Signed::Payload);
    let read = Claims::<User>::decode(&token).expect("reads");
    let grant = read.content.grant;
    assert_eq!(grant.networks, ["10.0.0.0/8", "192.168.1.0/24"]);
    assert_eq!((grant.subscriptions, grant.payload), (-1, 7));
    assert_eq!(read.content.tags, ["a:b"]);
    let payload = format!(
        r#"{{"iss":"{issuer}","sub":"{issuer}","type":"activation","issuer_account":"A",
            "nats":{{"subject":"q","type":"service"}}}}"#
    );
    let token = sign(&account, header, &payload, Signed::Payload);
    let read = Claims::<Activation>::decode(&token).expect("reads").content;
    assert_eq!((read.kind, read.issuer_account.as_str()), (Some(ExchangeKind::Service), "A"));
}

#[test]
fn claims_hold_from_when_they_begin_to_when_they_end() {
    let mut claims = Claims::new("x", User::default());
    assert_eq!(claims.hold_at(NOW_S), Ok(()));
    claims.expires_s = NOW_S;
    assert_eq!(claims.hold_at(NOW_S), Ok(()));
    assert_eq!(claims.hold_at(NOW_S + 1), Err(TimeError::Expired));
    claims.not_before_s = NOW_S - 5;
    assert_eq!(claims.hold_at(NOW_S - 6), Err(TimeError::NotYet));
}

#[test]
fn who_cannot_sign_does_not() {
    let user = KeyPair::new_user();
    let claims = Claims::new(user.public_key(), User::default());
    assert_eq!(claims.clone().encode(&user, NOW_S), Err(CannotSign));
    let account = KeyPair::new_account();
    let public = KeyPair::from_public_key(&account.public_key()).expect("a key");
    assert_eq!(claims.clone().encode(&public, NOW_S), Err(CannotSign));
    assert!(claims.encode(&account, NOW_S).is_ok());
}

/// A token of the corpus, made by github.com/nats-io/jwt/v2.
fn official<C: Content>(name: &str) -> Claims<C> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("jwt/corpus");
    let token = std::fs::read_to_string(folder.join(name)).expect("the corpus is there");
    Claims::decode(token.trim()).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn tokens_of_the_official_library_are_read() {
    let operator = official::<Operator>("operator.jwt");
    assert_eq!(operator.name, "O");
    assert_eq!(operator.content.signing_keys.len(), 1);
    assert_eq!(operator.content.account_server_url, "http://localhost:1/jwt/v1");
    let account = official::<Account>("account.jwt");
    assert_eq!(account.issuer, operator.content.signing_keys[0]);
    let content = &account.content;
    assert_eq!(content.limits.jetstream, JetStreamLimits::default());
    assert_eq!(content.limits.tiers["R1"].disk, -1);
    assert_eq!(content.limits.connections, -1);
    assert!(content.exports[0].token_req);
    assert_eq!(content.exports[1].account_token_position, 2);
    let latency = content.exports[1].service_latency.as_ref().expect("has one");
    assert_eq!(latency.sampling, LatencySampling::Headers);
    assert_eq!(content.imports[0].local_subject, "y.>");
    assert_eq!(content.mappings["m"][0].weight, 50);
    assert_eq!(content.trace.as_ref().map(|trace| trace.sampling), Some(5));
    let user = official::<User>("user.jwt");
    assert_eq!(user.issuer, account.subject);
    assert_eq!(user.content.tags, ["team:blue"]);
    assert_eq!(user.content.grant.times_location, "Europe/Berlin");
    assert!(user.content.grant.bearer_token && content.revocations.contains_key(&user.subject));
    let scoped = official::<User>("scoped.jwt");
    assert!(scoped.content.grant.says_nothing());
    assert_eq!(scoped.content.issuer_account, account.subject);
    let Some(SigningKey::Scoped(scope)) = content.signing_key(&scoped.issuer) else {
        panic!("{:?}", content.signing_keys)
    };
    assert_eq!(scope.template.responses.map(|responses| responses.ttl_ns), Some(60_000_000_000));
    let activation = official::<Activation>("activation.jwt");
    assert_eq!(activation.content.kind, Some(ExchangeKind::Stream));
    assert_eq!(activation.subject, account.subject);
    let generic = official::<Generic>("generic.jwt");
    assert_eq!(generic.content.texts("accounts"), [account.subject.as_str()]);
    let request = official::<AuthorizationRequest>("authorization_request.jwt");
    assert_eq!(request.audience, "nats-authorization-request");
    assert_eq!(request.content.server_id.id, request.issuer);
    assert_eq!(official::<AuthorizationResponse>("authorization_response.jwt").content.jwt, "x");
}
