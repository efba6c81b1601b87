//! What every core's JetStream holds, in figures that other threads may read: limits of the whole
//! server and of accounts are judged by it, and monitoring shows it.
//!
//! Each core writes its own page and no other; who reads adds the pages up. A figure may be a turn
//! old.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use base::{AccountId, ShardId};

/// One of the figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Figure {
    /// Bytes in memory streams, as streams count them.
    Memory,
    /// Bytes in file streams, likewise.
    Storage,
    /// Streams.
    Streams,
    /// Consumers.
    Consumers,
    /// Messages.
    Messages,
    /// Atomic batches under way.
    Batches,
    /// Fast batches under way.
    FastBatches,
    /// Accounts that may use JetStream; the registry's core.
    Accounts,
    /// Requests of the API; the registry's core.
    ApiTotal,
    /// Those that streams' cores answered with an error.
    ApiErrors,
    /// Those that the registry answered with an error.
    ApiRefused,
    /// Bytes that memory streams may take; the registry's core.
    ReservedMemory,
    /// Bytes that file streams may take; the registry's core.
    ReservedStorage,
    /// 1 while nothing can be stored, because the disk is full or a write failed.
    Stuck,
}

const FIGURES: usize = Figure::Stuck as usize + 1;

/// One core's figures, on cache lines of their own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Page([AtomicU64; FIGURES]);

/// All cores' figures, of the server or of one account.
#[derive(Debug)]
pub struct Book {
    pages: Box<[Page]>,
}

impl Book {
    fn new(cores: usize) -> Book {
        Book { pages: std::iter::repeat_with(Page::default).take(cores).collect() }
    }

    /// Sets a figure of the caller's own core.
    #[inline]
    pub fn set(&self, core: ShardId, figure: Figure, value: u64) {
        self.pages[core.index()].0[figure as usize].store(value, Ordering::Relaxed);
    }

    /// All cores' figures of one kind, added up.
    #[must_use]
    pub fn sum(&self, figure: Figure) -> u64 {
        let of = |page: &Page| page.0[figure as usize].load(Ordering::Relaxed);
        self.pages.iter().fold(0, |sum, page| sum.wrapping_add(of(page)))
    }
}

/// The server's book, and one of each account that may use JetStream.
#[derive(Debug)]
pub struct Ledger {
    server: Book,
    /// Locked when an account is let in and when monitoring asks, never for a message.
    accounts: Mutex<BTreeMap<AccountId, Arc<Book>>>,
}

impl Ledger {
    /// For so many cores.
    #[must_use]
    pub fn new(cores: usize) -> Ledger {
        Ledger { server: Book::new(cores), accounts: Mutex::default() }
    }

    /// The server's book.
    #[must_use]
    pub fn server(&self) -> &Book {
        &self.server
    }

    /// An account's book; a new one for an account that has none.
    ///
    /// # Panics
    /// If a thread panicked here before.
    #[must_use]
    pub fn open(&self, account: AccountId) -> Arc<Book> {
        let cores = self.server.pages.len();
        let mut accounts = self.accounts.lock().expect("nothing panics inside");
        Arc::clone(accounts.entry(account).or_insert_with(|| Arc::new(Book::new(cores))))
    }

    /// All accounts that may use JetStream, with their books.
    ///
    /// # Panics
    /// If a thread panicked here before.
    #[must_use]
    pub fn accounts(&self) -> Vec<(AccountId, Arc<Book>)> {
        let accounts = self.accounts.lock().expect("nothing panics inside");
        accounts.iter().map(|(id, book)| (*id, Arc::clone(book))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_added_up_and_overwritten_one_by_one() {
        let ledger = Ledger::new(2);
        let book = ledger.server();
        book.set(ShardId(0), Figure::Messages, 5);
        book.set(ShardId(1), Figure::Messages, 7);
        book.set(ShardId(1), Figure::Stuck, 1);
        assert_eq!((book.sum(Figure::Messages), book.sum(Figure::Stuck)), (12, 1));
        book.set(ShardId(0), Figure::Messages, 2);
        assert_eq!((book.sum(Figure::Messages), book.sum(Figure::Streams)), (9, 0));
    }

    #[test]
    fn an_account_has_one_book_on_all_cores() {
        let ledger = Ledger::new(2);
        let (here, there) = (ledger.open(AccountId(7)), ledger.open(AccountId(7)));
        here.set(ShardId(0), Figure::Memory, 1);
        there.set(ShardId(1), Figure::Memory, 2);
        assert_eq!(ledger.open(AccountId(7)).sum(Figure::Memory), 3);
        assert_eq!(ledger.open(AccountId(8)).sum(Figure::Memory), 0);
        let ids: Vec<AccountId> = ledger.accounts().iter().map(|(id, _)| *id).collect();
        assert_eq!(ids, [AccountId(7), AccountId(8)]);
    }
}
