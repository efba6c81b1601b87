//! Who gets in by which token: every rule of spec/security.md §3, without a server.
//!
//! | file | what |
//! |---|---|
//! | `users.rs` | tokens of users |
//! | `scopes.rs` | scoped signing keys, and permissions |
//! | `accounts.rs` | tokens of accounts |
//! | `imports.rs` | what accounts have of each other |
//! | `operators.rs` | tokens of operators |

mod accounts;
mod imports;
mod operators;
mod scopes;
mod users;

use base::AccountId;
use config::Options;
use config::resolver::Resolver;
use data_encoding::BASE64URL_NOPAD;
use nkeys::KeyPair;

use super::*;
use crate::Directory;
use crate::credentials::{Credentials, Expiry};
use crate::directory::{DirectoryError, Refused};
use crate::jwt::{
    self, Account, AccountLimits, Activation, Claims, ExchangeKind, Export, ExternalAuthorization,
    Grant, Import, Operator, Scope, ScopeKind, SigningKey, Subjects, TimeRange, User,
};

const NOW_S: i64 = 1_800_000_000;
const NOW_NS: u64 = NOW_S as u64 * 1_000_000_000;
const NONCE: &str = "a nonce";

/// An operator, and the accounts whose tokens the resolver has.
struct World {
    operator: KeyPair,
    options: Options,
}

impl World {
    fn new() -> World {
        World::of(|_| {})
    }

    fn of(change: impl FnOnce(&mut Claims<Operator>)) -> World {
        let operator = KeyPair::new_operator();
        let mut claims = Claims::new(operator.public_key(), Operator::default());
        change(&mut claims);
        let mut options = Options { resolver: Some(Resolver::Memory), ..Options::default() };
        options.operator.tokens = vec![claims.encode(&operator, NOW_S).expect("signs")];
        World { operator, options }
    }

    /// Has the token of an account.
    fn add(&mut self, claims: Claims<Account>) {
        let key = claims.subject.clone();
        let token = claims.encode(&self.operator, NOW_S).expect("signs");
        self.options.operator.preload.insert(key, token);
    }

    fn directory(&self) -> Directory {
        Directory::new(&self.options, None).expect("a world")
    }

    /// Logs in, fetching accounts as the server does.
    fn admit(&self, credentials: &Credentials<'_>) -> Result<Session, Refusal> {
        let mut directory = self.directory();
        for _ in 0..2 {
            match directory.admit(credentials) {
                Err(Refused { why: Some(Refusal::AccountUnseen(account)), .. }) => {
                    let found = directory.fetch(&account, NOW_NS);
                    let found = found.map_err(|error| Refusal::Account(account, error))?;
                    directory = directory.with_accounts(&found, NOW_NS).0;
                }
                other => return other.map_err(|refused| refused.why.unwrap_or(Refusal::Issuer)),
            }
        }
        panic!("fetched and not there")
    }
}

fn account(pair: &KeyPair) -> Claims<Account> {
    let content = Account { limits: AccountLimits::unlimited(), ..Account::default() };
    Claims::new(pair.public_key(), content)
}

fn user(pair: &KeyPair) -> Claims<User> {
    let content = User { grant: Grant::everything(), ..User::default() };
    Claims::new(pair.public_key(), content)
}

/// One account, one user of it, and what they say of themselves.
struct Case {
    world: World,
    account: KeyPair,
    user: KeyPair,
    account_claims: Claims<Account>,
    claims: Claims<User>,
}

impl Case {
    fn new() -> Case {
        let (account_pair, user_pair) = (KeyPair::new_account(), KeyPair::new_user());
        Case {
            world: World::new(),
            account_claims: account(&account_pair),
            claims: user(&user_pair),
            account: account_pair,
            user: user_pair,
        }
    }

    fn with(change: impl FnOnce(&mut Case)) -> Case {
        let mut case = Case::new();
        change(&mut case);
        case
    }

    /// Logs in with a token signed by `signer`, made at [`NOW_S`].
    fn admit_by(mut self, signer: &KeyPair, came: Credentials<'_>) -> Result<Session, Refusal> {
        self.world.add(self.account_claims);
        let token = self.claims.encode(signer, NOW_S).expect("signs");
        let sig = BASE64URL_NOPAD.encode(&self.user.sign(NONCE.as_bytes()).expect("signs"));
        let said = Credentials { jwt: &token, sig: &sig, nonce: NONCE, now_ns: NOW_NS, ..came };
        self.world.admit(&said)
    }

    fn admit(self) -> Result<Session, Refusal> {
        let signer = self.account.clone();
        self.admit_by(&signer, Credentials::default())
    }

    /// Makes `change` to the user's grant.
    fn granted(change: impl FnOnce(&mut Grant)) -> Result<Session, Refusal> {
        Case::with(|case| change(&mut case.claims.content.grant)).admit()
    }
}
