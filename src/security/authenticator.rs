//! Credentials from CONNECT against what the configuration says (spec/security.md).

use config::options::{Auth, Secret, User};
use subtle::ConstantTimeEq;

/// What a client says about itself in CONNECT.
#[derive(Clone, Copy, Debug, Default)]
pub struct Credentials<'a> {
    /// `user`
    pub user: &'a str,
    /// `pass`
    pub pass: &'a str,
    /// `auth_token`
    pub token: &'a str,
}

/// Who a client turned out to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// What monitoring shows as `authorized_user`; empty when nobody had to log in.
    pub user: String,
}

/// The credentials are not good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Denied;

/// The rules by which clients are let in.
#[derive(Clone, Debug, Default)]
pub struct Authenticator {
    auth: Auth,
}

impl Authenticator {
    /// Rules from the configuration.
    pub fn new(auth: Auth) -> Authenticator {
        Authenticator { auth }
    }

    /// Whether a client must say anything at all.
    pub fn is_required(&self) -> bool {
        self.auth.is_required()
    }

    /// Lets a client in or not.
    ///
    /// # Errors
    /// [`Denied`], whatever was wrong.
    pub fn check(&self, credentials: Credentials<'_>) -> Result<Identity, Denied> {
        match &self.auth {
            Auth::None => Ok(Identity { user: credentials.user.to_owned() }),
            Auth::Token(token) if same(token, credentials.token) => {
                Ok(Identity { user: "[REDACTED]".to_owned() })
            }
            Auth::Token(_) => Err(Denied),
            Auth::User(user) => check_user(std::slice::from_ref(user), credentials),
            Auth::Users(users) => check_user(users, credentials),
        }
    }
}

fn check_user(users: &[User], credentials: Credentials<'_>) -> Result<Identity, Denied> {
    match users.iter().find(|user| user.name == credentials.user) {
        Some(user) if same(&user.password, credentials.pass) => {
            Ok(Identity { user: user.name.clone() })
        }
        _ => Err(Denied),
    }
}

fn same(secret: &Secret, said: &str) -> bool {
    secret.expose().as_bytes().ct_eq(said.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str, password: &str) -> User {
        User { name: name.into(), password: Secret::new(password) }
    }

    fn says<'a>(user: &'a str, pass: &'a str, token: &'a str) -> Credentials<'a> {
        Credentials { user, pass, token }
    }

    #[test]
    fn each_kind_takes_its_own_and_nothing_else() {
        let token = Authenticator::new(Auth::Token(Secret::new("t0k")));
        assert!(token.check(says("", "", "t0k")).is_ok());
        assert_eq!(token.check(says("t0k", "t0k", "")), Err(Denied));
        assert_eq!(token.check(says("", "", "t0k2")), Err(Denied));

        let one = Authenticator::new(Auth::User(user("ann", "pw")));
        assert_eq!(one.check(says("ann", "pw", "")).unwrap().user, "ann");
        assert_eq!(one.check(says("ann", "", "pw")), Err(Denied));
        assert_eq!(one.check(says("", "pw", "")), Err(Denied));

        let many = Authenticator::new(Auth::Users(vec![user("ann", "a"), user("bob", "b")]));
        assert_eq!(many.check(says("bob", "b", "")).unwrap().user, "bob");
        assert_eq!(many.check(says("bob", "a", "")), Err(Denied));
        assert!(Authenticator::new(Auth::None).check(says("", "", "")).is_ok());
        assert_eq!(Authenticator::new(Auth::Users(vec![])).check(says("", "", "")), Err(Denied));
    }
}
