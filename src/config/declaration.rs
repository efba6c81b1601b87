//! How an option is declared: once, with all that parser, flags, help and reference need.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::draft::Draft;
use crate::options::{Port, Secret};
use crate::problem::ValueError;
use crate::tree::Tree;
use crate::value::Entry;

/// One option of the configuration file.
#[derive(Debug)]
pub struct Declaration {
    /// Its key, in lower case; keys are compared without regard to case.
    pub key: &'static str,
    /// Other keys for the same.
    pub aliases: &'static [&'static str],
    /// What it does, in a line; units included.
    pub doc: &'static str,
    /// The default as one would write it; empty when there is none.
    pub default: &'static str,
    /// What a change on reload does.
    pub reload: Reload,
    /// Whether Corewire has it, and of what kind it is.
    pub status: Status,
}

/// What a changed value does on reload. spec/cli-and-config.md §7
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// Takes effect.
    Applies,
    /// Makes the reload fail: the server must be started again.
    NeedsRestart,
}

/// Whether Corewire has the option.
#[derive(Debug)]
pub enum Status {
    /// It does.
    Built(Kind),
    /// NATS has it, Corewire does not yet: refused by name unless it is switched off.
    NotBuilt {
        /// Which values switch it off.
        off: Off,
        /// What NATS knows inside it.
        inside: Inside,
    },
}

/// Which values of an option that is not built mean that it is off, and are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Off {
    /// None.
    Never,
    /// `false`.
    False,
    /// `0`.
    Zero,
    /// `{}` or `[]`.
    Empty,
    /// `false`, `disabled`, or a block with `enabled: false`.
    Disabled,
}

/// What NATS knows inside an option that is not built, so that a typing mistake is told from
/// something that is to come.
#[derive(Clone, Copy, Debug)]
pub enum Inside {
    /// No keys, or keys of the user's own choice.
    Anything,
    /// A block with these keys.
    Block(&'static [Known]),
    /// A list of blocks with these keys.
    List(&'static [Known]),
    /// Blocks with these keys, under names of the user's own choice.
    Named(&'static [Known]),
}

/// A key inside a block without a table of its own: one that is read by a function, or one that
/// NATS knows and Corewire does not yet.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// The key first, then its aliases.
    pub names: &'static [&'static str],
    /// What its value must be; empty where it is not built.
    pub words: &'static str,
    /// What it does, in a line; empty where it is not built.
    pub doc: &'static str,
    /// What is inside.
    pub inside: Inside,
}

impl Known {
    /// One that is read.
    pub const fn read(
        names: &'static [&'static str],
        words: &'static str,
        doc: &'static str,
    ) -> Known {
        Known { names, words, doc, inside: Inside::Anything }
    }

    /// One that is refused.
    pub const fn refused(names: &'static [&'static str], inside: Inside) -> Known {
        Known { names, words: "", doc: "", inside }
    }

    /// The same with something inside.
    pub const fn with(mut self, inside: Inside) -> Known {
        self.inside = inside;
        self
    }
}

/// What a value must be, and where it goes.
pub enum Kind {
    /// A boolean.
    Switch(fn(&mut Draft, bool)),
    /// An integer; sizes in bytes may carry a suffix.
    Count {
        /// The lowest allowed.
        min: i64,
        /// The highest allowed.
        max: i64,
        /// Where it goes.
        set: fn(&mut Draft, i64),
    },
    /// A duration.
    Span {
        /// The shortest allowed.
        min: Duration,
        /// What a bare number means.
        bare: BareNumber,
        /// Where it goes.
        set: fn(&mut Draft, Duration),
    },
    /// Bytes as an integer, or as text with K, M, G or T; below zero means unset.
    Size(fn(&mut Draft, Option<u64>)),
    /// A duration, or `always`, which is `None`.
    SpanOrAlways(fn(&mut Draft, Option<Duration>)),
    /// Text.
    Text(fn(&mut Draft, &str) -> Result<(), ValueError>),
    /// Text, or an integer taken as text.
    TextOrCount(fn(&mut Draft, &str) -> Result<(), ValueError>),
    /// Text that must not be shown.
    Secret(fn(&mut Draft, Secret)),
    /// One of these words.
    Choice(&'static [&'static str], fn(&mut Draft, &str)),
    /// A port, or `host:port`. A port of 0 is `None`, an empty host too.
    Listen(fn(&mut Draft, Option<&str>, Option<Port>)),
    /// Text, or a list of text.
    TextList(fn(&mut Draft, Vec<String>) -> Result<(), ValueError>),
    /// A boolean, or text.
    SwitchOrText(fn(&mut Draft, bool), fn(&mut Draft, &str) -> Result<(), ValueError>),
    /// Text by keys of the user's own choice.
    TextMap(fn(&mut Draft, BTreeMap<String, String>)),
    /// Booleans by keys of the user's own choice.
    SwitchMap(fn(&mut Draft, BTreeMap<String, bool>)),
    /// A block of options.
    Block(&'static [Declaration]),
    /// A boolean, `enabled` or `disabled`, or a block, which enables.
    Toggled(fn(&mut Draft, bool), &'static [Declaration]),
    /// What is too deep for a table, read by a function of its own: what it is, in words, and
    /// what is inside.
    Tree(&'static str, Inside, fn(&mut Draft, &mut Tree<'_>, &Entry)),
}

/// What a number without unit means where a duration is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BareNumber {
    /// Seconds, with a warning.
    SecondsWithWarning,
    /// Seconds.
    Seconds,
    /// Nothing.
    Refused,
}

impl Kind {
    /// The kind in a few words, for errors and the reference.
    pub const fn words(&self) -> &'static str {
        match self {
            Kind::Switch(_) => "a boolean",
            Kind::Count { .. } => "an integer",
            Kind::Span { .. } => "a duration such as 10s",
            Kind::Size(_) => "a size such as 1GB",
            Kind::SpanOrAlways(_) => "a duration such as 10s, or always",
            Kind::Text(_) | Kind::TextOrCount(_) | Kind::Secret(_) | Kind::Choice(..) => "text",
            Kind::Listen(_) => "port or host:port",
            Kind::TextList(_) => "text or a list of text",
            Kind::SwitchOrText(..) => "a boolean or text",
            Kind::TextMap(_) => "a block of text",
            Kind::SwitchMap(_) => "a block of booleans",
            Kind::Block(_) => "a block",
            Kind::Toggled(..) => "a boolean, enabled, disabled, or a block",
            Kind::Tree(words, ..) => words,
        }
    }
}

impl std::fmt::Debug for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.words())
    }
}

/// An option that Corewire has.
pub(crate) const fn built(
    key: &'static str,
    default: &'static str,
    reload: Reload,
    doc: &'static str,
    kind: Kind,
) -> Declaration {
    Declaration { key, aliases: &[], doc, default, reload, status: Status::Built(kind) }
}

/// One whose change takes effect on reload.
pub(crate) const fn reloadable(
    key: &'static str,
    default: &'static str,
    doc: &'static str,
    kind: Kind,
) -> Declaration {
    built(key, default, Reload::Applies, doc, kind)
}

/// An option that NATS has and Corewire does not yet.
pub(crate) const fn not_built(key: &'static str, off: Off, doc: &'static str) -> Declaration {
    let status = Status::NotBuilt { off, inside: Inside::Anything };
    Declaration { key, aliases: &[], doc, default: "", reload: Reload::NeedsRestart, status }
}

impl Declaration {
    /// Whether `key`, in lower case, is this option.
    pub fn is_named(&self, key: &str) -> bool {
        self.key == key || self.aliases.contains(&key)
    }

    /// The key and its aliases.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        std::iter::once(self.key).chain(self.aliases.iter().copied())
    }

    /// The same with other keys for it.
    pub const fn or(mut self, aliases: &'static [&'static str]) -> Declaration {
        self.aliases = aliases;
        self
    }

    /// The same, not built, with what NATS knows inside it.
    pub const fn with(mut self, inside: Inside) -> Declaration {
        if let Status::NotBuilt { off, .. } = self.status {
            self.status = Status::NotBuilt { off, inside };
        }
        self
    }
}

impl Off {
    /// Whether this is what to do instead, in words.
    pub fn remedy(self, key: &str) -> String {
        match self {
            Off::Never => "remove it".to_owned(),
            Off::False | Off::Disabled => format!("remove it or set {key}: false"),
            Off::Zero => format!("remove it or set {key}: 0"),
            Off::Empty => "remove it or leave it empty".to_owned(),
        }
    }
}
