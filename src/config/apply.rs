//! From parsed values to options: finds each key's declaration, checks the value, sets it, and
//! notes everything that is wrong instead of stopping at the first.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::address;
use crate::declaration::{BareNumber, Declaration, Inside, Kind, Known, Off, Status};
use crate::draft::Draft;
use crate::duration;
use crate::limits;
use crate::options::Secret;
use crate::place::Place;
use crate::problem::{Diagnostics, Problem, SHOWN_IN_FULL_MAX, ValueError, Warning};
use crate::suggest;
use crate::table;
use crate::tree::Tree;
use crate::value::{Entry, Map, Node, Value};

/// Sets what the configuration says in `draft` and notes what is wrong with it.
pub fn apply(root: &Map, draft: &mut Draft, found: &mut Diagnostics) {
    if root.is_empty() {
        found.note(None, Warning::Empty);
    }
    Applier { draft, found }.block(root, table::TOP_LEVEL);
}

struct Applier<'a> {
    draft: &'a mut Draft,
    found: &'a mut Diagnostics,
}

impl Applier<'_> {
    fn block(&mut self, map: &Map, table: &'static [Declaration]) {
        for (key, entry) in map.written() {
            let lower = key.to_lowercase();
            match table.iter().find(|declaration| declaration.is_named(&lower)) {
                Some(declaration) => self.option(key, entry, declaration),
                None => {
                    let names = table.iter().flat_map(Declaration::names);
                    self.unknown(key, entry, names);
                }
            }
        }
    }

    /// spec/cli-and-config.md §6: an error, unless the entry is used as a variable.
    fn unknown(&mut self, key: &str, entry: &Entry, names: impl Iterator<Item = &'static str>) {
        if entry.used {
            return;
        }
        let few = self.found.errors.len() < SHOWN_IN_FULL_MAX;
        let near = if few { suggest::nearest(key, names) } else { None };
        self.found.note(Some(entry.place), Problem::UnknownField { key: key.to_owned(), near });
    }

    fn option(&mut self, key: &str, entry: &Entry, declaration: &'static Declaration) {
        match &declaration.status {
            Status::NotBuilt { off, inside } => {
                if is_off(*off, &entry.node.value) {
                    return;
                }
                let remedy = off.remedy(key);
                let problem = Problem::NotBuilt { key: key.to_owned(), remedy };
                self.found.note(Some(entry.place), problem);
                self.inside(&entry.node, *inside);
            }
            Status::Built(kind) => {
                if let Err(error) = self.set(key, entry, kind) {
                    let problem = Problem::Value { key: key.to_owned(), error };
                    self.found.note(Some(entry.node.place), problem);
                }
            }
        }
    }

    /// Unknown keys inside a block that is not built.
    fn inside(&mut self, node: &Node, inside: Inside) {
        match (&node.value, inside) {
            (Value::Map(map), Inside::Block(keys)) => self.known(map, keys),
            (Value::Array(nodes), Inside::List(keys) | Inside::Block(keys)) => {
                for node in nodes {
                    self.inside(node, Inside::Block(keys));
                }
            }
            (Value::Map(map), Inside::Named(keys)) => {
                for (_, entry) in map.written() {
                    if !entry.used {
                        self.inside(&entry.node, Inside::Block(keys));
                    }
                }
            }
            _ => {}
        }
    }

    fn known(&mut self, map: &Map, keys: &'static [Known]) {
        for (key, entry) in map.written() {
            let lower = key.to_lowercase();
            match keys.iter().find(|known| known.names.contains(&lower.as_str())) {
                Some(known) => self.inside(&entry.node, known.inside),
                None => {
                    let names = keys.iter().flat_map(|known| known.names.iter().copied());
                    self.unknown(key, entry, names);
                }
            }
        }
    }

    fn set(&mut self, key: &str, entry: &Entry, kind: &'static Kind) -> Result<(), ValueError> {
        let value = &entry.node.value;
        match (kind, value) {
            (Kind::Switch(set), Value::Bool(on)) => set(self.draft, *on),
            (Kind::Count { min, max, set }, Value::Int(number)) => {
                set(self.draft, within(*number, *min, *max)?);
            }
            (Kind::Span { min, bare, set }, value) => {
                let span = self.span(key, entry, value, *bare)?;
                set(self.draft, at_least(span, *min)?);
                self.warn_of_long_auth_timeout(entry.place);
            }
            (Kind::SpanOrAlways(set), Value::Text(text)) if is_always(text) => {
                set(self.draft, None);
            }
            (Kind::SpanOrAlways(set), value) => {
                let span = self.span(key, entry, value, BareNumber::SecondsWithWarning)?;
                set(self.draft, Some(at_least(span, Duration::from_millis(1))?));
            }
            (Kind::Size(set), Value::Int(bytes)) => set(self.draft, u64::try_from(*bytes).ok()),
            (Kind::Size(set), Value::Text(text)) => set(self.draft, size(text)?),
            (Kind::Text(set) | Kind::TextOrCount(set), Value::Text(text)) => {
                set(self.draft, text)?;
            }
            (Kind::TextOrCount(set), Value::Int(number)) => set(self.draft, &number.to_string())?,
            (Kind::Secret(set), Value::Text(text)) => set(self.draft, Secret::new(text)),
            (Kind::Choice(words, set), Value::Text(text)) => {
                set(self.draft, choice(text, words)?);
            }
            (Kind::Listen(set), Value::Int(number)) => {
                set(self.draft, None, address::port(*number)?);
            }
            (Kind::Listen(set), Value::Text(text)) => {
                let (host, port) = address::host_port(text)?;
                set(self.draft, (!host.is_empty()).then_some(host), port);
            }
            (Kind::TextList(set), value) => set(self.draft, texts(value, kind)?)?,
            (Kind::SwitchOrText(set, _), Value::Bool(on)) => set(self.draft, *on),
            (Kind::SwitchOrText(_, set), Value::Text(text)) => set(self.draft, text)?,
            (Kind::TextMap(set), Value::Map(map)) => {
                let text = |value: &Value| match value {
                    Value::Text(text) => Some(text.clone()),
                    _ => None,
                };
                let entries = self.entries(map, "text", text);
                set(self.draft, entries);
            }
            (Kind::SwitchMap(set), Value::Map(map)) => {
                let switch = |value: &Value| match value {
                    Value::Bool(on) => Some(*on),
                    _ => None,
                };
                let entries = self.entries(map, "a boolean", switch);
                set(self.draft, entries);
            }
            (Kind::Block(table), Value::Map(map)) => {
                if key.eq_ignore_ascii_case("authorization") {
                    self.draft.auth.place = Some(entry.place);
                }
                self.block(map, table);
            }
            (Kind::Toggled(set, _), Value::Bool(on)) => set(self.draft, *on),
            (Kind::Toggled(set, _), Value::Text(text)) => {
                set(self.draft, choice(text, &["enabled", "disabled"])? == "enabled");
            }
            (Kind::Toggled(set, table), Value::Map(map)) => {
                set(self.draft, true);
                self.block(map, table);
            }
            (Kind::Tree(.., read), _) => read(self.draft, &mut Tree::new(self.found), entry),
            (kind, value) => return Err(wrong_kind(kind, value)),
        }
        Ok(())
    }

    /// A block whose keys are of the user's own choice; what has the wrong kind is noted.
    fn entries<T>(
        &mut self,
        map: &Map,
        expected: &'static str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> BTreeMap<String, T> {
        let mut entries = BTreeMap::new();
        for (key, entry) in map.sorted() {
            let value = &entry.node.value;
            if let Some(read) = read(value) {
                entries.insert(key.to_owned(), read);
                continue;
            }
            let error = ValueError::Kind { expected, found: value.kind() };
            let problem = Problem::Value { key: key.to_owned(), error };
            self.found.note(Some(entry.node.place), problem);
        }
        entries
    }

    fn span(
        &mut self,
        key: &str,
        entry: &Entry,
        value: &Value,
        bare: BareNumber,
    ) -> Result<Duration, ValueError> {
        let found = value.kind();
        let wrong = ValueError::Kind { expected: "a duration such as 10s", found };
        match (value, bare) {
            (Value::Text(text), _) => parse_span(text),
            (_, BareNumber::Refused) => Err(wrong),
            (Value::Int(seconds), bare) => {
                if bare == BareNumber::SecondsWithWarning {
                    let warning = Warning::BareSeconds(key.to_owned());
                    self.found.note(Some(entry.place), warning);
                }
                // Go counts in 63 bits of nanoseconds.
                let bounds =
                    ValueError::Bounds { value: *seconds, min: 0, max: i64::MAX / 1_000_000_000 };
                let seconds = u64::try_from(*seconds).map_err(|_| bounds.clone())?;
                let fits = seconds <= (i64::MAX / 1_000_000_000) as u64;
                if fits { Ok(Duration::from_secs(seconds)) } else { Err(bounds) }
            }
            (Value::Float(seconds), BareNumber::Seconds) => {
                Duration::try_from_secs_f64(*seconds).map_err(|_| ValueError::NotPositive)
            }
            _ => Err(wrong),
        }
    }

    /// spec/cli-and-config.md §7.2: over 60 s warns.
    fn warn_of_long_auth_timeout(&mut self, place: Place) {
        let timeout = self.draft.options.auth_timeout;
        let said = |found: &Diagnostics| {
            found.warnings.iter().any(|warning| {
                matches!(warning.problem, Problem::Warning(Warning::LongAuthTimeout(_)))
            })
        };
        if timeout > limits::AUTH_TIMEOUT_WARN && !said(self.found) {
            let warning = Warning::LongAuthTimeout(duration::print(timeout));
            self.found.note(Some(place), warning);
        }
    }
}

/// Sets an option from a flag's text. Flags have no blocks.
pub fn set_from_flag(
    draft: &mut Draft,
    declaration: &'static Declaration,
    text: &str,
) -> Result<(), FlagError> {
    let Status::Built(kind) = &declaration.status else { return Err(FlagError::NotBuilt) };
    match kind {
        Kind::Switch(set) => set(draft, flag_switch(text).ok_or(FlagError::Syntax)?),
        Kind::Count { min, max, set } => {
            let number = flag_integer(text).ok_or(FlagError::Syntax)?;
            set(draft, within(number, *min, *max)?);
        }
        Kind::Text(set) | Kind::TextOrCount(set) => set(draft, text)?,
        Kind::Secret(set) => set(draft, Secret::new(text)),
        Kind::Choice(words, set) => set(draft, choice(text, words)?),
        other => return Err(wrong_kind(other, &Value::Text(String::new())).into()),
    }
    Ok(())
}

/// Why a flag's text cannot be set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FlagError {
    /// Not a number or not a boolean: Go's flag package says so and shows the usage.
    #[error("parse error")]
    Syntax,
    /// A value that the option cannot take.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// An option that Corewire does not have yet.
    #[error("not built yet")]
    NotBuilt,
}

/// A boolean as Go's `strconv.ParseBool` takes it.
pub fn flag_switch(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// An integer, decimal or hexadecimal.
pub fn flag_integer(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let hexadecimal = digits.strip_prefix("0x").or(digits.strip_prefix("0X"));
    let plain = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric());
    if digits.is_empty() || !plain(digits) {
        return None;
    }
    match hexadecimal {
        Some(digits) => i64::from_str_radix(&format!("{sign}{digits}"), 16).ok(),
        None => format!("{sign}{digits}").parse().ok(),
    }
}

fn is_off(off: Off, value: &Value) -> bool {
    let disabled = |text: &str| text.eq_ignore_ascii_case("disabled");
    match (off, value) {
        (Off::False | Off::Disabled, Value::Bool(on)) => !on,
        (Off::Zero, Value::Int(number)) => *number == 0,
        (Off::Empty, Value::Map(map)) => map.is_empty(),
        (Off::Empty, Value::Array(nodes)) => nodes.is_empty(),
        (Off::Disabled, Value::Text(text)) => disabled(text),
        (Off::Disabled, Value::Map(map)) => map.sorted().any(|(key, entry)| {
            let is_switch = ["enabled", "enable"].iter().any(|name| key.eq_ignore_ascii_case(name));
            is_switch && entry.node.value == Value::Bool(false)
        }),
        _ => false,
    }
}

fn wrong_kind(kind: &Kind, value: &Value) -> ValueError {
    ValueError::Kind { expected: kind.words(), found: value.kind() }
}

fn within(value: i64, min: i64, max: i64) -> Result<i64, ValueError> {
    if (min..=max).contains(&value) {
        Ok(value)
    } else {
        Err(ValueError::Bounds { value, min, max })
    }
}

fn at_least(span: Duration, min: Duration) -> Result<Duration, ValueError> {
    if span >= min {
        return Ok(span);
    }
    Err(ValueError::TooShort { value: duration::print(span), min: duration::print(min) })
}

pub(crate) fn parse_span(text: &str) -> Result<Duration, ValueError> {
    duration::parse(text).map_err(|reason| match reason {
        duration::DurationError::Negative => ValueError::NotPositive,
        reason => ValueError::Duration { text: text.to_owned(), reason },
    })
}

fn choice(text: &str, words: &[&'static str]) -> Result<&'static str, ValueError> {
    let found = words.iter().copied().find(|word| text.eq_ignore_ascii_case(word));
    found.ok_or_else(|| ValueError::Choice { value: text.to_owned(), allowed: words.join(", ") })
}

fn is_always(text: &str) -> bool {
    text.eq_ignore_ascii_case("always")
}

/// `512M`: powers of 1024 (spec/cli-and-config.md §7.7). Below zero is `None`.
fn size(text: &str) -> Result<Option<u64>, ValueError> {
    let bad = || ValueError::Size(text.to_owned());
    let (digits, shift) = match text.as_bytes().last().map(u8::to_ascii_uppercase) {
        Some(b'K') => (&text[..text.len() - 1], 10),
        Some(b'M') => (&text[..text.len() - 1], 20),
        Some(b'G') => (&text[..text.len() - 1], 30),
        Some(b'T') => (&text[..text.len() - 1], 40),
        _ => (text, 0),
    };
    let number: i64 = digits.trim().parse().map_err(|_| bad())?;
    let Ok(number) = u64::try_from(number) else { return Ok(None) };
    number.checked_mul(1 << shift).map(Some).ok_or_else(bad)
}

fn texts(value: &Value, kind: &Kind) -> Result<Vec<String>, ValueError> {
    let text = |value: &Value| match value {
        Value::Text(text) => Ok(text.clone()),
        other => Err(wrong_kind(kind, other)),
    };
    match value {
        Value::Array(nodes) => nodes.iter().map(|node| text(&node.value)).collect(),
        value => Ok(vec![text(value)?]),
    }
}
