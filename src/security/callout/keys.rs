//! The keys of the server itself: made at its start, never written anywhere.

use std::fmt;

use nkeys::{KeyPair, XKey};

/// A signing key, whose public half is the server's id, and a curve key.
pub struct ServerKeys {
    pub(super) pair: KeyPair,
    pub(super) curve: XKey,
}

impl ServerKeys {
    /// New ones.
    pub fn new() -> ServerKeys {
        ServerKeys { pair: KeyPair::new_server(), curve: XKey::new() }
    }

    /// The server's id, `N…`.
    pub fn id(&self) -> String {
        self.pair.public_key()
    }

    /// Its public curve key, `X…`.
    pub fn xkey(&self) -> String {
        self.curve.public_key()
    }
}

impl Default for ServerKeys {
    fn default() -> ServerKeys {
        ServerKeys::new()
    }
}

/// No seed shows.
impl fmt::Debug for ServerKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id())
    }
}
