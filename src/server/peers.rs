//! What OCSP responders said of clients, kept beyond the server's end: the file is read before
//! the first client comes, written now and then, and once more at the end (`ocsp_cache`).

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use base::{Level, Log};
use config::ocsp_peer::{CacheKind, OcspCache};
use monitor::OcspCacheFigures;
use security::{CacheFigures, ResponseCache};
use tokio::task::JoinHandle;

use crate::facts;

/// The answers that are kept, with their file.
#[derive(Debug)]
pub struct KeptAnswers {
    options: OcspCache,
    cache: Arc<ResponseCache>,
    log: Log,
    writing: JoinHandle<()>,
}

impl Drop for KeptAnswers {
    fn drop(&mut self) {
        self.writing.abort();
        self.save();
    }
}

impl KeptAnswers {
    /// Those of `before`, if it is kept as these options say; else what the file has. `None` where
    /// nothing is to be kept.
    pub fn open(
        options: &OcspCache,
        before: Option<&Rc<KeptAnswers>>,
        log: &Log,
    ) -> Option<Rc<KeptAnswers>> {
        if options.kind == CacheKind::None {
            return None;
        }
        if let Some(before) = before {
            if before.options == *options {
                return Some(Rc::clone(before));
            }
            before.save();
        }
        let cache = Arc::new(ResponseCache::new(options));
        if let Err(error) = cache.load(&options.local_store, facts::now_ns() / 1_000_000_000) {
            // It is a cache: responders are asked again.
            log.say(Level::Warn, format!("Can't load the OCSP peer cache: {error}"));
        }
        let writing = write_now_and_then(Arc::clone(&cache), options.clone(), log.clone());
        let writing = tokio::task::spawn_local(writing);
        log.say(Level::Info, "OCSP peer cache online, type [local]");
        let (options, log) = (options.clone(), log.clone());
        Some(Rc::new(KeptAnswers { options, cache, log, writing }))
    }

    /// The answers.
    pub fn cache(&self) -> Arc<ResponseCache> {
        Arc::clone(&self.cache)
    }

    fn save(&self) {
        save(&self.cache, &self.options.local_store, &self.log);
    }
}

async fn write_now_and_then(cache: Arc<ResponseCache>, options: OcspCache, log: Log) {
    loop {
        tokio::time::sleep(options.save_interval).await;
        let (cache, folder, log) = (Arc::clone(&cache), options.local_store.clone(), log.clone());
        // The next time it is tried again.
        let _ = tokio::task::spawn_blocking(move || save(&cache, &folder, &log)).await;
    }
}

fn save(cache: &ResponseCache, folder: &Path, log: &Log) {
    if let Err(error) = cache.save(folder) {
        log.say(Level::Warn, format!("Can't save the OCSP peer cache: {error}"));
    }
}

/// The cache in the words of monitoring.
pub fn figures(cache: &ResponseCache) -> OcspCacheFigures {
    let CacheFigures { hits, misses, answers, good, revoked, unknown } = cache.figures();
    OcspCacheFigures {
        cache_type: "local",
        cache_hits: hits,
        cache_misses: misses,
        cached_responses: answers,
        cached_revoked_responses: revoked,
        cached_good_responses: good,
        cached_unknown_responses: unknown,
    }
}
