//! Tokens of users: who must have signed them, when and where they are good, and in what ways
//! their users may connect.

use super::*;

#[test]
fn a_user_of_an_account_is_let_in_with_what_it_is_granted() {
    let case = Case::with(|case| {
        case.claims.expires_s = NOW_S + 60;
        case.claims.content.grant.payload = 100;
        case.claims.content.grant.subscriptions = 3;
        case.account_claims.content.limits.connections = 7;
    });
    let key = case.user.public_key();
    let session = case.admit().expect("let in");
    assert_eq!(session.user, key);
    assert!(session.account != AccountId::GLOBAL && session.account != AccountId::SYSTEM);
    assert_eq!(session.permissions, None);
    assert_eq!((session.payload_max, session.subscriptions_max), (Some(100), Some(3)));
    assert_eq!((session.expires_ns, session.expiry), (Some(NOW_NS + 60_000_000_000), Expiry::User));
}

#[test]
fn a_token_is_worth_nothing_without_the_key_of_its_user() {
    let case = Case::new();
    let other = KeyPair::new_user();
    assert_eq!(Case { user: other, ..case }.admit().map(drop), Err(Refusal::Signature));
    let bearer = Case::with(|case| {
        case.user = KeyPair::new_user();
        case.claims.content.grant.bearer_token = true;
    });
    assert!(bearer.admit().is_ok());
    let refused = Case::with(|case| {
        case.claims.content.grant.bearer_token = true;
        case.account_claims.content.limits.disallow_bearer = true;
    });
    assert_eq!(refused.admit().map(drop), Err(Refusal::Bearer));
}

#[test]
fn who_signed_must_be_trusted_all_the_way_up() {
    // By an account that is not the user's.
    let stranger = KeyPair::new_account();
    let case = Case::with(|case| {
        case.claims.content.issuer_account = case.account.public_key();
    });
    assert_eq!(case.admit_by(&stranger, Credentials::default()).map(drop), Err(Refusal::Issuer));
    // By an account that nobody knows.
    let refused = Case::new().admit_by(&stranger, Credentials::default());
    assert!(matches!(refused, Err(Refusal::Account(..))), "{refused:?}");
    // By an account that an operator signed who is not ours.
    let mut case = Case::new();
    case.world.operator = KeyPair::new_operator();
    let refused = case.admit();
    let error = AccountError::NotTrusted;
    assert!(matches!(&refused, Err(Refusal::Account(_, found)) if *found == error), "{refused:?}");
    // By an account that signed itself.
    let mut case = Case::new();
    let token = case.account_claims.clone().encode(&case.account, NOW_S).expect("signs");
    case.world.options.operator.preload.insert(case.account.public_key(), token);
    let user = case.claims.encode(&case.account, NOW_S).expect("signs");
    let said = Credentials { jwt: &user, now_ns: NOW_NS, ..Credentials::default() };
    assert!(matches!(case.world.admit(&said), Err(Refusal::Account(_, AccountError::NotTrusted))));
    // By a signing key that signs for the account.
    let signing = KeyPair::new_account();
    let case = Case::with(|case| {
        let plain = SigningKey::Plain(signing.public_key());
        case.account_claims.content.signing_keys.push(plain);
        case.claims.content.issuer_account = case.account.public_key();
    });
    assert!(case.admit_by(&signing, Credentials::default()).is_ok());
    let none = Case::new().world.admit(&Credentials { now_ns: NOW_NS, ..Credentials::default() });
    assert_eq!(none.map(drop), Err(Refusal::NoToken));
}

#[test]
fn times_and_revocations_keep_users_out() {
    let user = |change: fn(&mut Claims<User>)| Case::with(|case| change(&mut case.claims)).admit();
    let expired = Err(Refusal::Time(jwt::TimeError::Expired));
    assert_eq!(user(|claims| claims.expires_s = NOW_S - 1).map(drop), expired);
    let early = Err(Refusal::Time(jwt::TimeError::NotYet));
    assert_eq!(user(|claims| claims.not_before_s = NOW_S + 1).map(drop), early);
    let case = Case::with(|case| case.account_claims.expires_s = NOW_S - 1);
    assert!(matches!(case.admit(), Err(Refusal::Account(_, AccountError::Time(_)))));
    let case = Case::with(|case| {
        case.account_claims.expires_s = NOW_S + 5;
        case.claims.expires_s = NOW_S + 60;
    });
    assert_eq!(case.admit().expect("let in").expiry, Expiry::Account);
    let revoked = |key: Option<&str>, at: i64| {
        let case = Case::with(|case| {
            let key = key.map_or_else(|| case.user.public_key(), str::to_owned);
            case.account_claims.content.revocations.insert(key, at);
        });
        case.admit().map(drop)
    };
    assert_eq!(revoked(None, NOW_S), Err(Refusal::Revoked));
    assert_eq!(revoked(Some("*"), NOW_S), Err(Refusal::Revoked));
    assert_eq!(revoked(None, NOW_S - 1), Ok(()), "made after the revocation");
    assert_eq!(revoked(Some("UOTHER"), NOW_S), Ok(()));
}

#[test]
fn places_and_times_of_day_keep_users_out() {
    let from = |network: &str, address: &str| {
        let case = Case::with(|case| case.claims.content.grant.networks = vec![network.to_owned()]);
        let address = Some(address.parse().expect("an address"));
        let signer = case.account.clone();
        case.admit_by(&signer, Credentials { address, ..Credentials::default() }).map(drop)
    };
    assert_eq!(from("10.0.0.0/8", "10.1.1.1"), Ok(()));
    assert_eq!(from("10.0.0.0/8", "11.1.1.1"), Err(Refusal::Network));
    assert!(matches!(from("10.0.0.0", "10.0.0.0"), Err(Refusal::Invalid(_))));
    // NOW_S is 08:00:00 UTC.
    let at = |start: &str, end: &str| {
        Case::granted(|grant| {
            grant.times = vec![TimeRange { start: start.to_owned(), end: end.to_owned() }];
            grant.times_location = "UTC".to_owned();
        })
    };
    let session = at("07:00:00", "09:00:00").expect("let in");
    assert_eq!(session.expires_ns, Some(NOW_NS + 3600 * 1_000_000_000));
    assert_eq!(at("09:00:00", "10:00:00").map(drop), Err(Refusal::Times));
    assert!(matches!(at("soon", "10:00:00"), Err(Refusal::Invalid(_))));
}

#[test]
fn a_user_connects_only_in_the_ways_of_its_token() {
    let by = |words: &[&str]| {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        Case::granted(|grant| grant.allowed_connection_types = words).map(drop)
    };
    assert_eq!(by(&["STANDARD"]), Ok(()));
    assert_eq!(by(&["standard", "MQTT"]), Ok(()));
    assert_eq!(by(&["MQTT", "WEBSOCKET"]), Err(Refusal::ConnectionKind));
    assert_eq!(by(&["PIGEON", "STANDARD"]), Ok(()), "an unknown word beside a known one");
    assert_eq!(by(&["PIGEON"]), Err(Refusal::ConnectionKind), "an unknown word alone");
    let proxied = Case::granted(|grant| grant.proxy_required = true);
    assert!(proxied.is_err(), "without a proxy");
}

#[test]
fn who_brings_no_token_is_the_sentinel() {
    let mut case = Case::with(|case| case.claims.content.grant.bearer_token = true);
    let user = case.user.public_key();
    case.world.add(case.account_claims);
    let token = case.claims.encode(&case.account, NOW_S).expect("signs");
    case.world.options.operator.sentinel = Some(token);
    let said = Credentials { now_ns: NOW_NS, ..Credentials::default() };
    assert_eq!(case.world.admit(&said).map(|session| session.user), Ok(user));
}
