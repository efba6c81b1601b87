//! Options on their way: what file and flags have said so far, and the checks across options
//! that end it.

use crate::account_block::Declared;
use crate::accounts::{self, Account};
use crate::callout;
use crate::duration;
use crate::limits;
use crate::operator;
use crate::options::{Auth, Flush, Options, Secret, User};
use crate::place::Place;
use crate::problem::{Conflict, Diagnostics, Warning};
use crate::tls;

/// Options that are not checked against each other yet.
#[derive(Debug, Default)]
pub struct Draft {
    /// What has been set so far; `auth` is not, it comes from [`Draft::auth`].
    pub options: Options,
    /// What has been said about authentication.
    pub auth: AuthDraft,
    /// The accounts, which [`Options::accounts`] gets in the end.
    pub declared: Vec<Declared>,
    /// What `jetstream.sync_interval` says; the profile's word counts where it says nothing.
    pub flush: Option<Flush>,
}

/// What has been said about authentication. Empty texts count as not said, as in nats-server.
#[derive(Debug, Default)]
pub struct AuthDraft {
    /// Where the block `authorization` is.
    pub place: Option<Place>,
    /// `user`
    pub user: String,
    /// `password`
    pub password: Secret,
    /// `token`
    pub token: Secret,
    /// `users`, each with its place.
    pub users: Option<Vec<(Place, User)>>,
}

impl Draft {
    /// The options, if nothing contradicts; all contradictions are noted.
    pub fn finish(self, found: &mut Diagnostics) -> Options {
        let Draft { mut options, auth, declared, flush } = self;
        check_duplicate_users(&auth, &declared, found);
        options.auth = auth.finish(found);
        options.accounts.declared = declared.into_iter().map(Declared::finish).collect();
        options.jetstream.flush = flush.unwrap_or(options.corewire.tuning.storage_flush);
        options.accounts.declared.shrink_to_fit();
        check_accounts(&options, found);
        callout::check(&options, found);
        operator::check(&options, found);
        check_sizes(&options, found);
        check_lame_duck(&options, found);
        tls::check(&options, found);
        options
    }
}

// spec/cli-and-config.md §9
fn check_sizes(options: &Options, found: &mut Diagnostics) {
    let (payload, pending) = (options.max_payload, options.max_pending);
    if payload > pending {
        found.note(None, Conflict::PayloadAbovePending { payload, pending });
    }
}

// spec/cli-and-config.md §9
fn check_lame_duck(options: &Options, found: &mut Diagnostics) {
    let (grace, whole) = (options.lame_duck_grace_period, options.lame_duck_duration);
    if grace >= whole {
        let (grace, duration) = (duration::print(grace), duration::print(whole));
        found.note(None, Conflict::GraceNotBelowDuration { grace, duration });
    }
}

impl AuthDraft {
    fn finish(self, found: &mut Diagnostics) -> Auth {
        let place = self.place;
        let (user, token) = (!self.user.is_empty(), !self.token.expose().is_empty());
        let password = !self.password.expose().is_empty();
        let conflict = match (user, token, &self.users) {
            (true, true, _) => Some(Conflict::UserAndToken),
            (true, _, Some(_)) => Some(Conflict::UserAndUsers),
            (_, true, Some(_)) => Some(Conflict::TokenAndUsers),
            (false, _, _) if password => Some(Conflict::PasswordWithoutUser),
            _ => None,
        };
        if let Some(conflict) = conflict {
            found.note(place, conflict);
        }
        match self.users {
            Some(users) => {
                let mut users: Vec<User> = users.into_iter().map(|(_, user)| user).collect();
                users.shrink_to_fit();
                Auth::Users(users)
            }
            None if user => Auth::User(User::with_password(self.user, self.password.expose())),
            None if token => Auth::Token(self.token),
            None => Auth::None,
        }
    }
}

/// A name may stand for one user only, whatever the accounts.
fn check_duplicate_users(auth: &AuthDraft, declared: &[Declared], found: &mut Diagnostics) {
    let mut names = std::collections::HashSet::new();
    let own = auth.users.iter().flatten();
    for (place, user) in own.chain(declared.iter().flat_map(|declared| &declared.users)) {
        if !names.insert(user.name()) {
            found.note(Some(*place), Conflict::DuplicateUser(user.name().to_owned()));
        }
    }
}

/// Names that must stand for something. What imports and exports say of each other is checked
/// when room `security` puts them together.
fn check_accounts(options: &Options, found: &mut Diagnostics) {
    let accounts = &options.accounts;
    let is_known = |name: &str| accounts.declared.iter().any(|account| account.name == name);
    // spec/cli-and-config.md §9
    let is_system = |account: &&Account| account.name == accounts.system_name();
    if accounts.declared.iter().find(is_system).is_some_and(|system| system.jetstream.is_some()) {
        found.note(None, Conflict::JetStreamOnSystem);
    }
    if let Some(name) = accounts.no_auth_user.as_ref().filter(|_| !options.operator.is_on()) {
        let declared = accounts.declared.iter().flat_map(|account| &account.users);
        if !options.auth.users().iter().chain(declared).any(|user| user.name() == name) {
            found.note(None, Conflict::NoAuthUserUnknown(name.clone()));
        }
    }
    if let Some(name) = &accounts.system {
        if accounts.no_system {
            found.note(None, Conflict::SystemAccountTwice);
        }
        if name != accounts::SYSTEM && !is_known(name) && !options.operator.is_on() {
            found.note(None, Conflict::SystemAccountUnknown(name.clone()));
        }
    }
}

impl Options {
    /// What the log should warn of at start. Not fatal with `-t`, unlike the warnings of the
    /// configuration itself.
    pub fn log_warnings(&self) -> Vec<Warning> {
        // spec/client-protocol.md §1, max_payload
        let large = self.max_payload > limits::PAYLOAD_WARN;
        // spec/security.md §1, plaintext warning
        let plain = self.has_plain_secrets().then_some(Warning::PlainPasswords);
        large.then_some(Warning::LargePayload).into_iter().chain(plain).collect()
    }
}
