//! From a profile's text to [`Tuning`]. All that is wrong is noted with its place, not only the
//! first; TOML itself is the `toml` crate's.

use std::ops::Range;
use std::path::Path;

use toml::de::{DeInteger, DeTable, DeValue};

use super::keys::{KEYS, Key, Kind, Steps};
use super::{Idle, ProfileName, Scheduling, Tuning};
use crate::limits;
use crate::parser::{Files, reason};
use crate::place::{Place, SourceId, Sources};
use crate::problem::{Conflict, Diagnostics, Problem, SyntaxError, ValueError};
use crate::suggest;

/// What the profile of this name says. What is wrong is noted in `found`.
pub fn load(
    name: &ProfileName,
    files: &dyn Files,
    sources: &mut Sources,
    found: &mut Diagnostics,
) -> Tuning {
    match name {
        ProfileName::Default => Tuning::default(),
        ProfileName::Embedded(embedded) => {
            let source = sources.add_file(format!("tuning/{}.toml", embedded.name), embedded.text);
            read(embedded.text, source, found)
        }
        ProfileName::File(path) => match text_of(path, files) {
            Ok(text) => {
                let source = sources.add_file(path.display().to_string(), &text);
                read(&text, source, found)
            }
            Err(problem) => {
                found.note(None, problem);
                Tuning::default()
            }
        },
    }
}

fn text_of(path: &Path, files: &dyn Files) -> Result<String, Problem> {
    let unreadable = |reason| Problem::Unreadable { path: path.to_owned(), reason };
    let bytes = files.read(path).map_err(|error| unreadable(reason(&error)))?;
    if bytes.len() > limits::PROFILE_BYTES_MAX {
        return Err(unreadable(format!("it has more than {} bytes", limits::PROFILE_BYTES_MAX)));
    }
    String::from_utf8(bytes).map_err(|_| unreadable("not UTF-8 text".to_owned()))
}

fn read(text: &str, source: SourceId, found: &mut Diagnostics) -> Tuning {
    let mut tuning = Tuning::default();
    let at = |span: Range<usize>| place(text, source, span.start);
    let table = match DeTable::parse(text) {
        Ok(table) => table.into_inner(),
        Err(error) => {
            let place = error.span().map(at);
            found.note(place, SyntaxError::Toml(error.message().to_owned()));
            return tuning;
        }
    };
    for (name, value) in &table {
        match KEYS.iter().find(|key| key.name == name.get_ref()) {
            None => {
                let near = suggest::nearest(name.get_ref(), KEYS.iter().map(|key| key.name));
                let key = name.get_ref().to_string();
                found.note(Some(at(name.span())), Problem::UnknownField { key, near });
            }
            Some(key) => {
                if let Err(error) = set(&mut tuning, key, value.get_ref()) {
                    let key = key.name.to_owned();
                    found.note(Some(at(value.span())), Problem::Value { key, error });
                }
            }
        }
    }
    for (key, conflict) in conflicts(&tuning) {
        let value = table.iter().find(|(name, _)| name.get_ref() == key);
        found.note(value.map(|(_, value)| at(value.span())), conflict);
    }
    tuning
}

/// What a core that never sleeps would not heed, or must not have.
fn conflicts(tuning: &Tuning) -> impl Iterator<Item = (&'static str, Conflict)> {
    let spins = tuning.idle == Idle::Spin;
    let unheeded =
        [("spin_before_park_us", tuning.spin_before_park_us), ("gather_us", tuning.gather_us)];
    let starves = spins && tuning.scheduling == Scheduling::Realtime;
    unheeded
        .into_iter()
        .filter(move |(_, value)| spins && *value > 0)
        .map(|(key, _)| (key, Conflict::NeverSleeps(key)))
        .chain(starves.then_some(("scheduling", Conflict::Starves)))
}

fn set(tuning: &mut Tuning, key: &Key, value: &DeValue<'_>) -> Result<(), ValueError> {
    match (&key.kind, value) {
        (Kind::Count { min, max, steps, set }, DeValue::Integer(number)) => {
            set(tuning, count(number, *min, *max, *steps)?);
        }
        (Kind::Switch(set), DeValue::Boolean(on)) => set(tuning, *on),
        (Kind::Word(words, set), DeValue::String(text)) => {
            let Some(word) = words.iter().find(|word| **word == text) else {
                let (value, allowed) = (text.to_string(), words.join(", "));
                return Err(ValueError::Choice { value, allowed });
            };
            set(tuning, word);
        }
        (Kind::Cores(_, set), DeValue::String(text)) => set(tuning, text)?,
        (Kind::Cores(_, set), DeValue::Integer(number)) => set(tuning, number.as_str())?,
        (Kind::Cores(_, set), DeValue::Array(numbers)) => {
            let expected = key.kind.expected();
            let numbers: Result<Vec<&str>, ValueError> = numbers
                .iter()
                .map(|number| match number.get_ref() {
                    DeValue::Integer(number) => Ok(number.as_str()),
                    other => Err(ValueError::Kind { expected, found: kind_of(other) }),
                })
                .collect();
            set(tuning, &numbers?.join(","))?;
        }
        (kind, other) => {
            return Err(ValueError::Kind { expected: kind.expected(), found: kind_of(other) });
        }
    }
    Ok(())
}

fn count(number: &DeInteger<'_>, min: u32, max: u32, steps: Steps) -> Result<u32, ValueError> {
    let (low, high) = (i64::from(min), i64::from(max));
    // What does not fit an i64 is out of bounds too, on the side of its sign.
    let value = i64::from_str_radix(number.as_str(), number.radix())
        .unwrap_or_else(|_| if number.as_str().starts_with('-') { i64::MIN } else { i64::MAX });
    if value == 0 && steps == Steps::OneOrZero {
        return Ok(0);
    }
    let within = u32::try_from(value).ok().filter(|value| (min..=max).contains(value));
    let value = within.ok_or(ValueError::Bounds { value, min: low, max: high })?;
    if steps == Steps::PowersOfTwo && !value.is_power_of_two() {
        let above = value.next_power_of_two();
        return Err(ValueError::NotPowerOfTwo { value, below: above / 2, above });
    }
    Ok(value)
}

fn kind_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// Line and column of a byte, both from 1.
fn place(text: &str, source: SourceId, byte: usize) -> Place {
    let before = text.get(..byte).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.matches('\n').count() + 1;
    let column = before[line_start..].chars().count() + 1;
    Place { source, line: line as u32, column: column as u32 }
}
