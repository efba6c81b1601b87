//! Tokens of accounts: which of them are good, and what a new one means for those who are
//! connected.

use super::*;

#[test]
fn the_resolver_cannot_pass_one_account_off_as_another() {
    let mut case = Case::new();
    let token = account(&KeyPair::new_account()).encode(&case.world.operator, NOW_S);
    case.world.options.operator.preload.insert(case.account.public_key(), token.expect("signs"));
    let user = case.claims.encode(&case.account, NOW_S).expect("signs");
    let said = Credentials { jwt: &user, now_ns: NOW_NS, ..Credentials::default() };
    let refused = case.world.admit(&said);
    assert!(matches!(refused, Err(Refusal::Account(_, AccountError::OtherAccount))), "{refused:?}");
}

#[test]
fn only_pinned_accounts_come_in() {
    let pinned = |keys: fn(&Case) -> String| {
        let mut case = Case::new();
        let key = keys(&case);
        case.world.options.resolver_pinned.insert(key);
        case.admit().map(drop)
    };
    assert_eq!(pinned(|case| case.account.public_key()), Ok(()));
    let refused = pinned(|_| KeyPair::new_account().public_key());
    assert!(matches!(refused, Err(Refusal::NotPinned(_))), "{refused:?}");
}

#[test]
fn an_account_that_claims_too_much_is_none() {
    let refused = |change: &dyn Fn(&mut Account)| {
        let case = Case::with(|case| change(&mut case.account_claims.content));
        let refused = case.admit();
        let invalid = matches!(&refused, Err(Refusal::Account(_, AccountError::Invalid(_))));
        assert!(invalid, "{refused:?}");
    };
    let export = |subject: &str| Export {
        name: String::new(),
        subject: subject.to_owned(),
        kind: ExchangeKind::Stream,
        token_req: false,
        revocations: BTreeMap::new(),
        response_type: None,
        response_threshold_ns: 0,
        service_latency: None,
        account_token_position: 0,
        advertise: false,
        allow_trace: false,
        description: String::new(),
        info_url: String::new(),
    };
    refused(&|account| {
        account.limits.exports = 1;
        account.exports = vec![export("a"), export("b")];
    });
    refused(&|account| {
        account.limits.exports = 5;
        account.limits.wildcard_exports = false;
        account.exports = vec![export("a.*")];
    });
    refused(&|account| account.exports = vec![export("a..b")]);
    refused(&|account| account.signing_keys = vec![SigningKey::Plain("AAAA".to_owned())]);
    refused(&|account| account.authorization.auth_users = vec!["x".to_owned()]);
    let service = |change: &dyn Fn(&mut ExternalAuthorization)| {
        refused(&|account| {
            account.authorization.auth_users = vec![KeyPair::new_user().public_key()];
            change(&mut account.authorization);
        });
    };
    service(&|said| said.allowed_accounts = vec!["ABC".to_owned()]);
    service(&|said| said.xkey = KeyPair::new_account().public_key());
    let other = KeyPair::new_account().public_key();
    service(&|said| said.allowed_accounts = vec!["*".to_owned(), other.clone()]);
    refused(&|account| account.authorization.allowed_accounts = vec![other.clone()]);
    let delegated = Case::with(|case| {
        let auth_users = vec![KeyPair::new_user().public_key()];
        case.account_claims.content.authorization =
            ExternalAuthorization { auth_users, ..ExternalAuthorization::default() };
    });
    assert!(matches!(delegated.admit(), Err(Refusal::Delegated(_))));
}

#[test]
fn a_new_token_of_an_account_tells_who_may_stay() {
    let case = Case::new();
    let (pair, user_pair) = (case.account.clone(), case.user.clone());
    let mut world = case.world;
    world.add(case.account_claims.clone());
    let token = case.claims.encode(&pair, NOW_S).expect("signs");
    let sig = BASE64URL_NOPAD.encode(&user_pair.sign(NONCE.as_bytes()).expect("signs"));
    let credentials = Credentials {
        jwt: &token,
        sig: &sig,
        nonce: NONCE,
        now_ns: NOW_NS,
        ..Credentials::default()
    };
    let taken = |directory: &Directory, world: &World, key: &str| {
        let trust = Trust::new(&world.options).expect("trusted");
        let seen = trust.fetch(key, NOW_S).expect("an account");
        directory.with_accounts(&[Arc::new(seen)], NOW_NS).0
    };
    let key = pair.public_key();
    let before = taken(&world.directory(), &world, &key);
    let session = before.admit(&credentials).expect("let in");
    let unrelated = account(&KeyPair::new_account());
    let other_key = unrelated.subject.clone();
    world.add(unrelated);
    let same = taken(&before, &world, &other_key);
    assert_eq!(same.still_allows(&before, &session, NOW_NS), Standing::Same);
    let mut claims = case.account_claims.clone();
    claims.content.default_permissions.publish.deny = vec!["x".to_owned()];
    world.add(claims.clone());
    let changed = taken(&before, &world, &key).still_allows(&before, &session, NOW_NS);
    assert!(matches!(&changed, Standing::Changed(now) if now.permissions.is_some()), "{changed:?}");
    claims.content.revocations.insert("*".to_owned(), NOW_S);
    claims.expires_s = NOW_S + 10;
    world.add(claims);
    let revoked = taken(&before, &world, &key);
    let gone = revoked.still_allows(&before, &session, NOW_NS);
    assert_eq!(gone, Standing::Gone(Denied::Revoked));
    let late = revoked.still_allows(&before, &session, NOW_NS + 20_000_000_000);
    assert_eq!(late, Standing::Gone(Denied::AccountExpired));
}
