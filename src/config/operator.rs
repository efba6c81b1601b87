//! Operator mode: whose word is taken for accounts, and which accounts are known from the start
//! (spec/security.md §3). Here stands what was written; room `security` reads the tokens.

use std::collections::BTreeMap;

use crate::declaration::Reload::NeedsRestart;
use crate::declaration::{Declaration, Kind, built, reloadable};
use crate::options::{Auth, Options};
use crate::problem::{Conflict, Diagnostics, ValueError};
use crate::users::is_public_key;

/// Whose word is taken for accounts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Operators {
    /// `operator`: tokens, or the files that they are in.
    pub tokens: Vec<String>,
    /// `trusted_keys`: public keys of operators.
    pub trusted_keys: Vec<String>,
    /// `resolver_preload`: account tokens, by the account's public key.
    pub preload: BTreeMap<String, String>,
    /// `default_sentinel`: the token of clients that bring none.
    pub sentinel: Option<String>,
}

impl Operators {
    /// Whether accounts and users are those of operators, and no others.
    pub fn is_on(&self) -> bool {
        !self.tokens.is_empty() || !self.trusted_keys.is_empty()
    }
}

/// `operator`
pub(crate) const TOKENS: Declaration = built(
    "operator",
    "",
    NeedsRestart,
    "JWTs of those whose word is taken for accounts, or the files that they are in",
    Kind::TextList(|draft, tokens| {
        let tokens = tokens.into_iter().map(|text| text.trim().to_owned());
        draft.options.operator.tokens = tokens.filter(|text| !text.is_empty()).collect();
        Ok(())
    }),
)
.or(&["operators", "root", "roots", "root_operator", "root_operators"]);

/// `trusted_keys`
pub(crate) const TRUSTED_KEYS: Declaration = built(
    "trusted",
    "",
    NeedsRestart,
    "Public keys of those whose word is taken for accounts",
    Kind::TextList(|draft, keys| {
        let other = keys.iter().find(|key| !is_public_key(key, nkeys::KeyPairType::Operator));
        if let Some(other) = other {
            return Err(ValueError::OperatorKey(other.clone()));
        }
        draft.options.operator.trusted_keys = keys;
        Ok(())
    }),
)
.or(&["trusted_keys"]);

/// `resolver_preload`
pub(crate) const PRELOAD: Declaration = reloadable(
    "resolver_preload",
    "",
    "Account JWTs known from the start, by the account's public key",
    Kind::TextMap(|draft, tokens| draft.options.operator.preload = tokens),
);

/// `default_sentinel`
pub(crate) const SENTINEL: Declaration = reloadable(
    "default_sentinel",
    "",
    "User JWT of clients without one, a bearer token",
    Kind::Text(|draft, text| {
        draft.options.operator.sentinel = (!text.is_empty()).then(|| text.to_owned());
        Ok(())
    }),
);

/// What does not go together with operators. spec/cli-and-config.md §9
pub(crate) fn check(options: &Options, found: &mut Diagnostics) {
    let operator = &options.operator;
    if !operator.is_on() {
        if operator.sentinel.is_some() {
            found.note(None, Conflict::SentinelWithoutOperator);
        }
        return;
    }
    let rules = [
        (options.resolver.is_none() && operator.tokens.is_empty(), Conflict::OperatorNeedsResolver),
        (!options.accounts.declared.is_empty(), Conflict::OperatorAndAccounts),
        (options.auth != Auth::None, Conflict::OperatorAndUsers),
        (options.accounts.no_auth_user.is_some(), Conflict::OperatorAndNoAuthUser),
        (
            !operator.tokens.is_empty() && !operator.trusted_keys.is_empty(),
            Conflict::OperatorAndTrustedKeys,
        ),
    ];
    for (_, conflict) in rules.into_iter().filter(|(broken, _)| *broken) {
        found.note(None, conflict);
    }
}
