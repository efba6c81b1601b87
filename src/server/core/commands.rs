//! What the control thread asks of a core: a few commands each turn, every one bounded.

use std::cell::Cell;

use base::snapshot::ConnectionSnapshot;
use base::{AccountId, ConnSlot};
use connection::{Connections, Rest, Turn};
use monitor::{Fanout, IndexFigures, SubscriptionPage, SubscriptionQuery};
use protocol::{CloseReason, ErrorText};
use runtime::Disk;
use runtime::clock::Clock;
use runtime::network::Network;
use shard::{ServiceTurn, Shard};

use super::{Core, Effort, SHUTDOWN_MAX_NS};
use crate::callouts;
use crate::command::{
    CONNECTIONS_PER_PAGE, Command, PLACES_PER_PAGE, Page, SUBSCRIPTIONS_PER_PAGE, next_page,
};
use crate::system;

/// Commands that one turn handles at most.
const COMMANDS_PER_TURN: usize = 16;

impl<N: Network + Disk, C: Clock> Core<N, C> {
    pub(super) fn handle_commands(&mut self) {
        for _ in 0..COMMANDS_PER_TURN {
            let Ok(command) = self.parts.commands.try_recv() else { return };
            self.effort = Effort::Some;
            self.handle_command(command);
        }
    }

    /// Whoever asked may be gone: an answer that nobody takes is no error.
    fn handle_command(&mut self, command: Command) {
        let super::Parts { net, shard, connections, services, .. } = &mut self.parts;
        let mut turn = Turn { net, shard, now: self.now };
        match command {
            Command::Connections(page) => show_connections(connections, turn.shard, page),
            Command::ConnectionsAt(slots, answer) => {
                let shown = slots.iter().map(|&slot| connections.snapshot(turn.shard, slot));
                let _ = answer.send(shown.collect());
            }
            Command::Subscriptions(page) => show_subscriptions(turn.shard, page),
            Command::Streams(page) => {
                let turn = &mut ServiceTurn { shard: turn.shard, now: turn.now, disk: turn.net };
                let mut services = services.iter_mut();
                let found = services.find_map(|one| one.streams(&page.query, page.from, turn));
                let (streams, next) = found.unwrap_or_default();
                page.reply(streams, next);
            }
            Command::User(slot, answer) => {
                let _ = answer.send(connections.user(slot));
            }
            Command::Index(page) => {
                let (figures, next) = index_figures(turn.shard, page.query, page.from);
                page.reply(figures, next);
            }
            Command::Handshake(step) => connections.on_handshake_step(&mut turn, *step),
            Command::AskService(ask) => callouts::publish(turn.shard, &ask),
            Command::LoginAsked(ticket, account) => {
                connections.login_asked(&mut turn, ticket, account);
            }
            Command::Login(verdict) => connections.login_checked(&mut turn, verdict),
            Command::RefreshCounters(done) => {
                turn.shard.publish_index_stats();
                let _ = done.send(());
            }
            Command::Publish(announcement, done) => {
                system::publish(turn.shard, &announcement);
                let _ = done.send(());
            }
            Command::HasInterest(account, subjects, answer) => {
                let heard = |subject: &String| turn.shard.has_interest(account, subject.as_bytes());
                let _ = answer.send(subjects.iter().map(heard).collect());
            }
            Command::Reconfigure(settings, done) => self.reconfigure(&settings, done),
            Command::Close(cids, done) => {
                let mut line = Vec::new();
                protocol::encode::write_error(&ErrorText::MaximumConnectionsExceeded, &mut line);
                let reason = CloseReason::MaximumConnectionsExceeded;
                connections.close_clients(&mut turn, &cids, &line, reason);
                let _ = done.send(());
            }
            Command::Kick(client, answer) => {
                let slot = connections.slot_of(client);
                if let Some(slot) = slot {
                    connections.close(&mut turn, slot, CloseReason::Kicked, Rest::Sent);
                }
                let _ = answer.send(slot.is_some());
            }
            Command::WarnOfEnd(client, answer) => {
                let slot = connections.slot_of(client);
                if let Some(slot) = slot {
                    connections.warn_of_end(&mut turn, slot);
                }
                let _ = answer.send(slot.is_some());
            }
            Command::StopListening => {
                turn.net.stop_listening();
                self.parts.placing = None;
            }
            Command::AnnounceLameDuck => connections.announce_lame_duck(&mut turn),
            Command::CloseOne => {
                let first = connections.open_slots().next();
                if let Some(slot) = first {
                    connections.close(&mut turn, slot, CloseReason::ServerShutdown, Rest::Sent);
                }
            }
            Command::Shutdown => self.begin_shutdown(),
        }
    }

    fn begin_shutdown(&mut self) {
        let super::Parts { net, shard, connections, .. } = &mut self.parts;
        let mut turn = Turn { net, shard, now: self.now };
        turn.net.stop_listening();
        let slots: Vec<ConnSlot> = connections.open_slots().collect();
        for slot in slots {
            connections.close(&mut turn, slot, CloseReason::ServerShutdown, Rest::Sent);
        }
        self.shutdown_until_ns = Some(self.now.mono_ns + SHUTDOWN_MAX_NS);
        self.parts.services.iter_mut().for_each(|service| service.finish());
    }
}

/// One page of the open connections of this core.
fn show_connections(
    connections: &Connections,
    shard: &mut Shard,
    page: Page<(), Vec<ConnectionSnapshot>>,
) {
    let places = page.from..page.from + PLACES_PER_PAGE;
    let open = connections.open_slots_in(places).take(CONNECTIONS_PER_PAGE);
    let slots: Vec<ConnSlot> = open.collect();
    let full = slots.last().filter(|_| slots.len() == CONNECTIONS_PER_PAGE);
    let next = next_page(page.from, connections.places(), full.map(|slot| slot.index()));
    let shown = slots.iter().filter_map(|&slot| connections.snapshot(shard, slot)).collect();
    page.reply(shown, next);
}

/// One page of the subscriptions of this core.
fn show_subscriptions(shard: &Shard, mut page: Page<SubscriptionQuery, SubscriptionPage>) {
    page.query.take = page.query.take.min(SUBSCRIPTIONS_PER_PAGE);
    let Page { query, from, .. } = &page;
    let last = Cell::new(*from);
    let listed = shard.subscriptions_in(*from..from + PLACES_PER_PAGE);
    let admitted = listed.filter(|sub| {
        last.set(sub.place);
        query.admits(sub.cid, sub.account, sub.subject())
    });
    let found = SubscriptionPage::gather(query, admitted, |sub| sub.snapshot());
    let full = (found.subscriptions.len() == query.take).then(|| last.get());
    let next = next_page(*from, shard.subscription_places(), full);
    page.reply(found, next);
}

/// What the index of one account, or all of them, counts on this core: the first page counts all
/// but how wide messages fan out, which is looked up plan by plan.
fn index_figures(
    shard: &Shard,
    account: Option<AccountId>,
    from: usize,
) -> (IndexFigures, Option<usize>) {
    let mut fanout = Fanout::default();
    let next = shard.visit_fanouts(account, from, |width| {
        let width = width as u64;
        fanout.add(Fanout { subjects: 1, deliveries: width, widest: width });
    });
    if from > 0 {
        return (IndexFigures { fanout, ..IndexFigures::default() }, next);
    }
    let stats = shard.index_stats(account);
    let figures = IndexFigures {
        subscriptions: stats.subscriptions as u64,
        cached: stats.cache_plans as u64,
        inserts: stats.inserts,
        removes: stats.removes,
        matches: stats.plans,
        cache_hits: stats.cache_hits,
        fanout,
    };
    (figures, next)
}
