//! One try of io_uring before there is a core: a ring like a core's own is built, accepts a
//! connection from ourselves, receives a byte and rings its own doorbell. What a kernel or a
//! container refuses shows here as an answer, not as a core that dies.

use std::fmt;
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use base::{ConnSlot, ShardId};
use ring::Doorbell as _;

use crate::host::HostError;
use crate::network::{Event, Network as _, Wait};
use crate::uring::{Uring, UringOptions};

/// Each step is a matter of microseconds.
const PATIENCE: Duration = Duration::from_secs(2);
const TURN_NS: u64 = 50_000_000;

/// What the ring did not do though the kernel let us build it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Multishot accept.
    Accept,
    /// Multishot receive into provided buffers.
    Receive,
    /// A message from ring to ring.
    Doorbell,
    /// Closing the socket.
    Close,
}

/// Why a core's ring would not work here.
#[derive(Debug)]
pub enum ProbeError {
    /// It cannot be built.
    Host(HostError),
    /// It was built, but an operation never completed, or failed.
    Silent(Step),
    /// The kernel refused to turn it.
    Broken,
}

impl fmt::Display for ProbeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let step = match self {
            ProbeError::Host(error) => return error.fmt(f),
            ProbeError::Broken => "io_uring_enter",
            ProbeError::Silent(Step::Accept) => "multishot accept",
            ProbeError::Silent(Step::Receive) => "multishot receive into provided buffers",
            ProbeError::Silent(Step::Doorbell) => "MSG_RING",
            ProbeError::Silent(Step::Close) => "cancelling a receive",
        };
        write!(f, "a ring was built, but {step} does not work; run Linux 6.1 or newer")
    }
}

impl std::error::Error for ProbeError {}

impl From<std::io::Error> for ProbeError {
    fn from(error: std::io::Error) -> ProbeError {
        ProbeError::Host(HostError::System(error))
    }
}

/// A ring that is built to be looked at.
const SMALL: UringOptions =
    UringOptions { read_chunk_bytes: 4096, read_chunks: 8, disk_operations_max: 1 };

/// Builds a small ring like a core's own, and takes it down again: a fraction of a millisecond.
///
/// # Errors
/// [`HostError`] when this host does not give us one.
pub fn build_ring() -> Result<(), HostError> {
    Uring::new(SMALL, Vec::new()).map(drop)
}

/// Builds and uses a ring on a thread of its own, and takes it down again.
///
/// # Errors
/// [`ProbeError`], whose text says what to do.
pub fn try_ring() -> Result<(), ProbeError> {
    std::thread::spawn(use_ring).join().unwrap_or(Err(ProbeError::Broken))
}

fn use_ring() -> Result<(), ProbeError> {
    const SLOT: ConnSlot = ConnSlot(0);
    let mut net = Uring::new(SMALL, Vec::new()).map_err(ProbeError::Host)?;
    net.connect(vec![net.descriptor()]);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    net.set_listener(listener.into());
    net.listen();
    let mut client = TcpStream::connect(address)?;
    let socket = turn_until(&mut net, Step::Accept, |event| match event {
        Event::Accepted(socket) => Some(socket),
        _ => None,
    })?;
    net.adopt(socket, SLOT).ok_or(ProbeError::Silent(Step::Accept))?;
    client.write_all(b"?")?;
    let chunk = turn_until(&mut net, Step::Receive, |event| match event {
        Event::Received(_, chunk) => Some(chunk),
        _ => None,
    })?;
    net.recycle(chunk);
    net.ring(ShardId(0));
    let rang = |event| matches!(event, Event::Doorbell).then_some(());
    turn_until(&mut net, Step::Doorbell, rang)?;
    net.stop_listening();
    net.close(SLOT);
    let closed = |event| matches!(event, Event::Closed(_)).then_some(());
    turn_until(&mut net, Step::Close, closed)
}

/// Turns until an event is the one waited for.
fn turn_until<T>(
    net: &mut Uring,
    step: Step,
    is_it: impl Fn(Event) -> Option<T>,
) -> Result<T, ProbeError> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        let mut events = Vec::new();
        net.turn(Wait::AtMost(TURN_NS), &mut events);
        if let Some(found) = events.into_iter().find_map(&is_it) {
            return Ok(found);
        }
    }
    Err(ProbeError::Silent(step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_works_where_the_tests_run() {
        if let Err(error) = try_ring() {
            panic!("{error}");
        }
    }
}
