//! Scoped signing keys, whose templates say what their users may do, and permissions that are none
//! and so let nobody in.

use super::*;

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
