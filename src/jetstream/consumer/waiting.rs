//! Hot path: the pull requests that wait, in the order in which they are served.
//!
//! Each message goes to the first request that may have it, which then goes to the back: round
//! robin. One time says when the earliest of them must be looked at again.

use std::collections::VecDeque;

use super::pending::NEVER;
use super::request::{Request, Wait};

/// The pull requests of one consumer.
#[derive(Debug)]
pub(crate) struct Waiting {
    queue: VecDeque<Request>,
    /// No request is due before.
    due_ns: u64,
    /// How many end when there is nothing more.
    hasty: usize,
    /// When to look again at those whose receivers lag, monotonic nanoseconds.
    pub(crate) lagging_at_ns: u64,
    /// How often other cores were asked about receivers.
    pub(crate) questions: u64,
}

/// Whether a request goes on waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    Yes,
    No,
}

impl Default for Waiting {
    fn default() -> Self {
        let queue = VecDeque::new();
        Waiting { queue, due_ns: NEVER, hasty: 0, lagging_at_ns: NEVER, questions: 0 }
    }
}

impl Waiting {
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// When the next request is due; may be earlier than the truth.
    #[inline]
    pub(crate) fn due_ns(&self) -> u64 {
        self.due_ns
    }

    /// When something is to be done about one of them.
    pub(crate) fn wanted_at_ns(&self) -> u64 {
        self.due_ns.min(self.lagging_at_ns)
    }

    /// Messages that all of them together still ask for.
    pub(crate) fn asked(&self) -> u64 {
        self.queue.iter().fold(0, |sum, request| sum.saturating_add(request.left))
    }

    pub(crate) fn push(&mut self, request: Request) {
        self.due_ns = self.due_ns.min(request.due_ns());
        self.hasty += usize::from(request.wait == Wait::Never);
        self.queue.push_back(request);
    }

    /// The place of the first request that `may` have the next message.
    #[inline]
    pub(crate) fn first(&self, may: impl FnMut(&Request) -> bool) -> Option<usize> {
        self.queue.iter().position(may)
    }

    /// The same among those whose receivers keep up.
    #[inline]
    pub(crate) fn first_open(&self, mut may: impl FnMut(&Request) -> bool) -> Option<usize> {
        self.first(|request| request.lead.is_open() && may(request))
    }

    /// The place of the first of those with the lowest number whose receivers keep up.
    pub(crate) fn most_urgent(&self) -> Option<usize> {
        // `min_by_key` gives the first of equals.
        let numbered = self.queue.iter().enumerate().filter(|(_, request)| request.lead.is_open());
        numbered.min_by_key(|(_, request)| request.priority).map(|(at, _)| at)
    }

    #[inline]
    pub(crate) fn at(&mut self, at: usize) -> &mut Request {
        &mut self.queue[at]
    }

    pub(crate) fn remove(&mut self, at: usize) -> Option<Request> {
        let request = self.queue.remove(at)?;
        self.hasty -= usize::from(request.wait == Wait::Never);
        Some(request)
    }

    /// Whether some request may end now that there is nothing more.
    #[inline]
    pub(crate) fn has_hasty(&self) -> bool {
        self.hasty > 0
    }

    /// A request got a message: others are before it now.
    #[inline]
    pub(crate) fn served(&mut self, at: usize) {
        if self.queue.len() > 1
            && let Some(request) = self.queue.remove(at)
        {
            self.queue.push_back(request);
        }
    }

    /// Looks at every request, and lets go of those that `keep` does not want.
    pub(crate) fn sweep(&mut self, mut keep: impl FnMut(&mut Request) -> Keep) {
        let (mut due_ns, mut hasty) = (NEVER, 0);
        self.queue.retain_mut(|request| match keep(request) {
            Keep::No => false,
            Keep::Yes => {
                due_ns = request.due_ns().min(due_ns);
                hasty += usize::from(request.wait == Wait::Never);
                true
            }
        });
        (self.due_ns, self.hasty) = (due_ns, hasty);
    }
}
