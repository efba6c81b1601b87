//! By what a client is known: in the log, to monitoring and to those who listen for events
//! (spec/cli-and-config.md §5; seen of nats-server 2.15.2).

use security::TOKEN_USER;

use crate::client::Client;

/// Who it is, or says that it is as long as nobody has let it in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KnownBy<'a> {
    Nothing,
    Nkey(&'a str),
    Name(&'a str),
    /// The key of a user with a token of an operator's account.
    Key(&'a str),
    /// One token for all.
    Token,
}

impl<'a> KnownBy<'a> {
    /// As monitoring and events show it.
    pub(crate) fn shown(self) -> &'a str {
        match self {
            KnownBy::Nothing => "",
            KnownBy::Nkey(text) | KnownBy::Name(text) | KnownBy::Key(text) => text,
            KnownBy::Token => TOKEN_USER,
        }
    }

    /// As the log tells of a login that failed.
    pub(crate) fn accused(self) -> Option<String> {
        match self {
            KnownBy::Nothing => None,
            KnownBy::Nkey(key) => Some(format!("Nkey {key:?}")),
            KnownBy::Name(name) => Some(format!("User {name:?}")),
            KnownBy::Key(key) => Some(format!("JWT User {key:?}")),
            KnownBy::Token => Some(format!("Token {TOKEN_USER:?}")),
        }
    }

    /// As it stands in each line of the log, behind the account.
    fn label(self) -> Option<String> {
        match self {
            KnownBy::Nothing => None,
            KnownBy::Nkey(key) => Some(format!("nkey:{key}")),
            KnownBy::Name(name) => Some(format!("user:{name}")),
            KnownBy::Key(key) => Some(format!("jwt:{key}")),
            KnownBy::Token => Some(String::from("token")),
        }
    }
}

impl Client {
    pub(crate) fn known_by(&self) -> KnownBy<'_> {
        let (session, said) = (&self.session, &*self.connect);
        let user = session.user.as_str();
        match (&session.nkey, &session.claims) {
            (Some(key), _) => KnownBy::Nkey(key),
            // Who comes in by the word of a service has the name that this gave it.
            (None, Some(_)) if session.callout.is_none() => KnownBy::Key(user),
            _ if user == TOKEN_USER => KnownBy::Token,
            _ if !user.is_empty() => KnownBy::Name(user),
            _ if !said.nkey.is_empty() => KnownBy::Nkey(&said.nkey),
            _ if !said.user.is_empty() => KnownBy::Name(&said.user),
            _ if !said.auth_token.is_empty() => KnownBy::Token,
            _ => KnownBy::Nothing,
        }
    }

    /// Account and user, as they stand in each line of the log.
    pub(crate) fn label(&self) -> Option<String> {
        let user = self.known_by().label()?;
        let account = self.account();
        Some(match account.name == account.tag {
            true => format!("{}/{user}", account.name),
            false => format!("{}/{}/{user}", account.name, account.tag),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_shown_accused_and_labelled_in_its_way() {
        for (known, shown, accused, label) in [
            (KnownBy::Nothing, "", None, None),
            (KnownBy::Nkey("UA"), "UA", Some("Nkey \"UA\""), Some("nkey:UA")),
            (KnownBy::Name("ann"), "ann", Some("User \"ann\""), Some("user:ann")),
            (KnownBy::Key("UB"), "UB", Some("JWT User \"UB\""), Some("jwt:UB")),
            (KnownBy::Token, "[REDACTED]", Some("Token \"[REDACTED]\""), Some("token")),
        ] {
            assert_eq!(known.shown(), shown);
            assert_eq!((known.accused().as_deref(), known.label().as_deref()), (accused, label));
        }
    }
}
