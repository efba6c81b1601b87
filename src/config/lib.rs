//! Flags, the configuration language, the options they decide, and every limit of the server.
//!
//! | file | what |
//! |---|---|
//! | `limits.rs` | every limit and default, with what happens there |
//! | `options.rs` | [`Options`]: what the server was told to do |
//! | `cores.rs` | `0,2-5` as a list of cores |
//! | `version.rs` | the NATS level spoken and our own version |

pub mod cores;
pub mod digest;
pub mod duration;
pub mod limits;
pub mod options;
pub mod parser;
pub mod place;
pub mod problem;
mod scanner;
pub mod suggest;
pub mod value;
pub mod version;
pub mod word;

pub use options::Options;
