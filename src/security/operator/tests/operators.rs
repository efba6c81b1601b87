//! Tokens of operators: whose keys count where one is strict, and what an operator may not say
//! at all.

use super::*;

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
