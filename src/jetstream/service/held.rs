//! One stream of this core with its consumers, and what they listen on.

use base::{AccountId, Now};
use shard::Letter;
use storage::Storage;

use crate::AccountLimits;
use crate::advisory::{Action, Parties};
use crate::api::stream_info::Facts;
use crate::api::{consumer_create, stream_snapshot};
use crate::consumer::{self, AckPolicy, Budget, ConsumerPlace, Consumers, End};
use crate::outlet::{Outlet, Purpose, Token};
use crate::service::kept::{self, KeptStream};
use crate::service::streams::Counted;
use crate::settings::Settings;
use crate::stream::{Quota, Stream, Turn};
use crate::{ApiError, ErrorCode};

/// Whose direct gets a subscription is for: the index of its token.
const OWN: u32 = 0;
/// Those of a mirror's origin.
const ORIGINS: u32 = 1;
/// The queue group that shares them: the name that nats-server's have.
const GETS: &[u8] = b"_sys_";

/// What a stream and its consumers work with in one call.
pub(crate) struct Means<'a> {
    /// This core's messages.
    pub(crate) storage: &'a mut Storage,
    /// The way out.
    pub(crate) outlet: &'a mut dyn Outlet,
    /// What may still be stored.
    pub(crate) quota: &'a mut Quota,
    /// What may still be delivered in this turn.
    pub(crate) budget: &'a mut Budget,
    /// The time of this turn.
    pub(crate) now: Now,
    /// What the operator decided.
    pub(crate) settings: &'a Settings,
    /// What the account may use.
    pub(crate) limits: &'a AccountLimits,
    /// What the account is called.
    pub(crate) account: &'a str,
}

impl<'a> Means<'a> {
    /// Who takes part in what an advisory tells of.
    pub(crate) fn parties(&self) -> Parties<'a> {
        Parties {
            server: &self.settings.server,
            account: self.account,
            domain: self.settings.domain.as_deref(),
        }
    }

    /// As consumers want it.
    pub(crate) fn of_consumers(&mut self) -> consumer::Desk<'_> {
        consumer::Desk {
            storage: self.storage,
            outlet: self.outlet,
            budget: self.budget,
            now: self.now,
        }
    }
}

/// One stream and its consumers.
pub(crate) struct Held {
    /// Its place in its core's table.
    pub(crate) place: u32,
    /// Its account's place among the members.
    pub(crate) member: u32,
    /// When it was made, nanoseconds since the Unix epoch.
    pub(crate) created_ns: u64,
    pub(crate) stream: Stream,
    pub(crate) consumers: Consumers,
    /// Whether it is a mirror that answers direct gets of its origin.
    pub(crate) answers_for_origin: bool,
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

    /// A direct get, from a subject that ends in a stream's name or goes on behind it: this
    /// stream's, or of a mirror its origin's.
    pub(crate) fn direct_get(&mut self, letter: &Letter<'_>, whose: u32, means: &mut Means<'_>) {
        let publish = &letter.publish;
        let Some(reply) = publish.reply() else { return };
        let (headers, body) = (publish.headers().unwrap_or_default(), publish.payload());
        let name_len = match &self.stream.config().mirror {
            Some(origin) if whose == ORIGINS => origin.name.len(),
            _ => self.stream.config().name.len(),
        };
        let last_of = behind_name(publish.subject(), name_len);
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
        stream_snapshot::tell_ended(self, means);
        self.answer_for_origin(means);
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

    /// Keeps the stream: from now on it outlives a restart.
    pub(crate) fn keep(&self, means: &mut Means<'_>) -> Result<(), ApiError> {
        let kept = KeptStream::write(means.account, self.created_ns, self.stream.config());
        let stored = means.storage.put(self.stream.id(), kept::STREAM, &kept);
        stored.map(drop).map_err(|_| ErrorCode::InsufficientResources.into())
    }

    /// Listens for what concerns the stream and its consumers.
    pub(crate) fn listen_for_all(&self, domain: Option<&str>, outlet: &mut dyn Outlet) {
        self.listen_for_stream(domain, outlet);
        self.consumers.iter().for_each(|(place, _)| self.listen(place, domain, outlet));
    }

    /// Listens for what concerns the stream itself.
    pub(crate) fn listen_for_stream(&self, domain: Option<&str>, outlet: &mut dyn Outlet) {
        let (account, config) = (self.account(), self.stream.config());
        let publish = Token::new(self.place, Purpose::Publish, 0);
        for subject in &config.subjects {
            outlet.subscribe_stream(account, subject.as_bytes(), publish);
        }
        // spec/jetstream.md §10: a disabled direct get gives no responders
        if config.allow_direct {
            self.listen_for_gets(&config.name, OWN, domain, outlet);
        }
    }

    /// Listens for direct gets of the stream `name`. Who answers them shares them.
    // spec/jetstream.md §10: load-balanced through an internal queue group shared by replicas and
    // opted-in mirrors
    fn listen_for_gets(
        &self,
        name: &str,
        whose: u32,
        domain: Option<&str>,
        outlet: &mut dyn Outlet,
    ) {
        let token = Token::new(self.place, Purpose::DirectGet, whose);
        for prefix in api_prefixes(domain) {
            let subject = format!("{prefix}.DIRECT.GET.{name}");
            for subject in [format!("{subject}.>"), subject] {
                outlet.subscribe_shared(self.account(), subject.as_bytes(), GETS, token);
            }
        }
    }

    /// A mirror that has what its origin has answers for it, from then on.
    fn answer_for_origin(&mut self, means: &mut Means<'_>) {
        let config = self.stream.config();
        if !config.mirror_direct || self.answers_for_origin || !self.stream.is_caught_up() {
            return;
        }
        if let Some(origin) = &config.mirror {
            let domain = means.settings.domain.as_deref();
            self.listen_for_gets(&origin.name, ORIGINS, domain, means.outlet);
            self.answers_for_origin = true;
        }
    }

    /// Listens no more for what concerns the stream itself.
    pub(crate) fn listen_no_more(&mut self, outlet: &mut dyn Outlet) {
        outlet.unsubscribe(Token::new(self.place, Purpose::Publish, 0));
        for whose in [OWN, ORIGINS] {
            outlet.unsubscribe(Token::new(self.place, Purpose::DirectGet, whose));
        }
        self.answers_for_origin = false;
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
            consumers: self.consumers.public().count(),
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
        if consumer.config().flow_control {
            listen(Purpose::FlowControl, format!("$JS.FC.{named}.*"));
            listen(Purpose::FlowControl, format!("$JS.FC.*.*.{named}.*"));
        }
        // Who asks a push consumer is told that it is one.
        for prefix in api_prefixes(domain) {
            listen(Purpose::PullRequest, format!("{prefix}.CONSUMER.MSG.NEXT.{named}"));
        }
        // Who acknowledges all the same hears that nobody waits for it.
        if consumer.config().ack_policy != AckPolicy::None {
            listen(Purpose::Ack, format!("$JS.ACK.{named}.>"));
            listen(Purpose::Ack, format!("$JS.ACK.*.*.{named}.>"));
        }
    }

    /// What it has now.
    pub(crate) fn count(&self, storage: &Storage) -> Counted {
        let messages = storage.stream(self.stream.id()).state().messages;
        let (batches, fast_batches) = self.stream.open_batches();
        Counted {
            messages,
            consumers: self.consumers.len() as u64,
            batches: batches as u64,
            fast_batches: fast_batches as u64,
        }
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

/// What stands behind `$JS.API.DIRECT.GET.<name>.` or `$JS.<domain>.API.DIRECT.GET.<name>.`, with a
/// name of so many bytes.
#[inline]
fn behind_name(subject: &[u8], name_len: usize) -> Option<&[u8]> {
    const GET: &[u8] = b".API.DIRECT.GET.";
    let at = match subject.strip_prefix(b"$JS") {
        Some(rest) if rest.starts_with(GET) => 3,
        _ => memchr::memmem::find(subject, GET)?,
    };
    subject.get(at + GET.len() + name_len..)?.strip_prefix(b".").filter(|rest| !rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::behind_name;

    #[test]
    fn the_subject_stands_behind_the_name() {
        for (subject, behind) in [
            ("$JS.API.DIRECT.GET.KV_b", None),
            ("$JS.API.DIRECT.GET.KV_b.$KV.b.key.x", Some("$KV.b.key.x")),
            ("$JS.hub.API.DIRECT.GET.KV_b.x", Some("x")),
            ("$JS.hub.API.DIRECT.GET.KV_b", None),
            ("$JS.API.DIRECT.GET.KV_b.", None),
            ("else", None),
        ] {
            let found = behind_name(subject.as_bytes(), "KV_b".len());
            assert_eq!(found, behind.map(str::as_bytes), "{subject}");
        }
    }
}
