//! The threads that check logins which take long, beside the cores: a bcrypt comparison lasts
//! longer than a thousand turns.

use std::sync::Arc;

use base::ShardId;
use crossbeam_channel::Receiver;
use runtime::host;
use security::LoginRequest;

use crate::command::Command;
use crate::cores::Cores;

/// Threads at most; there are no more than half as many as the host has processors.
const THREADS_MAX: usize = 4;

/// Starts the threads. They end when no core asks any more.
///
/// # Errors
/// What the system says when it has no thread left.
pub fn start(waiting: &Receiver<LoginRequest>, cores: &Arc<Cores>) -> std::io::Result<()> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    for number in 0..(processors / 2).clamp(1, THREADS_MAX) {
        let (waiting, cores) = (waiting.clone(), Arc::clone(cores));
        std::thread::Builder::new().name(format!("login-{number}")).spawn(move || {
            host::give_way();
            for request in waiting {
                let verdict = request.check();
                let ShardId(core) = verdict.ticket.shard;
                // A core whose queue is full lets the client time out.
                cores.send(usize::from(core), Command::Login(verdict));
            }
        })?;
    }
    Ok(())
}
