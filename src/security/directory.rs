//! Who there is: all accounts, all users, and the rules by which clients are let in. Immutable;
//! a reload or a new account makes another, and every core takes it as a whole.

mod live;
mod operators;
mod users;

use std::collections::HashMap;
use std::sync::Arc;

use base::AccountId;
use config::Options;
use config::accounts::{Destination, GLOBAL, JetStreamLimits, Mapping, SYSTEM};
use config::options::{Auth, ConnectionKinds, Login, Secret};

use crate::account::Accounts;
use crate::callout::Callout;
use crate::credentials::{Credentials, Denied, Session, TOKEN_USER};
use crate::exchange::{self, ImportError, Way};
use crate::mapping::Mappings;
use crate::operator::{OperatorMode, Refusal, TrustError};
use crate::password;
use crate::proxies::{ProxyUse, TrustedProxies};
use users::{Known, Users};

/// Everything about who may connect and do what.
#[derive(Clone, Debug)]
pub struct Directory {
    accounts: Accounts,
    rules: Rules,
    /// How clients without credentials are let in.
    nobody: Nobody,
    /// Whether some password is a bcrypt hash.
    hashes: bool,
    /// Who may pass clients on.
    proxies: TrustedProxies,
    /// Who says who clients are, if not this directory.
    callout: Option<Arc<Callout>>,
}

/// How clients prove who they are.
#[derive(Clone, Debug)]
enum Rules {
    /// They need not.
    Open,
    /// By one token.
    Token(Secret),
    /// As one of these.
    Users(Users),
    /// By a token of their account.
    Operator(Box<OperatorMode>),
}

/// How clients without credentials are let in.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Nobody {
    /// They are not.
    Refused,
    /// As this user: `no_auth_user`.
    User(String),
    /// Into the global account, since only the system account has users.
    Global,
}

/// What a client must be asked for, and what of the answer takes long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// A comparison.
    Quick,
    /// Cryptography: not on a core that delivers messages.
    Slow,
    /// The word of a service that must be asked, in this account.
    Asked(AccountId),
}

impl Directory {
    /// From the options. Accounts that `before` knew keep their numbers.
    ///
    /// # Errors
    /// What cannot be, and whose word cannot be taken.
    pub fn new(options: &Options, before: Option<&Directory>) -> Result<Directory, DirectoryError> {
        match options.operator.is_on() {
            true => Directory::of_operators(options, before),
            false => Ok(Directory::of_users(options, before)?),
        }
    }

    /// Of those that the options declare.
    fn of_users(options: &Options, before: Option<&Directory>) -> Result<Directory, ImportError> {
        let config = &options.accounts;
        let mut accounts = match before {
            Some(before) => before.accounts.clone(),
            None => Accounts::new(config.system_name()),
        };
        accounts.clear();
        accounts.set_system(!config.no_system);
        let mut users = Users::new(options);
        let default = config.default_permissions.as_ref();
        for user in options.auth.users() {
            users.add(user, AccountId::GLOBAL, default);
        }
        for account in &config.declared {
            let id = accounts.number(&account.name);
            let of_domain = account.jetstream.and(options.jetstream.domain.as_deref());
            let mappings = mappings(&account.name, &account.mappings, of_domain)?;
            accounts.change(id, |known| {
                known.limits = account.limits;
                known.mappings = mappings;
                known.trace = account.trace.clone().map(Arc::new);
                known.jetstream = account.jetstream;
            });
            for user in &account.users {
                users.add(user, id, account.default_permissions.as_ref());
            }
        }
        let is_alone = config.is_global_only() && !options.operator.is_on();
        let of_domain = options.jetstream.domain.as_deref().filter(|_| is_alone);
        let global = mappings(GLOBAL, &config.global_mappings, of_domain)?;
        accounts.change(AccountId::GLOBAL, |known| {
            known.mappings = global;
            known.jetstream = is_alone.then(JetStreamLimits::default);
        });
        open_ways(&config.declared, &mut accounts)?;
        let rules = match &options.auth {
            Auth::Token(token) => Rules::Token(token.clone()),
            _ if options.is_auth_required() => Rules::Users(users),
            _ => Rules::Open,
        };
        let nobody = match &config.no_auth_user {
            Some(name) => Nobody::User(name.clone()),
            None if only_the_system_has_users(options) => Nobody::Global,
            None => Nobody::Refused,
        };
        let hashes = rules.has_hashes();
        let proxies = TrustedProxies::new(&options.proxies);
        let callout = Callout::new(options, &mut accounts).map(Arc::new);
        Ok(Directory { accounts, rules, nobody, hashes, proxies, callout })
    }

    /// All accounts.
    pub fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// Whether a client must say who it is: INFO's `auth_required`.
    pub fn is_auth_required(&self) -> bool {
        let by_rules = match self.rules {
            Rules::Open => false,
            _ => self.nobody == Nobody::Refused || self.asks_about_nobody(),
        };
        by_rules || self.proxies.for_all() == ProxyUse::Required
    }

    /// Whether nobody has to say who it is, whatever is said.
    pub fn is_open(&self) -> bool {
        matches!(self.rules, Rules::Open) && self.proxies.for_all() == ProxyUse::Optional
    }

    /// Whether INFO carries a nonce for clients to sign.
    pub fn wants_nonce(&self) -> bool {
        let keys = match &self.rules {
            Rules::Open | Rules::Token(_) => false,
            Rules::Users(users) => !users.by_key.is_empty(),
            Rules::Operator(_) => true,
        };
        keys || !self.proxies.are_none()
    }

    /// Whether a service may have to be told of a client whose login takes this long.
    pub fn may_ask_service(&self, effort: Effort) -> bool {
        // Which account a token is of is known when it is read.
        let by_token = matches!(self.rules, Rules::Operator(_)) && effort == Effort::Slow;
        by_token || matches!(effort, Effort::Asked(_))
    }

    /// How long [`Directory::login`] will take.
    pub fn effort(&self, credentials: &Credentials<'_>) -> Effort {
        match &self.rules {
            _ if let Some(callout) = self.service_for(credentials) => {
                Effort::Asked(callout.account())
            }
            _ if self.proxies.must_verify(credentials) => Effort::Slow,
            Rules::Open => Effort::Quick,
            Rules::Operator(_) => Effort::Slow,
            _ if !credentials.nkey.is_empty() => Effort::Slow,
            _ if self.hashes => Effort::Slow,
            _ => Effort::Quick,
        }
    }

    /// Lets a client in or not.
    ///
    /// # Errors
    /// [`Denied`]; of credentials it never says what was wrong.
    pub fn login(&self, credentials: &Credentials<'_>) -> Result<Session, Denied> {
        self.admit(credentials).map_err(|refused| refused.denied)
    }

    /// The same; in operator mode the error says more, for the log and to fetch an account.
    pub(crate) fn admit(&self, credentials: &Credentials<'_>) -> Result<Session, Refused> {
        // spec/security.md §1, step 9: where a service is asked, nobody else lets a client in.
        if let Some(callout) = self.service_for(credentials) {
            return Err(Denied::ByService(callout.account()).into());
        }
        // spec/security.md §1, step 1
        let proxy = self.proxies.verify(credentials)?;
        let session = Session { proxy, ..self.identify(credentials)? };
        self.proxies.check(&session)?;
        Ok(session)
    }

    /// The token of those who bring none.
    pub(crate) fn sentinel(&self) -> Option<&str> {
        match &self.rules {
            Rules::Operator(mode) => mode.sentinel(),
            _ => None,
        }
    }

    /// Who a client is, however it came.
    fn identify(&self, credentials: &Credentials<'_>) -> Result<Session, Refused> {
        match &self.rules {
            Rules::Operator(mode) => Ok(mode.admit(credentials)?),
            Rules::Open => Ok(Session { user: credentials.user.to_owned(), ..Session::default() }),
            Rules::Token(token) if password::matches(token, credentials.token) => {
                Ok(Session { user: TOKEN_USER.to_owned(), ..Session::default() })
            }
            Rules::Token(_) => Err(Denied::Credentials.into()),
            Rules::Users(users) => {
                if users.hear_nothing_from(credentials)
                    && let Some(session) = self.nobody()
                {
                    // spec/security.md §1, step 6: also for who stands for nobody.
                    let known =
                        session.filter(|known| known.connections.contains(credentials.kind));
                    return Ok(known.ok_or(Denied::Credentials)?.session());
                }
                Ok(users.login(credentials, self.hashes)?)
            }
        }
    }

    /// Lets a client in that says nothing, before CONNECT: `no_auth_user`.
    pub fn login_nobody(&self, kind: ConnectionKinds) -> Option<Session> {
        match (&self.rules, &self.nobody) {
            (Rules::Users(_), Nobody::Refused) => None,
            (Rules::Open | Rules::Token(_) | Rules::Operator(_), _) => None,
            _ => self.login(&Credentials { kind, ..Credentials::default() }).ok(),
        }
    }

    /// Whether a client that is logged in may stay as it is: its user is still there, in the
    /// same account, with the same proof and the same permissions.
    pub fn still_allows(&self, before: &Directory, session: &Session, now_ns: u64) -> Standing {
        let find = |directory: &Directory| match &directory.rules {
            Rules::Users(users) => users.find(session).cloned(),
            _ => None,
        };
        // spec/security.md §9: a key that is removed closes what came by it.
        if let Err(denied) = self.proxies.check(session) {
            return Standing::Gone(denied);
        }
        if let Some(said_by) = &session.callout
            && said_by.of_operator().is_none()
        {
            let holds = |now: &Arc<Callout>| now.still_vouches(said_by, session.account);
            return match self.callout.as_ref().is_some_and(holds) {
                true => Standing::Same,
                false => Standing::Gone(Denied::Credentials),
            };
        }
        match (&self.rules, &before.rules) {
            (Rules::Open, Rules::Open) => Standing::Same,
            (Rules::Operator(now), Rules::Operator(then)) => {
                match now.still_allows(then, session, now_ns) {
                    Standing::Changed(session) => match self.proxies.check(&session) {
                        Ok(()) => Standing::Changed(session),
                        Err(denied) => Standing::Gone(denied),
                    },
                    standing => standing,
                }
            }
            (Rules::Open, _) if session.account == AccountId::GLOBAL => {
                Standing::Changed(session.with_permissions(None))
            }
            (Rules::Token(now), Rules::Token(then)) if now == then => Standing::Same,
            (Rules::Users(_), Rules::Users(_)) => match (find(self), find(before)) {
                (Some(now), Some(then)) if now == then => Standing::Same,
                (Some(now), Some(then))
                    if now.login == then.login && now.account == then.account =>
                {
                    match (now.proxy, &session.proxy) {
                        (ProxyUse::Required, None) => Standing::Gone(Denied::ProxyRequired),
                        _ => Standing::Changed(session.with_permissions(now.permissions.clone())),
                    }
                }
                // Clients without a user of their own.
                (None, None) if self.nobody == before.nobody => Standing::Same,
                _ => Standing::Gone(Denied::Credentials),
            },
            _ => Standing::Gone(Denied::Credentials),
        }
    }

    /// The service that says who a client is, if not this directory. spec/security.md §5
    pub(crate) fn service_for(&self, credentials: &Credentials<'_>) -> Option<&Arc<Callout>> {
        let callout = self.callout.as_ref()?;
        let Rules::Users(users) = &self.rules else { return Some(callout) };
        let known = match users.key_of(credentials) {
            "" if users.are_told_by(credentials) => {
                credentials.certificate.and_then(|certificate| users.named_by(certificate)).cloned()
            }
            "" if users.hear_nothing_from(credentials) => self.nobody().flatten(),
            "" => users.by_name.get(credentials.user).cloned(),
            key => users.by_key.get(key).cloned(),
        };
        let asked = match &known {
            None => callout.is_asked_about("", None),
            Some(known) => callout.is_asked_about(known.name(), Some(known.account)),
        };
        asked.then_some(callout)
    }

    /// Whether who says nothing is somebody about whom a service is asked.
    fn asks_about_nobody(&self) -> bool {
        self.service_for(&Credentials::default()).is_some()
    }

    /// The proxy that passed a client on, if one did.
    ///
    /// # Errors
    /// [`Denied`] if it is not trusted.
    pub(crate) fn proxy_of(
        &self,
        credentials: &Credentials<'_>,
    ) -> Result<Option<Arc<str>>, Denied> {
        self.proxies.verify(credentials)
    }

    /// Whether a client came as it must.
    ///
    /// # Errors
    /// [`Denied`] if it did not.
    pub(crate) fn check_proxy(&self, session: &Session) -> Result<(), Denied> {
        self.proxies.check(session)
    }

    /// Who a client is that says nothing; `None` where it must say something.
    fn nobody(&self) -> Option<Option<Arc<Known>>> {
        match (&self.nobody, &self.rules) {
            (Nobody::User(name), Rules::Users(users)) => {
                Some(users.by_name.get(&**name).or(users.by_key.get(&**name)).cloned())
            }
            (Nobody::Global, _) => Some(Some(Arc::new(Known::in_global()))),
            _ => None,
        }
    }
}

/// Whether a client may stay after a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing has changed for it.
    Same,
    /// It may do something else now, or for another time.
    Changed(Box<Session>),
    /// It must log in again, or come in another way.
    Gone(Denied),
}

/// A login that is refused.
#[derive(Debug)]
pub(crate) struct Refused {
    /// What the client is told.
    pub(crate) denied: Denied,
    /// Why, for the log, where tokens are asked for.
    pub(crate) why: Option<Refusal>,
}

impl From<Denied> for Refused {
    fn from(denied: Denied) -> Refused {
        Refused { denied, why: None }
    }
}

impl From<Refusal> for Refused {
    fn from(why: Refusal) -> Refused {
        let denied = match why {
            Refusal::NotPinned(_) => Denied::NotPinned,
            _ => Denied::Credentials,
        };
        Refused { denied, why: Some(why) }
    }
}

/// Accounts and users that cannot be.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// What they have of each other.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// Those whose word is taken for them.
    #[error(transparent)]
    Trust(#[from] TrustError),
}

/// An account's own mappings, and those of JetStream's domain where it is in one.
fn mappings(
    account: &str,
    config: &[Mapping],
    domain: Option<&str>,
) -> Result<Option<Arc<Mappings>>, ImportError> {
    let of_domain = domain.into_iter().flat_map(in_domain);
    let all: Vec<Mapping> = config.iter().cloned().chain(of_domain).collect();
    let mappings = Mappings::new(&all).map_err(|(source_subject, error)| {
        let account = account.to_owned();
        ImportError::Mapping { account, source_subject, error }
    })?;
    Ok(mappings.map(Arc::new))
}

/// What clients publish to buckets of a domain by its name.
// spec/jetstream.md §1 Namespacing: `$KV.>`/`$OBJ.>` suffixes
fn in_domain(domain: &str) -> [Mapping; 2] {
    ["$KV.>", "$OBJ.>"].map(|bucket| Mapping {
        source: format!("$JS.{domain}.API.{bucket}"),
        destinations: vec![Destination { subject: bucket.to_owned(), weight: 100, cluster: None }],
    })
}

/// Gives each account the ways that leave it.
fn open_ways(
    declared: &[config::accounts::Account],
    accounts: &mut Accounts,
) -> Result<(), ImportError> {
    let mut leaving: HashMap<AccountId, Vec<Way>> = HashMap::new();
    let (ways, faults) = exchange::ways(declared, accounts);
    if let Some(first) = exchange::unknown_importer(declared).or(faults.into_iter().next()) {
        return Err(first);
    }
    for (from, way) in ways {
        leaving.entry(from).or_default().push(way);
    }
    for (id, ways) in leaving {
        accounts.change(id, |account| account.ways = ways.into());
    }
    Ok(())
}

/// spec/cli-and-config.md §7.3: `$SYS` alone, and no block `authorization`.
fn only_the_system_has_users(options: &Options) -> bool {
    let config = &options.accounts;
    options.auth == Auth::None
        && matches!(&config.declared[..], [only] if only.name == SYSTEM && !only.users.is_empty())
}

impl Rules {
    fn has_hashes(&self) -> bool {
        match self {
            Rules::Open | Rules::Operator(_) => false,
            Rules::Token(token) => token.is_bcrypt(),
            Rules::Users(users) => users.by_name.values().any(|user| match &user.login {
                Login::Password { password, .. } => password.is_bcrypt(),
                Login::Nkey(_) => false,
            }),
        }
    }
}

#[cfg(test)]
mod tests;
