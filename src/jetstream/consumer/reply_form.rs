//! What the subjects of acknowledgements and of flow control begin with.
//!
//! ```text
//! short   $JS.ACK.<stream>.<consumer>.                       $JS.FC.<stream>.<consumer>.
//! scoped  $JS.ACK.<domain or _>.<account>.<stream>.<consumer>.  $JS.FC.<domain or _>.<account>.…
//! ```
//!
//! Both are always understood; `feature_flags { js_ack_fc_v2 }` says which is written. The account
//! is a hash of its name. Source: spec/jetstream.md §9; ADR-15.

use sha2::{Digest, Sha256};

/// What a hash is written with.
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Digits of an account's hash.
const HASH_LEN: usize = 8;

/// How the subjects are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReplyForm {
    /// They begin with the stream.
    #[default]
    Short,
    /// They begin with domain and account.
    Scoped,
}

/// What stands before the stream in the subjects of one account's consumers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplyScope(String);

impl ReplyScope {
    /// That of the account that is called so.
    #[must_use]
    pub fn new(form: ReplyForm, domain: Option<&str>, account: &str) -> ReplyScope {
        ReplyScope(match form {
            ReplyForm::Short => String::new(),
            ReplyForm::Scoped => format!("{}.{}.", domain.unwrap_or("_"), hash(account)),
        })
    }

    /// With the dot at its end; empty in the short form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The first bytes of the name's SHA-256, each as a digit: as nats-server names accounts.
fn hash(account: &str) -> String {
    let sum = Sha256::digest(account);
    sum[..HASH_LEN].iter().map(|&byte| DIGITS[usize::from(byte) % DIGITS.len()] as char).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scope_names_domain_and_account() {
        let scope = |form, domain, account| ReplyScope::new(form, domain, account).0;
        assert_eq!(scope(ReplyForm::Short, Some("hub"), "A"), "");
        // As nats-server 2.15.2 writes it for these names.
        assert_eq!(scope(ReplyForm::Scoped, None, "A"), "_.NUmM6cRx.");
        assert_eq!(scope(ReplyForm::Scoped, Some("hub"), "$G"), "hub.szMpdrwD.");
    }
}
