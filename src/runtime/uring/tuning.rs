//! What a profile changes in a ring that stands: how a sleep gathers events, whether the kernel
//! polls the network card, and what pages the read chunks stand in. Each may be refused by the
//! kernel; the ring then works on without it.

use std::fmt;
use std::io;

use io_uring::types::{Napi, SubmitArgs};

use super::Uring;

/// How a sleeping core lets events gather before it wakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gather {
    /// For how long, microseconds; after that the first event wakes it.
    pub us: u32,
    /// How many end it early.
    pub events: usize,
}

/// What the kernel refused. The ring works on as if it had not been asked.
#[derive(Debug)]
pub enum TuningRefused {
    /// It cannot let events gather.
    Gather,
    /// It does not poll the network card for this ring.
    BusyPoll(io::Error),
    /// It made no huge pages of the read chunks.
    HugePages(io::Error),
}

impl fmt::Display for TuningRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TuningRefused::Gather => f.write_str(
                "gather_us has no effect: this kernel has no minimum wait; it needs Linux 6.12",
            ),
            TuningRefused::BusyPoll(error) => write!(
                f,
                "busy_poll_us does not reach io_uring: {error}; it needs Linux 6.9 with \
                 CONFIG_NET_RX_BUSY_POLL"
            ),
            TuningRefused::HugePages(error) => write!(
                f,
                "huge_pages has no effect: {error}; it needs Linux 6.1, free memory in one piece, \
                 and read_chunk_bytes times read_chunks of 2 MiB or more"
            ),
        }
    }
}

impl std::error::Error for TuningRefused {}

impl Uring {
    /// Lets events gather in each sleep from now on.
    ///
    /// # Errors
    /// [`TuningRefused::Gather`] on a kernel that is too old.
    pub fn gather(&mut self, gather: Gather) -> Result<(), TuningRefused> {
        if !self.ring.params().is_feature_min_timeout() {
            return Err(TuningRefused::Gather);
        }
        self.gather = Some(gather);
        Ok(())
    }

    /// Lets the kernel poll the network cards of this ring's sockets for so long when it waits.
    ///
    /// # Errors
    /// [`TuningRefused::BusyPoll`] with what the kernel said.
    pub fn busy_poll(&self, us: u32) -> Result<(), TuningRefused> {
        let mut napi = Napi::new().set_busy_poll_timeout(us).set_prefer_busy_poll(true);
        self.ring.submitter().register_napi(&mut napi).map_err(TuningRefused::BusyPoll)
    }

    /// Puts the read chunks in huge pages.
    ///
    /// # Errors
    /// [`TuningRefused::HugePages`] with what the kernel said.
    pub fn use_huge_pages(&self) -> Result<(), TuningRefused> {
        self.buffers.use_huge_pages().map_err(TuningRefused::HugePages)
    }

    /// Submits what is queued and sleeps until something happens.
    pub(super) fn sleep(&self) -> io::Result<usize> {
        match self.gather {
            None => self.ring.submit_and_wait(1),
            Some(Gather { us, events }) => {
                let args = SubmitArgs::new().min_wait_usec(us);
                self.ring.submitter().submit_with_args(events, &args)
            }
        }
    }
}

#[cfg(test)]
mod tests;
