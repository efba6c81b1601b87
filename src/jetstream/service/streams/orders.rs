//! What the registry orders: streams made, changed, restored and deleted, on their core.

use base::{AccountId, Now};
use storage::{Kind as Kept, Seq};

use super::{Streams, Unseen};
use crate::api::answer::{Answer, Body};
use crate::api::stream_info::{self, Made};
use crate::api::{self, stream_restore};
use crate::consumer::{ConsumerPlace, End};
use crate::desk::Desk;
use crate::note::{Note, Order};
use crate::outlet::{Outlet, Purpose, Token};
use crate::service::kept::{self, KeptStream};
use crate::stream::Stream;
use crate::stream_config::{self, StreamConfig};
use crate::{ApiError, ErrorCode};

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
                self.begin_restore(account, *config, created_ns, last_seq, now, desk)
            }
            Order::Update { config } => self.update(account, *config, now, desk),
            Order::Delete { stream } => self.delete(account, stream, now, desk),
        }
    }

    /// Makes a stream that waits for its backup. Nothing else reaches it meanwhile, and nothing of
    /// it is kept: after a restart it is as if it had never been.
    fn begin_restore(
        &mut self,
        account: AccountId,
        config: StreamConfig,
        created_ns: u64,
        last_seq: u64,
        now: Now,
        desk: &mut Desk<'_>,
    ) -> Answer {
        let place = self.begin(account, config, created_ns, now)?;
        let held = self.held[place as usize].as_mut().ok_or(ErrorCode::StreamNotFound)?;
        let means = &mut self.ground.means(held, now, desk.out);
        api::stream_restore::begin(last_seq, held, means)
    }

    /// A backup has come whole, or it never will. What is to be told is said once every core knows.
    pub(super) fn end_restore(
        &mut self,
        place: u32,
        ended: stream_restore::Ended,
        now: Now,
        out: &mut dyn Outlet,
    ) {
        let stream_restore::Ended { reply, bytes, outcome } = ended;
        let Some(Some(held)) = self.held.get_mut(place as usize) else { return };
        let (account, stream) = (held.account(), held.stream.config().name.clone());
        let means = &mut self.ground.means(held, now, out);
        let complete = |consumers| stream_restore::complete(consumers, held, means);
        let answer = outcome.and_then(complete).map(Body::into_raw);
        match &answer {
            Ok(_) => self.touch(place),
            Err(_) => self.remove(place, now, out),
        }
        let account = account.0;
        self.unseen.push(Unseen::Note(Note::Restored { account, stream, reply, bytes, answer }));
    }

    /// Gives a new stream its place.
    fn begin(
        &mut self,
        account: AccountId,
        config: StreamConfig,
        created_ns: u64,
        now: Now,
    ) -> Result<u32, ApiError> {
        let member = self.ground.members.place(account).ok_or(ErrorCode::NotEnabledForAccount)?;
        let kept = match config.storage {
            stream_config::Storage::Memory => Kept::Memory,
            stream_config::Storage::File => Kept::File,
        };
        let id = self.ground.storage.create(account, kept, Seq(config.first_seq));
        Ok(self.add(member, config, created_ns, id, now))
    }

    pub(super) fn create(
        &mut self,
        account: AccountId,
        config: StreamConfig,
        created_ns: u64,
        now: Now,
        desk: &mut Desk<'_>,
    ) -> Answer {
        let place = self.begin(account, config, created_ns, now)?;
        let held = self.held[place as usize].as_mut().ok_or(ErrorCode::StreamNotFound)?;
        let means = &mut self.ground.means(held, now, desk.out);
        if let Err(error) = held.keep(means) {
            self.remove(place, now, desk.out);
            return Err(error);
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
        // spec/jetstream.md §3 consumer_limits: lowering below what an existing consumer uses is
        // rejected
        let over = held.consumers.over(&config.consumer_limits);
        if !over.is_empty() {
            let text = format!("change to limits violates consumers: {}", over.join(", "));
            return Err(ApiError::with(ErrorCode::StreamUpdate, text));
        }
        held.consumers.home_mut().retention = config.retention;
        let name = &self.ground.members.get(held.member).name;
        let kept = KeptStream::write(name, held.created_ns, &config);
        let means = &mut self.ground.means(held, now, desk.out);
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
        let place = self.place(account, &stream).ok_or(ErrorCode::StreamNotFound)?;
        self.remove(place, now, desk.out);
        Body::success()
    }

    /// Takes a stream away with everything that is its.
    fn remove(&mut self, place: u32, now: Now, out: &mut dyn Outlet) {
        let Some(Some(held)) = self.held.get_mut(place as usize) else { return };
        held.listen_no_more(out);
        out.unsubscribe(Token::new(place, Purpose::Restore, 0));
        let means = &mut self.ground.means(held, now, out);
        let consumers: Vec<ConsumerPlace> = held.consumers.iter().map(|(at, _)| at).collect();
        for consumer in consumers {
            held.remove_consumer(consumer, End::Deleted, means);
        }
        held.with_stream(means, Stream::close);
        self.ground.members.stream_went(held.member, held.counted);
        self.ground.storage.delete(held.stream.id());
        let name = held.stream.config().name.clone();
        self.places.remove(&(held.account(), name));
        self.held[place as usize] = None;
        self.vacant.push(place);
    }
}
