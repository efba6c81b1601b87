//! One stream of this core with its consumers, and what they listen on.

use base::{AccountId, Now};
use shard::Letter;
use storage::Storage;

use crate::advisory::Action;
use crate::api::stream_info::Facts;
use crate::api::{consumer_create, stream_restore};
use crate::consumer::{self, ConsumerPlace, Consumers, End};
use crate::outlet::{Outlet, Purpose, Token};
use crate::service::streams::{Accounts, Counted};
use crate::settings::Settings;
use crate::stream::{Quota, Stream, Turn};

/// What a stream and its consumers work with in one call.
pub(crate) struct Means<'a> {
    /// This core's messages.
    pub(crate) storage: &'a mut Storage,
    /// The way out.
    pub(crate) outlet: &'a mut dyn Outlet,
    /// What may still be stored.
    pub(crate) quota: &'a mut Quota,
    /// The time of this turn.
    pub(crate) now: Now,
    /// What the operator decided.
    pub(crate) settings: &'a Settings,
    /// The accounts, and what they may use.
    pub(crate) accounts: &'a Accounts,
}

impl Means<'_> {
    /// As consumers want it.
    pub(crate) fn of_consumers(&mut self) -> consumer::Desk<'_> {
        consumer::Desk { storage: self.storage, outlet: self.outlet, now: self.now }
    }
}

/// One stream and its consumers.
pub(crate) struct Held {
    /// Its place in its core's table.
    pub(crate) place: u32,
    /// When it was made, nanoseconds since the Unix epoch.
    pub(crate) created_ns: u64,
    pub(crate) stream: Stream,
    pub(crate) consumers: Consumers,
    /// Whether it stands among those that want a turn.
    pub(crate) is_touched: bool,
    /// Whether it stands among those that wait for the disk.
    pub(crate) is_awaiting: bool,
    /// When it is to be asked again, monotonic nanoseconds; the highest number for never.
    pub(crate) timed_ns: u64,
    /// What it had when it was last counted.
    pub(crate) counted: Counted,
}

impl Held {
    /// Calls the stream with its consumers as its readers.
    pub(crate) fn with_stream<T>(
        &mut self,
        means: &mut Means<'_>,
        call: impl FnOnce(&mut Stream, &mut Turn<'_>) -> T,
    ) -> T {
        let mut turn = Turn {
            storage: means.storage,
            readers: &mut self.consumers,
            outlet: means.outlet,
            quota: means.quota,
            now: means.now,
        };
        call(&mut self.stream, &mut turn)
    }

    /// A direct get, from a subject that ends in the stream's name or goes on behind it.
    pub(crate) fn direct_get(&mut self, letter: &Letter<'_>, means: &mut Means<'_>) {
        let publish = &letter.publish;
        let Some(reply) = publish.reply() else { return };
        let (headers, body) = (publish.headers().unwrap_or_default(), publish.payload());
        let name = format!("DIRECT.GET.{}.", self.stream.config().name);
        let subject = publish.subject();
        let at = memchr::memmem::find(subject, name.as_bytes());
        let last_of = at.map(|at| &subject[at + name.len()..]);
        self.with_stream(means, |stream, turn| {
            stream.direct_get(last_of, reply, headers, body, turn);
        });
    }

    /// Everything whose time has come, or that letters have made possible. Whether it wants
    /// another turn at once.
    pub(crate) fn turn(&mut self, means: &mut Means<'_>) -> bool {
        self.consumers.turn(&mut means.of_consumers());
        let settled: Vec<(u64, u64)> = self.consumers.drain_settled().collect();
        for (from, to) in settled {
            self.with_stream(means, |stream, turn| {
                (from..=to).for_each(|seq| stream.acknowledged(seq, turn));
            });
        }
        while let Some(place) = self.consumers.next_abandoned() {
            consumer_create::tell(place, Action::Deleted, self, means);
            self.remove_consumer(place, End::Deleted, means);
        }
        self.with_stream(means, |stream, turn| stream.turn(turn));
        if self.stream.restore_is_silent(means.now) {
            stream_restore::abandon(self, means.outlet);
        }
        self.consumers.write_states(&mut means.of_consumers());
        self.release(means);
        self.has_work()
    }

    /// Whether it wants another turn at once.
    pub(crate) fn has_work(&self) -> bool {
        self.stream.has_work() || self.consumers.has_work()
    }

    /// Sends what waited for the disk and is safe by now.
    pub(crate) fn release(&mut self, means: &mut Means<'_>) {
        self.with_stream(means, |stream, turn| stream.release(turn));
        self.consumers.confirm(means.storage.durable(), means.outlet);
    }

    /// Whether something waits for the disk.
    pub(crate) fn awaits_disk(&self) -> bool {
        self.stream.awaits_disk() || self.consumers.awaits_disk()
    }

    /// When it wants its next turn at the latest, monotonic nanoseconds; the highest number for
    /// never.
    pub(crate) fn next_deadline_ns(&self, storage: &mut Storage, now: Now) -> u64 {
        let stream = self.stream.next_deadline_ns(storage, now).unwrap_or(u64::MAX);
        stream.min(self.consumers.next_deadline_ns().unwrap_or(u64::MAX))
    }

    /// Listens for what concerns the stream itself.
    pub(crate) fn listen_for_stream(&self, domain: Option<&str>, outlet: &mut dyn Outlet) {
        let (account, config) = (self.account(), self.stream.config());
        let publish = Token::new(self.place, Purpose::Publish, 0);
        for subject in &config.subjects {
            outlet.subscribe_stream(account, subject.as_bytes(), publish, &config.name);
        }
        // spec/jetstream.md §10: a disabled direct get gives no responders
        if config.allow_direct {
            let token = Token::new(self.place, Purpose::DirectGet, 0);
            for prefix in api_prefixes(domain) {
                let subject = format!("{prefix}.DIRECT.GET.{}", config.name);
                outlet.subscribe(account, subject.as_bytes(), token);
                outlet.subscribe(account, format!("{subject}.>").as_bytes(), token);
            }
        }
    }

    /// Listens no more for what concerns the stream itself.
    pub(crate) fn listen_no_more(&self, outlet: &mut dyn Outlet) {
        for purpose in [Purpose::Publish, Purpose::DirectGet] {
            outlet.unsubscribe(Token::new(self.place, purpose, 0));
        }
    }

    /// What stands in every description of the stream.
    pub(crate) fn facts<'a>(
        &'a self,
        storage: &'a Storage,
        domain: Option<&'a str>,
        wall_ns: u64,
    ) -> Facts<'a> {
        Facts {
            config: self.stream.config(),
            created_ns: self.created_ns,
            messages: storage.stream(self.stream.id()),
            consumers: self.consumers.len(),
            domain,
            mirror: self.stream.mirror_info(wall_ns),
            sources: self.stream.source_infos(wall_ns),
            wall_ns,
        }
    }

    /// A new consumer stands at `place`: listens for it.
    pub(crate) fn begin_listening(&mut self, place: ConsumerPlace, means: &mut Means<'_>) {
        self.listen(place, means.settings.domain.as_deref(), means.outlet);
        self.readers_changed(means);
    }

    /// Consumers came, went or changed their filters.
    pub(crate) fn readers_changed(&mut self, means: &mut Means<'_>) {
        self.with_stream(means, |stream, turn| stream.readers_changed(turn));
    }

    /// Takes a consumer away and listens no more for it.
    pub(crate) fn remove_consumer(
        &mut self,
        place: ConsumerPlace,
        end: End,
        means: &mut Means<'_>,
    ) {
        for purpose in [Purpose::PullRequest, Purpose::Ack, Purpose::FlowControl] {
            means.outlet.unsubscribe(Token::new(self.place, purpose, place.0));
        }
        self.consumers.remove(place, end, &mut means.of_consumers());
        self.readers_changed(means);
    }

    /// Listens for what concerns one consumer.
    // spec/jetstream.md §8, §9: both forms of acknowledgement and flow-control subjects are
    // always accepted
    pub(crate) fn listen(
        &self,
        place: ConsumerPlace,
        domain: Option<&str>,
        outlet: &mut dyn Outlet,
    ) {
        let Some(consumer) = self.consumers.get(place) else { return };
        let account = self.account();
        let named = format!("{}.{}", self.stream.config().name, consumer.name());
        let mut listen = |purpose, subject: String| {
            let token = Token::new(self.place, purpose, place.0);
            outlet.subscribe(account, subject.as_bytes(), token);
        };
        if consumer.config().is_push() {
            if consumer.config().flow_control {
                listen(Purpose::FlowControl, format!("$JS.FC.{named}.*"));
                listen(Purpose::FlowControl, format!("$JS.FC.*.*.{named}.*"));
            }
        } else {
            for prefix in api_prefixes(domain) {
                listen(Purpose::PullRequest, format!("{prefix}.CONSUMER.MSG.NEXT.{named}"));
            }
        }
        listen(Purpose::Ack, format!("$JS.ACK.{named}.>"));
        listen(Purpose::Ack, format!("$JS.ACK.*.*.{named}.>"));
    }

    /// What it has now.
    pub(crate) fn count(&self, storage: &Storage) -> Counted {
        let messages = storage.stream(self.stream.id()).state().messages;
        Counted { messages, consumers: self.consumers.len() as u64 }
    }

    /// Whose it is.
    pub(crate) fn account(&self) -> AccountId {
        self.consumers.home().account
    }
}

/// What the API's subjects begin with, without the last dot.
pub(crate) fn api_prefixes(domain: Option<&str>) -> impl Iterator<Item = String> {
    let named = domain.map(|domain| format!("$JS.{domain}.API"));
    std::iter::once("$JS.API".to_owned()).chain(named)
}
