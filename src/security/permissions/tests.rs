//! What may be published and subscribed to, by table and against a naive twin.

use proptest::prelude::*;

use super::*;

fn rules(allow: Option<&[&str]>, deny: &[&str]) -> SubjectRules {
    let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
    SubjectRules { allow: allow.map(owned), deny: owned(deny) }
}

fn subscribing(allow: Option<&[&str]>, deny: &[&str]) -> Permissions {
    Permissions::new(&config::permissions::Permissions {
        subscribe: rules(allow, deny),
        ..Default::default()
    })
}

fn publishing(allow: Option<&[&str]>, deny: &[&str]) -> Permissions {
    Permissions::new(&config::permissions::Permissions {
        publish: rules(allow, deny),
        ..Default::default()
    })
}

#[test]
fn publishing_is_allowed_then_denied() {
    let some = publishing(Some(&["a.*", "b.>"]), &["a.x", "b.*.y"]);
    for (subject, may) in
        [("a.b", true), ("a.x", false), ("a", false), ("b.c", true), ("b.c.y", false), ("c", false)]
    {
        assert_eq!(some.may_publish(subject.as_bytes()), may, "{subject}");
    }
    assert!(!publishing(Some(&[]), &[]).may_publish(b"a"), "an empty list allows nothing");
    assert!(publishing(None, &["b"]).may_publish(b"a"));
}

#[test]
fn a_subscription_must_be_within_what_is_allowed() {
    use MaySubscribe::{No, Yes};
    let table: [(&[&str], &str, Option<&str>, MaySubscribe); 13] = [
        (&["a.*"], "a.b", None, Yes),
        (&["a.*"], "a.*", None, Yes),
        (&["a.*"], "a.>", None, No),
        (&["a.*"], "*.b", None, No),
        (&[], "anything.>", None, Yes),
        (&["foo v1"], "foo", Some("v1"), Yes),
        (&["foo v1"], "foo", Some("v2"), No),
        (&["foo v1"], "foo", None, No),
        (&["foo"], "foo", Some("v2"), Yes),
        (&["foo", "foo v1"], "foo", None, Yes),
        (&["foo", "foo v1"], "foo", Some("v1"), Yes),
        (&["foo", "foo v1"], "foo", Some("v2"), No),
        (&["foo v1.*"], "foo", Some("v1.x"), Yes),
    ];
    for (allow, subject, queue, expected) in table {
        let may = subscribing(Some(allow), &[])
            .may_subscribe(subject.as_bytes(), queue.map(str::as_bytes));
        assert_eq!(may, expected, "{allow:?}: {subject} {queue:?}");
    }
}

#[test]
fn a_queue_is_no_way_around_a_denial() {
    use MaySubscribe::{Filtered, No, Yes};
    let table: [(&[&str], &str, Option<&str>, MaySubscribe); 9] = [
        (&["foo"], "foo", None, No),
        (&["foo"], "foo", Some("q"), No),
        (&["foo", "foo v1"], "foo", Some("v2"), No),
        (&["foo v1"], "foo", Some("v1"), No),
        (&["foo v1"], "foo", Some("v2"), Yes),
        (&["foo v1"], "foo", None, Yes),
        (&["foo.bar"], "foo.*", None, Filtered),
        (&["foo.*"], "foo.>", Some("q"), Filtered),
        (&["foo.>"], "foo.*.x", None, No),
    ];
    for (deny, subject, queue, expected) in table {
        let may =
            subscribing(None, deny).may_subscribe(subject.as_bytes(), queue.map(str::as_bytes));
        assert_eq!(may, expected, "{deny:?}: {subject} {queue:?}");
    }
}

/// Every subject of up to three tokens from a small alphabet.
fn universe() -> Vec<String> {
    let letters = ["a", "b", "c"];
    let mut all: Vec<String> = letters.iter().map(|token| (*token).to_owned()).collect();
    let mut last = all.clone();
    for _ in 0..2 {
        let longer: Vec<String> = last
            .iter()
            .flat_map(|head| letters.iter().map(move |token| format!("{head}.{token}")))
            .collect();
        all.extend(longer.iter().cloned());
        last = longer;
    }
    all
}

fn pattern() -> impl Strategy<Value = String> {
    let token = prop::sample::select(vec!["a", "b", "*"]);
    (prop::collection::vec(token, 1..4), any::<bool>()).prop_map(|(mut tokens, tail)| {
        if tail {
            tokens.pop();
            tokens.push(">");
        }
        tokens.join(".")
    })
}

proptest! {
    /// What gets through to a subscription is just what it matches and no entry denies, and a
    /// subscription stands only within what is allowed.
    #[test]
    fn nothing_denied_ever_arrives(
        allow in prop::collection::vec(pattern(), 0..4),
        deny in prop::collection::vec(pattern(), 0..4),
        wanted in pattern(),
    ) {
        let list = |list: &[String]| list.iter().map(String::clone).collect::<Vec<_>>();
        let permissions = Permissions::new(&config::permissions::Permissions {
            subscribe: SubjectRules { allow: Some(list(&allow)), deny: list(&deny) },
            publish: SubjectRules { allow: Some(list(&allow)), deny: list(&deny) },
            responses: None,
        });
        let hit = |list: &[String], subject: &str| {
            list.iter().any(|pattern| name::matches(pattern.as_bytes(), subject.as_bytes()))
        };
        let verdict = permissions.may_subscribe(wanted.as_bytes(), None);
        for subject in universe() {
            let bytes = subject.as_bytes();
            let expected = hit(&allow, &subject) && !hit(&deny, &subject);
            prop_assert_eq!(permissions.may_publish(bytes), expected, "{}", subject);
            if !name::matches(wanted.as_bytes(), bytes) {
                continue;
            }
            let arrives = match verdict {
                MaySubscribe::Yes => true,
                MaySubscribe::Filtered => permissions.may_deliver(bytes, None),
                MaySubscribe::No => false,
            };
            let allowed = allow.is_empty() || hit(&allow, &subject);
            prop_assert!(!arrives || (allowed && !hit(&deny, &subject)), "{}", subject);
        }
    }
}
