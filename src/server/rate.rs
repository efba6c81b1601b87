//! How many connections a second a listener with TLS accepts (`tls.connection_rate_limit`): a
//! handshake costs a core far more than an accept.

/// One second.
const WINDOW_NS: u64 = 1_000_000_000;

/// Counts connections, second by second.
#[derive(Debug, Default)]
pub struct Rate {
    max: Option<u32>,
    count: u32,
    /// When this second began, monotonic nanoseconds.
    since_ns: u64,
}

impl Rate {
    /// Allows so many in a second.
    pub fn new(max: Option<u32>) -> Rate {
        Rate { max, ..Rate::default() }
    }

    /// Allows so many in a second from now on; `None` allows any number.
    pub fn set_max(&mut self, max: Option<u32>) {
        self.max = max;
    }

    /// Whether one more may come now.
    pub fn allows(&mut self, now_ns: u64) -> bool {
        let Some(max) = self.max else { return true };
        if now_ns.saturating_sub(self.since_ns) >= WINDOW_NS {
            (self.since_ns, self.count) = (now_ns, 0);
        }
        self.count = self.count.saturating_add(1);
        self.count <= max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_anew_every_second() {
        let mut rate = Rate::default();
        assert!((0..100).all(|_| rate.allows(5)));
        rate.set_max(Some(2));
        let at = |rate: &mut Rate, ms: u64| rate.allows(10 * WINDOW_NS + ms * 1_000_000);
        assert_eq!([0, 10, 20, 999].map(|ms| at(&mut rate, ms)), [true, true, false, false]);
        assert_eq!([1000, 1001, 1002].map(|ms| at(&mut rate, ms)), [true, true, false]);
    }
}
