//! The tables of goals run over several servers: each row a workload, a goal and a verdict.

use clap::Parser;
use serde_json::{Value, json};

use crate::compare::{Column, Comparison, Rules, Servers, Standing};
use crate::error::BenchError;
use crate::goals::{Goal, ROWS, Row, names};
use crate::interrupt;
use crate::measure::Measure;
use crate::modes::Mode;
use crate::server::ServerSpec;
use crate::stats::Stats;
use crate::table::Table;

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
    /// Runs the rows and tables named in `only` (the core's when empty). `duration` is the length
    /// of each window.
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
        if let Some(unknown) = only.iter().find(|name| !names().contains(&name.as_str())) {
            let known = names().join(", ");
            return Err(BenchError::Usage(format!("no row `{unknown}`; there are: {known}")));
        }
        let mut rows = Vec::new();
        for row in &ROWS {
            if !row.is_among(only) {
                continue;
            }
            let mut words = vec!["corewire-bench"];
            words.extend(row.flags.split(' '));
            if row.has_duration() {
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
            let duration = row.has_duration().then_some(["--duration", "1s"]);
            let line = ModeLine::try_parse_from(words.chain(duration.into_iter().flatten()));
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
}
