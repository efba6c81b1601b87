//! The rules between streams of one account: subjects that overlap, cycles, origins.
//! Source: spec/jetstream.md §3.

use subject::name;

use super::create::invalid;
use super::{StreamConfig, StreamSource, UNLIMITED};
use crate::{ApiError, ErrorCode};

/// Checks a complete configuration against the account's other streams, and takes over from the
/// origin what a mirror must. `others` never holds the stream itself.
pub fn fit_among(config: &mut StreamConfig, others: &[&StreamConfig]) -> Result<(), ApiError> {
    let overlaps = |other: &&StreamConfig| {
        let pairs = other.subjects.iter().flat_map(|a| config.subjects.iter().map(move |b| (a, b)));
        pairs.into_iter().any(|(a, b)| name::overlap(a.as_bytes(), b.as_bytes()))
    };
    if others.iter().any(overlaps) {
        return Err(ApiError::new(ErrorCode::StreamSubjectOverlap));
    }
    if reaches_itself(config, others) {
        return Err(invalid("detected cycle"));
    }
    let origin = |source: &StreamSource| {
        let local = source.external.is_none();
        others.iter().copied().find(|other| local && other.name == source.name)
    };
    for source in config.mirror.iter().chain(&config.sources) {
        prefixes_are_free(source, config, others)?;
    }
    if let Some(origin) = config.mirror.as_ref().and_then(origin) {
        if is_too_small_for(config, origin) {
            return Err(ApiError::new(ErrorCode::MirrorMaxMessageSizeTooBig));
        }
        // spec/jetstream.md §3 mirror_direct: forced to origin's allow_direct for local mirrors
        config.mirror_direct = origin.allow_direct;
    }
    if config.sources.iter().filter_map(origin).any(|origin| is_too_small_for(config, origin)) {
        return Err(ApiError::new(ErrorCode::SourceMaxMessageSizeTooBig));
    }
    Ok(())
}

/// Whether following mirrors and sources of this account leads back to `config`.
fn reaches_itself(config: &StreamConfig, others: &[&StreamConfig]) -> bool {
    let mut seen: Vec<&str> = Vec::new();
    let mut open: Vec<&StreamConfig> = vec![config];
    while let Some(next) = open.pop() {
        for source in next.mirror.iter().chain(&next.sources) {
            if source.external.is_some() {
                continue;
            }
            if source.name == config.name {
                return true;
            }
            if !seen.contains(&source.name.as_str()) {
                seen.push(&source.name);
                open.extend(others.iter().copied().filter(|other| other.name == source.name));
            }
        }
    }
    false
}

/// Whether the origin may hold messages that `config` refuses.
fn is_too_small_for(config: &StreamConfig, origin: &StreamConfig) -> bool {
    let bounded = i64::from(config.max_msg_size) != UNLIMITED;
    let larger =
        i64::from(origin.max_msg_size) != UNLIMITED && origin.max_msg_size > config.max_msg_size;
    bounded && larger
}

// spec/jetstream.md §18: 10021, 10022
fn prefixes_are_free(
    source: &StreamSource,
    config: &StreamConfig,
    others: &[&StreamConfig],
) -> Result<(), ApiError> {
    let Some(external) = &source.external else { return Ok(()) };
    let prefixes = [
        (&external.deliver, ErrorCode::StreamExternalDelPrefixOverlaps),
        (&external.api, ErrorCode::StreamExternalApiOverlap),
    ];
    for (prefix, code) in prefixes {
        let taken = format!("{prefix}.>");
        let subjects = others.iter().copied().chain([config]).flat_map(|other| &other.subjects);
        let clash = subjects
            .into_iter()
            .find(|subject| name::overlap(subject.as_bytes(), taken.as_bytes()));
        if let Some(subject) = clash.filter(|_| !prefix.is_empty()) {
            return Err(ApiError::with_two(code, [prefix, subject]));
        }
    }
    Ok(())
}
