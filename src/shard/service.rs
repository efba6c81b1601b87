//! Subscribers that live inside the server: JetStream, `$SYS`, and what else answers on subjects.
//!
//! A service subscribes and publishes as a connection does, but has a [`Mailbox`] where a
//! connection has an outbox. What is delivered to it is copied there and handled when the core
//! comes to it, once a turn, so nothing is ever called from within a publish.
//!
//! In the tables of a shard a service stands under a slot that no connection can have
//! ([`ConnSlot::of_service`]), so that a delivery to a connection pays nothing for there being
//! services.

use base::snapshot::{StreamQuery, StreamSnapshot};
use base::{AccountId, ConnSlot, Now, ServiceId, ShardId, SubKey};
use bytes::Bytes;
use config::Options;
use protocol::{Layout, Publish};
use runtime::Disk;

use crate::delivery::{Delivered, Origin};
use crate::message::Message;
use crate::shard::Shard;
use crate::tracing::TraceMark;

/// Stands behind the token in the sid of a subscription that tells of traced messages itself.
const TELLS_ITSELF: &[u8] = b"t";

/// A mailbox that was larger than this gives its memory back.
const KEPT_BYTES_MAX: usize = 1 << 20;

/// What a core runs beside its connections.
pub trait Service {
    /// Handles what came, a bounded part of it.
    fn turn(&mut self, turn: &mut ServiceTurn<'_>);

    /// Whether it has something to do that no event will announce. Letters announce themselves.
    fn has_work(&self) -> bool;

    /// When it wants its next turn at the latest, monotonic nanoseconds.
    fn next_deadline_ns(&self) -> Option<u64>;

    /// Obeys what the operator chose anew, as far as that can change while the server runs.
    fn reconfigured(&mut self, _shard: &mut Shard, _options: &Options) {}

    /// Shows the streams that it holds, from one place on, and where the next page begins. `None`
    /// for a service that holds none.
    fn streams(
        &mut self,
        _query: &StreamQuery,
        _from: usize,
        _turn: &mut ServiceTurn<'_>,
    ) -> Option<StreamPage> {
        None
    }

    /// The server stops: begins to bring to an end what must not be cut off. Turns go on until it
    /// is at rest, for a bounded time.
    fn finish(&mut self) {}

    /// Whether the server may stop.
    fn is_at_rest(&self) -> bool {
        true
    }
}

/// Some streams, and the place where the next of them begin.
pub type StreamPage = (Vec<StreamSnapshot>, Option<usize>);

/// What a service works with.
pub struct ServiceTurn<'a> {
    /// This core's heart.
    pub shard: &'a mut Shard,
    /// The time of this turn.
    pub now: Now,
    /// This core's disk. Its completions go to the one service that uses it.
    pub disk: &'a mut dyn Disk,
}

/// Who published a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sender {
    /// On which shard it lives.
    pub shard: ShardId,
    /// Where it lives there.
    pub slot: ConnSlot,
}

/// A message that was delivered to a service.
pub struct Letter<'a> {
    /// What the service gave its subscription.
    pub token: u64,
    /// The subscription's account.
    pub account: AccountId,
    /// Who published it.
    pub sender: Sender,
    /// The message.
    pub publish: Publish<'a>,
    /// What it was sent to, where that is not its own subject.
    pub address: Option<&'a [u8]>,
    /// When the core that reads its publisher took it in, monotonic nanoseconds.
    pub since_ns: u64,
    /// The trace that wants to know what becomes of it.
    pub trace: Option<TraceMark>,
    /// The same bytes, refcounted, when they are many.
    pub shared: Option<&'a Bytes>,
}

/// What was delivered to a service and not handled yet, in order.
#[derive(Default)]
pub struct Mailbox {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
}

struct Entry {
    token: u64,
    account: AccountId,
    sender: Sender,
    layout: Layout,
    address: Option<Box<[u8]>>,
    since_ns: u64,
    /// Boxed, as hardly any has one.
    trace: Option<Box<TraceMark>>,
    body: Body,
}

/// Of which subscription a letter is.
struct To {
    token: u64,
    account: AccountId,
}

enum Body {
    /// So many bytes from there in the mailbox.
    Copied {
        start: usize,
        len: usize,
    },
    Shared(Bytes),
}

impl Mailbox {
    /// Whether there are no letters.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many letters there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// The letters, in the order in which they came.
    pub fn letters(&self) -> impl Iterator<Item = Letter<'_>> {
        self.entries.iter().map(|entry| {
            let (wire, shared) = match &entry.body {
                Body::Copied { start, len } => (&self.bytes[*start..start + len], None),
                Body::Shared(bytes) => (&bytes[..], Some(bytes)),
            };
            Letter {
                token: entry.token,
                account: entry.account,
                sender: entry.sender,
                publish: Publish::from_layout(wire, entry.layout),
                address: entry.address.as_deref(),
                since_ns: entry.since_ns,
                trace: entry.trace.as_deref().copied(),
                shared,
            }
        })
    }

    #[inline]
    fn add(&mut self, to: To, sender: Sender, since_ns: u64, message: &mut Message<'_>) {
        let To { token, account } = to;
        let publish = message.publish();
        let wire = publish.wire();
        let body = match wire.len() > config::limits::INLINE_PAYLOAD_MAX {
            true => Body::Shared(message.share()),
            false => {
                let start = self.bytes.len();
                self.bytes.extend_from_slice(wire);
                Body::Copied { start, len: wire.len() }
            }
        };
        let (layout, address) = (publish.layout(), message.address().map(Box::from));
        let trace = None;
        self.entries.push(Entry { token, account, sender, layout, address, since_ns, trace, body });
    }

    /// Empties it, and keeps memory of a modest size.
    fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(KEPT_BYTES_MAX);
        self.entries.clear();
        self.entries.shrink_to(KEPT_BYTES_MAX / size_of::<Entry>());
    }
}

impl Shard {
    /// A place for one more service.
    pub fn add_service(&mut self) -> ServiceId {
        let number = u16::try_from(self.mailboxes.len()).expect("services are few");
        self.mailboxes.push(Mailbox::default());
        ServiceId(number)
    }

    /// Subscribes a service; its letters carry `token`. `None` if nobody may subscribe to such a
    /// subject.
    pub fn subscribe_service(
        &mut self,
        service: ServiceId,
        account: AccountId,
        subject: &[u8],
        queue: Option<&[u8]>,
        token: u64,
    ) -> Option<SubKey> {
        if !subject::name::is_valid_subscription(subject) {
            return None;
        }
        let slot = ConnSlot::of_service(service);
        Some(self.insert_subscription(slot, account, subject, queue, &token.to_ne_bytes()))
    }

    /// The same for a subject that a stream keeps: of traced messages it tells itself what it does
    /// with them ([`Shard::trace_streamed`]).
    pub fn subscribe_stream(
        &mut self,
        service: ServiceId,
        account: AccountId,
        subject: &[u8],
        token: u64,
    ) -> Option<SubKey> {
        if !subject::name::is_valid_subscription(subject) {
            return None;
        }
        let slot = ConnSlot::of_service(service);
        let sid = [&token.to_ne_bytes()[..], TELLS_ITSELF].concat();
        Some(self.insert_subscription(slot, account, subject, None, &sid))
    }

    /// Whether whoever subscribed tells of traced messages itself.
    pub(crate) fn tells_itself(&self, key: SubKey) -> bool {
        let sub = self.subscriptions.get(key);
        sub.is_some_and(|sub| {
            sub.connection.service().is_some()
                && sub.sid.get(size_of::<u64>()..) == Some(TELLS_ITSELF)
        })
    }

    /// The last letter that came by this subscription belongs to a trace.
    pub(crate) fn mark_letter(&mut self, key: SubKey, mark: TraceMark) {
        let service = self.subscriptions.get(key).and_then(|sub| sub.connection.service());
        let mailbox = service.and_then(|service| self.mailboxes.get_mut(service.index()));
        if let Some(last) = mailbox.and_then(|mailbox| mailbox.entries.last_mut()) {
            last.trace = Some(Box::new(mark));
        }
    }

    /// Ends a service's subscription. Letters that are in its mailbox stay there.
    pub fn unsubscribe_service(&mut self, key: SubKey) {
        self.remove_subscription(key);
    }

    /// What a service got since it last asked. Hand it back when it is read.
    pub fn take_mailbox(&mut self, service: ServiceId) -> Mailbox {
        std::mem::take(&mut self.mailboxes[service.index()])
    }

    /// Takes back a mailbox that was read. What came meanwhile is kept for the next turn.
    pub fn give_back(&mut self, service: ServiceId, mut read: Mailbox) {
        let mailbox = &mut self.mailboxes[service.index()];
        if mailbox.is_empty() {
            read.clear();
            *mailbox = read;
        }
    }

    /// Whether a message on `subject` would reach anybody, on any core, also in accounts that
    /// import it.
    pub fn has_interest(&mut self, account: AccountId, subject: &[u8]) -> bool {
        let mut heard = !self.interest(account).plan(subject).is_empty();
        if !heard {
            self.visit_beyond(account, subject, |shard, account, subject| {
                heard |= !shard.interest(account).plan(subject).is_empty();
            });
        }
        heard
    }

    /// Whether somebody, on any core, also in accounts that import it, subscribes to this very
    /// subject, as a member of the queue group `queue` or of none.
    pub fn is_subscribed(
        &mut self,
        account: AccountId,
        subject: &[u8],
        queue: Option<&[u8]>,
    ) -> bool {
        let mut found = self.interest(account).is_subscribed(subject, queue);
        if !found {
            self.visit_beyond(account, subject, |shard, account, subject| {
                found |= shard.interest(account).is_subscribed(subject, queue);
            });
        }
        found
    }

    /// Whether letters wait.
    pub(crate) fn has_letters(&self) -> bool {
        self.mailboxes.iter().any(|mailbox| !mailbox.is_empty())
    }

    /// The way of `deliver` for a subscriber that is no connection.
    #[inline(never)]
    pub(crate) fn deliver_to_service(
        &mut self,
        key: SubKey,
        origin: Origin,
        message: &mut Message<'_>,
    ) -> Delivered {
        let Some(sub) = self.subscriptions.get_mut(key) else { return Delivered::No };
        let service = sub.connection.service();
        let mailbox = service.and_then(|service| self.mailboxes.get_mut(service.index()));
        let (Some(mailbox), Some(token)) = (mailbox, sub.sid.first_chunk()) else {
            return Delivered::No;
        };
        sub.delivered += 1;
        let sender = match origin {
            Origin::Here { slot, .. } => Sender { shard: self.id, slot },
            Origin::There { shard, slot } => Sender { shard, slot },
        };
        let to = To { token: u64::from_ne_bytes(*token), account: sub.account };
        mailbox.add(to, sender, self.dwell.since_ns(), message);
        Delivered::Yes
    }
}
