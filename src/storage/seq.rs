//! Sequences: the number of a message in its stream.

/// The number of a message in its stream. Streams count from 1; 0 stands for no message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub u64);

impl Seq {
    /// No message.
    pub const NONE: Seq = Seq(0);
    /// The first sequence of an ordinary stream.
    pub const FIRST: Seq = Seq(1);
    /// Later than every message.
    pub const MAX: Seq = Seq(u64::MAX);

    /// The sequence after this one.
    #[inline]
    #[must_use]
    pub const fn next(self) -> Seq {
        Seq(self.0 + 1)
    }

    /// The sequence before this one; none before none.
    #[inline]
    #[must_use]
    pub const fn previous(self) -> Seq {
        Seq(self.0.saturating_sub(1))
    }

    /// Whether this is [`Seq::NONE`].
    #[inline]
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }
}

impl std::fmt::Display for Seq {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
