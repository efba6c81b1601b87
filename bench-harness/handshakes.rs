//! `handshakes`: connections that shake hands over TLS, log in and leave, at a fixed rate, while
//! the latencies of established connections are watched.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::beside::{BesidePlan, Disturbance, LiveFlags};
use crate::error::{BenchError, Role};
use crate::plans::positive;
use crate::quantity;
use crate::session::{Endpoint, Session};
use crate::stage::Stage;
use crate::workload::Work;

/// How many and how often.
#[derive(Debug, Clone)]
pub struct HandshakePlan {
    /// Handshakes a second, all threads together.
    pub rate: f64,
    /// Threads that connect.
    pub threads: usize,
}

impl HandshakePlan {
    /// Fails where the load is plain.
    ///
    /// # Errors
    /// [`BenchError::Usage`].
    pub fn check(&self, endpoint: &Endpoint) -> Result<(), BenchError> {
        match endpoint.trust {
            Some(_) => Ok(()),
            None => Err(BenchError::Usage("`handshakes` needs --tls-ca FILE".to_string())),
        }
    }

    /// Connects until the stage closes.
    ///
    /// # Errors
    /// Any connection that fails.
    pub fn go(
        &self,
        endpoint: &Endpoint,
        done: &AtomicU64,
        stage: &Stage,
    ) -> Result<(), BenchError> {
        thread::scope(|scope| {
            let threads: Vec<_> = (0..self.threads)
                .map(|_| scope.spawn(|| self.part(endpoint, done, stage)))
                .collect();
            let join = |thread: thread::ScopedJoinHandle<'_, Result<(), BenchError>>| {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            threads.into_iter().map(join).fold(Ok(()), Result::and)
        })
    }

    fn part(&self, endpoint: &Endpoint, done: &AtomicU64, stage: &Stage) -> Result<(), BenchError> {
        let begun = Instant::now();
        let between = self.threads as f64 / self.rate;
        let mut index = 0.0;
        while !stage.is_closed() {
            let due = Duration::from_secs_f64(index * between);
            thread::sleep(due.saturating_sub(begun.elapsed()));
            drop(Session::open(endpoint, Role::Idler)?);
            done.fetch_add(1, Ordering::Relaxed);
            index += 1.0;
        }
        Ok(())
    }
}

/// Flags of the `handshakes` mode.
#[derive(Debug, Clone, clap::Args)]
pub struct HandshakeFlags {
    #[command(flatten)]
    live: LiveFlags,
    /// Handshakes a second
    #[arg(long, default_value = "2k", value_parser = quantity::count)]
    handshakes: u64,
    /// Threads that connect: what one handshake waits for allows few hundred a second on one
    #[arg(long, default_value_t = 8)]
    threads: usize,
}

impl HandshakeFlags {
    /// The work that the flags stand for, and its title.
    ///
    /// # Errors
    /// Flags without sense.
    pub fn work(&self) -> Result<(String, Work), BenchError> {
        let (latency, traffic) = self.live.latency()?;
        let pairs = self.live.pairs.pairs;
        let rate = positive("--handshakes", self.handshakes as usize)? as f64;
        let plan = HandshakePlan { rate, threads: positive("--threads", self.threads)? };
        let title = format!("{rate} TLS handshakes/s, {traffic}");
        let disturbance = Disturbance::Handshakes(plan);
        Ok((title, Work::Beside(BesidePlan { latency, flood: None, disturbance, pairs })))
    }
}
