//! Who may connect, as whom, in which account, and what they may do there.
//!
//! This room never speaks to a client and logs no secret. It belongs to no core: a [`Directory`]
//! is immutable, every shard holds the same one, and a change makes another.
//!
//! Invariants: a comparison takes as long for a wrong secret as for a right one of its length;
//! what is denied says nothing about why; an account's number is never given to another name;
//! what a permission denies is denied however it is asked for.
//!
//! | file | what |
//! |---|---|
//! | `directory.rs` | all accounts and users, and the rules by which clients are let in |
//! | `account.rs` | accounts: names to numbers that stay |
//! | `credentials.rs` | what a client says, and who it turns out to be |
//! | `password.rs`, `nkey.rs` | how it proves that |
//! | `proxies.rs` | whose word counts that it passes a client on |
//! | `callout.rs` | a service that says who may come in |
//! | `desk.rs` | where logins are checked that take long |
//! | `fetches.rs` | accounts that are fetched from others, each once and not too many |
//! | `tls.rs` | how a listener speaks TLS |
//! | `tls/pairs.rs` | its certificates, and which of them a client gets |
//! | `tls/handshake.rs` | where handshakes are made, which take long |
//! | `tls/staple.rs` | what an issuer says of a certificate, for clients to see |
//! | `tls/ocsp.rs`, `tls/responder.rs` | how issuers are asked, and when they are believed |
//! | `tls/peer.rs` | what issuers say of clients' certificates |
//! | `tls/response_cache.rs`, `tls/response_file.rs` | what they said before |
//! | `tls/certificate.rs` | whom a client's certificate names |
//! | `distinguished_name.rs` | names in certificates, compared part by part |
//! | `permissions.rs` | what it may publish and subscribe to |
//! | `exchange.rs` | what accounts have of each other, as ways that messages take |
//! | `mapping.rs` | what an account's subjects become when they are published |
//! | `gate.rs` | the same for publishing, remembered by subject |
//! | `jwt.rs` | claims that are signed: operators, accounts, users (operator mode) |
//! | `resolver.rs` | where the tokens of accounts come from |
//! | `operator.rs` | operator mode: accounts that are fetched, users that bring tokens |
//! | `account_key.rs` | the public key of an account, checked |
//! | `jwt_folder.rs`, `folder_resolver.rs`, `web_resolver.rs` | in a folder, and from the web |
//! | `whole_file.rs` | files that a crash leaves as they were or as they are to be |

mod account;
mod account_key;
pub mod callout;
mod credentials;
mod desk;
mod directory;
mod distinguished_name;
mod exchange;
mod fetches;
mod folder_resolver;
mod gate;
pub mod jwt;
mod jwt_folder;
mod mapping;
mod nkey;
mod operator;
mod password;
mod permissions;
mod proxies;
pub mod resolver;
pub mod tls;
mod web_resolver;
mod whole_file;

pub use account::{Account, AccountFull, Accounts};
pub use account_key::AccountKey;
pub use credentials::{Credentials, Denied, Expiry, KeptCredentials, Session, TOKEN_USER};
pub use desk::{
    Admission, Checked, Desk, LoginRequest, ServiceAnswer, Step, Ticket, Verdict, Work, nonce,
};
pub use directory::{Directory, DirectoryError, Effort, Standing};
pub use exchange::{ImportError, ServiceWay, Share, TraceBeyond, Way, WayKind};
pub use fetches::{Fetches, Next, NotFetched, Wanted};
pub use folder_resolver::{AskOthers, FolderResolver};
pub use gate::PublishGate;
pub use jwt_folder::{Broken, JwtStore, StoreDigest, StoreError};
pub use mapping::{MappedTo, Mappings};
pub use operator::{AccountError, SeenAccount, TrustError};
pub use permissions::{MaySubscribe, Permissions, Responses};
pub use proxies::ProxyUse;
pub use tls::{
    Advanced, Agreed, Asking, CacheFigures, ClientCertificate, HandshakeDesk, HandshakeFault,
    HandshakeRequest, HandshakeStep, Judgement, ListenerTls, OcspError, PeerCheck, PeerOutside,
    PeerQuestion, Plain, Presented, ResponseCache, ResponseFileError, Staple, StapleError,
    StapleQuestion, Status, TlsError, ask_responder, take_in,
};
pub use web_resolver::{ResolverTlsError, WebResolver};
