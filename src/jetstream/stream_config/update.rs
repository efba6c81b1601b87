//! What an update may change. Source: spec/jetstream.md §3, column "Updatable".

use super::create::{complete, invalid};
use super::{Discard, Pedantry, Retention, ServerLimits, StreamConfig};
use crate::{ApiError, ErrorCode};

/// The configuration after an update of `old` as `requested`: defaults filled in, checked by
/// itself and against the old one. Limits that consumers already use are the caller's to check.
pub fn for_update(
    old: &StreamConfig,
    requested: StreamConfig,
    server: &ServerLimits,
    pedantry: Pedantry,
) -> Result<StreamConfig, ApiError> {
    let mut config = complete(requested, server, pedantry)?;
    if config.name != old.name {
        return Err(invalid("stream configuration name must match original"));
    }
    fixed(old, &config)?;
    one_way(old, &config)?;
    if config.mirror != old.mirror && config.mirror.is_some() {
        return Err(ApiError::new(ErrorCode::StreamMirrorNotUpdatable));
    }
    if config.sealed {
        seal(&mut config);
    }
    Ok(config)
}

/// What never changes.
fn fixed(old: &StreamConfig, new: &StreamConfig) -> Result<(), ApiError> {
    let workqueue = |config: &StreamConfig| config.retention == Retention::WorkQueue;
    let changes = [
        (new.storage != old.storage, "storage type"),
        (workqueue(new) != workqueue(old), "retention policy to/from workqueue"),
        (new.allow_msg_counter != old.allow_msg_counter, "message counter setting"),
        (new.persist_mode != old.persist_mode, "persist mode"),
    ];
    for (changed, what) in changes {
        if changed {
            let reason = format_args!("stream configuration update can not change {what}");
            return Err(invalid(reason));
        }
    }
    Ok(())
}

/// What can be switched on and never off.
fn one_way(old: &StreamConfig, new: &StreamConfig) -> Result<(), ApiError> {
    let switched_off = [
        (old.sealed && !new.sealed, "stream configuration update can not unseal a sealed stream"),
        (
            old.deny_delete && !new.deny_delete,
            "stream configuration update can not cancel deny message deletes",
        ),
        (
            old.deny_purge && !new.deny_purge,
            "stream configuration update can not cancel deny purge",
        ),
        (old.allow_msg_ttl && !new.allow_msg_ttl, "message TTL status can not be disabled"),
        (
            old.allow_msg_schedules && !new.allow_msg_schedules,
            "message schedules can not be disabled",
        ),
    ];
    match switched_off.into_iter().find(|(off, _)| *off) {
        Some((_, reason)) => Err(invalid(reason)),
        None => Ok(()),
    }
}

// spec/jetstream.md §3 sealed: sets discard new, deny_delete, deny_purge, max_age 0, rollup off
fn seal(config: &mut StreamConfig) {
    config.max_age = 0;
    config.discard = Discard::New;
    config.deny_delete = true;
    config.deny_purge = true;
    config.allow_rollup_hdrs = false;
}
