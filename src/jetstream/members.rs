//! The accounts that may use JetStream, as one core's streams see them: what each may use, and
//! what of that is left in this turn.
//!
//! A stream knows its account's place here, so that a message costs no look-up. What is left of
//! an account is read from the ledger when the first of its streams is touched in a turn, and what
//! this core holds is told the others when the turn ends: all cores together can go over a limit
//! by what they store in one turn, and no further.

use std::collections::HashMap;
use std::sync::Arc;

use base::{AccountId, ShardId};
use config::limits;
use storage::Storage;

use crate::AccountLimits;
use crate::api::account_info::Usage;
use crate::ledger::{Book, Figure, Ledger};
use crate::meta::registry::ServerBounds;
use crate::service::streams::Counted;
use crate::settings::Settings;
use crate::stream::Quota;
use crate::stream_config;

/// One account.
pub(crate) struct Member {
    pub(crate) id: AccountId,
    pub(crate) name: Arc<str>,
    pub(crate) limits: AccountLimits,
    book: Arc<Book>,
    /// What may still be stored, by kind of storage.
    memory: Quota,
    file: Quota,
    /// The turn that it was last touched in.
    turn: u64,
    /// Its streams here, and what they had after their last turns.
    streams: u64,
    counted: Counted,
    /// Requests that this core answered with an error.
    errors: u64,
    /// What this core held when it last said so.
    told: Held,
}

/// Bytes by kind of storage.
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    memory: u64,
    file: u64,
}

/// What is left of the server's own limits.
#[derive(Clone, Copy, Debug, Default)]
struct Left {
    memory: u64,
    file: u64,
    batches: u64,
    fast_batches: u64,
}

/// All of them, and their sums.
pub(crate) struct Members {
    all: Vec<Member>,
    places: HashMap<AccountId, u32>,
    here: ShardId,
    turn: u64,
    /// Those that were touched in this turn.
    touched: Vec<u32>,
    /// What all cores together may store.
    bounds: ServerBounds,
    /// Atomic batches under way on all cores at most.
    batches_max: u64,
    /// What is left of that in this turn: of the server, whatever the account.
    left: Left,
    /// What all accounts together have here.
    told: Held,
    counted: Counted,
    streams: u64,
    errors: u64,
}

/// What a stream may do in this turn.
pub(crate) struct Allowance<'a> {
    pub(crate) quota: &'a mut Quota,
    pub(crate) limits: &'a AccountLimits,
    pub(crate) account: &'a str,
}

impl Members {
    pub(crate) fn new(here: ShardId, settings: &Settings) -> Members {
        Members {
            all: Vec::new(),
            places: HashMap::new(),
            here,
            turn: 0,
            touched: Vec::new(),
            bounds: settings.bounds,
            batches_max: settings.stream_bounds.batches.total_max as u64,
            left: Left::default(),
            told: Held::default(),
            counted: Counted::default(),
            streams: 0,
            errors: 0,
        }
    }

    /// Lets an account in, or gives one that is in other limits.
    pub(crate) fn admit(
        &mut self,
        id: AccountId,
        name: &str,
        limits: AccountLimits,
        ledger: &Ledger,
    ) {
        if let Some(&place) = self.places.get(&id) {
            self.all[place as usize].limits = limits;
            return;
        }
        self.places.insert(id, self.all.len() as u32);
        self.all.push(Member {
            id,
            name: name.into(),
            limits,
            book: ledger.open(id),
            memory: Quota::UNLIMITED,
            file: Quota::UNLIMITED,
            turn: 0,
            streams: 0,
            counted: Counted::default(),
            errors: 0,
            told: Held::default(),
        });
    }

    /// New bounds of the whole server, where the operator names some.
    pub(crate) fn widen(&mut self, bounds: ServerBounds) {
        self.bounds = self.bounds.widened(bounds);
    }

    pub(crate) fn place(&self, id: AccountId) -> Option<u32> {
        self.places.get(&id).copied()
    }

    pub(crate) fn get(&self, place: u32) -> &Member {
        &self.all[place as usize]
    }

    /// The account of that name.
    pub(crate) fn named(&self, name: &str) -> Option<u32> {
        self.all.iter().position(|member| *member.name == *name).map(|place| place as u32)
    }

    /// Begins a turn: what may still be stored is judged by what all cores hold.
    // spec/cli-and-config.md §7.7 max_memory_store, max_file_store
    pub(crate) fn begin_turn(&mut self, server: &Book) {
        self.turn += 1;
        let count = |max: u64, figure| max.saturating_sub(server.sum(figure));
        let (batches, fast_max) = (self.batches_max, limits::JS_FAST_BATCHES_MAX as u64);
        self.left = Left {
            memory: left(self.bounds.memory, Figure::Memory, server),
            file: left(self.bounds.storage, Figure::Storage, server),
            batches: count(batches, Figure::Batches),
            fast_batches: count(fast_max, Figure::FastBatches),
        };
    }

    /// What a stream of the account at `place` may do.
    #[inline]
    pub(crate) fn allow(&mut self, place: u32, kind: stream_config::Storage) -> Allowance<'_> {
        self.touch(place);
        let member = &mut self.all[place as usize];
        let quota = match kind {
            stream_config::Storage::Memory => &mut member.memory,
            stream_config::Storage::File => &mut member.file,
        };
        Allowance { quota, limits: &member.limits, account: &member.name }
    }

    /// Something happens to the account at `place` in this turn.
    #[inline]
    fn touch(&mut self, place: u32) {
        let member = &mut self.all[place as usize];
        if member.turn != self.turn {
            member.turn = self.turn;
            member.look(self.left);
            self.touched.push(place);
        }
    }

    /// A stream came.
    pub(crate) fn stream_came(&mut self, place: u32) {
        self.all[place as usize].streams += 1;
        self.streams += 1;
        self.touch(place);
    }

    /// A stream went, with all that was counted of it.
    pub(crate) fn stream_went(&mut self, place: u32, had: Counted) {
        self.all[place as usize].streams -= 1;
        self.streams -= 1;
        self.count(place, had, Counted::default());
    }

    /// Replaces what one stream had with what it has.
    pub(crate) fn count(&mut self, place: u32, before: Counted, after: Counted) {
        self.all[place as usize].counted.replace(before, after);
        self.counted.replace(before, after);
    }

    /// A request was answered with an error.
    pub(crate) fn count_error(&mut self, id: AccountId) {
        if let Some(place) = self.place(id) {
            self.all[place as usize].errors += 1;
            self.errors += 1;
            self.touch(place);
        }
    }

    /// What this core stores for an account, and how many requests it answered with an error.
    pub(crate) fn usage(&self, id: AccountId, storage: &Storage) -> (Usage, u64) {
        let Some(place) = self.place(id) else { return (Usage::default(), 0) };
        let (member, space) = (self.get(place), storage.space(id));
        let usage = Usage {
            memory: space.memory,
            storage: space.file,
            streams: member.streams,
            consumers: member.counted.consumers,
        };
        (usage, member.errors)
    }

    /// Ends a turn: tells the others what this core holds.
    pub(crate) fn end_turn(&mut self, storage: &Storage, server: &Book) {
        for place in self.touched.drain(..) {
            let member = &mut self.all[place as usize];
            let space = storage.space(member.id);
            let (before, now) = (member.told, Held { memory: space.memory, file: space.file });
            self.told.memory = self.told.memory + now.memory - before.memory;
            self.told.file = self.told.file + now.file - before.file;
            member.told = now;
            member.tell(self.here);
        }
        let figures = [
            (Figure::Memory, self.told.memory),
            (Figure::Storage, self.told.file),
            (Figure::Streams, self.streams),
            (Figure::Consumers, self.counted.consumers),
            (Figure::Messages, self.counted.messages),
            (Figure::Batches, self.counted.batches),
            (Figure::FastBatches, self.counted.fast_batches),
            (Figure::ApiErrors, self.errors),
        ];
        for (figure, value) in figures {
            server.set(self.here, figure, value);
        }
    }
}

impl Member {
    /// Reads what is left of it.
    // spec/jetstream.md §5: insufficient resources 10023; account 10002
    fn look(&mut self, server: Left) {
        let bound = |limit: i64| u64::try_from(limit).ok();
        self.memory = Quota {
            account_bytes: left(bound(self.limits.max_memory), Figure::Memory, &self.book),
            server_bytes: server.memory,
            batches: server.batches,
            fast_batches: server.fast_batches,
        };
        self.file = Quota {
            account_bytes: left(bound(self.limits.max_storage), Figure::Storage, &self.book),
            server_bytes: server.file,
            batches: server.batches,
            fast_batches: server.fast_batches,
        };
    }

    fn tell(&self, here: ShardId) {
        let figures = [
            (Figure::Memory, self.told.memory),
            (Figure::Storage, self.told.file),
            (Figure::Streams, self.streams),
            (Figure::Consumers, self.counted.consumers),
            (Figure::Messages, self.counted.messages),
            (Figure::ApiErrors, self.errors),
        ];
        for (figure, value) in figures {
            self.book.set(here, figure, value);
        }
    }
}

/// What all cores together may still store.
fn left(bound: Option<u64>, figure: Figure, book: &Book) -> u64 {
    bound.map_or(u64::MAX, |bound| bound.saturating_sub(book.sum(figure)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream_config::Storage::{File, Memory};

    #[test]
    fn what_is_left_is_what_all_cores_leave_when_a_turn_begins() {
        let bounds = ServerBounds { memory: Some(1000), storage: None };
        let settings = Settings::new(&config::Options::default(), ("s", "ID"), 2, bounds);
        let (ledger, there, id) = (&settings.ledger, ShardId(1), AccountId(5));
        let mut members = Members::new(ShardId(0), &settings);
        let limits = |max_memory| AccountLimits { max_memory, ..AccountLimits::default() };
        members.admit(id, "A", limits(100), ledger);
        let left = |members: &mut Members, kind| {
            let quota = &members.allow(0, kind).quota;
            (quota.account_bytes, quota.server_bytes)
        };
        members.begin_turn(ledger.server());
        assert_eq!(left(&mut members, Memory), (100, 1000));
        assert_eq!(left(&mut members, File), (u64::MAX, u64::MAX));
        ledger.open(id).set(there, Figure::Memory, 60);
        ledger.server().set(there, Figure::Memory, 960);
        assert_eq!(left(&mut members, Memory), (100, 1000), "until the turn ends");
        members.begin_turn(ledger.server());
        assert_eq!(left(&mut members, Memory), (40, 40));
        members.admit(id, "A", limits(50), ledger);
        members.begin_turn(ledger.server());
        assert_eq!(left(&mut members, Memory), (0, 40), "it holds more than it may now");
        assert_eq!((members.named("A"), members.named("B")), (Some(0), None));
    }
}
