//! The public key of an account, as it names files, subjects and web addresses.

use std::fmt;

use config::users::is_public_key;
use nkeys::KeyPairType;

/// The public key of an account: 56 letters and digits, the first an `A`, checked. A text that is
/// one names nothing else: no path, no subject of several tokens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountKey(Box<str>);

impl AccountKey {
    /// The key, if `text` is one.
    pub fn parse(text: &str) -> Option<AccountKey> {
        // The library is lenient about the length.
        let has_form = text.len() == 56 && text.bytes().all(|b| b.is_ascii_alphanumeric());
        (has_form && is_public_key(text, KeyPairType::Account)).then(|| AccountKey(text.into()))
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_keys_of_accounts_are_taken() {
        let key = nkeys::KeyPair::new_account().public_key();
        assert_eq!(AccountKey::parse(&key).unwrap().as_str(), key);
        let user = nkeys::KeyPair::new_user().public_key();
        let changed = key.replace(&key[20..21], if &key[20..21] == "B" { "C" } else { "B" });
        let outside = format!("../{key}");
        let nul = format!("{}\0", &key[..55]);
        for bad in ["", "A", "../../etc/passwd", &user, &changed, &outside, &key[..55], &nul] {
            assert_eq!(AccountKey::parse(bad), None, "{bad:?}");
        }
        assert_eq!(AccountKey::parse(&key.to_lowercase()), None);
    }
}
