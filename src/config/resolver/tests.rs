//! What a resolver may be, and what it may not.

use std::path::Path;

use super::*;
use crate::Options;
use crate::command::{self, Command};
use crate::parser::Files;

struct One(String);

impl Files for One {
    fn read(&self, _: &Path) -> std::io::Result<Vec<u8>> {
        Ok(self.0.clone().into_bytes())
    }
}

fn read(text: &str) -> Result<Options, String> {
    let args = ["corewire", "-c", "a.conf"].into_iter().map(std::ffi::OsString::from);
    match command::from_args_with(args, &|_| None, &One(text.to_owned())) {
        Ok(Command::Run { options, .. }) => Ok(*options),
        other => Err(format!("{other:?}")),
    }
}

fn resolver(text: &str) -> Result<Resolver, String> {
    read(&format!("resolver {text}")).map(|options| options.resolver.expect("one"))
}

fn folder(keeps: Keeps, limit: usize) -> Resolver {
    let timeout = limits::RESOLVER_TIMEOUT;
    Resolver::Folder(JwtFolder { dir: "/d".into(), keeps, limit, timeout })
}

#[test]
fn each_kind_is_read() {
    assert_eq!(resolver(": MEM"), Ok(Resolver::Memory));
    for url in ["URL(http://h:1/jwt/v1/accounts/)", "url(http://h:1/jwt/v1/accounts)"] {
        let found = resolver(&format!(": {url}"));
        assert_eq!(found, Ok(Resolver::Url("http://h:1/jwt/v1/accounts/".into())), "{url}");
    }
    let interval = Duration::from_secs(60);
    let all = |deletion, interval| Keeps::All { deletion, interval };
    assert_eq!(
        resolver(r#"{ type: full, dir: "/d" }"#),
        Ok(folder(all(Deletion::Refused, interval), limits::RESOLVER_JWTS_MAX))
    );
    let text = r#"{ type: FULL, dir: "/d", allow_delete: true, interval: "5s", limit: 7 }"#;
    let expected = folder(all(Deletion::Renames, Duration::from_secs(5)), 7);
    assert_eq!(resolver(text), Ok(expected));
    let text = r#"{ type: full, dir: "/d", allow_delete: true, hard_delete: true, limit: -1 }"#;
    let expected = folder(all(Deletion::Removes, interval), limits::RESOLVER_JWTS_MAX);
    assert_eq!(resolver(text), Ok(expected));
    let text = r#"{ type: cache, dir: "/d", ttl: "1h" }"#;
    let ttl = Some(Duration::from_secs(3600));
    assert_eq!(resolver(text), Ok(folder(Keeps::WhatIsUsed { ttl }, limits::RESOLVER_CACHED_MAX)));
}

#[test]
fn what_is_none_is_refused() {
    for (text, why) in [
        (": FOO", "is no resolver"),
        (": URL(ftp://h/)", "is no resolver"),
        (": URL(http://h/", "is no resolver"),
        ("{ type: fool, dir: x }", "is no resolver"),
        ("{ type: full }", "dir has no value"),
        (r#"{ type: full, dir: "/etc/passwd" }"#, "accessible directory"),
        ("{ type: full, dir: x, ttl: 1h }", "full does not accept ttl"),
        ("{ type: full, dir: x, hard_delete: true }", "hard_delete needs allow_delete"),
        ("{ type: cache, dir: x, interval: \"1m\" }", "cache does not accept interval"),
        ("{ type: cache, dir: x, allow_delete: false }", "does not accept allow_delete"),
        ("{ type: full, dir: x, timeout: soon }", "invalid duration"),
        ("{ type: full, dir: x, foo: 1 }", "unknown field"),
        ("[]", "expected MEMORY"),
    ] {
        let error = resolver(text).expect_err(text);
        assert!(error.contains(why), "{text}: {error}");
    }
}

#[test]
fn pinned_accounts_are_public_keys_of_accounts() {
    let key = nkeys::KeyPair::new_account().public_key();
    let user = nkeys::KeyPair::new_user().public_key();
    let pinned = |key: &str| read(&format!("resolver_pinned_accounts: [{key}]"));
    assert_eq!(pinned(&key).map(|options| options.resolver_pinned), Ok([key].into()));
    assert!(pinned(&user).is_err());
    assert!(pinned("A").is_err());
}
