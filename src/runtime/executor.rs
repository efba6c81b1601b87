//! One pinned glommio executor per shard. Executors are made one after another: glommio 0.9 is
//! not safe to start in parallel.
//!
//! A shard's own loop is one task of its executor; it yields once a turn, so that other tasks of
//! the executor run, and sleeps in its own ring, which watches glommio's descriptors.

use std::future::Future;
use std::os::fd::RawFd;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::Duration;

use glommio::{LocalExecutorBuilder, Placement};

use crate::host::{self, HostError};

/// Memory that glommio registers for file I/O, bytes. Its minimum: files use our own ring.
const IO_MEMORY_BYTES: usize = 64 * 1024;
/// Depth of each of glommio's rings.
const RING_DEPTH: usize = 128;
/// How long glommio lets a task run before its other queues get a turn. Long, because the timer
/// wakes a sleeping core.
const PREEMPT_TIMER: Duration = Duration::from_secs(1);

/// Starts a thread pinned to `core` that runs `main` inside a glommio executor. `main` gets the
/// executor's ring descriptors.
///
/// # Errors
/// [`HostError`] when the thread cannot be started; failures of the executor itself come back
/// through `failed`.
pub fn spawn<M, F, T>(
    core: usize,
    name: String,
    main: M,
    failed: impl FnOnce(HostError) -> T + Send + 'static,
) -> Result<JoinHandle<T>, HostError>
where
    M: FnOnce(Vec<RawFd>) -> F + Send + 'static,
    F: Future<Output = T> + 'static,
    T: Send + 'static,
{
    let body = move || {
        let before = ring_descriptors();
        if let Err(error) = host::pin_thread(&[core]) {
            return failed(HostError::System(error));
        }
        // Pinned by us: glommio would read the whole host's topology four times for each core.
        let executor = LocalExecutorBuilder::new(Placement::Unbound)
            .io_memory(IO_MEMORY_BYTES)
            .ring_depth(RING_DEPTH)
            .preempt_timer(PREEMPT_TIMER)
            .make();
        match executor {
            Ok(executor) => {
                let mut watched = ring_descriptors();
                watched.retain(|fd| !before.contains(fd));
                executor.run(main(watched))
            }
            Err(error) => failed(HostError::ring(error.into())),
        }
    };
    std::thread::Builder::new().name(name).spawn(body).map_err(HostError::System)
}

/// Runs `future` to its end, or to its panic: a panic must not unwind into the executor.
pub async fn catch_unwind<F: Future>(future: F) -> std::thread::Result<F::Output> {
    let mut future = Box::pin(future);
    std::future::poll_fn(move |context| {
        let polled = std::panic::AssertUnwindSafe(|| future.as_mut().poll(context));
        match std::panic::catch_unwind(polled) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    })
    .await
}

/// Lets the executor's other tasks run once.
pub async fn yield_once() {
    struct Yield(bool);
    impl Future for Yield {
        type Output = ();
        fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
            if std::mem::replace(&mut self.0, true) {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        }
    }
    Yield(false).await;
}

/// The io_uring descriptors that this process has open. Glommio does not tell its own, so they
/// are found by looking before and after.
fn ring_descriptors() -> Vec<RawFd> {
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else { return Vec::new() };
    entries
        .flatten()
        .filter(|entry| {
            std::fs::read_link(entry.path())
                .is_ok_and(|target| target.as_os_str() == "anon_inode:[io_uring]")
        })
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}
