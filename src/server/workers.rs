//! Threads beside the cores, for work that lasts longer than a turn may. One that panics, which the
//! log tells of, goes on with the next piece: whoever waits for the lost one times out, and the
//! others do not wait for a thread that is gone.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use runtime::host;

/// Threads of one kind at most; there are no more than half as many as the host has processors.
const THREADS_MAX: usize = 4;

/// Starts threads of that name, each of which does `work` until that comes back.
///
/// # Errors
/// What the system says when it has no thread left.
pub fn start(name: &str, work: impl Fn() + Clone + Send + 'static) -> io::Result<()> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    for number in 0..(processors / 2).clamp(1, THREADS_MAX) {
        let work = work.clone();
        std::thread::Builder::new().name(format!("{name}-{number}")).spawn(move || {
            host::give_way();
            while survive(&work).is_none() {}
        })?;
    }
    Ok(())
}

/// Does `work`; `None` if it panicked. What it shares with others must be whole at every step.
pub fn survive<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_thread_that_panics_goes_on_with_the_next_piece() {
        let (pieces, waiting) = crossbeam_channel::unbounded::<u32>();
        let (sender, done) = crossbeam_channel::unbounded();
        start("worker", move || {
            for piece in &waiting {
                assert_ne!(piece % 3, 0, "a piece that is too much for it");
                sender.send(piece).expect("the test waits");
            }
        })
        .expect("threads");
        (0..30).for_each(|piece| pieces.send(piece).expect("somebody works"));
        drop(pieces);
        let next = || done.recv_timeout(Duration::from_secs(10));
        let mut all: Vec<u32> = std::iter::from_fn(|| next().ok()).collect();
        all.sort_unstable();
        assert_eq!(all, (0..30).filter(|piece| piece % 3 != 0).collect::<Vec<_>>());
        let ended = done.try_recv().expect_err("all have ended");
        assert_eq!(ended, crossbeam_channel::TryRecvError::Disconnected);
    }
}
