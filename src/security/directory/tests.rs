//! Each way to log in, and what it does not take.

use config::accounts::Account;
use config::options::User;

use super::*;

fn says<'a>(user: &'a str, pass: &'a str, token: &'a str) -> Credentials<'a> {
    Credentials { user, pass, token, ..Credentials::default() }
}

fn with(auth: Auth) -> Directory {
    Directory::new(&Options { auth, ..Options::default() }, None).expect("valid")
}

fn user(name: &str, password: &str) -> User {
    User::with_password(name, password)
}

#[test]
fn each_kind_takes_its_own_and_nothing_else() {
    let token = with(Auth::Token(Secret::new("t0k")));
    assert!(token.login(&says("", "", "t0k")).is_ok());
    assert_eq!(token.login(&says("t0k", "t0k", "")), Err(Denied::Credentials));
    assert_eq!(token.login(&says("", "", "t0k2")), Err(Denied::Credentials));

    let one = with(Auth::User(user("ann", "pw")));
    assert_eq!(one.login(&says("ann", "pw", "")).unwrap().user, "ann");
    assert_eq!(one.login(&says("ann", "", "pw")), Err(Denied::Credentials));
    assert_eq!(one.login(&says("", "pw", "")), Err(Denied::Credentials));

    let many = with(Auth::Users(vec![user("ann", "a"), user("bob", "b")]));
    assert_eq!(many.login(&says("bob", "b", "")).unwrap().user, "bob");
    assert_eq!(many.login(&says("bob", "a", "")), Err(Denied::Credentials));
    assert!(with(Auth::None).login(&says("", "", "")).is_ok());
    assert_eq!(with(Auth::Users(vec![])).login(&says("", "", "")), Err(Denied::Credentials));
}

#[test]
fn hashes_are_compared_off_the_core() {
    let hash = bcrypt::hash("pw", 4).expect("hashes");
    let hashed = with(Auth::User(user("ann", &hash)));
    assert_eq!(hashed.effort(&says("ann", "pw", "")), Effort::Slow);
    assert!(hashed.login(&says("ann", "pw", "")).is_ok());
    assert_eq!(hashed.login(&says("ann", "wp", "")), Err(Denied::Credentials));
    assert_eq!(
        hashed.login(&says("ann", &hash, "")),
        Err(Denied::Credentials),
        "the hash is no password"
    );
    assert_eq!(hashed.login(&says("bob", "pw", "")), Err(Denied::Credentials));
    let plain = with(Auth::User(user("ann", "pw")));
    assert_eq!(plain.effort(&says("ann", "pw", "")), Effort::Quick);
    let token = with(Auth::Token(Secret::new(&hash)));
    assert_eq!(token.effort(&says("", "", "pw")), Effort::Slow);
    assert!(token.login(&says("", "", "pw")).is_ok());
    assert_eq!(token.login(&says("", "", &hash)), Err(Denied::Credentials));
}

#[test]
fn a_key_signs_the_nonce_and_nothing_else() {
    let pair = nkeys::KeyPair::new_user();
    let key = pair.public_key();
    let keyed = with(Auth::Users(vec![User {
        login: Login::Nkey(key.as_str().into()),
        permissions: None,
        connections: ConnectionKinds::ANY,
        proxy_required: false,
    }]));
    assert!(keyed.wants_nonce());
    let sig = data_encoding::BASE64URL_NOPAD.encode(&pair.sign(b"nonce").expect("signs"));
    let standard = data_encoding::BASE64.encode(&pair.sign(b"nonce").expect("signs"));
    let good = Credentials { nkey: &key, sig: &sig, nonce: "nonce", ..Credentials::default() };
    assert_eq!(keyed.effort(&good), Effort::Slow);
    assert_eq!(keyed.login(&good).unwrap().nkey.as_deref(), Some(key.as_str()));
    assert!(keyed.login(&Credentials { sig: &standard, ..good }).is_ok());
    let other = nkeys::KeyPair::new_user().public_key();
    for bad in [
        Credentials { nonce: "other", ..good },
        Credentials { nonce: "", ..good },
        Credentials { sig: "", ..good },
        Credentials { sig: "AAAA", ..good },
        Credentials { nkey: &other, ..good },
        Credentials { nkey: "U", ..good },
        Credentials { nkey: "", ..good },
    ] {
        assert_eq!(keyed.login(&bad), Err(Denied::Credentials), "{bad:?}");
    }
}

#[test]
fn users_are_in_their_account_and_numbers_stay() {
    let mut options = Options::default();
    let account = |name: &str, users| Account { users, ..Account::new(name) };
    options.accounts.declared =
        vec![account("A", vec![user("ann", "a")]), account("B", vec![user("bob", "b")])];
    let first = Directory::new(&options, None).expect("valid");
    let ann = first.login(&says("ann", "a", "")).unwrap();
    assert_eq!(&**first.accounts().name(ann.account), "A");
    let bob = first.login(&says("bob", "b", "")).unwrap();
    assert_ne!(ann.account, bob.account);
    options.accounts.declared.remove(0);
    let second = Directory::new(&options, Some(&first)).expect("valid");
    assert_eq!(second.login(&says("bob", "b", "")).unwrap().account, bob.account);
    assert_eq!(second.still_allows(&first, &bob, 0), Standing::Same);
    assert_eq!(second.still_allows(&first, &ann, 0), Standing::Gone(Denied::Credentials));
}

#[test]
fn no_auth_user_stands_for_those_who_say_nothing() {
    let mut options = Options {
        auth: Auth::Users(vec![user("ann", "a"), user("bob", "b")]),
        ..Options::default()
    };
    options.accounts.no_auth_user = Some("bob".to_owned());
    let directory = Directory::new(&options, None).expect("valid");
    assert!(!directory.is_auth_required());
    assert_eq!(directory.login(&says("", "", "")).unwrap().user, "bob");
    assert_eq!(directory.login_nobody(ConnectionKinds::STANDARD).unwrap().user, "bob");
    for wrong in [says("ann", "", ""), says("", "b", ""), says("", "", "t"), says("bob", "", "")] {
        assert_eq!(directory.login(&wrong), Err(Denied::Credentials), "{wrong:?}");
    }
    // What is not asked for here proves nothing, and is no harm either.
    let key = nkeys::KeyPair::new_user().public_key();
    for beside in [
        Credentials { jwt: "a.b.c", ..Credentials::default() },
        Credentials { nkey: &key, sig: "s", ..Credentials::default() },
    ] {
        assert_eq!(directory.login(&beside).unwrap().user, "bob", "{beside:?}");
    }
    let named = Credentials { nkey: &key, ..says("ann", "a", "") };
    assert_eq!(directory.login(&named).unwrap().user, "ann");
    let key_of_another = nkeys::KeyPair::new_user().public_key();
    let login = Login::Nkey(key_of_another.as_str().into());
    options.auth = Auth::Users(vec![user("bob", "b"), User { login, ..user("", "") }]);
    let keyed = Directory::new(&options, None).expect("valid");
    let wrong = Credentials { nkey: &key, sig: "s", ..Credentials::default() };
    assert_eq!(keyed.login(&wrong), Err(Denied::Credentials), "keys are asked for here");
}

#[test]
fn with_users_of_the_system_account_alone_all_others_are_in_the_global_one() {
    let mut options = Options::default();
    let system = Account { users: vec![user("sys", "s")], ..Account::new(SYSTEM) };
    options.accounts.declared = vec![system];
    let directory = Directory::new(&options, None).expect("valid");
    assert!(!directory.is_auth_required());
    assert_eq!(directory.login(&says("", "", "")).unwrap().account, AccountId::GLOBAL);
    assert_eq!(directory.login(&says("sys", "s", "")).unwrap().account, AccountId::SYSTEM);
    assert_eq!(directory.login(&says("sys", "", "")), Err(Denied::Credentials));
}

#[test]
fn a_user_connects_only_in_the_ways_it_is_allowed() {
    let only_mqtt = User { connections: ConnectionKinds::MQTT, ..user("ann", "a") };
    let directory = with(Auth::Users(vec![only_mqtt]));
    let standard = says("ann", "a", "");
    assert_eq!(directory.login(&standard), Err(Denied::Credentials));
    assert!(directory.login(&Credentials { kind: ConnectionKinds::MQTT, ..standard }).is_ok());
}

#[test]
fn a_changed_user_is_told_from_one_that_is_gone() {
    let with_deny = |deny: &[&str]| {
        let mut permissions = config::permissions::Permissions::default();
        permissions.publish.deny = deny.iter().map(|text| (*text).to_owned()).collect();
        let ann = User { permissions: Some(Box::new(permissions)), ..user("ann", "a") };
        with(Auth::Users(vec![ann]))
    };
    let (one, other) = (with_deny(&["x"]), with_deny(&["y"]));
    let session = one.login(&says("ann", "a", "")).unwrap();
    let Standing::Changed(changed) = other.still_allows(&one, &session, 0) else { panic!() };
    assert!(changed.permissions.is_some_and(|now| now.may_publish(b"x")));
    assert_eq!(one.still_allows(&one, &session, 0), Standing::Same);
    let password = with(Auth::Users(vec![user("ann", "other")]));
    let gone = Standing::Gone(Denied::Credentials);
    assert_eq!(password.still_allows(&one, &session, 0), gone);
    let open = with(Auth::None).still_allows(&one, &session, 0);
    assert!(matches!(open, Standing::Changed(now) if now.permissions.is_none()));
}
