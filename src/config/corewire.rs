//! The options inside `corewire`: what nats-server does not have.

use crate::declaration::Reload::{Applies, NeedsRestart};
use crate::declaration::{Declaration, Kind, built};
use crate::profile::ProfileName;

/// The block.
pub static COREWIRE: &[Declaration] = &[
    built(
        "cores",
        "",
        NeedsRestart,
        "Cores to run on, such as \"0,2-5\"; all that the process may use when unset",
        Kind::TextOrCount(|d, text| {
            d.options.corewire.cores = Some(text.parse()?);
            Ok(())
        }),
    ),
    built(
        "profile",
        "default",
        Applies,
        "Tuning: default, latency, throughput, shared-host, or a file such as ./my.toml",
        Kind::Text(|d, text| {
            d.options.corewire.profile = ProfileName::parse(text)?;
            Ok(())
        }),
    ),
];
