//! An operator that makes accounts and users, and users that log in.

use std::time::{SystemTime, UNIX_EPOCH};

use harness::{Pings, Raw, Server};
use nkeys::KeyPair;
use security::jwt::{self, Claims, Generic, Grant, Permissions, SigningKey, User};
use serde_json::{Value, json};

/// An operator, with its system account and a user of that.
pub struct Operator {
    pub key: KeyPair,
    pub system: Account,
}

/// An account: its key, and what it claims next.
pub struct Account {
    pub key: KeyPair,
    pub claims: jwt::Account,
    /// When its next token will have been made, seconds since the Unix epoch.
    pub issued_s: i64,
}

/// A user: its key and its token.
pub struct Person {
    pub key: KeyPair,
    pub token: String,
}

pub fn now_s() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs() as i64
}

impl Operator {
    pub fn new() -> Operator {
        Operator { key: KeyPair::new_operator(), system: Account::new() }
    }

    /// The configuration of a server: the operator, its system account, and `more`.
    pub fn config(&self, more: &str) -> String {
        let (system, preload) = (self.system.name(), self.token(&self.system));
        self.config_without_preload(&format!("resolver_preload {{ {system}: {preload} }}\n{more}"))
    }

    /// The same, where the system account comes from elsewhere.
    pub fn config_without_preload(&self, more: &str) -> String {
        let claims = Claims::new(
            self.key.public_key(),
            jwt::Operator { system_account: self.system.name(), ..jwt::Operator::default() },
        );
        let token = claims.encode(&self.key, now_s()).expect("its own key");
        format!("operator: {token}\n{more}\n")
    }

    /// The account's token as it stands now.
    pub fn token(&self, account: &Account) -> String {
        let claims = Claims::new(account.name(), account.claims.clone());
        claims.encode(&self.key, account.issued_s).expect("an operator's key")
    }

    /// Says in the system account that these accounts are no more.
    pub fn deletion(&self, accounts: &[String]) -> String {
        let content = json!({ "accounts": accounts });
        let content = Generic(content.as_object().expect("an object").clone());
        let claims = Claims::new(self.key.public_key(), content);
        claims.encode(&self.key, now_s()).expect("an operator's key")
    }
}

impl Account {
    pub fn new() -> Account {
        let limits = jwt::AccountLimits::unlimited();
        let claims = jwt::Account { limits, ..jwt::Account::default() };
        Account { key: KeyPair::new_account(), claims, issued_s: now_s() - 100 }
    }

    pub fn name(&self) -> String {
        self.key.public_key()
    }

    /// A user that may do everything.
    pub fn user(&self) -> Person {
        self.user_by(&self.key, Grant::everything())
    }

    /// A user that `signer`, a key of the account, signs for.
    pub fn user_by(&self, signer: &KeyPair, grant: Grant) -> Person {
        let key = KeyPair::new_user();
        let issuer_account = match signer.public_key() == self.name() {
            true => String::new(),
            false => self.name(),
        };
        let content = User { grant, issuer_account, ..User::default() };
        let token = Claims::new(key.public_key(), content).encode(signer, now_s() - 50);
        Person { key, token: token.expect("an account's key") }
    }

    /// Changes what it claims; its next token is a later one.
    pub fn change(&mut self, change: impl FnOnce(&mut jwt::Account)) {
        change(&mut self.claims);
        self.issued_s += 1;
    }

    /// Lets another key sign for it.
    pub fn add_signing_key(&mut self) -> KeyPair {
        let pair = KeyPair::new_account();
        let signing = SigningKey::Plain(pair.public_key());
        self.change(|claims| claims.signing_keys.push(signing));
        pair
    }

    /// What users without their own permissions may publish.
    pub fn allow_by_default(&mut self, subject: &str) {
        self.change(|claims| {
            let mut permissions = Permissions::default();
            permissions.publish.allow = Some(vec![subject.to_owned()]);
            claims.default_permissions = permissions;
        });
    }
}

impl Person {
    /// Connects and says who it is; no answer is read.
    pub fn says(&self, server: &Server) -> Raw {
        let mut raw = server.connect();
        raw.set_pings(Pings::Answered);
        let nonce = raw.info()["nonce"].as_str().expect("a nonce").to_owned();
        let sig = self.key.sign(nonce.as_bytes()).expect("its own seed");
        let sig = data_encoding::BASE64URL_NOPAD.encode(&sig);
        let options = json!({
            "verbose": false, "headers": true, "no_responders": true,
            "jwt": self.token, "sig": sig, "name": "visitor",
        });
        raw.send(&format!("CONNECT {options}\r\nPING"));
        raw
    }

    /// Connects; a connection that got its PONG.
    #[track_caller]
    pub fn enters(&self, server: &Server) -> Raw {
        let mut raw = self.says(server);
        loop {
            match raw.line().trim_end() {
                "PONG" => return raw,
                line if line.starts_with("INFO") => {}
                line => panic!("not let in: {line}"),
            }
        }
    }

    /// Whether it is let in.
    pub fn is_let_in(&self, server: &Server) -> bool {
        self.says(server).line().trim_end() == "PONG"
    }
}

/// Asks, and gives the payload of the answer.
pub fn ask(raw: &mut Raw, subject: &str, payload: &str) -> String {
    raw.send("SUB answer 99\r\nUNSUB 99 1");
    raw.send(&format!("PUB {subject} answer {}\r\n{payload}", payload.len()));
    String::from_utf8(raw.message().1).expect("text")
}

/// The same where the answer is JSON.
pub fn ask_json(raw: &mut Raw, subject: &str, payload: &str) -> Value {
    let text = ask(raw, subject, payload);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{subject}: {error}: {text}"))
}

/// Tells the server the account's token.
#[track_caller]
pub fn push(system: &mut Raw, operator: &Operator, account: &Account) {
    let answer = ask_json(system, "$SYS.REQ.CLAIMS.UPDATE", &operator.token(account));
    assert_eq!(answer["data"]["code"], 200, "{answer}");
}
