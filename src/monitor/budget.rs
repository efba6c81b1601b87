//! What HTTP monitoring may take of the processors: a burst, and then half a hundredth of one.
//! Whoever scrapes in a tight loop is answered later, and takes nothing from the messages.
//!
//! It counts processor time, not requests: that of the control thread, whenever it turns to an HTTP
//! connection, and that of the thread that words. The cores bound what their snapshots cost
//! themselves.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::endpoint::Cost;
use crate::process::thread_time;

/// Processor time that is there at once: hundreds of scrapes of `/metrics`, or some answers about
/// ten thousand connections.
pub(crate) const BURST: Duration = Duration::from_millis(100);

/// Most processor time beyond it that is made up for: that of ten seconds.
const DEBT_MAX: Duration = Duration::from_millis(50);

/// One part in so many of a processor comes back.
const PARTS: u32 = 200;

impl Cost {
    /// How long a request waits at most. Probes and scrapers have timeouts of a few seconds.
    fn patience(self) -> Duration {
        match self {
            Cost::Light => Duration::from_millis(100),
            Cost::Heavy => Duration::from_secs(3),
        }
    }
}

/// What was taken and what came back. Control thread only.
#[derive(Debug)]
pub(crate) struct Budget {
    /// What is there at once.
    burst: Duration,
    /// Taken, and not come back yet: at most the burst and [`DEBT_MAX`] together.
    taken: Cell<Duration>,
    /// Until when what comes back is counted.
    counted: Cell<Instant>,
    /// What of the wording thread's time is counted.
    worded: Cell<Duration>,
}

impl Budget {
    /// Nothing taken yet of a burst: [`BURST`], but for tests.
    pub(crate) fn new(burst: Duration) -> Budget {
        let counted = Cell::new(Instant::now());
        Budget { burst, taken: Cell::default(), counted, worded: Cell::default() }
    }

    /// Does `work`; what this thread spends on it is taken.
    pub(crate) async fn metered<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        poll_fn(|cx| {
            let begun = thread_time();
            let done = work.as_mut().poll(cx);
            self.take(thread_time().saturating_sub(begun));
            done
        })
        .await
    }

    /// Waits until enough came back to answer one more request, or as long as such a request waits.
    /// `worded`: processor time of the wording thread so far.
    pub(crate) async fn wait(&self, cost: Cost, worded: Duration) {
        self.take(worded.saturating_sub(self.worded.replace(worded)));
        let now = Instant::now();
        let came_back = now.duration_since(self.counted.replace(now)) / PARTS;
        self.taken.set(self.taken.get().saturating_sub(came_back));
        let wait = self.taken.get().saturating_sub(self.burst) * PARTS;
        if !wait.is_zero() {
            sleep(wait.min(cost.patience())).await;
        }
    }

    fn take(&self, spent: Duration) {
        self.taken.set((self.taken.get() + spent).min(self.burst + DEBT_MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait<T>(future: impl Future<Output = T>) -> T {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_time().start_paused(true).build().unwrap().block_on(future)
    }

    /// How long a request waits.
    async fn waited(budget: &Budget, cost: Cost) -> Duration {
        let begun = Instant::now();
        budget.wait(cost, Duration::ZERO).await;
        begun.elapsed()
    }

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_burst_is_free_and_what_goes_beyond_is_waited_for() {
        wait(async {
            let budget = Budget::new(BURST);
            budget.take(BURST);
            assert_eq!(waited(&budget, Cost::Heavy).await, Duration::ZERO);
            budget.take(5 * MS);
            assert_eq!(waited(&budget, Cost::Heavy).await, 1000 * MS);
            assert_eq!(waited(&budget, Cost::Heavy).await, Duration::ZERO);
        });
    }

    #[test]
    fn what_the_wording_thread_spends_counts_once() {
        wait(async {
            let (budget, begun) = (Budget::new(BURST), Instant::now());
            for _ in 0..3 {
                budget.wait(Cost::Heavy, BURST + 10 * MS).await;
            }
            assert_eq!(begun.elapsed(), 2000 * MS);
        });
    }

    #[test]
    fn nobody_waits_beyond_patience_and_debts_are_forgotten() {
        wait(async {
            let budget = Budget::new(BURST);
            budget.take(Duration::from_secs(1000));
            assert_eq!(waited(&budget, Cost::Light).await, 100 * MS);
            assert_eq!(waited(&budget, Cost::Heavy).await, 3000 * MS);
            sleep(Duration::from_secs(7)).await;
            assert_eq!(waited(&budget, Cost::Heavy).await, Duration::ZERO);
        });
    }

    #[test]
    fn work_is_charged_to_whoever_does_it() {
        wait(async {
            let budget = Budget::new(BURST);
            let spin = async {
                let begun = thread_time();
                while thread_time() < begun + MS {}
            };
            budget.metered(spin).await;
            assert!(budget.taken.get() >= MS);
        });
    }
}
