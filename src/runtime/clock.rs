//! The two clocks of a core: monotonic for deadlines, wall for people. Read once a turn.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::LazyLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use base::Now;

/// A source of time.
pub trait Clock {
    /// What the clocks say now.
    fn read(&mut self) -> Now;
}

/// Where the monotonic time of all cores begins, so that what one core notes another can read.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The system's clocks. All of a process agree.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        SystemClock { start: *START }
    }
}

impl Clock for SystemClock {
    fn read(&mut self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now { mono_ns: self.start.elapsed().as_nanos() as u64, wall_ns: wall.as_nanos() as u64 }
    }
}

/// A clock that moves only when told to; all clones show the same time.
#[derive(Clone, Debug, Default)]
pub struct SimulatedClock {
    now: Rc<Cell<Now>>,
}

impl SimulatedClock {
    /// Moves both clocks forward.
    pub fn advance(&self, by: std::time::Duration) {
        let now = self.now.get();
        let by_ns = by.as_nanos() as u64;
        self.now.set(Now { mono_ns: now.mono_ns + by_ns, wall_ns: now.wall_ns + by_ns });
    }
}

impl Clock for SimulatedClock {
    fn read(&mut self) -> Now {
        self.now.get()
    }
}
