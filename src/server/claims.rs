//! What the system account asks and says about the tokens of accounts (spec/security.md §3): the
//! control thread reads and writes the folder, and lets the cores obey a token that is new.

use std::sync::Arc;

use base::{AccountId, Level, Log};
use config::Options;
use config::resolver::{JwtFolder, Keeps, Resolver};
use monitor::{ClaimsAnswer, ClaimsRequest, ClaimsRole};
use security::jwt::{self, Claims};
use security::{AccountKey, Directory, JwtStore, StoreError};

use crate::control::Control;
use crate::facts;

/// What this server does with the tokens of accounts; nothing without operators.
pub fn role(options: &Options) -> Option<ClaimsRole> {
    match options.resolver.as_ref().filter(|_| options.operator.is_on())? {
        Resolver::Folder(JwtFolder { keeps: Keeps::All { .. }, .. }) => Some(ClaimsRole::KeepsAll),
        Resolver::Folder(_) => Some(ClaimsRole::KeepsUsed),
        Resolver::Memory | Resolver::Url(_) => Some(ClaimsRole::Hears),
    }
}

/// Says which folder is used, and which files in it are not.
pub fn say_folder(directory: &Directory, log: &Log) {
    let Some(folder) = directory.folder() else { return };
    let store = folder.store();
    let much = if store.holds_all() { "all" } else { "some" };
    let dir = store.dir().display();
    log.say(Level::Info, format!("Managing {much} jwt in exclusive directory {dir}"));
    for broken in store.broken() {
        let path = broken.path.display();
        log.say(Level::Error, format!("Account JWT {path} is passed over: {}", broken.why));
    }
}

impl Control {
    /// Obeys or answers.
    pub(crate) async fn claims(&mut self, request: ClaimsRequest) -> ClaimsAnswer {
        match (request, self.store()) {
            (ClaimsRequest::Update(named, token), _) => self.update(named, token).await,
            (ClaimsRequest::Delete(token), Some(store)) => self.delete(&store, &token).await,
            (ClaimsRequest::Lookup(account), Some(store)) => {
                let token = AccountKey::parse(&account).and_then(|account| store.get(&account));
                ClaimsAnswer::Raw(vec![token.unwrap_or_default().into_bytes()])
            }
            (ClaimsRequest::List, Some(store)) => {
                ClaimsAnswer::Names(store.list().iter().map(ToString::to_string).collect())
            }
            (ClaimsRequest::Pack(digest), Some(store)) => ClaimsAnswer::Raw(pack(&store, &digest)),
            // Nobody listens there without a folder.
            (_, None) => ClaimsAnswer::Failed(None, String::from("no tokens are kept here")),
        }
    }

    fn store(&self) -> Option<Arc<JwtStore>> {
        Some(Arc::clone(self.reloadable.access.directory.folder()?.store()))
    }

    async fn update(&mut self, named: Option<String>, token: String) -> ClaimsAnswer {
        match self.try_update(named.as_deref(), token).await {
            Ok((account, message)) => {
                ClaimsAnswer::Done(Some(account.to_string()), message.to_owned())
            }
            Err(why) => {
                let about = named.unwrap_or_else(|| String::from("n/a"));
                let text = format!("jwt update resulted in error - {why}");
                self.log.say(Level::Error, format!("{text} - {about:?}"));
                ClaimsAnswer::Failed(Some(about), text)
            }
        }
    }

    /// spec/security.md §3: a folder keeps the token; a server without one takes it for an account
    /// that it knows.
    async fn try_update(
        &mut self,
        named: Option<&str>,
        token: String,
    ) -> Result<(AccountKey, &'static str), String> {
        let claims = Claims::<jwt::Account>::decode(&token).map_err(|error| error.to_string())?;
        let account = AccountKey::parse(&claims.subject)
            .filter(|account| named.is_none_or(|named| named == account.as_str()))
            .ok_or("subject does not match jwt content")?;
        let directory = Arc::clone(&self.reloadable.access.directory);
        if !directory.trusts(&claims.issuer) {
            return Err(String::from("issuer is not trusted"));
        }
        let store = self.store();
        match &store {
            None if directory.seen(account.as_str()).is_none() => {
                return Ok((account, "jwt update skipped"));
            }
            Some(store) if !store.holds_all() && !store.holds(&account) => {
                return Ok((account, "jwt update cache skipped"));
            }
            _ => {}
        }
        let read = {
            let (account, token) = (account.clone(), token.clone());
            // What it imports from may have to be fetched.
            let read = move || directory.read_account(&account, &token, facts::now_ns());
            tokio::task::spawn_blocking(read).await.map_err(|error| error.to_string())?
        };
        let accounts = read.map_err(|error| error.to_string())?;
        let updated = match &store {
            Some(store) if !store.holds_all() => "jwt updated cache",
            _ => "jwt updated",
        };
        if let Some(store) = store {
            store.save(&account, &token).map_err(|error| error.to_string())?;
        }
        if self.reloadable.access.directory.concerns(&account) {
            self.learn(&accounts).await;
        }
        Ok((account, updated))
    }

    /// The operator that asks has signed its own request.
    async fn delete(&mut self, store: &JwtStore, token: &str) -> ClaimsAnswer {
        let claims = Claims::<jwt::Generic>::decode(token);
        let by = claims.as_ref().map_or("", |claims| claims.subject.as_str()).to_owned();
        let accounts = match self.to_be_deleted(claims) {
            Ok(accounts) => accounts,
            Err(why) => {
                let text = format!("delete accounts request by {by} failed - {why}");
                self.log.say(Level::Error, &text);
                return ClaimsAnswer::Failed(None, text);
            }
        };
        let (mut deleted, mut failed) = (0, None);
        for name in &accounts {
            match self.delete_one(store, name).await {
                Ok(()) => deleted += 1,
                Err(error) => failed = Some(error),
            }
        }
        match failed {
            None => ClaimsAnswer::Done(None, format!("deleted {deleted} accounts")),
            Some(why) => {
                let others = accounts.len() - deleted;
                let text = format!("deleted {deleted} accounts, failed for {others} - {why}");
                ClaimsAnswer::Failed(None, text)
            }
        }
    }

    fn to_be_deleted(
        &self,
        claims: Result<Claims<jwt::Generic>, jwt::TokenError>,
    ) -> Result<Vec<String>, String> {
        let claims = claims.map_err(|error| error.to_string())?;
        if claims.issuer != claims.subject {
            return Err(String::from("not self signed"));
        }
        if !self.reloadable.access.directory.trusts(&claims.issuer) {
            return Err(String::from("not trusted"));
        }
        let accounts = claims.content.texts("accounts");
        if accounts.is_empty() {
            return Err(String::from("malformed request"));
        }
        Ok(accounts.into_iter().map(str::to_owned).collect())
    }

    async fn delete_one(&mut self, store: &JwtStore, name: &str) -> Result<(), String> {
        let directory = &self.reloadable.access.directory;
        if name == &**directory.accounts().name(AccountId::SYSTEM) {
            return Err(String::from("not allowed to delete system account"));
        }
        let account = AccountKey::parse(name).ok_or_else(|| StoreError::Unknown.to_string())?;
        store.delete(&account).map_err(|error| error.to_string())?;
        if directory.seen(name).is_some() {
            let (directory, faults) = directory.without_account(&account, facts::now_ns());
            for fault in faults {
                self.log.say(Level::Warn, fault.to_string());
            }
            self.obey_directory(directory).await;
        }
        Ok(())
    }
}

/// All tokens, each behind its account, then an empty message; that alone where the asker has the
/// same ones.
fn pack(store: &JwtStore, digest: &[u8]) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    if digest != store.digest().0 {
        let all = store.list().into_iter();
        let packed = all.filter_map(|account| {
            let token = store.get(&account)?;
            Some(format!("{account}|{token}").into_bytes())
        });
        messages.extend(packed);
    }
    messages.push(Vec::new());
    messages
}
