//! Subject mappings of an account: what a published subject becomes before anybody is looked for
//! (spec/security.md §6).

use std::borrow::Cow;

use config::accounts::Mapping;
use subject::transform::numbered;
use subject::{Transform, TransformError, TransformUse, name};

/// The mappings of one account; the first that matches is taken.
#[derive(Clone, Debug)]
pub struct Mappings {
    list: Vec<Mapped>,
}

#[derive(Clone, Debug)]
struct Mapped {
    source: Box<[u8]>,
    /// Each with the sum of the weights up to and including its own.
    destinations: Vec<(u8, Transform)>,
    /// Whether what the weights leave is dropped: the source is among the destinations.
    drops_rest: bool,
}

/// What became of a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MappedTo {
    /// It stays as it is.
    Same,
    /// Another was appended.
    Other,
    /// The message is lost, as the weights say.
    Nothing,
}

impl Mappings {
    /// From what the configuration says; the source of a mapping that is none, and why. `None`
    /// without mappings. Destinations of a cluster are left out: this server is in none.
    pub(crate) fn new(config: &[Mapping]) -> Result<Option<Mappings>, (String, TransformError)> {
        let mut list = Vec::with_capacity(config.len());
        for mapping in config {
            let error = |error| (mapping.source.clone(), error);
            let mut destinations = Vec::new();
            let mut sum = 0;
            let mut drops_rest = false;
            for destination in &mapping.destinations {
                let is_source = destination.subject == mapping.source;
                let subject: Cow<'_, str> = match is_source {
                    true => numbered(&mapping.source).into(),
                    false => destination.subject.as_str().into(),
                };
                let purpose = TransformUse::AccountMapping;
                let transform =
                    Transform::new(&mapping.source, &subject, purpose).map_err(error)?;
                if destination.cluster.is_some() {
                    continue;
                }
                sum += destination.weight;
                drops_rest |= is_source;
                destinations.push((sum, transform));
            }
            list.push(Mapped {
                source: mapping.source.as_bytes().into(),
                destinations,
                drops_rest,
            });
        }
        Ok((!list.is_empty()).then_some(Mappings { list }))
    }

    /// Appends what `subject` becomes to `out`.
    pub fn map(&self, subject: &[u8], random: &mut fastrand::Rng, out: &mut Vec<u8>) -> MappedTo {
        // A `>` that somebody publishes to stands for more than the one word of a `*`.
        let found = self.list.iter().find(|Mapped { source, .. }| {
            name::matches(source, subject) && name::is_subset(subject, source)
        });
        let Some(mapped) = found else { return MappedTo::Same };
        let drawn = match &mapped.destinations[..] {
            [(100, _)] => 0,
            _ => random.u8(0..100),
        };
        match mapped.destinations.iter().find(|(upto, _)| drawn < *upto) {
            Some((_, transform)) => {
                transform.apply_matched(subject, random, out);
                MappedTo::Other
            }
            None if mapped.drops_rest => MappedTo::Nothing,
            None => MappedTo::Same,
        }
    }
}

#[cfg(test)]
mod tests {
    use config::accounts::Destination;

    use super::*;

    fn mapping(source: &str, destinations: &[(&str, u8)]) -> Mapping {
        let destinations = destinations.iter().map(|(subject, weight)| Destination {
            subject: (*subject).to_owned(),
            weight: *weight,
            cluster: None,
        });
        Mapping { source: source.to_owned(), destinations: destinations.collect() }
    }

    fn counts(mappings: &Mappings, subject: &str) -> std::collections::BTreeMap<String, u32> {
        let mut random = fastrand::Rng::with_seed(5);
        let mut counts = std::collections::BTreeMap::new();
        for _ in 0..10_000 {
            let mut out = Vec::new();
            let became = match mappings.map(subject.as_bytes(), &mut random, &mut out) {
                MappedTo::Same => subject.to_owned(),
                MappedTo::Other => String::from_utf8(out).expect("text"),
                MappedTo::Nothing => String::new(),
            };
            *counts.entry(became).or_insert(0) += 1;
        }
        counts
    }

    #[test]
    fn weights_share_out_and_the_rest_stays_or_is_lost() {
        let list = [
            mapping("a.*", &[("b.$1", 100)]),
            mapping("c", &[("d", 20), ("e", 30)]),
            mapping("f", &[("f", 50), ("g", 25)]),
            mapping("*.h", &[("*.h", 80)]),
        ];
        let mappings = Mappings::new(&list).expect("valid").expect("some");
        assert_eq!(counts(&mappings, "a.x"), [("b.x".to_owned(), 10_000)].into());
        for same in ["z", "a.>"] {
            assert_eq!(counts(&mappings, same), [(same.to_owned(), 10_000)].into());
        }
        let near = |count: u32, percent: u32| count.abs_diff(percent * 100) < 200;
        let c = counts(&mappings, "c");
        assert!(near(c["c"], 50) && near(c["d"], 20) && near(c["e"], 30), "{c:?}");
        let f = counts(&mappings, "f");
        assert!(near(f["f"], 50) && near(f["g"], 25) && near(f[""], 25), "{f:?}");
        let h = counts(&mappings, "z.h");
        assert!(near(h["z.h"], 80) && near(h[""], 20), "{h:?}");
        assert!(Mappings::new(&[]).expect("valid").is_none());
        assert!(Mappings::new(&[mapping("a", &[("b.$1", 100)])]).is_err());
    }
}
