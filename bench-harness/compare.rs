//! The same work against several servers, in alternating rounds.
//!
//! In each round every server works once and alone; the order turns from round to round, so that
//! what the machine does over time weighs on all of them.

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::cores::Placement;
use crate::error::BenchError;
use crate::interrupt;
use crate::measure::{Measure, Sample};
use crate::server::{Server, ServerSpec};
use crate::stats::Stats;
use crate::table::Table;
use crate::workload::Workload;

/// Whether each round starts its own servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Servers {
    /// A new process for each round.
    Fresh,
    /// All stay up; one at a time is loaded.
    Kept,
}

/// How a comparison is made.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Rounds, at least one.
    pub rounds: usize,
    /// Fresh or kept servers.
    pub servers: Servers,
    /// Spread of the rounds above which the machine counts as too noisy for a headline.
    pub noise_max: f64,
    /// Cores of both sides.
    pub placement: Placement,
}

/// One server's rounds.
#[derive(Debug, Clone, Default)]
pub struct Column {
    /// Name of the server.
    pub label: String,
    /// Its version, as INFO said.
    pub version: Option<String>,
    /// Its rounds, in order. Partial ones are kept.
    pub samples: Vec<Sample>,
    /// What ended its rounds early.
    pub failure: Option<String>,
}

/// All rounds of one workload.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// The work, in words.
    pub title: String,
    /// One for each server, in the order named; the first is what the others are compared with.
    pub columns: Vec<Column>,
}

/// What may be said about one quantity of one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// A figure.
    Sound,
    /// Rounds differ more than the rules allow.
    Noisy,
    /// The generator was the limit.
    LoadBound,
    /// A round ended early.
    Partial,
    /// No figure at all.
    Missing,
}

impl Standing {
    /// In words, for tables.
    pub fn words(self) -> &'static str {
        match self {
            Standing::Sound => "",
            Standing::Noisy => "too noisy",
            Standing::LoadBound => "generator was the limit",
            Standing::Partial => "partial",
            Standing::Missing => "no figure",
        }
    }
}

impl Column {
    /// Name and version.
    pub fn name(&self) -> String {
        match &self.version {
            Some(version) => format!("{} {version}", self.label),
            None => self.label.clone(),
        }
    }

    /// Latencies of all whole rounds together.
    pub fn latencies(&self) -> Option<Histogram<u64>> {
        let whole = self.samples.iter().filter(|sample| sample.partial.is_none());
        let mut all: Option<Histogram<u64>> = None;
        for latencies in whole.filter_map(|sample| sample.latencies.as_ref()) {
            match &mut all {
                Some(all) => all.add(latencies).expect("all have the same bounds"),
                None => all = Some(latencies.clone()),
            }
        }
        all.filter(|all| !all.is_empty())
    }

    /// Takes the outcome of a round.
    fn take(&mut self, outcome: Result<Sample, BenchError>) {
        match outcome {
            Ok(sample) => {
                self.failure = sample.partial.clone();
                self.version = sample.server_version.clone().or(self.version.take());
                self.samples.push(sample);
            }
            Err(error) => self.failure = Some(error.to_string()),
        }
    }

    /// Median and spread of one quantity over the whole rounds.
    pub fn stats(&self, measure: Measure) -> Option<Stats> {
        let whole = self.samples.iter().filter(|sample| sample.partial.is_none());
        let values: Vec<f64> = whole.filter_map(|sample| sample.get(measure)).collect();
        Stats::of(&values)
    }

    /// What may be said about one quantity.
    pub fn standing(&self, measure: Measure, noise_max: f64) -> Standing {
        let Some(stats) = self.stats(measure) else {
            return Standing::Missing;
        };
        let bound = self.samples.iter().filter(|sample| sample.load_bound(measure)).count();
        if self.failure.is_some() || self.samples.iter().any(|sample| sample.partial.is_some()) {
            Standing::Partial
        } else if bound * 2 > self.samples.len() {
            Standing::LoadBound
        } else if stats.spread() > noise_max {
            Standing::Noisy
        } else {
            Standing::Sound
        }
    }
}

impl Comparison {
    /// One server's one run, in the shape of a comparison.
    pub fn of_one(label: &str, workload: &Workload, sample: Sample) -> Comparison {
        let mut column = Column { label: label.to_string(), ..Column::default() };
        column.take(Ok(sample));
        Comparison { title: workload.title.clone(), columns: vec![column] }
    }

    /// Runs all rounds. What fails on one server does not stop the others; it is kept and marked.
    /// Ctrl-C ends the rounds; what there is by then is kept and marked.
    ///
    /// # Errors
    /// Wrong usage, and a server that cannot be started where all are kept up.
    pub fn run(
        specs: &[ServerSpec],
        workload: &Workload,
        rules: &Rules,
    ) -> Result<Comparison, BenchError> {
        let empty = |spec: &ServerSpec| Column { label: spec.label.clone(), ..Column::default() };
        let columns = specs.iter().map(empty).collect();
        let mut comparison = Comparison { title: workload.title.clone(), columns };
        let mut kept = Vec::new();
        if rules.servers == Servers::Kept && !workload.work.starts_servers() {
            for spec in specs {
                kept.push(Server::start(&spec.fitted(workload.work.outfit()), &rules.placement)?);
            }
        }
        for round in 0..rules.rounds {
            for step in 0..specs.len() {
                let index = (round + step) % specs.len();
                let column = &mut comparison.columns[index];
                if column.failure.is_some() {
                    continue;
                }
                let outcome = match (interrupt::check(), kept.get_mut(index)) {
                    (Err(error), _) => Err(error),
                    (Ok(()), Some(server)) => workload.run(server, &rules.placement),
                    (Ok(()), None) => workload.run_fresh(&specs[index], &rules.placement),
                };
                if let Err(error @ BenchError::Usage(_)) = outcome {
                    return Err(error);
                }
                column.take(outcome);
            }
        }
        Ok(comparison)
    }

    /// Whether any server's rounds ended early.
    pub fn failed(&self) -> bool {
        self.columns.iter().any(|column| column.failure.is_some())
    }

    /// Quantities in the order in which they were measured.
    pub fn measures(&self) -> Vec<Measure> {
        let mut measures: Vec<Measure> = Vec::new();
        for sample in self.columns.iter().flat_map(|column| &column.samples) {
            for (measure, _) in &sample.values {
                if !measures.contains(measure) {
                    measures.push(*measure);
                }
            }
        }
        measures
    }

    /// Median of `index`'s rounds divided by the first server's.
    pub fn share(&self, index: usize, measure: Measure) -> Option<f64> {
        let first = self.columns.first()?.stats(measure)?.median;
        let this = self.columns.get(index)?.stats(measure)?.median;
        (first != 0.0).then(|| this / first)
    }

    /// The table: one row a quantity; for each server median and spread, for all but the first its
    /// share of the first.
    pub fn render(&self, rules: &Rules) -> String {
        let mut titles = vec![self.title.clone()];
        for (index, column) in self.columns.iter().enumerate() {
            titles.push(column.name());
            titles.push("spread".to_string());
            if index > 0 {
                titles.push("share of the first".to_string());
            }
        }
        let titles: Vec<&str> = titles.iter().map(String::as_str).collect();
        let mut table = Table::new(&titles);
        for measure in self.measures() {
            let mut cells = vec![measure.title().to_string()];
            for (index, column) in self.columns.iter().enumerate() {
                let stats = column.stats(measure);
                cells.push(stats.map_or("–".to_string(), |stats| measure.show(stats.median)));
                let spread = stats.map(|stats| format!("{:.0} %", stats.spread() * 100.0));
                cells.push(spread.unwrap_or_default());
                if index > 0 {
                    cells.push(self.show_share(index, measure, rules.noise_max));
                }
            }
            table.row(cells);
        }
        let mut out = table.render();
        for column in &self.columns {
            if let Some(failure) = &column.failure {
                out.push_str(&format!("{}: PARTIAL, {failure}\n", column.label));
            }
        }
        out
    }

    /// A share is a headline: it is printed only when both sides are sound.
    fn show_share(&self, index: usize, measure: Measure, noise_max: f64) -> String {
        match (self.share(index, measure), self.standing(index, measure, noise_max)) {
            (Some(share), Standing::Sound) => format!("{share:.2}"),
            (_, standing) => standing.words().to_string(),
        }
    }

    /// What may be said about a share: the worse of the two sides.
    pub fn standing(&self, index: usize, measure: Measure, noise_max: f64) -> Standing {
        let sides = [0, index].map(|side| match self.columns.get(side) {
            Some(column) => column.standing(measure, noise_max),
            None => Standing::Missing,
        });
        let sound = |standing: &Standing| *standing != Standing::Sound;
        sides.into_iter().find(sound).unwrap_or(Standing::Sound)
    }

    /// For `--json`.
    pub fn to_json(&self) -> Value {
        let column = |(index, column): (usize, &Column)| {
            let summary: serde_json::Map<String, Value> = self
                .measures()
                .into_iter()
                .filter_map(|measure| {
                    let stats = column.stats(measure)?;
                    let value = json!({
                        "median": stats.median, "min": stats.min, "max": stats.max,
                        "spread": stats.spread(), "share_of_first": self.share(index, measure),
                    });
                    Some((measure.key().to_string(), value))
                })
                .collect();
            json!({
                "server": column.label,
                "version": column.version,
                "partial": column.failure.is_some(),
                "failure": column.failure,
                "summary": summary,
                "rounds": column.samples.iter().map(Sample::to_json).collect::<Vec<_>>(),
            })
        };
        let columns: Vec<Value> = self.columns.iter().enumerate().map(column).collect();
        json!({ "work": self.title, "partial": self.failed(), "servers": columns })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(label: &str, values: &[f64]) -> Column {
        let sample = |value: &f64| {
            let mut sample = Sample::default();
            sample.put(Measure::CpuPerMillion, *value);
            sample.put(Measure::PublishRate, 1.0 / *value);
            sample
        };
        Column {
            label: label.to_string(),
            samples: values.iter().map(sample).collect(),
            ..Column::default()
        }
    }

    fn comparison(first: Column, second: Column) -> Comparison {
        Comparison { title: "work".to_string(), columns: vec![first, second] }
    }

    #[test]
    fn shares_compare_medians_with_the_first_server() {
        let quiet = comparison(column("a", &[1.0, 1.01, 1.02]), column("b", &[0.25, 0.25, 0.26]));
        let share = quiet.share(1, Measure::CpuPerMillion).expect("both have rounds");
        assert!((share - 0.25 / 1.01).abs() < 1e-9);
        assert_eq!(quiet.standing(1, Measure::CpuPerMillion, 0.1), Standing::Sound);
    }

    #[test]
    fn noise_on_either_side_forbids_the_headline() {
        let noisy = comparison(column("a", &[1.0, 2.0, 3.0]), column("b", &[1.0, 1.0, 1.0]));
        assert_eq!(noisy.standing(1, Measure::CpuPerMillion, 0.3), Standing::Noisy);
        assert_eq!(noisy.show_share(1, Measure::CpuPerMillion, 0.3), "too noisy");
    }

    #[test]
    fn a_saturated_generator_forbids_rates_but_not_cpu() {
        let mut bound = comparison(column("a", &[1.0; 3]), column("b", &[1.0; 3]));
        for sample in &mut bound.columns[1].samples {
            sample.load_busy = 0.99;
        }
        assert_eq!(bound.standing(1, Measure::PublishRate, 0.3), Standing::LoadBound);
        assert_eq!(bound.standing(1, Measure::CpuPerMillion, 0.3), Standing::Sound);
    }

    #[test]
    fn a_partial_round_is_kept_and_marked_and_left_out_of_the_median() {
        let mut partial = comparison(column("a", &[1.0; 3]), column("b", &[1.0, 1.0, 9.0]));
        partial.columns[1].samples[2].partial = Some("server died".to_string());
        partial.columns[1].failure = Some("server died".to_string());
        assert_eq!(partial.share(1, Measure::CpuPerMillion), Some(1.0));
        assert_eq!(partial.standing(1, Measure::CpuPerMillion, 0.3), Standing::Partial);
        let json = partial.to_json();
        assert_eq!(json["partial"], true);
        assert_eq!(json["servers"][1]["rounds"][2]["partial"], "server died");
    }
}
