//! A folder of account JWTs (spec/security.md §3, resolvers full and cache): `ACXX….jwt` is the
//! token, `ACXX….jwt.deleted` what was deleted, `.ACXX….jwt.new` what is being written.
//!
//! A file is written whole, flushed, renamed, and the folder flushed, so that a crash leaves the
//! old token or the new. The control thread writes, and where the folder holds what was used also
//! the threads that check logins; one at a time. Names come from [`AccountKey`] alone, so that
//! nothing outside the folder is reached.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use config::limits;
use config::resolver::{Deletion, JwtFolder, Keeps};
use sha2::{Digest, Sha256};

use crate::account_key::AccountKey;
use crate::jwt::{self, Claims};
use crate::whole_file;

const JWT: &str = ".jwt";
const DELETED: &str = ".jwt.deleted";
const NEW: &str = ".jwt.new";

/// A folder of account JWTs.
#[derive(Debug)]
pub struct JwtStore {
    dir: PathBuf,
    keeps: Keeps,
    limit: usize,
    broken: Vec<Broken>,
    index: Mutex<Index>,
    /// One file is written at a time; held through the disk, so nobody who only reads takes it.
    writing: Mutex<()>,
}

/// What the folder holds; touched by whoever reads and whoever writes, never for long.
#[derive(Debug, Default)]
struct Index {
    tokens: HashMap<AccountKey, Kept>,
    /// All hashes, one over the other.
    digest: StoreDigest,
    /// Counts what was read or written, so that the oldest use is the smallest.
    uses: u64,
}

#[derive(Debug)]
struct Kept {
    hash: [u8; 32],
    used: u64,
    /// When it came, where it is good for some time only.
    since: Instant,
}

/// What a folder holds in 32 bytes, which two folders compare: the SHA-256 of each token, one over
/// the other by exclusive or.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreDigest(pub [u8; 32]);

/// Why a token is not kept or not deleted.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There are as many as there may be.
    #[error("maximum number of JWTs is reached: {0}")]
    Full(usize),
    /// The operator does not want accounts to be deleted.
    #[error("delete must be enabled in server config")]
    DeletionRefused,
    /// There is no such account.
    #[error("no such account")]
    Unknown,
    /// The disk.
    #[error(transparent)]
    Disk(#[from] io::Error),
}

/// A file that is passed over, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub why: String,
}

impl JwtStore {
    /// Opens the folder, or makes it, and reads what is there. Files that hold no token of their
    /// account are passed over; see [`JwtStore::broken`].
    ///
    /// # Errors
    /// The folder cannot be made or read.
    pub fn open(config: &JwtFolder) -> io::Result<JwtStore> {
        let JwtFolder { dir, keeps, limit, .. } = config;
        fs::create_dir_all(dir)?;
        let (mut index, mut broken) = (Index::default(), Vec::new());
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            if name.starts_with('.') && name.ends_with(NEW) {
                // A crash came before it was whole.
                fs::remove_file(entry.path())?;
            } else if let Some(stem) = name.strip_suffix(JWT) {
                match look_at(stem, &entry.path()) {
                    Ok((key, token)) => index.put(key, &token),
                    Err(why) => broken.push(Broken { path: entry.path(), why }),
                }
            }
        }
        let index = Mutex::new(index);
        let (dir, writing) = (dir.clone(), Mutex::default());
        Ok(JwtStore { dir, keeps: *keeps, limit: *limit, broken, index, writing })
    }

    /// The files that were passed over when it was opened.
    pub fn broken(&self) -> &[Broken] {
        &self.broken
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The token of an account, if it is there and still good.
    pub fn get(&self, account: &AccountKey) -> Option<String> {
        {
            let mut index = self.index();
            let ttl = self.ttl();
            let uses = index.uses + 1;
            let kept = index.tokens.get_mut(account)?;
            if ttl.is_some_and(|ttl| kept.since.elapsed() > ttl) {
                return None;
            }
            kept.used = uses;
            index.uses = uses;
        }
        read(&self.path(account, JWT)).ok()
    }

    /// Whether it has a token of the account.
    pub fn holds(&self, account: &AccountKey) -> bool {
        self.index().tokens.contains_key(account)
    }

    /// Keeps `token`, also one that was made before the one that is there: an operator may go back.
    /// In a folder of what is used the one that was not used for the longest time makes room.
    ///
    /// # Errors
    /// [`StoreError::Full`], [`StoreError::Disk`]
    pub fn save(&self, account: &AccountKey, token: &str) -> Result<(), StoreError> {
        self.save_unless(account, token, |_| false)
    }

    /// The same for a token that nobody has sent now, unless what is there was made later.
    ///
    /// # Errors
    /// As [`JwtStore::save`].
    pub fn save_if_newer(
        &self,
        account: &AccountKey,
        claims: &Claims<jwt::Account>,
        token: &str,
    ) -> Result<(), StoreError> {
        let made = |kept: &str| Claims::<jwt::Account>::decode(kept).map_or(0, |own| own.issued_s);
        self.save_unless(account, token, |kept| made(kept) > claims.issued_s)
    }

    /// The same token is not written again either.
    fn save_unless(
        &self,
        account: &AccountKey,
        token: &str,
        stays: impl FnOnce(&str) -> bool,
    ) -> Result<(), StoreError> {
        let stays = |kept: String| kept.trim_ascii() == token.trim_ascii() || stays(&kept);
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.holds(account) {
            self.make_room()?;
        } else if read(&self.path(account, JWT)).is_ok_and(stays) {
            self.index().touch(account);
            return Ok(());
        }
        self.write(account, token)?;
        self.index().put(account.clone(), token);
        Ok(())
    }

    /// Forgets an account.
    ///
    /// # Errors
    /// [`StoreError`]
    pub fn delete(&self, account: &AccountKey) -> Result<(), StoreError> {
        let Keeps::All { deletion, .. } = self.keeps else {
            return Err(StoreError::DeletionRefused);
        };
        if deletion == Deletion::Refused {
            return Err(StoreError::DeletionRefused);
        }
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.holds(account) {
            return Err(StoreError::Unknown);
        }
        let path = self.path(account, JWT);
        match deletion {
            Deletion::Renames => fs::rename(&path, self.path(account, DELETED))?,
            Deletion::Removes | Deletion::Refused => fs::remove_file(&path)?,
        }
        whole_file::flush_names(&path)?;
        self.index().forget(account);
        Ok(())
    }

    /// The accounts that it has tokens of, in order.
    pub fn list(&self) -> Vec<AccountKey> {
        let mut all: Vec<AccountKey> = self.index().tokens.keys().cloned().collect();
        all.sort_unstable();
        all
    }

    /// What it holds, to be compared with another folder.
    pub fn digest(&self) -> StoreDigest {
        self.index().digest
    }

    /// Whether it is to hold every account there is.
    pub fn holds_all(&self) -> bool {
        matches!(self.keeps, Keeps::All { .. })
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        // Nothing in here panics half-way.
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ttl(&self) -> Option<Duration> {
        match self.keeps {
            Keeps::All { .. } => None,
            Keeps::WhatIsUsed { ttl } => ttl,
        }
    }

    /// The account's file. Its name has letters and digits only.
    fn path(&self, account: &AccountKey, suffix: &str) -> PathBuf {
        self.dir.join(format!("{account}{suffix}"))
    }

    fn make_room(&self) -> Result<(), StoreError> {
        let oldest = {
            let index = self.index();
            if index.tokens.len() < self.limit {
                return Ok(());
            }
            if self.holds_all() {
                return Err(StoreError::Full(self.limit));
            }
            let by_use = index.tokens.iter().min_by_key(|(_, kept)| kept.used);
            by_use.map(|(account, _)| account.clone())
        };
        if let Some(oldest) = oldest {
            fs::remove_file(self.path(&oldest, JWT))?;
            self.index().forget(&oldest);
        }
        Ok(())
    }

    fn write(&self, account: &AccountKey, token: &str) -> io::Result<()> {
        let new = self.dir.join(format!(".{account}{NEW}"));
        whole_file::replace(&self.path(account, JWT), &new, token.as_bytes())
    }
}

impl Index {
    fn put(&mut self, account: AccountKey, token: &str) {
        self.forget(&account);
        let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        self.digest.flip(&hash);
        self.uses += 1;
        let kept = Kept { hash, used: self.uses, since: Instant::now() };
        self.tokens.insert(account, kept);
    }

    /// What was asked for again counts as new.
    fn touch(&mut self, account: &AccountKey) {
        self.uses += 1;
        if let Some(kept) = self.tokens.get_mut(account) {
            (kept.used, kept.since) = (self.uses, Instant::now());
        }
    }

    fn forget(&mut self, account: &AccountKey) {
        if let Some(kept) = self.tokens.remove(account) {
            self.digest.flip(&kept.hash);
        }
    }
}

impl StoreDigest {
    /// Adds a token, or takes it out.
    fn flip(&mut self, hash: &[u8; 32]) {
        for (all, one) in self.0.iter_mut().zip(hash) {
            *all ^= one;
        }
    }
}

/// The account and its token, or what is wrong with the file.
fn look_at(stem: &str, path: &Path) -> Result<(AccountKey, String), String> {
    let account = AccountKey::parse(stem).ok_or("its name is no public key of an account")?;
    let token = read(path).map_err(|error| error.to_string())?;
    let claims = Claims::<jwt::Account>::decode(&token).map_err(|error| error.to_string())?;
    match claims.subject == account.as_str() {
        true => Ok((account, token)),
        false => Err(String::from("it is about another account")),
    }
}

/// A token from the disk, without what an editor may have put around it.
fn read(path: &Path) -> io::Result<String> {
    let mut token = String::new();
    let file = File::open(path)?;
    let read = file.take(limits::JWT_BYTES_MAX as u64 + 1).read_to_string(&mut token)?;
    if read > limits::JWT_BYTES_MAX {
        return Err(io::Error::other("too long"));
    }
    Ok(token.trim().to_owned())
}

#[cfg(test)]
mod tests;
