//! Asks until something holds, with a deadline. For facts that no event announces, such as a file
//! that another process writes.

use std::time::{Duration, Instant};

/// How long a test waits for what must happen. Long, because a loaded machine is not a failure.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The pause between two questions.
const PACE: Duration = Duration::from_millis(5);

/// Asks `question` until it gives an answer; panics with `what` after [`PATIENCE`].
pub fn until<T>(what: &str, mut question: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = question() {
            return answer;
        }
        assert!(Instant::now() < deadline, "did not happen within {PATIENCE:?}: {what}");
        std::thread::park_timeout(PACE);
    }
}
