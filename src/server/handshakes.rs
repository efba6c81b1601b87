//! The threads that make TLS handshakes, beside the cores: a signature lasts as long as hundreds
//! of deliveries.
//!
//! ```text
//! core ─▶ desk ─▶ handshake thread ─▶ core
//!                        └─▶ a thread that may block ─▶ core     OCSP responders must be asked
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use base::ShardId;
use config::limits;
use crossbeam_channel::Receiver;
use runtime::host;
use security::{Advanced, HandshakeRequest, HandshakeStep, PeerQuestion};
use tokio::runtime::Handle;

use crate::command::Command;
use crate::cores::Cores;
use crate::{facts, workers};

/// Starts the threads, on the control thread's runtime. They end when no core asks any more.
///
/// # Errors
/// What the system says when it has no thread left.
pub fn start(waiting: &Receiver<HandshakeRequest>, cores: &Arc<Cores>) -> std::io::Result<()> {
    let asking = Asking { runtime: Handle::current(), waiting: Arc::default() };
    let (waiting, cores) = (waiting.clone(), Arc::clone(cores));
    workers::start("handshake", move || {
        for request in &waiting {
            match request.advance(now_s()) {
                Advanced::Step(step) => give_back(&cores, step),
                Advanced::Question(question) => asking.ask(question, &cores),
            }
        }
    })
}

/// Where responders are asked: on threads that the runtime makes when they are needed, so that
/// other handshakes go on meanwhile.
#[derive(Clone)]
struct Asking {
    runtime: Handle,
    /// Clients that wait.
    waiting: Arc<AtomicUsize>,
}

impl Asking {
    fn ask(&self, question: PeerQuestion, cores: &Arc<Cores>) {
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= limits::OCSP_WAITING_MAX {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            give_back(cores, question.give_up());
            return;
        }
        let (waiting, cores, since) =
            (Arc::clone(&self.waiting), Arc::clone(cores), Instant::now());
        self.runtime.spawn_blocking(move || {
            host::give_way();
            // A core has closed a connection whose handshake took too long.
            if since.elapsed() < question.patience()
                && let Some(step) = workers::survive(|| question.ask(now_s()))
            {
                give_back(&cores, step);
            }
            waiting.fetch_sub(1, Ordering::Relaxed);
        });
    }
}

fn give_back(cores: &Cores, step: HandshakeStep) {
    let ShardId(core) = step.ticket.shard;
    // A core whose queue is full lets the handshake time out.
    cores.send(usize::from(core), Command::Handshake(Box::new(step)));
}

fn now_s() -> u64 {
    facts::now_ns() / 1_000_000_000
}
