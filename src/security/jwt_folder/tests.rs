//! What is kept, what is not, and what a crash or a stranger leaves behind.

use nkeys::KeyPair;
use tempfile::TempDir;

use super::*;

const FULL: Keeps =
    Keeps::All { deletion: Deletion::Renames, interval: limits::RESOLVER_SYNC_INTERVAL };

/// An account and the key of the operator that signs for it.
struct Made {
    operator: KeyPair,
    account: AccountKey,
}

impl Made {
    fn new() -> Made {
        let account = AccountKey::parse(&KeyPair::new_account().public_key()).unwrap();
        Made { operator: KeyPair::new_operator(), account }
    }

    /// Its token, made at this second.
    fn token(&self, name: &str, issued_s: i64) -> String {
        let mut claims = Claims::new(self.account.as_str(), jwt::Account::default());
        claims.name = name.to_owned();
        claims.encode(&self.operator, issued_s).unwrap()
    }
}

fn config(dir: &TempDir, keeps: Keeps, limit: usize) -> JwtFolder {
    JwtFolder { dir: dir.path().join("jwt"), keeps, limit, timeout: limits::RESOLVER_TIMEOUT }
}

fn open(dir: &TempDir, keeps: Keeps, limit: usize) -> JwtStore {
    let store = JwtStore::open(&config(dir, keeps, limit)).unwrap();
    assert_eq!(store.broken(), []);
    store
}

fn save(store: &JwtStore, made: &Made, token: &str) -> Result<(), StoreError> {
    store.save(&made.account, token)
}

#[test]
fn what_is_saved_is_there_after_a_restart_and_only_the_last() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir, FULL, 10);
    let made = Made::new();
    assert_eq!(store.get(&made.account), None);
    let (first, second) = (made.token("a", 100), made.token("b", 101));
    save(&store, &made, &first).unwrap();
    save(&store, &made, &second).unwrap();
    save(&store, &made, &first).unwrap();
    assert_eq!(store.get(&made.account), Some(first.clone()), "an operator may go back");
    let if_newer = |token: &str| {
        store.save_if_newer(&made.account, &Claims::decode(token).unwrap(), token).unwrap();
    };
    if_newer(&second);
    if_newer(&first);
    assert_eq!(store.get(&made.account), Some(second.clone()));
    let again = open(&dir, FULL, 10);
    assert_eq!(again.get(&made.account), Some(second));
    assert_eq!(again.digest(), store.digest());
    assert_eq!(again.list(), [made.account]);
}

#[test]
fn folders_with_the_same_tokens_have_the_same_digest() {
    let (one, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let (one, other) = (open(&one, FULL, 10), open(&other, FULL, 10));
    let (first, second) = (Made::new(), Made::new());
    assert_eq!(one.digest(), StoreDigest([0; 32]));
    for (store, order) in [(&one, [&first, &second]), (&other, [&second, &first])] {
        for made in order {
            save(store, made, &made.token("", 1)).unwrap();
        }
    }
    assert_eq!(one.digest(), other.digest());
    save(&one, &first, &first.token("", 2)).unwrap();
    assert_ne!(one.digest(), other.digest());
    other.delete(&first.account).unwrap();
    let lone: [u8; 32] = Sha256::digest(second.token("", 1)).into();
    assert_eq!(other.digest(), StoreDigest(lone));
}

#[test]
fn accounts_are_deleted_as_the_operator_wants_it() {
    let files = |dir: &TempDir| {
        let entries = fs::read_dir(dir.path().join("jwt")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect::<Vec<_>>()
    };
    let made = Made::new();
    let interval = limits::RESOLVER_SYNC_INTERVAL;
    let keeps = |deletion| Keeps::All { deletion, interval };
    let refused = TempDir::new().unwrap();
    let store = open(&refused, keeps(Deletion::Refused), 10);
    save(&store, &made, &made.token("", 1)).unwrap();
    assert!(matches!(store.delete(&made.account), Err(StoreError::DeletionRefused)));
    assert!(store.get(&made.account).is_some());
    for (deletion, left) in [
        (Deletion::Renames, vec![format!("{}.jwt.deleted", made.account)]),
        (Deletion::Removes, vec![]),
    ] {
        let dir = TempDir::new().unwrap();
        let store = open(&dir, keeps(deletion), 10);
        save(&store, &made, &made.token("", 1)).unwrap();
        store.delete(&made.account).unwrap();
        assert_eq!(files(&dir), left);
        assert_eq!(store.get(&made.account), None);
        assert!(matches!(store.delete(&made.account), Err(StoreError::Unknown)));
        assert_eq!(open(&dir, keeps(deletion), 10).list(), []);
    }
}

#[test]
fn a_full_folder_refuses_and_a_cache_forgets_what_was_not_used() {
    let all = [Made::new(), Made::new(), Made::new()];
    let dir = TempDir::new().unwrap();
    let store = open(&dir, FULL, 2);
    for made in &all[..2] {
        save(&store, made, &made.token("", 1)).unwrap();
    }
    let third = all[2].token("", 1);
    assert!(matches!(save(&store, &all[2], &third), Err(StoreError::Full(2))));
    save(&store, &all[0], &all[0].token("", 2)).unwrap();

    let dir = TempDir::new().unwrap();
    let store = open(&dir, Keeps::WhatIsUsed { ttl: None }, 2);
    for made in &all[..2] {
        save(&store, made, &made.token("", 1)).unwrap();
    }
    assert!(store.get(&all[0].account).is_some());
    save(&store, &all[2], &third).unwrap();
    let held = all.each_ref().map(|made| store.holds(&made.account));
    assert_eq!(held, [true, false, true]);
    assert!(matches!(store.delete(&all[0].account), Err(StoreError::DeletionRefused)));

    let dir = TempDir::new().unwrap();
    let store = open(&dir, Keeps::WhatIsUsed { ttl: Some(Duration::ZERO) }, 2);
    save(&store, &all[0], &all[0].token("", 1)).unwrap();
    assert_eq!(store.get(&all[0].account), None, "it is too old at once");
}

#[test]
fn files_that_hold_no_token_are_named_and_passed_over() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir, FULL, 10);
    let (made, other) = (Made::new(), Made::new());
    let token = made.token("", 1);
    save(&store, &made, &token).unwrap();
    let folder = dir.path().join("jwt");
    let unsigned = token.rsplit_once('.').unwrap().0.to_owned() + ".AAAA";
    let half = &token[..token.len() / 2];
    let third = Made::new();
    for (name, text) in [
        (format!("{}.jwt", other.account), token.as_bytes()),
        (format!("{}.jwt", third.account), unsigned.as_bytes()),
        (format!("{}.jwt", Made::new().account), half.as_bytes()),
        (format!("{}.jwt", Made::new().account), b"\xff\xfe"),
        (format!("{}.jwt", Made::new().account), b""),
        ("notes.jwt".to_owned(), token.as_bytes()),
        ("..jwt".to_owned(), b""),
    ] {
        fs::write(folder.join(name), text).unwrap();
    }
    // What was being written when the power failed.
    fs::write(folder.join(format!(".{}.jwt.new", made.account)), half).unwrap();
    fs::write(folder.join("README"), "mine").unwrap();
    let again = JwtStore::open(&config(&dir, FULL, 10)).unwrap();
    let broken = again.broken();
    assert_eq!(broken.len(), 7, "{broken:?}");
    assert!(broken.iter().all(|broken| !broken.why.is_empty()));
    assert_eq!(again.list(), std::slice::from_ref(&made.account));
    assert_eq!(again.digest(), store.digest());
    assert!(!folder.join(format!(".{}.jwt.new", made.account)).exists());
    assert!(folder.join("README").exists());
}

/// Advisory class: path traversal in resolver directories.
#[test]
fn no_name_leads_out_of_the_folder() {
    let key = Made::new().account;
    for name in [
        "../outside",
        "..",
        "/etc/passwd",
        "../../../../../../etc/passwd",
        &format!("../{key}"),
        &format!("{key}/../outside"),
        &format!("{key}\0"),
        "",
    ] {
        assert_eq!(AccountKey::parse(name), None, "{name:?}");
    }
    // What is left is one file in the folder, whatever the key.
    let dir = TempDir::new().unwrap();
    let store = open(&dir, FULL, 10);
    let path = store.path(&key, JWT);
    assert_eq!(path.parent(), Some(&*dir.path().join("jwt")));
    assert_eq!(path.file_stem().and_then(|stem| stem.to_str()), Some(key.as_str()));
}
