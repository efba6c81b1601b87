//! What OCSP responders said of clients' certificates, by the certificate (`ocsp_cache`). An answer
//! is checked again each time it is used, so nothing here has to be believed.
//!
//! Many threads use it, each for a moment; no core does.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use config::limits;
use config::ocsp_peer::OcspCache;

use super::ocsp::Status;

/// The answers that are kept.
#[derive(Debug)]
pub struct ResponseCache {
    state: Mutex<State>,
    hits: AtomicU64,
    misses: AtomicU64,
    preserve_revoked: bool,
}

#[derive(Debug, Default)]
struct State {
    answers: HashMap<String, KeptAnswer>,
    /// Of all answers.
    bytes: usize,
    /// Whether something is new since the file was written.
    changed: bool,
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeptAnswer {
    /// DER.
    pub answer: Arc<[u8]>,
    /// The certificate's subject, for people who read the file.
    pub subject: String,
    /// What it says.
    pub status: Status,
    /// When it came, seconds since the Unix epoch.
    pub kept_at_s: u64,
    /// When it ends, seconds since the Unix epoch.
    pub until_s: u64,
}

/// What the cache holds and did (spec/monitoring.md §3, OCSPResponseCacheVarz).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheFigures {
    /// Answers that were there.
    pub hits: u64,
    /// Answers that had to be asked for.
    pub misses: u64,
    /// Answers now.
    pub answers: u64,
    /// Those that say good.
    pub good: u64,
    /// Those that say revoked.
    pub revoked: u64,
    /// Those that say that nothing is known.
    pub unknown: u64,
}

impl ResponseCache {
    /// An empty one.
    pub fn new(options: &OcspCache) -> ResponseCache {
        ResponseCache {
            state: Mutex::default(),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            preserve_revoked: options.preserve_revoked,
        }
    }

    /// What it holds and did.
    pub fn figures(&self) -> CacheFigures {
        let state = self.state();
        let count =
            |wanted| state.answers.values().filter(|kept| kept.status == wanted).count() as u64;
        CacheFigures {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            answers: state.answers.len() as u64,
            good: count(Status::Good),
            revoked: count(Status::Revoked),
            unknown: count(Status::Unknown),
        }
    }

    /// Counts answers that were there, and answers that had to be asked for.
    pub(super) fn count(&self, hits: u64, misses: u64) {
        self.hits.fetch_add(hits, Ordering::Relaxed);
        self.misses.fetch_add(misses, Ordering::Relaxed);
    }

    /// The answer about a certificate, however old.
    pub(super) fn answer(&self, fingerprint: &str) -> Option<Arc<[u8]>> {
        self.state().answers.get(fingerprint).map(|kept| Arc::clone(&kept.answer))
    }

    /// Keeps an answer, if there is room for it at `now_s`, seconds since the Unix epoch.
    pub(super) fn keep(&self, fingerprint: &str, kept: KeptAnswer, now_s: u64) {
        let mut state = self.state();
        state.remove(fingerprint);
        if state.bytes + kept.answer.len() > limits::OCSP_CACHE_BYTES_MAX {
            let is_over = |kept: &KeptAnswer| kept.until_s < now_s && !self.is_preserved(kept);
            let over = state.answers.iter().filter(|(_, kept)| is_over(kept));
            for fingerprint in over.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
                state.remove(&fingerprint);
            }
        }
        if state.bytes + kept.answer.len() <= limits::OCSP_CACHE_BYTES_MAX {
            state.bytes += kept.answer.len();
            state.answers.insert(fingerprint.to_owned(), kept);
            state.changed = true;
        }
    }

    /// Forgets an answer that counts no more, unless it is one to be remembered.
    pub(super) fn forget(&self, fingerprint: &str) {
        let mut state = self.state();
        if state.answers.get(fingerprint).is_some_and(|kept| !self.is_preserved(kept)) {
            state.remove(fingerprint);
            state.changed = true;
        }
    }

    fn is_preserved(&self, kept: &KeptAnswer) -> bool {
        self.preserve_revoked && kept.status == Status::Revoked
    }

    /// All answers, if something is new since this was asked last.
    pub(super) fn take_changed(&self) -> Option<Vec<(String, KeptAnswer)>> {
        let mut state = self.state();
        let all = || state.answers.iter().map(|(name, kept)| (name.clone(), kept.clone()));
        let all = state.changed.then(|| all().collect());
        state.changed = false;
        all
    }

    /// What was taken is not safe: it is new still.
    pub(super) fn put_back_changed(&self) {
        self.state().changed = true;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn remove(&mut self, fingerprint: &str) {
        if let Some(kept) = self.answers.remove(fingerprint) {
            self.bytes -= kept.answer.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(status: Status, bytes: usize, until_s: u64) -> KeptAnswer {
        let answer = vec![0; bytes].into();
        KeptAnswer { answer, subject: "CN=a".into(), status, kept_at_s: 1, until_s }
    }

    #[test]
    fn what_is_over_makes_room_but_for_what_is_to_be_remembered() {
        let quarter = limits::OCSP_CACHE_BYTES_MAX / 4;
        let cache =
            ResponseCache::new(&OcspCache { preserve_revoked: true, ..OcspCache::default() });
        for (name, status, until_s) in [
            ("over", Status::Good, 5),
            ("revoked", Status::Revoked, 5),
            ("valid", Status::Good, 50),
            ("also", Status::Unknown, 50),
        ] {
            cache.keep(name, kept(status, quarter, until_s), 1);
        }
        assert_eq!(cache.figures().answers, 4);
        cache.keep("new", kept(Status::Good, quarter, 50), 10);
        assert!(cache.answer("over").is_none() && cache.answer("new").is_some());
        cache.keep("too many", kept(Status::Good, 1, 50), 10);
        assert!(cache.answer("too many").is_none(), "all others are good");
        cache.forget("revoked");
        cache.forget("also");
        assert!(cache.answer("revoked").is_some() && cache.answer("also").is_none());
        cache.keep("new", kept(Status::Revoked, 1, 50), 10);
        let figures = cache.figures();
        assert_eq!((figures.answers, figures.good, figures.revoked), (3, 1, 2));
    }

    #[test]
    fn what_is_new_is_told_once() {
        let cache = ResponseCache::new(&OcspCache::default());
        assert_eq!(cache.take_changed(), None);
        cache.keep("a", kept(Status::Good, 3, 5), 1);
        assert_eq!(cache.take_changed().map(|all| all.len()), Some(1));
        assert_eq!(cache.take_changed(), None);
        cache.put_back_changed();
        assert!(cache.take_changed().is_some());
        cache.forget("a");
        assert_eq!(cache.take_changed(), Some(Vec::new()));
    }
}
