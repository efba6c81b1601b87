//! Whether an import that needs an activation has one that is good (spec/security.md §6).

use subject::name;

use super::seen::SeenAccount;
use crate::jwt::{Activation, Claims, Export, Import};

/// Until when an import is good, seconds since the Unix epoch; 0 for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Until(pub(super) i64);

/// Checks the activation of what `importer` imports from `exporter` by `export`. `subject` is that
/// of the exporter.
pub(super) fn check(
    import: &Import,
    subject: &str,
    importer: &str,
    exporter: &SeenAccount,
    export: &Export,
    now_s: i64,
) -> Option<Until> {
    let claims = Claims::<Activation>::decode(&import.token).ok()?;
    let content = &claims.content;
    let good = claims.hold_at(now_s).is_ok()
        && claims.subject == importer
        && content.kind == Some(import.kind)
        && name::is_subset(subject.as_bytes(), content.subject.as_bytes())
        && is_of(exporter, &claims)
        && !is_revoked(export, &claims);
    good.then_some(Until(claims.expires_s))
}

/// Signed by the exporter, or by a signing key of it that says so.
fn is_of(exporter: &SeenAccount, claims: &Claims<Activation>) -> bool {
    let account = &exporter.claims.subject;
    match claims.content.issuer_account.as_str() {
        "" => claims.issuer == *account,
        said => said == account && exporter.is_signed_for_by(&claims.issuer),
    }
}

fn is_revoked(export: &Export, claims: &Claims<Activation>) -> bool {
    let upto = |key: &str| export.revocations.get(key).is_some_and(|at| *at >= claims.issued_s);
    upto(&claims.subject) || upto("*")
}
