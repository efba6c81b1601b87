//! The core broker's table: each row a workload, a goal and a verdict.
//!
//! Goals are shares of the first server's figure (usually nats-server's) or absolute bounds; they
//! are those of the issue that built the core broker.

use clap::Parser;
use serde_json::{Value, json};

use crate::compare::{Column, Comparison, Rules, Servers, Standing};
use crate::error::BenchError;
use crate::interrupt;
use crate::measure::Measure;
use crate::modes::Mode;
use crate::server::ServerSpec;
use crate::stats::Stats;
use crate::table::Table;

/// A bound on one quantity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Goal {
    /// At most this share of the first server's.
    ShareAtMost(f64),
    /// At least this share of the first server's.
    ShareAtLeast(f64),
    /// At most this value.
    AtMost(f64),
    /// At least this value.
    AtLeast(f64),
    /// Shown without a verdict.
    Shown,
}

impl Goal {
    fn holds(self, value: f64, share: f64) -> bool {
        match self {
            Goal::ShareAtMost(bound) => share <= bound,
            Goal::ShareAtLeast(bound) => share >= bound,
            Goal::AtMost(bound) => value <= bound,
            Goal::AtLeast(bound) => value >= bound,
            Goal::Shown => true,
        }
    }

    fn compares(self) -> bool {
        matches!(self, Goal::ShareAtMost(_) | Goal::ShareAtLeast(_))
    }

    fn words(self, measure: Measure) -> String {
        match self {
            Goal::ShareAtMost(bound) => format!("≤ {bound:.2} of the first"),
            Goal::ShareAtLeast(bound) => format!("≥ {bound:.2} of the first"),
            Goal::AtMost(bound) => format!("≤ {}", measure.show(bound)),
            Goal::AtLeast(bound) => format!("≥ {}", measure.show(bound)),
            Goal::Shown => String::new(),
        }
    }
}

/// One row: its short name, its words, the flags of its mode, its goals.
struct Row {
    key: &'static str,
    title: &'static str,
    flags: &'static str,
    goals: &'static [(Measure, Goal)],
}

const ROWS: [Row; 10] = [
    Row {
        key: "publish",
        title: "publish 16 B, no subscriber",
        flags: "pub",
        goals: &[
            (Measure::CpuPerMillion, Goal::ShareAtMost(0.35)),
            (Measure::PublishRate, Goal::Shown),
        ],
    },
    Row {
        key: "one-one",
        title: "16 B, 1 → 1",
        flags: "pubsub",
        goals: &[
            (Measure::CpuPerMillion, Goal::ShareAtMost(0.30)),
            (Measure::DeliverRate, Goal::Shown),
        ],
    },
    Row {
        key: "one-four",
        title: "16 B, 1 → 4",
        flags: "fanout --subs 4",
        goals: &[
            (Measure::CpuPerMillion, Goal::ShareAtMost(0.35)),
            (Measure::DeliverRate, Goal::Shown),
        ],
    },
    Row {
        key: "one-four-128",
        title: "128 B, 1 → 4",
        flags: "fanout --subs 4 --size 128",
        goals: &[
            (Measure::CpuPerMillion, Goal::ShareAtMost(0.35)),
            (Measure::DeliverRate, Goal::Shown),
        ],
    },
    Row {
        key: "unbatched",
        title: "unbatched, 64 connections, 100k/s",
        flags: "unbatched --conns 64 --rate 100k",
        goals: &[
            (Measure::CpuPerMillion, Goal::ShareAtMost(0.55)),
            (Measure::PublishRate, Goal::Shown),
        ],
    },
    Row {
        key: "wildcard",
        title: "100k wildcard subscriptions",
        flags: "wildcard --subscriptions 100k",
        goals: &[
            (Measure::CpuPerMillion, Goal::ShareAtMost(0.15)),
            (Measure::DeliverRate, Goal::Shown),
        ],
    },
    Row {
        key: "request",
        title: "request/reply, one at a time",
        flags: "request",
        goals: &[
            (Measure::RequestRate, Goal::ShareAtLeast(1.25)),
            (Measure::P50, Goal::Shown),
            (Measure::P99, Goal::Shown),
            (Measure::P999, Goal::ShareAtMost(0.6)),
        ],
    },
    Row {
        key: "idle",
        title: "10,000 idle connections",
        flags: "connect --conns 10k",
        goals: &[(Measure::Resident, Goal::ShareAtMost(0.25)), (Measure::ConnectRate, Goal::Shown)],
    },
    Row {
        key: "stalled",
        title: "1 of 50 subscribers stops reading",
        flags: "stalled --subs 50 --stalled 1",
        goals: &[(Measure::StalledShare, Goal::AtLeast(0.97))],
    },
    Row {
        key: "start",
        title: "start to first INFO",
        flags: "start --starts 10",
        goals: &[(Measure::StartToInfo, Goal::AtMost(10e6))],
    },
];

/// A row of the table with its rounds.
pub struct SuiteRow {
    row: &'static Row,
    comparison: Comparison,
}

/// The whole table.
pub struct Suite {
    rows: Vec<SuiteRow>,
    rules: Rules,
}

/// What became of a goal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Reached.
    Met,
    /// Not reached.
    Missed,
    /// The figure does not support a verdict.
    Unsure(Standing),
    /// There was no goal.
    None,
}

impl Verdict {
    fn words(self) -> String {
        match self {
            Verdict::Met => "met".to_string(),
            Verdict::Missed => "MISSED".to_string(),
            Verdict::Unsure(standing) => standing.words().to_string(),
            Verdict::None => String::new(),
        }
    }
}

/// Names of the rows, for `--only` and help texts.
pub fn keys() -> Vec<&'static str> {
    ROWS.iter().map(|row| row.key).collect()
}

/// Whether the goal holds with the smallest and with the largest figure that the rounds support.
fn extremes(goal: Goal, first: Stats, this: Stats) -> (bool, bool) {
    (goal.holds(this.min, this.min / first.max), goal.holds(this.max, this.max / first.min))
}

#[derive(Parser)]
struct ModeLine {
    #[command(subcommand)]
    mode: Mode,
}

impl Suite {
    /// Runs the rows named in `only` (all when empty). `duration` is the length of each window.
    ///
    /// # Errors
    /// A name that is no row. Ctrl-C ends the rows; those done by then are kept.
    pub fn run(
        specs: &[ServerSpec],
        only: &[String],
        duration: &str,
        rules: Rules,
        mut finished: impl FnMut(&Comparison),
    ) -> Result<Suite, BenchError> {
        if let Some(unknown) = only.iter().find(|key| !keys().contains(&key.as_str())) {
            let known = keys().join(", ");
            return Err(BenchError::Usage(format!("no row `{unknown}`; there are: {known}")));
        }
        let mut rows = Vec::new();
        for row in &ROWS {
            if !only.is_empty() && !only.iter().any(|key| key == row.key) {
                continue;
            }
            let mut words = vec!["corewire-bench"];
            words.extend(row.flags.split(' '));
            if !matches!(row.key, "idle" | "start") {
                words.extend(["--duration", duration]);
            }
            let line = ModeLine::try_parse_from(words)
                .map_err(|error| BenchError::Usage(error.to_string()))?;
            let mut workload = line.mode.workload()?;
            workload.title = row.title.to_string();
            let rules = Rules { servers: Servers::Fresh, ..rules.clone() };
            let comparison = Comparison::run(specs, &workload, &rules)?;
            finished(&comparison);
            rows.push(SuiteRow { row, comparison });
            if interrupt::check().is_err() {
                break;
            }
        }
        Ok(Suite { rows, rules })
    }

    /// Whether any round of any row ended early.
    pub fn failed(&self) -> bool {
        self.rows.iter().any(|row| row.comparison.failed())
    }

    /// The rounds of each row.
    pub fn comparisons(&self) -> impl Iterator<Item = &Comparison> {
        self.rows.iter().map(|row| &row.comparison)
    }

    /// The table: for each goal the first server's figure, each other's, its share and verdict.
    pub fn render(&self) -> String {
        let labels: Vec<String> = match self.rows.first() {
            Some(row) => row.comparison.columns.iter().map(Column::name).collect(),
            None => return String::new(),
        };
        let mut titles = vec!["work".to_string(), "quantity".to_string(), labels[0].clone()];
        for label in &labels[1..] {
            titles.extend([label.clone(), "share".to_string()]);
        }
        titles.push("goal".to_string());
        titles.extend(labels[1..].iter().map(|label| format!("verdict, {label}")));
        let titles: Vec<&str> = titles.iter().map(String::as_str).collect();
        let mut table = Table::new(&titles);
        for SuiteRow { row, comparison } in &self.rows {
            for (index, &(measure, goal)) in row.goals.iter().enumerate() {
                let title = if index == 0 { row.title } else { "" };
                let mut cells = vec![title.to_string(), measure.title().to_string()];
                cells.push(self.figure(comparison, 0, measure));
                for column in 1..labels.len() {
                    cells.push(self.figure(comparison, column, measure));
                    let share = comparison.share(column, measure);
                    cells.push(share.map_or("–".to_string(), |share| format!("{share:.2}")));
                }
                cells.push(goal.words(measure));
                for column in 1..labels.len() {
                    cells.push(self.verdict(comparison, column, measure, goal).words());
                }
                table.row(cells);
            }
        }
        let mut out = table.render();
        for column in self.comparisons().flat_map(|comparison| &comparison.columns) {
            if let Some(failure) = &column.failure {
                out.push_str(&format!("{}: PARTIAL, {failure}\n", column.label));
            }
        }
        out
    }

    /// Median and half the spread.
    fn figure(&self, comparison: &Comparison, column: usize, measure: Measure) -> String {
        match comparison.columns[column].stats(measure) {
            Some(stats) => {
                format!("{} ±{:.0}%", measure.show(stats.median), stats.spread() * 50.0)
            }
            None => "–".to_string(),
        }
    }

    fn verdict(
        &self,
        comparison: &Comparison,
        column: usize,
        measure: Measure,
        goal: Goal,
    ) -> Verdict {
        let noise_max = self.rules.noise_max;
        let standing = match goal {
            Goal::Shown => return Verdict::None,
            _ if goal.compares() => comparison.standing(column, measure, noise_max),
            _ => comparison.columns[column].standing(measure, noise_max),
        };
        let stats = |column: usize| comparison.columns[column].stats(measure);
        let (Some(first), Some(this)) = (stats(0), stats(column)) else {
            return Verdict::Unsure(standing);
        };
        match standing {
            Standing::Sound if goal.holds(this.median, this.median / first.median) => Verdict::Met,
            Standing::Sound => Verdict::Missed,
            // Noise does not matter where even the extremes agree.
            Standing::Noisy => match extremes(goal, first, this) {
                (true, true) => Verdict::Met,
                (false, false) => Verdict::Missed,
                _ => Verdict::Unsure(standing),
            },
            standing => Verdict::Unsure(standing),
        }
    }

    /// For `--json`.
    pub fn to_json(&self) -> Value {
        let row = |SuiteRow { row, comparison }: &SuiteRow| {
            let goals: Vec<Value> = row
                .goals
                .iter()
                .filter(|(_, goal)| *goal != Goal::Shown)
                .map(|&(measure, goal)| {
                    let verdicts: Vec<String> = (1..comparison.columns.len())
                        .map(|column| self.verdict(comparison, column, measure, goal).words())
                        .collect();
                    json!({
                        "quantity": measure.key(),
                        "goal": goal.words(measure),
                        "verdicts": verdicts,
                    })
                })
                .collect();
            json!({ "row": row.key, "goals": goals, "comparison": comparison.to_json() })
        };
        json!({
            "rows": self.rows.iter().map(row).collect::<Vec<_>>(),
            "partial": self.failed(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_a_mode_that_exists() {
        for row in &ROWS {
            let words = std::iter::once("x").chain(row.flags.split(' '));
            let line = ModeLine::try_parse_from(words);
            assert!(line.is_ok(), "{}", row.key);
            assert!(line.is_ok_and(|line| line.mode.workload().is_ok()), "{}", row.key);
        }
    }

    #[test]
    fn noise_does_not_hide_what_even_the_extremes_show() {
        let stats = |min, median, max| Stats { median, min, max };
        let first = stats(9.0, 10.0, 14.0);
        let goal = Goal::ShareAtMost(0.5);
        assert_eq!(extremes(goal, first, stats(1.0, 2.0, 3.0)), (true, true));
        assert_eq!(extremes(goal, first, stats(8.0, 9.0, 20.0)), (false, false));
        assert_eq!(extremes(goal, first, stats(3.0, 5.0, 8.0)), (true, false));
    }

    #[test]
    fn goals_hold_on_their_side_of_the_bound() {
        assert!(Goal::ShareAtMost(0.35).holds(9.0, 0.35));
        assert!(!Goal::ShareAtMost(0.35).holds(0.1, 0.36));
        assert!(Goal::ShareAtLeast(1.25).holds(0.0, 1.3));
        assert!(!Goal::AtLeast(0.97).holds(0.96, 9.0));
        assert!(Goal::AtMost(10e6).holds(7e6, 9.0));
        assert!(!Goal::AtMost(10e6).holds(f64::NAN, 0.0), "no figure meets no goal");
    }
}
