//! Streams get their places: new ones, and those from before the start with their consumers.

use base::{Level, Now};
use storage::{StreamId, ValueKey};

use super::{Counted, Streams};
use crate::consumer::{self, Consumers, Home, ReplyScope};
use crate::desk::Desk;
use crate::service::held::Held;
use crate::service::kept::{self, KeptStream};
use crate::stream::{Identity, Stream};
use crate::stream_config::StreamConfig;

/// A stream on disk whose account may not use JetStream now.
pub(super) struct Orphan {
    id: StreamId,
    kept: KeptStream,
    values: Vec<(ValueKey, Box<[u8]>)>,
}

impl Streams {
    /// Gives a stream a place, whose messages are in the storage under `id`.
    pub(super) fn add(
        &mut self,
        member: u32,
        config: StreamConfig,
        created_ns: u64,
        id: StreamId,
        now: Now,
    ) -> u32 {
        let account = self.ground.members.get(member).id;
        self.ground.members.stream_came(member);
        let place = self.vacant.pop().unwrap_or_else(|| {
            self.held.push(None);
            self.held.len() as u32 - 1
        });
        self.places.insert((account, config.name.clone()), place);
        let domain = self.ground.settings.domain.clone();
        let owner = &self.ground.members.get(member).name;
        let scope = ReplyScope::new(self.ground.settings.reply_form, domain.as_deref(), owner);
        let home = Home {
            account,
            stream: config.name.clone(),
            id,
            retention: config.retention,
            domain: domain.clone(),
            scope,
        };
        // spec/jetstream.md §13: what is in memory is not compressed; the storage sees to that
        self.ground.storage.set_compression(id, config.compression.of_storage());
        let bounds = self.ground.settings.stream_bounds;
        let identity = Identity { account, domain, place, bounds };
        self.held[place as usize] = Some(Held {
            place,
            member,
            created_ns,
            stream: Stream::new(identity, config, id, &self.ground.storage, now),
            consumers: Consumers::new(home),
            answers_for_origin: false,
            is_touched: true,
            is_awaiting: false,
            timed_ns: u64::MAX,
            counted: Counted::default(),
        });
        self.touched.push(place);
        place
    }

    /// Brings back what was there before the start.
    pub(crate) fn recover(&mut self, now: Now, desk: &mut Desk<'_>) {
        for (id, values) in self.ground.storage.recovered() {
            let kept = values.iter().find(|(key, _)| *key == kept::STREAM);
            let Some((_, value)) = kept else {
                // Nobody was told that it was made.
                self.ground.storage.delete(id);
                continue;
            };
            let Some(kept) = KeptStream::read(value) else {
                let text = "a stream's configuration on disk cannot be read; its messages are kept";
                desk.log.say(Level::Error, format!("JetStream: {text}"));
                continue;
            };
            if !kept.renames_to_subjects() {
                let (account, stream) = (&kept.account, &kept.config.name);
                let text = format!("stream '{account} > {stream}' renames to what is no subject");
                desk.log.say(Level::Error, format!("JetStream: {text}; its messages are kept"));
                continue;
            }
            let orphan = Orphan { id, kept, values };
            if let Some(orphan) = self.bring_back(orphan, now, desk) {
                let KeptStream { account, config, .. } = &orphan.kept;
                let stream = &config.name;
                let text = format!("stream '{account} > {stream}' has no account; it is kept");
                desk.log.say(Level::Warn, format!("JetStream: {text}"));
                self.orphans.push(orphan);
            }
        }
        self.has_new_members = false;
    }

    /// Brings back what waited for its account to be let in: account, configuration, when made.
    pub(crate) fn adopt(&mut self, now: Now, desk: &mut Desk<'_>) -> Vec<(u32, StreamConfig, u64)> {
        let mut adopted = Vec::new();
        if !std::mem::take(&mut self.has_new_members) {
            return adopted;
        }
        for orphan in std::mem::take(&mut self.orphans) {
            let KeptStream { account, config, created_ns, .. } = &orphan.kept;
            let member = self.ground.members.named(account);
            let id = member.map(|member| self.ground.members.get(member).id.0);
            adopted.extend(id.map(|id| (id, config.clone(), *created_ns)));
            let left = self.bring_back(orphan, now, desk);
            self.orphans.extend(left);
        }
        adopted
    }

    /// Gives a stream from before the start its place; gives it back when its account may not use
    /// JetStream.
    fn bring_back(&mut self, orphan: Orphan, now: Now, desk: &mut Desk<'_>) -> Option<Orphan> {
        let Some(member) = self.ground.members.named(&orphan.kept.account) else {
            return Some(orphan);
        };
        let Orphan { id, kept, values } = orphan;
        self.ground.storage.assign(id, self.ground.members.get(member).id);
        let place = self.add(member, kept.config, kept.created_ns, id, now);
        self.recover_consumers(place, values, now, desk);
        None
    }

    pub(super) fn recover_consumers(
        &mut self,
        place: u32,
        values: Vec<(ValueKey, Box<[u8]>)>,
        now: Now,
        desk: &mut Desk<'_>,
    ) {
        let Some(Some(held)) = self.held.get_mut(place as usize) else { return };
        let (storage, budget) = (&mut self.ground.storage, &mut self.ground.budget);
        let consumers = &mut consumer::Desk { storage, outlet: desk.out, budget, now };
        for lost in held.consumers.recover(values, place, consumers) {
            let stream = &held.stream.config().name;
            desk.log.say(Level::Error, format!("JetStream: stream {stream}: lost {lost:?}"));
        }
        held.listen_for_all(self.ground.settings.domain.as_deref(), desk.out);
    }
}
