//! The threads that make TLS handshakes, beside the cores: a signature lasts as long as hundreds
//! of deliveries.

use std::sync::Arc;

use base::ShardId;
use crossbeam_channel::Receiver;
use runtime::host;
use security::HandshakeRequest;

use crate::command::Command;
use crate::cores::Cores;

/// Threads at most; there are no more than half as many as the host has processors.
const THREADS_MAX: usize = 4;

/// Starts the threads. They end when no core asks any more.
///
/// # Errors
/// What the system says when it has no thread left.
pub fn start(waiting: &Receiver<HandshakeRequest>, cores: &Arc<Cores>) -> std::io::Result<()> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    for number in 0..(processors / 2).clamp(1, THREADS_MAX) {
        let (waiting, cores) = (waiting.clone(), Arc::clone(cores));
        std::thread::Builder::new().name(format!("handshake-{number}")).spawn(move || {
            host::give_way();
            for request in waiting {
                let step = request.advance();
                let ShardId(core) = step.ticket.shard;
                // A core whose queue is full lets the handshake time out.
                cores.send(usize::from(core), Command::Handshake(Box::new(step)));
            }
        })?;
    }
    Ok(())
}
