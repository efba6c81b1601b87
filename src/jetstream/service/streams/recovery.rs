//! Streams get their places: new ones, and those from before the start with their consumers.

use base::{AccountId, Level, Now};
use storage::{StreamId, ValueKey};

use super::{Counted, Streams};
use crate::consumer::{self, Consumers, Home};
use crate::desk::Desk;
use crate::service::held::Held;
use crate::service::kept::{self, KeptStream};
use crate::stream::{Identity, Stream};
use crate::stream_config::StreamConfig;

impl Streams {
    /// Gives a stream a place, whose messages are in the storage under `id`.
    pub(super) fn add(
        &mut self,
        account: AccountId,
        config: StreamConfig,
        created_ns: u64,
        id: StreamId,
        now: Now,
    ) -> u32 {
        let place = self.vacant.pop().unwrap_or_else(|| {
            self.held.push(None);
            self.held.len() as u32 - 1
        });
        self.places.insert((account, config.name.clone()), place);
        let domain = self.ground.settings.domain.clone();
        let home = Home {
            account,
            stream: config.name.clone(),
            id,
            retention: config.retention,
            domain: domain.clone(),
        };
        let identity = Identity { account, domain, place };
        self.held[place as usize] = Some(Held {
            place,
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
            let Some(account) = self.ground.accounts.find(&kept.account) else {
                let (stream, account) = (&kept.config.name, &kept.account);
                let text = format!("stream '{account} > {stream}' has no account; it is kept");
                desk.log.say(Level::Warn, format!("JetStream: {text}"));
                continue;
            };
            self.ground.storage.assign(id, account);
            let place = self.add(account, kept.config, kept.created_ns, id, now);
            self.recover_consumers(place, values, now, desk);
        }
    }

    pub(super) fn recover_consumers(
        &mut self,
        place: u32,
        values: Vec<(ValueKey, Box<[u8]>)>,
        now: Now,
        desk: &mut Desk<'_>,
    ) {
        let Some(Some(held)) = self.held.get_mut(place as usize) else { return };
        let consumers =
            &mut consumer::Desk { storage: &mut self.ground.storage, outlet: desk.out, now };
        for lost in held.consumers.recover(values, place, consumers) {
            let stream = &held.stream.config().name;
            desk.log.say(Level::Error, format!("JetStream: stream {stream}: lost {lost:?}"));
        }
        held.listen_for_all(self.ground.settings.domain.as_deref(), desk.out);
    }
}
