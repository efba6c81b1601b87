//! Ctrl-C and SIGTERM as a flag that the waiting loops ask, so that `Drop` stops every server.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::error::BenchError;

static RAISED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// Installs the handlers. Called once, at the start of `main`.
///
/// # Errors
/// When the system refuses a handler.
pub fn install() -> Result<(), BenchError> {
    let flag = RAISED.get_or_init(Arc::default);
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(flag))?;
    }
    Ok(())
}

/// Fails once a signal has arrived.
pub fn check() -> Result<(), BenchError> {
    match RAISED.get() {
        Some(flag) if flag.load(Ordering::Relaxed) => Err(BenchError::Interrupted),
        _ => Ok(()),
    }
}
