//! Passwords and tokens against what the configuration holds: plain text in constant time, or a
//! bcrypt hash.

use config::options::Secret;
use subtle::ConstantTimeEq;

/// What is compared to whatever is said for a user that does not exist, so that an answer takes
/// as long: bcrypt of cost 11 of a word that nobody knows.
const NOBODY: &str = "$2a$11$.4ykOZm8bAZ5wHp7cYp7UuzRE3KTZHtXzJoLHXsDdXTGDlLoBOnbK";

/// Whether `secret` is a bcrypt hash, which takes a tenth of a second to compare with.
pub fn is_bcrypt(secret: &Secret) -> bool {
    // spec/security.md §1: `^\$2[abxy]\$\d{2}\$`
    match secret.expose().as_bytes() {
        [b'$', b'2', version, b'$', tens, ones, b'$', ..] => {
            matches!(version, b'a' | b'b' | b'x' | b'y')
                && tens.is_ascii_digit()
                && ones.is_ascii_digit()
        }
        _ => false,
    }
}

/// Whether `said` is the secret.
pub(crate) fn matches(secret: &Secret, said: &str) -> bool {
    if is_bcrypt(secret) {
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
