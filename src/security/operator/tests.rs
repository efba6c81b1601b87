//! Who gets in by which token: every rule of spec/security.md §3, without a server.

use base::AccountId;
use config::Options;
use config::resolver::Resolver;
use data_encoding::BASE64URL_NOPAD;
use nkeys::KeyPair;

use super::*;
use crate::Directory;
use crate::credentials::{Credentials, Expiry};
use crate::directory::{DirectoryError, Refused};
use crate::jwt::{
    self, Account, AccountLimits, Activation, Claims, ExchangeKind, Export, ExternalAuthorization,
    Grant, Import, Operator, Scope, ScopeKind, SigningKey, Subjects, TimeRange, User,
};

const NOW_S: i64 = 1_800_000_000;
const NOW_NS: u64 = NOW_S as u64 * 1_000_000_000;
const NONCE: &str = "a nonce";

/// An operator, and the accounts whose tokens the resolver has.
struct World {
    operator: KeyPair,
    options: Options,
}

impl World {
    fn new() -> World {
        World::of(|_| {})
    }

    fn of(change: impl FnOnce(&mut Claims<Operator>)) -> World {
        let operator = KeyPair::new_operator();
        let mut claims = Claims::new(operator.public_key(), Operator::default());
        change(&mut claims);
        let mut options = Options { resolver: Some(Resolver::Memory), ..Options::default() };
        options.operator.tokens = vec![claims.encode(&operator, NOW_S).expect("signs")];
        World { operator, options }
    }

    /// Has the token of an account.
    fn add(&mut self, claims: Claims<Account>) {
        let key = claims.subject.clone();
        let token = claims.encode(&self.operator, NOW_S).expect("signs");
        self.options.operator.preload.insert(key, token);
    }

    fn directory(&self) -> Directory {
        Directory::new(&self.options, None).expect("a world")
    }

    /// Logs in, fetching accounts as the server does.
    fn admit(&self, credentials: &Credentials<'_>) -> Result<Session, Refusal> {
        let mut directory = self.directory();
        for _ in 0..2 {
            match directory.admit(credentials) {
                Err(Refused { why: Some(Refusal::AccountUnseen(account)), .. }) => {
                    let found = directory.fetch(&account, NOW_NS).expect("operator mode");
                    let found = found.map_err(|error| Refusal::Account(account, error))?;
                    directory = directory.with_accounts(&found, NOW_NS).0;
                }
                other => return other.map_err(|refused| refused.why.unwrap_or(Refusal::Issuer)),
            }
        }
        panic!("fetched and not there")
    }
}

fn account(pair: &KeyPair) -> Claims<Account> {
    let content = Account { limits: AccountLimits::unlimited(), ..Account::default() };
    Claims::new(pair.public_key(), content)
}

fn user(pair: &KeyPair) -> Claims<User> {
    let content = User { grant: Grant::everything(), ..User::default() };
    Claims::new(pair.public_key(), content)
}

/// One account, one user of it, and what they say of themselves.
struct Case {
    world: World,
    account: KeyPair,
    user: KeyPair,
    account_claims: Claims<Account>,
    claims: Claims<User>,
}

impl Case {
    fn new() -> Case {
        let (account_pair, user_pair) = (KeyPair::new_account(), KeyPair::new_user());
        Case {
            world: World::new(),
            account_claims: account(&account_pair),
            claims: user(&user_pair),
            account: account_pair,
            user: user_pair,
        }
    }

    fn with(change: impl FnOnce(&mut Case)) -> Case {
        let mut case = Case::new();
        change(&mut case);
        case
    }

    /// Logs in with a token signed by `signer`, made at [`NOW_S`].
    fn admit_by(mut self, signer: &KeyPair, came: Credentials<'_>) -> Result<Session, Refusal> {
        self.world.add(self.account_claims);
        let token = self.claims.encode(signer, NOW_S).expect("signs");
        let sig = BASE64URL_NOPAD.encode(&self.user.sign(NONCE.as_bytes()).expect("signs"));
        let said = Credentials { jwt: &token, sig: &sig, nonce: NONCE, now_ns: NOW_NS, ..came };
        self.world.admit(&said)
    }

    fn admit(self) -> Result<Session, Refusal> {
        let signer = self.account.clone();
        self.admit_by(&signer, Credentials::default())
    }

    /// Makes `change` to the user's grant.
    fn granted(change: impl FnOnce(&mut Grant)) -> Result<Session, Refusal> {
        Case::with(|case| change(&mut case.claims.content.grant)).admit()
    }
}

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
fn strict_operators_want_signing_keys() {
    let (identity, signing) = (KeyPair::new_operator(), KeyPair::new_operator());
    let world = |signs: &KeyPair| {
        let content = Operator {
            signing_keys: vec![signing.public_key()],
            strict_signing_key_usage: true,
            ..Operator::default()
        };
        let claims = Claims::new(identity.public_key(), content);
        let mut options = Options { resolver: Some(Resolver::Memory), ..Options::default() };
        options.operator.tokens = vec![claims.encode(&identity, NOW_S).expect("signs")];
        World { operator: signs.clone(), options }
    };
    let case = Case { world: world(&identity), ..Case::new() };
    assert!(matches!(case.admit(), Err(Refusal::Account(_, AccountError::NotTrusted))));
    let case = Case { world: world(&signing), ..Case::new() };
    assert_eq!(case.admit().map(drop), Err(Refusal::Issuer));
    let key = KeyPair::new_account();
    let mut case = Case { world: world(&signing), ..Case::new() };
    case.account_claims.content.signing_keys.push(SigningKey::Plain(key.public_key()));
    case.claims.content.issuer_account = case.account.public_key();
    assert!(case.admit_by(&key, Credentials::default()).is_ok());
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

/// Logs in by a scoped key.
fn scoped(template: Grant, change: impl FnOnce(&mut Claims<User>)) -> Result<Session, Refusal> {
    let key = KeyPair::new_account();
    let case = Case::with(|case| {
        case.account_claims.content.tags = vec!["region:eu".to_owned()];
        case.account_claims.name = "ACME".to_owned();
        case.account_claims.content.signing_keys.push(SigningKey::Scoped(Box::new(Scope {
            kind: ScopeKind::User,
            key: key.public_key(),
            role: String::new(),
            template,
            description: String::new(),
        })));
        case.claims.content.grant = Grant::default();
        case.claims.content.issuer_account = case.account.public_key();
        case.claims.name = "joe".to_owned();
        case.claims.content.tags = vec!["team:a".to_owned(), "team:b".to_owned()];
        change(&mut case.claims);
    });
    case.admit_by(&key, Credentials::default())
}

fn allowing(allow: &[&str], deny: &[&str]) -> Grant {
    let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
    let publish = Subjects { allow: Some(owned(allow)), deny: owned(deny) };
    Grant { publish, ..Grant::everything() }
}

#[test]
fn a_scoped_key_grants_by_its_template_and_nothing_else() {
    let rules = |allow: &[&str], deny: &[&str]| {
        let session = scoped(allowing(allow, deny), |_| {})?;
        let permissions = session.permissions.expect("some");
        let rules = permissions.config().publish.clone();
        Ok::<_, Refusal>((rules.allow.unwrap_or_default(), rules.deny))
    };
    let allowed = |allow: &[&str]| rules(allow, &[]).expect("let in");
    assert_eq!(allowed(&["{{name()}}.>"]).0, ["joe.>"]);
    assert_eq!(allowed(&["a.{{tag(team)}}.x"]).0, ["a.a.x", "a.b.x"]);
    assert_eq!(allowed(&["{{account-name()}}.{{account-tag(region)}}"]).0, ["ACME.eu"]);
    assert_eq!(allowed(&["{{tag(team)}}.{{tag(team)}}"]).0.len(), 4);
    assert!(allowed(&["{{Subject()}}.{{account-subject()}}"]).0[0].starts_with('U'));
    assert_eq!(allowed(&["plain", "{{tag(none)}}.x", "{{what()}}"]).0, ["plain"]);
    assert_eq!(allowed(&["{{tag(none)}}.x"]), (vec![], vec![">".to_owned()]));
    let denied = rules(&["x"], &["{{tag(none)}}"]);
    assert_eq!(denied, Err(Refusal::Permissions(template::PermissionError::Denial)));
    let many = scoped(allowing(&["{{tag(t)}}.{{tag(t)}}.{{tag(t)}}"], &[]), |claims| {
        claims.content.tags = (0..17).map(|n| format!("t:{n}")).collect();
    });
    let too_many = Err(Refusal::Permissions(template::PermissionError::TooMany));
    assert_eq!(many.map(drop), too_many);
    // A name that is no subject makes none.
    let odd = scoped(allowing(&["{{name()}}.x"], &[]), |claims| claims.name = "a b".to_owned());
    assert_eq!(odd.expect("let in").permissions.expect("some").config().publish.deny, [">"]);
    let own = scoped(allowing(&["a"], &[]), |claims| {
        claims.content.grant = Grant::everything();
    });
    assert_eq!(own.map(drop), Err(Refusal::ScopedUserClaims));
}

#[test]
fn permissions_that_are_none_let_nobody_in() {
    let refused = |allow: &[&str], deny: &[&str]| {
        let template = allowing(allow, deny);
        let refused = Case::granted(|grant| grant.publish = template.publish);
        assert!(matches!(refused, Err(Refusal::Permissions(_))), "{allow:?} {deny:?}: {refused:?}");
    };
    refused(&["a..b"], &[]);
    refused(&["a"], &["b."]);
    refused(&["a queue"], &[]);
    refused(&[""], &[]);
    let answers = Case::granted(|grant| {
        grant.responses = Some(jwt::Responses { max: -1, ttl_ns: 0 });
    });
    let permissions = answers.expect("let in").permissions.expect("some");
    assert!(!permissions.may_publish(b"a"), "answers are all that may be published");
    assert_eq!(permissions.responses().map(|responses| responses.max), Some(None));
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
    let delegated = Case::with(|case| {
        let auth_users = vec![KeyPair::new_user().public_key()];
        case.account_claims.content.authorization =
            ExternalAuthorization { auth_users, ..ExternalAuthorization::default() };
    });
    assert_eq!(delegated.admit().map(drop), Err(Refusal::Delegated));
}

/// A private service of one account, imported by another with this activation.
fn imported(token: &str, exporter: &KeyPair, importer: &KeyPair, revoked: bool) -> bool {
    let mut world = World::new();
    let mut exports = account(exporter);
    let mut export: Export =
        serde_json::from_str(r#"{"subject":"q.>","type":"service","token_req":true}"#)
            .expect("an export");
    if revoked {
        export.revocations.insert(importer.public_key(), NOW_S);
    }
    exports.content.exports.push(export);
    world.add(exports);
    let mut imports = account(importer);
    imports.content.imports.push(Import {
        name: String::new(),
        subject: "q.a".to_owned(),
        account: exporter.public_key(),
        token: token.to_owned(),
        to: String::new(),
        local_subject: String::new(),
        kind: ExchangeKind::Service,
        share: false,
        allow_trace: false,
    });
    world.add(imports);
    let directory = world.directory();
    let found = directory.fetch(&importer.public_key(), NOW_NS).expect("operator mode");
    let found = found.expect("both");
    assert_eq!(found.len(), 2, "the exporter comes with the importer");
    let (directory, faults) = directory.with_accounts(&found, NOW_NS);
    let id = directory.accounts().find(&importer.public_key()).expect("known");
    let opened = !directory.accounts().get(id).ways.is_empty();
    assert_eq!(opened, faults.is_empty(), "{faults:?}");
    opened
}

#[test]
fn a_private_export_is_imported_with_an_activation_only() {
    let (exporter, importer) = (KeyPair::new_account(), KeyPair::new_account());
    let activation = |change: &dyn Fn(&mut Claims<Activation>), signer: &KeyPair| {
        let content = Activation {
            subject: "q.*".to_owned(),
            kind: Some(ExchangeKind::Service),
            ..Activation::default()
        };
        let mut claims = Claims::new(importer.public_key(), content);
        change(&mut claims);
        claims.encode(signer, NOW_S).expect("signs")
    };
    let opens = |token: &str| imported(token, &exporter, &importer, false);
    let good = activation(&|_| {}, &exporter);
    assert!(opens(&good));
    assert!(!imported(&good, &exporter, &importer, true), "revoked");
    assert!(!opens(""), "none");
    assert!(!opens("eyJ.x.y"), "none either");
    let stranger = KeyPair::new_account();
    assert!(!opens(&activation(&|_| {}, &stranger)), "signed by a stranger");
    let says_so = |claims: &mut Claims<Activation>| {
        claims.content.issuer_account = exporter.public_key();
    };
    assert!(!opens(&activation(&says_so, &stranger)), "a stranger that says it signs for it");
    let to_other = |claims: &mut Claims<Activation>| {
        claims.subject = KeyPair::new_account().public_key();
    };
    assert!(!opens(&activation(&to_other, &exporter)), "for another account");
    assert!(!opens(&activation(&|claims| claims.content.subject = "z".to_owned(), &exporter)));
    let stream = |claims: &mut Claims<Activation>| {
        claims.content.kind = Some(ExchangeKind::Stream);
    };
    assert!(!opens(&activation(&stream, &exporter)), "for messages, not answers");
    assert!(!opens(&activation(&|claims| claims.expires_s = NOW_S - 1, &exporter)), "over");
    assert!(opens(&activation(&|claims| claims.expires_s = NOW_S + 1, &exporter)));
}

#[test]
fn an_import_loop_is_cut_and_the_rest_works() {
    let (one, other) = (KeyPair::new_account(), KeyPair::new_account());
    let mut world = World::new();
    for (here, there) in [(&one, &other), (&other, &one)] {
        let mut claims = account(here);
        claims
            .content
            .exports
            .push(serde_json::from_str(r#"{"subject":"q","type":"service"}"#).expect("an export"));
        let import =
            format!(r#"{{"subject":"q","account":"{}","type":"service"}}"#, there.public_key());
        claims.content.imports.push(serde_json::from_str(&import).expect("an import"));
        world.add(claims);
    }
    let directory = world.directory();
    let found = directory.fetch(&one.public_key(), NOW_NS).expect("operators").expect("both");
    let (directory, faults) = directory.with_accounts(&found, NOW_NS);
    assert!(matches!(&faults[..], [crate::ImportError::Cycle { .. }]), "{faults:?}");
    let ways: usize = directory.accounts().iter().map(|account| account.ways.len()).sum();
    assert_eq!(ways, 1);
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

#[test]
fn what_an_operator_may_not_say() {
    let error = |change: &dyn Fn(&mut World)| {
        let mut world = World::new();
        change(&mut world);
        match Directory::new(&world.options, None) {
            Ok(_) => String::new(),
            Err(DirectoryError::Trust(error)) => error.to_string(),
            Err(other) => panic!("{other}"),
        }
    };
    assert_eq!(error(&|_| {}), "");
    let missing = error(&|world| world.options.operator.tokens = vec!["/nowhere/o.jwt".into()]);
    assert!(missing.contains("cannot read /nowhere/o.jwt"), "{missing}");
    let other_kind = error(&|world| {
        let pair = KeyPair::new_account();
        let token = account(&pair).encode(&pair, NOW_S).expect("signs");
        world.options.operator.tokens = vec![token];
    });
    assert!(other_kind.contains("claims of another kind"), "{other_kind}");
    let system = KeyPair::new_account().public_key();
    let unknown = error(&|world| world.options.accounts.system = Some(system.clone()));
    assert!(unknown.contains("error resolving system account"), "{unknown}");
    let preload = error(&|world| {
        world.options.operator.preload.insert("AAA".to_owned(), "x".to_owned());
    });
    assert!(preload.contains("not a public account nkey"), "{preload}");
    let sentinel = error(&|world| {
        let (account, user_pair) = (KeyPair::new_account(), KeyPair::new_user());
        let token = user(&user_pair).encode(&account, NOW_S).expect("signs");
        world.options.operator.sentinel = Some(token);
    });
    assert_eq!(sentinel, "default sentinel must be a bearer token");
    let two = World::of(|claims| claims.content.system_account = system.clone());
    let mut options = two.options;
    options.accounts.system = Some(KeyPair::new_account().public_key());
    let refused = Directory::new(&options, None).map(drop).expect_err("two system accounts");
    assert!(refused.to_string().contains("must be identical"), "{refused}");
    let newer = World::of(|claims| claims.content.assert_server_version = "99.0.0".to_owned());
    assert!(Directory::new(&newer.options, None).is_err());
    let older = World::of(|claims| claims.content.assert_server_version = "2.2.0".to_owned());
    assert!(Directory::new(&older.options, None).is_ok());
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
