//! The rules of mirrors and sources, each by itself. Source: spec/jetstream.md §3 StreamSource.

use subject::name;

use super::create::{invalid, is_valid_asset_name, rename};
use super::{StreamConfig, StreamSource};
use crate::{ApiError, ErrorCode};

/// Which errors the rules that mirrors and sources share answer with.
struct Codes {
    name: ErrorCode,
    both_filters: ErrorCode,
    filter: ErrorCode,
    destination: ErrorCode,
    overlap: ErrorCode,
    consumer: ErrorCode,
}

const OF_MIRROR: Codes = Codes {
    name: ErrorCode::MirrorInvalidStreamName,
    both_filters: ErrorCode::MirrorMultipleFiltersNotAllowed,
    filter: ErrorCode::MirrorInvalidSubjectFilter,
    destination: ErrorCode::MirrorInvalidTransformDestination,
    overlap: ErrorCode::MirrorOverlappingSubjectFilters,
    consumer: ErrorCode::MirrorDurableConsumerCfgInvalid,
};

const OF_SOURCE: Codes = Codes {
    name: ErrorCode::SourceInvalidStreamName,
    both_filters: ErrorCode::SourceMultipleFiltersNotAllowed,
    filter: ErrorCode::SourceInvalidSubjectFilter,
    destination: ErrorCode::SourceInvalidTransformDestination,
    overlap: ErrorCode::SourceOverlappingSubjectFilters,
    consumer: ErrorCode::SourceDurableConsumerCfgInvalid,
};

/// Checks the mirror of a configuration that has one.
// spec/jetstream.md §3 mirror: excludes subjects, sources, first_seq, counters, atomic, batched,
// schedules
pub(super) fn mirror(config: &mut StreamConfig) -> Result<(), ApiError> {
    let excluded = [
        (config.first_seq > 0, ErrorCode::MirrorWithFirstSeq),
        (!config.subjects.is_empty(), ErrorCode::MirrorWithSubjects),
        (!config.sources.is_empty(), ErrorCode::MirrorWithSources),
        (config.allow_msg_counter, ErrorCode::MirrorWithCounters),
        (config.allow_atomic, ErrorCode::MirrorWithAtomicPublish),
        (config.allow_batched, ErrorCode::MirrorWithBatchPublish),
        (config.allow_msg_schedules, ErrorCode::MirrorWithMsgSchedules),
    ];
    for (is_set, code) in excluded {
        if is_set {
            return Err(ApiError::new(code));
        }
    }
    let Some(mirror) = &config.mirror else { return Ok(()) };
    if mirror.opt_start_seq > 0 && mirror.opt_start_time.is_some() {
        return Err(ApiError::new(ErrorCode::MirrorWithStartSeqAndTime));
    }
    source(mirror, &OF_MIRROR)
}

/// Checks the sources.
// spec/jetstream.md §3 sources: unique (name+external+filters); schedules forbidden
pub(super) fn sources(config: &StreamConfig) -> Result<(), ApiError> {
    if !config.sources.is_empty() && config.allow_msg_schedules {
        return Err(ApiError::new(ErrorCode::SourceWithMsgSchedules));
    }
    for (index, one) in config.sources.iter().enumerate() {
        source(one, &OF_SOURCE)?;
        for earlier in &config.sources[..index] {
            if is_same(earlier, one) {
                return Err(ApiError::new(ErrorCode::SourceDuplicateDetected));
            }
            let shares_consumer = match (&earlier.consumer, &one.consumer) {
                (Some(a), Some(b)) => earlier.name == one.name && a.name == b.name,
                _ => false,
            };
            if shares_consumer {
                return Err(ApiError::new(ErrorCode::SourceDurableConsumerDuplicateDetected));
            }
        }
    }
    Ok(())
}

fn is_same(one: &StreamSource, other: &StreamSource) -> bool {
    one.name == other.name
        && one.external == other.external
        && one.filter_subject == other.filter_subject
        && one.subject_transforms == other.subject_transforms
}

fn source(source: &StreamSource, codes: &Codes) -> Result<(), ApiError> {
    if !is_valid_asset_name(&source.name) {
        return Err(ApiError::new(codes.name));
    }
    external(source)?;
    if source.consumer.is_some() {
        consumer(source, codes)?;
    }
    if !source.filter_subject.is_empty() {
        if !source.subject_transforms.is_empty() {
            return Err(ApiError::new(codes.both_filters));
        }
        if !name::is_sound_subscription(source.filter_subject.as_bytes()) {
            let reason = format_args!("{} invalid subject", source.filter_subject);
            return Err(ApiError::with(codes.filter, reason));
        }
    }
    for (index, transform) in source.subject_transforms.iter().enumerate() {
        let src = if transform.src.is_empty() { ">" } else { &transform.src };
        if !name::is_sound_subscription(src.as_bytes()) {
            return Err(ApiError::with(codes.filter, format_args!("{src} invalid subject")));
        }
        rename(src, &transform.dest).map_err(|error| ApiError::with(codes.destination, error))?;
        for earlier in &source.subject_transforms[..index] {
            let earlier = if earlier.src.is_empty() { ">" } else { &earlier.src };
            if name::overlap(earlier.as_bytes(), src.as_bytes()) {
                return Err(ApiError::new(codes.overlap));
            }
        }
    }
    Ok(())
}

fn external(source: &StreamSource) -> Result<(), ApiError> {
    let Some(external) = &source.external else { return Ok(()) };
    if !name::is_sound_literal(external.api.as_bytes()) {
        let reason = format_args!(
            "stream external api prefix \"{}\" must be a valid subject without wildcards",
            external.api
        );
        return Err(invalid(reason));
    }
    if !external.deliver.is_empty() && !name::is_sound_literal(external.deliver.as_bytes()) {
        let code = ErrorCode::StreamInvalidExternalDeliverySubj;
        return Err(ApiError::with(code, &external.deliver));
    }
    Ok(())
}

// spec/jetstream.md §3: consumer{name, deliver_subject}: excludes start options and filter
fn consumer(source: &StreamSource, codes: &Codes) -> Result<(), ApiError> {
    let Some(consumer) = &source.consumer else { return Ok(()) };
    let named = is_valid_asset_name(&consumer.name)
        && name::is_sound_literal(consumer.deliver_subject.as_bytes());
    let alone = source.opt_start_seq == 0
        && source.opt_start_time.is_none()
        && source.filter_subject.is_empty();
    if named && alone { Ok(()) } else { Err(ApiError::new(codes.consumer)) }
}
