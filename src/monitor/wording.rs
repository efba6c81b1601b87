//! Where long answers are worded: a thread that runs only while nothing else wants its processor,
//! so that the JSON of ten thousand connections keeps no core from its messages.
//!
//! Where every processor is busy that thread gets next to nothing. An answer that it does not bring
//! in time is worded by whoever waits for it: monitoring slows down then, and does not stop.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::process::thread_time;
use crate::reply::Reply;

/// Answers that may wait to be worded. At it: the next is worded by its asker.
const WAITING_MAX: usize = 16;

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

type Job = Box<dyn FnOnce() + Send>;

/// The way to the thread. It ends when the last of these is gone.
#[derive(Clone, Debug)]
pub struct Wording {
    jobs: SyncSender<Job>,
    /// Processor time of the thread so far, nanoseconds.
    spent_ns: Arc<AtomicU64>,
}

impl Wording {
    /// A thread that words. `begin` runs there first: it is to step back behind all others.
    ///
    /// # Errors
    /// What the system says when it has no thread left.
    pub fn start(begin: impl FnOnce() + Send + 'static) -> io::Result<Wording> {
        let (jobs, waiting) = sync_channel::<Job>(WAITING_MAX);
        let spent_ns = Arc::new(AtomicU64::new(0));
        let spent = Arc::clone(&spent_ns);
        thread::Builder::new().name("wording".into()).spawn(move || {
            begin();
            for job in waiting {
                job();
                // Five centuries fit.
                spent.store(thread_time().as_nanos() as u64, Ordering::Relaxed);
            }
        })?;
        Ok(Wording { jobs, spent_ns })
    }

    /// Processor time that the thread has had for the answers that it made.
    pub(crate) fn spent(&self) -> Duration {
        Duration::from_nanos(self.spent_ns.load(Ordering::Relaxed))
    }

    /// Words on the asker's thread.
    #[cfg(test)]
    pub(crate) fn at_once() -> Wording {
        Wording { jobs: sync_channel(0).0, spent_ns: Arc::default() }
    }

    /// Words an answer. Dropped meanwhile, the answer is worded for nobody.
    pub(crate) async fn word(&self, words: impl Fn() -> Reply + Send + Sync + 'static) -> Reply {
        let words = Arc::new(words);
        let (done, worded) = oneshot::channel();
        let job = {
            let words = Arc::clone(&words);
            // Whoever asked may be gone, or need it no more.
            Box::new(move || {
                if !done.is_closed() {
                    drop(done.send(words()));
                }
            })
        };
        if self.jobs.try_send(job).is_ok()
            && let Ok(Ok(reply)) = timeout(PATIENCE, worded).await
        {
            // What it was made of is taken apart there, too.
            drop(self.jobs.try_send(Box::new(move || drop(words))));
            return reply;
        }
        words()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use hyper::StatusCode;

    use super::*;

    fn wait<T>(future: impl Future<Output = T>) -> T {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_time().start_paused(true).build().unwrap().block_on(future)
    }

    fn named_by_thread() -> Reply {
        Reply::text(StatusCode::OK, thread::current().name().unwrap_or_default())
    }

    fn here() -> Vec<u8> {
        named_by_thread().body
    }

    #[test]
    fn words_are_made_on_the_thread_that_stepped_back() {
        let (stepped_back, begun) = sync_channel(1);
        let wording = Wording::start(move || stepped_back.send(()).unwrap()).unwrap();
        begun.recv().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        // On a host that is very busy the first ones may come too late.
        let mut by = here();
        while by == here() {
            by = runtime.block_on(wording.word(named_by_thread)).body;
        }
        assert_eq!(by, b"wording");
    }

    #[test]
    fn what_the_thread_does_not_bring_is_worded_by_the_asker() {
        assert_eq!(wait(Wording::at_once().word(named_by_thread)).body, here());
        // It never gets to run: the clock of the asker stands until all wait.
        let busy = Arc::new(Mutex::new(()));
        let held = busy.lock().unwrap();
        let waits = Arc::clone(&busy);
        let wording = Wording::start(move || drop(waits.lock())).unwrap();
        assert_eq!(wait(wording.word(named_by_thread)).body, here());
        drop(held);
    }
}
