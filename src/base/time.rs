//! Time as a value: read once a turn at the edge, passed down as an argument everywhere else.

/// What the clocks said at the start of this turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Monotonic nanoseconds since an arbitrary start; for deadlines and intervals.
    pub mono_ns: u64,
    /// Nanoseconds since the Unix epoch; for what people read.
    pub wall_ns: u64,
}

impl Now {
    /// The monotonic time `after` from now.
    #[inline]
    pub fn plus(self, after: std::time::Duration) -> u64 {
        self.mono_ns.saturating_add(after.as_nanos() as u64)
    }
}
