//! Newtypes for everything that is counted from zero, so that one is never taken for another.

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub $inner);

        impl $name {
            /// The id as an array index.
            #[inline]
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(
    /// One shard: a pinned thread with its reactor, connections and interest replica.
    ShardId(u16)
);
id!(
    /// The place of a connection in its shard's tables. Reused after the connection is gone.
    ConnSlot(u32)
);
id!(
    /// A connection's id for its whole life and for the whole server (`cid`). Never reused.
    ClientId(u64)
);
id!(
    /// An account, numbered by the server; 0 is `$G`.
    AccountId(u32)
);
id!(
    /// The place of a subscription in its shard's table. Reused after the subscription is gone.
    SubKey(u32)
);
id!(
    /// A queue group's name as one shard numbers it. Never reused within a run, so that a pick
    /// still under way can never name another group.
    QueueId(u32)
);
id!(
    /// A subscriber inside the server, numbered by its shard.
    ServiceId(u16)
);

impl AccountId {
    /// The account of every connection that named no other: `$G`.
    pub const GLOBAL: AccountId = AccountId(0);
    /// The account in which the server speaks of itself, until the operator names another: `$SYS`.
    pub const SYSTEM: AccountId = AccountId(1);
}

impl ConnSlot {
    /// The first of the slots that stand for services instead of connections.
    const SERVICES: u32 = u32::MAX - u16::MAX as u32;

    /// The slot that stands for a service where a connection's would.
    pub const fn of_service(service: ServiceId) -> ConnSlot {
        ConnSlot(ConnSlot::SERVICES + service.0 as u32)
    }

    /// The service that it stands for; `None` for a connection's slot.
    pub const fn service(self) -> Option<ServiceId> {
        match self.0.checked_sub(ConnSlot::SERVICES) {
            Some(number) => Some(ServiceId(number as u16)),
            None => None,
        }
    }
}
