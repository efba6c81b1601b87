//! All items looked at: verdicts, the table, the JSON.

use std::fmt::Write as _;

use serde::Serialize;

use crate::host::Host;
use crate::item::{ITEMS, Item, Seen};
use crate::profile::{Profile, Weight};

/// How a report is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// For people.
    #[default]
    Table,
    /// For programs.
    Json,
}

/// What an item's state means for the profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// Not as it should be, and needed.
    Fail,
    /// Not as it should be; the profile works, but not at its best.
    Warn,
    /// Not as another profile wants it; no matter to this one.
    Unimportant,
    /// This host has no such thing.
    #[serde(rename = "n/a")]
    NotApplicable,
}

impl Verdict {
    const fn word(self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::Fail => "FAIL",
            Verdict::Warn => "warn",
            Verdict::Unimportant => "-",
            Verdict::NotApplicable => "n/a",
        }
    }
}

/// One line of a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The item's name.
    pub item: &'static str,
    /// The verdict.
    pub verdict: Verdict,
    /// How much it matters.
    pub weight: Weight,
    /// What is there.
    pub found: String,
    /// What should be; empty when not applicable.
    pub wanted: String,
    /// Why it matters.
    pub why: &'static str,
    /// How to change it; empty when there is nothing to change.
    pub fix: String,
}

/// A host looked at for a profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The profile, as it was named.
    pub profile: String,
    /// The one whose weights count: itself, or the one that a profile of one's own is like.
    pub weighed_as: Profile,
    /// Whether all that it needs is there.
    pub met: bool,
    /// The items.
    pub items: Vec<Line>,
}

impl Report {
    /// Looks at everything.
    pub fn of(host: &dyn Host, name: impl ToString, profile: Profile) -> Report {
        let items: Vec<Line> = ITEMS.iter().map(|item| line(item, host, profile)).collect();
        let met = items.iter().all(|line| line.verdict != Verdict::Fail);
        Report { profile: name.to_string(), weighed_as: profile, met, items }
    }

    /// As text, with a line end.
    pub fn show(&self, form: Form) -> String {
        match form {
            Form::Table => self.table(),
            // Strings and enums only: such a value cannot fail to serialise.
            Form::Json => serde_json::to_string_pretty(self).unwrap_or_default() + "\n",
        }
    }

    fn table(&self) -> String {
        let mut out = String::new();
        row(&mut out, ["item", "verdict", "found", "wanted"]);
        for line in &self.items {
            row(&mut out, [line.item, line.verdict.word(), &line.found, &line.wanted]);
            if matches!(line.verdict, Verdict::Fail | Verdict::Warn) {
                let _ = writeln!(out, "    why  {}\n    fix  {}", line.why, line.fix);
            }
        }
        let count = |verdict| self.count(verdict);
        let name = match self.weighed_as.name() {
            itself if itself == self.profile => self.profile.clone(),
            like => format!("{} (weighed as {like})", self.profile),
        };
        let verdict = match self.met {
            true => format!("The needs of profile {name} are met"),
            false => {
                format!("The needs of profile {name} are NOT met: {} failed", count(Verdict::Fail))
            }
        };
        let _ = writeln!(out, "\n{verdict}; {} warnings.", count(Verdict::Warn));
        out
    }

    fn count(&self, verdict: Verdict) -> usize {
        self.items.iter().filter(|line| line.verdict == verdict).count()
    }
}

fn row(out: &mut String, [item, verdict, found, wanted]: [&str; 4]) {
    let text = format!("{item:22}  {verdict:7}  {found:34}  {wanted}");
    let _ = writeln!(out, "{}", text.trim_end());
}

fn line(item: &Item, host: &dyn Host, profile: Profile) -> Line {
    let weight = item.weights.of(profile);
    let (verdict, found, wanted, fix) = match (item.look)(host) {
        Seen::Good { found, wanted } => (Verdict::Ok, found, wanted, String::new()),
        Seen::Absent(what) => {
            (Verdict::NotApplicable, what.to_owned(), String::new(), String::new())
        }
        Seen::Bad { found, wanted, fix } => {
            let verdict = match weight {
                Weight::Need => Verdict::Fail,
                Weight::Wish => Verdict::Warn,
                Weight::None => Verdict::Unimportant,
            };
            (verdict, found, wanted, fix)
        }
    };
    Line { item: item.name, verdict, weight, found, wanted, why: item.why, fix }
}

#[cfg(test)]
mod tests;
