//! Streams and consumers as monitoring shows them: a page at a time, so that no question keeps a
//! core from its messages for long.

use base::Now;
use base::snapshot::{ConsumerSnapshot, StreamQuery, StreamSnapshot};
use shard::StreamPage;

use super::Streams;
use crate::api::stream_info::{json, snapshot};
use crate::consumer::{self, ConsumerPlace};
use crate::outlet::Outlet;
use crate::service::held::Held;

/// Streams and consumers that one page describes: some 200 µs of a core.
const DESCRIBED_PER_PAGE: usize = 64;
/// Bits of a place that name the consumer; the stream stands above them.
const CONSUMER_BITS: u32 = 32;

impl Streams {
    /// The streams that are asked for, from a place on. A stream whose consumers do not fit the
    /// page comes again on the next, with the others.
    pub(crate) fn show(
        &mut self,
        query: &StreamQuery,
        from: usize,
        now: Now,
        out: &mut dyn Outlet,
    ) -> StreamPage {
        let (mut at, mut consumer) = (from >> CONSUMER_BITS, from as u32);
        let (mut shown, mut room) = (Vec::new(), DESCRIBED_PER_PAGE);
        while at < self.held.len() {
            if self.is_asked_for(at, query) {
                if room == 0 {
                    return (shown, Some(at << CONSUMER_BITS | consumer as usize));
                }
                room -= 1;
                let (stream, next) = self.show_one(at, (consumer, room), query, now, out);
                room -= stream.as_ref().map_or(0, |stream| stream.consumers.len());
                shown.extend(stream);
                if let Some(next) = next {
                    return (shown, Some(at << CONSUMER_BITS | next as usize));
                }
            }
            (at, consumer) = (at + 1, 0);
        }
        (shown, None)
    }

    fn is_asked_for(&self, at: usize, query: &StreamQuery) -> bool {
        let Some(held) = &self.held[at] else { return false };
        query.account.is_none_or(|account| held.account() == account)
            && query.stream.as_ref().is_none_or(|name| held.stream.config().name == *name)
    }

    /// One stream with so many of its consumers, and the place of the first that is left.
    fn show_one(
        &mut self,
        at: usize,
        (from, room): (u32, usize),
        query: &StreamQuery,
        now: Now,
        outlet: &mut dyn Outlet,
    ) -> (Option<StreamSnapshot>, Option<u32>) {
        let domain = self.ground.settings.domain.as_deref();
        let Some(held) = &mut self.held[at] else { return (None, None) };
        let facts = held.facts(&self.ground.storage, domain, now.wall_ns);
        let mut shown = snapshot(&facts, held.account(), query);
        if !query.consumers {
            return (Some(shown), None);
        }
        let places = held.consumers.iter().map(|(place, _)| place);
        let mut places = places.filter(|place| place.0 >= from);
        let page: Vec<ConsumerPlace> = places.by_ref().take(room).collect();
        let next = places.next().map(|place| place.0);
        drop(places);
        let (storage, budget) = (&mut self.ground.storage, &mut self.ground.budget);
        let desk = &mut consumer::Desk { storage, outlet, budget, now };
        for place in page {
            shown.consumers.extend(show_consumer(place, held, query, desk));
        }
        (Some(shown), next)
    }
}

fn show_consumer(
    place: ConsumerPlace,
    held: &mut Held,
    query: &StreamQuery,
    desk: &mut consumer::Desk<'_>,
) -> Option<ConsumerSnapshot> {
    let mut info = held.consumers.info(place, desk).ok()?;
    let direct = info.config.as_ref().is_some_and(|config| config.direct);
    info.config = info.config.filter(|_| query.configs);
    Some(ConsumerSnapshot { name: info.name.clone(), direct, info: json(&info) })
}
