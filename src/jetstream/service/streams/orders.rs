//! What the registry orders: streams made, changed, restored and deleted, on their core.

use base::{AccountId, Now};
use storage::{Kind as Kept, Seq};

use super::{Counted, Streams};
use crate::ErrorCode;
use crate::api;
use crate::api::answer::{Answer, Body};
use crate::api::stream_info::{self, Made};
use crate::consumer::{ConsumerPlace, End};
use crate::desk::Desk;
use crate::note::Order;
use crate::service::kept::{self, KeptStream};
use crate::stream::Stream;
use crate::stream_config::{self, StreamConfig};

impl Streams {
    /// Makes, changes or deletes a stream.
    pub(super) fn carry(
        &mut self,
        account: AccountId,
        order: Order,
        now: Now,
        desk: &mut Desk<'_>,
    ) -> Answer {
        match order {
            Order::Create { config, created_ns } => {
                self.create(account, *config, created_ns, now, desk)
            }
            Order::Restore { config, created_ns, last_seq } => {
                let name = config.name.clone();
                self.create(account, *config, created_ns, now, desk)?;
                self.begin_restore(account, &name, last_seq, now, desk)
            }
            Order::Update { config } => self.update(account, *config, now, desk),
            Order::Delete { stream } => self.delete(account, stream, now, desk),
        }
    }

    /// Lets a stream that was just made wait for its backup; nothing else reaches it meanwhile.
    pub(super) fn begin_restore(
        &mut self,
        account: AccountId,
        stream: &str,
        last_seq: u64,
        now: Now,
        desk: &mut Desk<'_>,
    ) -> Answer {
        let place = self.place(account, stream).ok_or(ErrorCode::StreamNotFound)?;
        let held = self.held[place as usize].as_mut().ok_or(ErrorCode::StreamNotFound)?;
        held.listen_no_more(desk.out);
        let means = &mut self.ground.means(held.stream.config().storage, now, desk.out);
        api::stream_restore::begin(last_seq, held, means)
    }

    pub(super) fn create(
        &mut self,
        account: AccountId,
        config: StreamConfig,
        created_ns: u64,
        now: Now,
        desk: &mut Desk<'_>,
    ) -> Answer {
        let kept = match config.storage {
            stream_config::Storage::Memory => Kept::Memory,
            stream_config::Storage::File => Kept::File,
        };
        let id = self.ground.storage.create(account, kept, Seq(config.first_seq));
        let place = self.add(account, config, created_ns, id, now);
        let held = self.held[place as usize].as_mut().ok_or(ErrorCode::StreamNotFound)?;
        let name = self.ground.accounts.name(account);
        let kept = KeptStream::write(name, created_ns, held.stream.config());
        let stored = self.ground.storage.put(id, kept::STREAM, &kept);
        if stored.is_err() {
            self.held[place as usize] = None;
            self.places.retain(|_, at| *at != place);
            self.vacant.push(place);
            self.ground.storage.delete(id);
            return Err(ErrorCode::InsufficientResources.into());
        }
        let domain = self.ground.settings.domain.as_deref();
        held.listen_for_stream(domain, desk.out);
        let facts = held.facts(&self.ground.storage, domain, desk.wall_ns);
        Body::of(&stream_info::describe(&facts, Made::Now))
    }

    pub(super) fn update(
        &mut self,
        account: AccountId,
        config: StreamConfig,
        now: Now,
        desk: &mut Desk<'_>,
    ) -> Answer {
        let place = self.place(account, &config.name).ok_or(ErrorCode::StreamNotFound)?;
        let held = self.held[place as usize].as_mut().ok_or(ErrorCode::StreamNotFound)?;
        held.consumers.home_mut().retention = config.retention;
        let means = &mut self.ground.means(held.stream.config().storage, now, desk.out);
        let name = means.accounts.name(account);
        let kept = KeptStream::write(name, held.created_ns, &config);
        let stored = means.storage.put(held.stream.id(), kept::STREAM, &kept);
        stored.map_err(|_| ErrorCode::InsufficientResources)?;
        held.with_stream(means, |stream, turn| stream.update(config, turn));
        let domain = self.ground.settings.domain.as_deref();
        held.listen_no_more(desk.out);
        held.listen_for_stream(domain, desk.out);
        let facts = held.facts(&self.ground.storage, domain, desk.wall_ns);
        let answer = Body::of(&stream_info::describe(&facts, Made::Before));
        self.touch(place);
        answer
    }

    pub(super) fn delete(
        &mut self,
        account: AccountId,
        stream: String,
        now: Now,
        desk: &mut Desk<'_>,
    ) -> Answer {
        let place = self.places.remove(&(account, stream)).ok_or(ErrorCode::StreamNotFound)?;
        let held = self.held[place as usize].as_mut().ok_or(ErrorCode::StreamNotFound)?;
        held.listen_no_more(desk.out);
        let means = &mut self.ground.means(held.stream.config().storage, now, desk.out);
        let consumers: Vec<ConsumerPlace> = held.consumers.iter().map(|(at, _)| at).collect();
        for consumer in consumers {
            held.remove_consumer(consumer, End::Deleted, means);
        }
        held.with_stream(means, |stream, turn| stream.close(turn));
        held.with_stream(means, Stream::close);
        self.counted.replace(held.counted, Counted::default());
        self.ground.storage.delete(held.stream.id());
        self.held[place as usize] = None;
        self.vacant.push(place);
        Body::success()
    }
}
