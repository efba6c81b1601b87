//! Passwords and tokens against what the configuration holds: plain text in constant time, or a
//! bcrypt hash.

use config::options::Secret;
use subtle::ConstantTimeEq;

/// What is compared to whatever is said for a user that does not exist, so that an answer takes
/// as long: bcrypt of cost 11 of a word that nobody knows.
const NOBODY: &str = "$2a$11$.4ykOZm8bAZ5wHp7cYp7UuzRE3KTZHtXzJoLHXsDdXTGDlLoBOnbK";

/// Whether `said` is the secret.
pub(crate) fn matches(secret: &Secret, said: &str) -> bool {
    if secret.is_bcrypt() {
        // Go's and this crate's `2x` differ in name only; a hash that is none matches nothing.
        return bcrypt::verify(said, secret.expose()).unwrap_or(false);
    }
    secret.expose().as_bytes().ct_eq(said.as_bytes()).into()
}

/// Takes as long as a comparison with a hash and is never true.
pub(crate) fn matches_nobody(said: &str) -> bool {
    let _ = bcrypt::verify(said, NOBODY);
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_nobody_is_one() {
        assert!(bcrypt::verify("anything", NOBODY).is_ok_and(|same| !same));
        assert!(!matches_nobody("anything"));
    }
}
