//! What systemd is told of the server's life (`Type=notify`). Without systemd, nothing is.

use base::{Level, Log};
use sd_notify::NotifyState;

/// Where the server stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Clients are served.
    Ready,
    /// The configuration is read again; [`Stage::Ready`] follows.
    Reloading,
    /// The server ends: lame duck or shutdown.
    Stopping,
}

/// Tells it. A service manager that does not listen is worth a line of the log, no more.
pub fn tell(log: &Log, stage: Stage) {
    let told = match stage {
        Stage::Ready => sd_notify::notify(&[NotifyState::Ready]),
        Stage::Reloading => NotifyState::monotonic_usec_now()
            .and_then(|now| sd_notify::notify(&[NotifyState::Reloading, now])),
        Stage::Stopping => sd_notify::notify(&[NotifyState::Stopping]),
    };
    if let Err(error) = told {
        log.say(Level::Warn, format!("Can't tell systemd {stage:?}: {error}"));
    }
}
