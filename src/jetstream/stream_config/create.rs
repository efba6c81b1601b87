//! Defaults, and the rules that a configuration must obey by itself, for create and update alike.
//!
//! The order of the rules decides which error a request with several faults gets. Most faults are
//! 10052 with HTTP code 500 and the reason as description. Source: spec/jetstream.md §3.

use std::time::Duration;

use config::limits;
use subject::{Transform, TransformError, TransformUse, name};

use super::{
    Discard, PersistMode, Placement, Retention, Storage, StreamConfig, UNLIMITED, level,
    sources_rules,
};
use crate::{ApiError, ErrorCode};

/// What the server allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerLimits {
    /// The longest `duplicate_window`; `None` without a bound.
    pub duplicate_window_max: Option<Duration>,
}

/// Whether corrections that are usually silent are errors instead (`pedantic` in a request).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pedantry {
    /// Correct in silence.
    Lenient,
    /// Refuse with 10157.
    Pedantic,
}

/// A 10052 with its reason.
pub(super) fn invalid(reason: impl std::fmt::Display) -> ApiError {
    ApiError::with(ErrorCode::StreamInvalidConfig, reason)
}

/// The configuration of a stream to be made: defaults filled in, checked by itself.
pub fn for_create(
    requested: StreamConfig,
    server: &ServerLimits,
    pedantry: Pedantry,
) -> Result<StreamConfig, ApiError> {
    let config = complete(requested, server, pedantry)?;
    if config.sealed {
        return Err(invalid("stream configuration for create can not be sealed"));
    }
    // Seen of nats-server 2.15.2: an update may say so, and nothing comes of it.
    if config.mirror_direct && !config.is_mirror() {
        return Err(invalid("stream has no mirror but does have mirror direct"));
    }
    Ok(config)
}

/// Fills in defaults and checks what can be checked without another stream.
pub(super) fn complete(
    mut config: StreamConfig,
    server: &ServerLimits,
    pedantry: Pedantry,
) -> Result<StreamConfig, ApiError> {
    names_and_texts(&config)?;
    replicas(&mut config)?;
    unlimited_where_zero(&mut config, pedantry)?;
    ages(&mut config, server, pedantry)?;
    combinations(&config)?;
    markers_and_schedules(&mut config, pedantry)?;
    persist_mode(&config)?;
    if config.is_mirror() {
        sources_rules::mirror(&mut config)?;
    }
    sources_rules::sources(&config)?;
    subjects(&mut config)?;
    transform(&config)?;
    republish(&mut config, pedantry)?;
    placement(&mut config)?;
    // spec/jetstream.md §3: standalone >1 -> 10074. As in nats-server, after everything else.
    if config.num_replicas > 1 {
        return Err(ApiError::new(ErrorCode::StreamReplicasNotSupported));
    }
    let required = level::required_by_stream(&config);
    level::stamp_stored(&mut config.metadata, required);
    Ok(config)
}

/// Whether a name can be that of a stream or consumer, but for its length.
#[must_use]
pub fn is_valid_asset_name(name: &str) -> bool {
    let forbidden = |char: char| " \t\r\n\u{c}.*>\\/".contains(char);
    !name.is_empty() && !name.contains(forbidden)
}

/// A 10052 of a text that is too long.
fn too_long(what: &str, max: usize) -> ApiError {
    invalid(format_args!("{what} is too long, maximum allowed is {max}"))
}

/// Whether a stream's name is one.
// spec/jetstream.md §3: name 1..255, no space tab CR LF FF . * > \ /
pub fn check_name(name: &str) -> Result<(), ApiError> {
    if name.contains(['/', '\\']) {
        return Err(ApiError::new(ErrorCode::StreamNameContainsPathSeparators));
    }
    if !is_valid_asset_name(name) {
        let rule = "stream name is required and can not contain '.', '*', '>', '\\', '/'";
        return Err(invalid(rule));
    }
    if name.len() > limits::JS_NAME_MAX {
        return Err(too_long("stream name", limits::JS_NAME_MAX));
    }
    Ok(())
}

// spec/jetstream.md §3: description <= 4096; metadata <= 128 KiB
fn names_and_texts(config: &StreamConfig) -> Result<(), ApiError> {
    check_name(&config.name)?;
    if config.description.len() > limits::JS_DESCRIPTION_MAX {
        return Err(too_long("stream description", limits::JS_DESCRIPTION_MAX));
    }
    let metadata: usize = config.metadata.iter().map(|(key, value)| key.len() + value.len()).sum();
    if metadata > limits::JS_METADATA_MAX {
        let max = limits::JS_METADATA_MAX;
        return Err(invalid(format_args!("stream metadata exceeds maximum size of {max} bytes")));
    }
    Ok(())
}

// spec/jetstream.md §3: num_replicas 1..5
fn replicas(config: &mut StreamConfig) -> Result<(), ApiError> {
    match config.num_replicas {
        0 => config.num_replicas = 1,
        more if more > limits::JS_REPLICAS_MAX => {
            return Err(invalid(format_args!("maximum replicas is {}", limits::JS_REPLICAS_MAX)));
        }
        less if less < 0 => return Err(ApiError::new(ErrorCode::ReplicasCountCannotBeNegative)),
        _ => {}
    }
    Ok(())
}

// spec/jetstream.md §3: 0 -> -1; < -1 is an error only in pedantic mode
fn unlimited_where_zero(config: &mut StreamConfig, pedantry: Pedantry) -> Result<(), ApiError> {
    let mut size = i64::from(config.max_msg_size);
    let fields = [
        ("max_msgs", &mut config.max_msgs),
        ("max_msgs_per_subject", &mut config.max_msgs_per_subject),
        ("max_bytes", &mut config.max_bytes),
        ("max_msg_size", &mut size),
        ("max_consumers", &mut config.max_consumers),
    ];
    for (field, value) in fields {
        if *value < UNLIMITED && pedantry == Pedantry::Pedantic {
            let reason = format_args!("{field} must be set to -1");
            return Err(ApiError::with(ErrorCode::Pedantic, reason));
        }
        if *value <= 0 {
            *value = UNLIMITED;
        }
    }
    config.max_msg_size = size as i32;
    Ok(())
}

// spec/jetstream.md §3: max_age 0 or >= 100 ms; duplicate_window >= 100 ms, <= max_age
fn ages(
    config: &mut StreamConfig,
    server: &ServerLimits,
    pedantry: Pedantry,
) -> Result<(), ApiError> {
    let shortest = limits::JS_AGE_MIN.as_nanos() as i64;
    if config.max_age < 0 {
        return Err(invalid("max age can not be negative"));
    }
    if config.max_age != 0 && config.max_age < shortest {
        return Err(invalid("max age needs to be >= 100ms"));
    }
    let server_max = server.duplicate_window_max;
    let server_max_ns = server_max.map_or(i64::MAX, |max| max.as_nanos() as i64);
    // 0 for mirrors, and since 2.14 for streams with sources.
    if config.duplicate_window == 0 && !config.is_mirror() && config.sources.is_empty() {
        let default = limits::JS_DUPLICATE_WINDOW.as_nanos() as i64;
        let age_max = if config.max_age > 0 { config.max_age } else { i64::MAX };
        let bounds = [
            (server_max_ns, "duplicate window limits are higher than current limits"),
            (age_max, "duplicate window cannot be bigger than max age"),
        ];
        config.duplicate_window = default;
        for (bound, reason) in bounds {
            if config.duplicate_window > bound && pedantry == Pedantry::Pedantic {
                return Err(ApiError::with(ErrorCode::Pedantic, reason));
            }
            config.duplicate_window = config.duplicate_window.min(bound);
        }
    }
    let window = config.duplicate_window;
    if window < 0 {
        return Err(invalid("duplicates window can not be negative"));
    }
    if config.max_age > 0 && window > config.max_age {
        return Err(invalid("duplicates window can not be larger then max age"));
    }
    if let Some(max) = server_max.filter(|_| window > server_max_ns) {
        let max = config::duration::print(max);
        let reason = format_args!("duplicates window can not be larger then server limit of {max}");
        return Err(invalid(reason));
    }
    if window > 0 && window < shortest {
        return Err(invalid("duplicates window needs to be >= 100ms"));
    }
    Ok(())
}

// spec/jetstream.md §3: deny_purge, allow_msg_counter, discard_new_per_subject
fn combinations(config: &StreamConfig) -> Result<(), ApiError> {
    if config.deny_purge && config.allow_rollup_hdrs {
        return Err(invalid("roll-ups require the purge permission"));
    }
    if config.allow_msg_counter {
        if config.discard == Discard::New {
            return Err(invalid("counter stream cannot use discard new"));
        }
        if config.allow_msg_ttl {
            return Err(invalid("counter stream cannot use message TTLs"));
        }
        if config.allow_msg_schedules {
            return Err(invalid("counter stream cannot use message schedules"));
        }
        if config.retention != Retention::Limits {
            return Err(invalid("counter stream can only use limits retention"));
        }
    }
    if config.discard_new_per_subject {
        if config.discard != Discard::New {
            return Err(invalid("discard new per subject requires discard new policy to be set"));
        }
        if config.max_msgs_per_subject <= 0 {
            return Err(invalid("discard new per subject requires max msgs per subject > 0"));
        }
    }
    Ok(())
}

// spec/jetstream.md §3: subject_delete_marker_ttl >= 1 s, implies allow_msg_ttl and
// allow_rollup_hdrs, deny_purge false; allow_msg_schedules not with discard new, implies roll-up
fn markers_and_schedules(config: &mut StreamConfig, pedantry: Pedantry) -> Result<(), ApiError> {
    // Seen of nats-server 2.15.2: 10052 here.
    let pedantic = |reason: &str| match pedantry {
        Pedantry::Pedantic => Err(invalid(reason)),
        Pedantry::Lenient => Ok(()),
    };
    if config.subject_delete_marker_ttl < 0 {
        return Err(invalid("subject delete marker TTL must not be negative"));
    }
    if config.subject_delete_marker_ttl > 0 {
        if config.is_mirror() {
            return Err(invalid("subject delete markers forbidden on mirrors"));
        }
        if config.subject_delete_marker_ttl < limits::JS_TTL_MIN.as_nanos() as i64 {
            return Err(invalid("subject delete marker TTL must be at least 1 second"));
        }
        if config.allow_msg_counter {
            return Err(invalid("counter stream cannot use message TTLs"));
        }
        if !config.allow_msg_ttl {
            pedantic("subject delete marker cannot be set if message TTLs are disabled")?;
            config.allow_msg_ttl = true;
        }
        if !config.allow_rollup_hdrs {
            pedantic("subject delete marker cannot be set if roll-ups are disabled")?;
            config.allow_rollup_hdrs = true;
            config.deny_purge = false;
        }
    }
    if config.allow_msg_schedules {
        if config.discard == Discard::New {
            return Err(invalid("message scheduling cannot use discard new"));
        }
        if !config.allow_rollup_hdrs {
            pedantic("message scheduling cannot be set if roll-ups are disabled")?;
            config.allow_rollup_hdrs = true;
            config.deny_purge = false;
        }
    }
    Ok(())
}

// spec/jetstream.md §3: async: file storage, R1, no atomic
fn persist_mode(config: &StreamConfig) -> Result<(), ApiError> {
    if config.persist_mode == PersistMode::Async {
        if config.storage == Storage::Memory {
            return Err(invalid("async persist mode is only supported on file storage"));
        }
        if config.num_replicas > 1 {
            return Err(invalid("async persist mode is not supported on replicated streams"));
        }
        if config.allow_atomic {
            return Err(invalid("async persist mode is not supported with atomic batch publish"));
        }
    }
    Ok(())
}

// spec/jetstream.md §3 subjects
fn subjects(config: &mut StreamConfig) -> Result<(), ApiError> {
    if config.subjects.is_empty() && !config.is_mirror() && config.sources.is_empty() {
        config.subjects.push(config.name.clone());
    }
    for (index, subject) in config.subjects.iter().enumerate() {
        if !name::is_sound_subscription(subject.as_bytes()) {
            return Err(invalid("invalid subject"));
        }
        for earlier in &config.subjects[..index] {
            if name::overlap(earlier.as_bytes(), subject.as_bytes()) {
                let reason = format_args!("subject \"{earlier}\" overlaps with \"{subject}\"");
                return Err(invalid(reason));
            }
        }
        if !config.no_ack {
            needs_no_ack(subject)?;
        }
    }
    Ok(())
}

/// What renames from `src` (empty: `>`) to `dest`; nothing does without a destination.
///
/// # Errors
/// What is wrong with either.
pub(crate) fn rename(src: &str, dest: &str) -> Result<Option<Transform>, TransformError> {
    let named = !dest.is_empty();
    named.then(|| Transform::new(src, dest, TransformUse::Stream)).transpose()
}

/// Subjects that answer themselves when they are acknowledged.
fn needs_no_ack(subject: &str) -> Result<(), ApiError> {
    if subject == ">" {
        return Err(invalid("capturing all subjects requires no-ack to be true"));
    }
    let overlaps = |pattern: &str| name::overlap(pattern.as_bytes(), subject.as_bytes());
    let within = |prefix: &str| subject.starts_with(prefix);
    let api = ["$JS.>", "$JSC.>", "$NRG.>"].into_iter().any(overlaps);
    if api && !within("$JS.EVENT.") {
        return Err(invalid("subjects that overlap with jetstream api require no-ack to be true"));
    }
    if overlaps("$SYS.>") && !within("$SYS.ACCOUNT.") {
        return Err(invalid("subjects that overlap with system api require no-ack to be true"));
    }
    Ok(())
}

// spec/jetstream.md §3 subject_transform. Seen of nats-server 2.15.2: without a destination it
// renames nothing.
fn transform(config: &StreamConfig) -> Result<(), ApiError> {
    let Some(transform) = &config.subject_transform else { return Ok(()) };
    let src = if transform.src.is_empty() { ">" } else { &transform.src };
    if !name::is_sound_subscription(src.as_bytes()) {
        let reason = format_args!("invalid subject {src}");
        return Err(ApiError::with(ErrorCode::StreamTransformInvalidSource, reason));
    }
    let refused = |error| ApiError::with(ErrorCode::StreamTransformInvalidDestination, error);
    rename(src, &transform.dest).map(drop).map_err(refused)
}

// spec/jetstream.md §3 republish. Seen of nats-server 2.15.2: the source need not be one of the
// stream's subjects, without a destination nothing is published again, and `>` to `>` follows
// the transform of the only subject.
fn republish(config: &mut StreamConfig, pedantry: Pedantry) -> Result<(), ApiError> {
    let pedantic = |reason: &str| match pedantry {
        Pedantry::Pedantic => Err(ApiError::with(ErrorCode::Pedantic, reason)),
        Pedantry::Lenient => Ok(()),
    };
    let Some(republish) = &mut config.republish else { return Ok(()) };
    if republish.src.is_empty() {
        pedantic("republish source can not be empty")?;
        ">".clone_into(&mut republish.src);
    }
    if republish.src == ">"
        && republish.dest == ">"
        && let Some(transform) = &config.subject_transform
        && let [subject] = &config.subjects[..]
        && *subject == transform.src
    {
        pedantic("implicit republish based on subject transform")?;
        transform.dest.clone_into(&mut republish.src);
        transform.dest.clone_into(&mut republish.dest);
    }
    if republish.dest.is_empty() {
        return Ok(());
    }
    let (src, dest) = (&republish.src, &republish.dest);
    let lands_in_stream =
        |to: &[u8]| config.subjects.iter().any(|own| name::overlap(own.as_bytes(), to));
    let cycle = || invalid("stream configuration for republish destination forms a cycle");
    if lands_in_stream(dest.as_bytes()) {
        return Err(cycle());
    }
    let not_valid = || {
        invalid(format_args!(
            "stream configuration for republish with transform from '{src}' to '{dest}' not valid"
        ))
    };
    let transform = Transform::new(src, dest, TransformUse::Stream).map_err(|_| not_valid())?;
    if lands_in_stream(&transform.destination_pattern()) {
        return Err(cycle());
    }
    Ok(())
}

fn placement(config: &mut StreamConfig) -> Result<(), ApiError> {
    config.placement.take_if(|placement| *placement == Placement::default());
    let placed = config.placement.as_ref();
    if placed.is_some_and(|placement| !placement.preferred.is_empty()) {
        return Err(invalid("preferred server not permitted in placement"));
    }
    Ok(())
}
