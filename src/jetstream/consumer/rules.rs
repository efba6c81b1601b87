//! Which consumer configurations are accepted, and what unset fields become.
//!
//! Source: spec/jetstream.md §4 and the codes of §18. Defaults come first, then the rules of each
//! group: names and texts, delivery, start, acknowledgements, filters, priority, work queues. In
//! pedantic mode a value that would be replaced silently is refused instead (10157).

use std::time::Duration;

use config::duration;
use subject::name;

use super::config::{AckPolicy, ConsumerConfig, DeliverPolicy, PriorityPolicy};
use crate::stream_config::Retention;
use crate::{ApiError, ErrorCode};

/// Bytes of a name at most; longer: refused with 10102.
pub const NAME_BYTES_MAX: usize = 255;
/// Bytes of a description at most; longer: refused with 10107.
pub const DESCRIPTION_BYTES_MAX: usize = 4096;
/// Bytes of all metadata keys and values at most; more: refused with 10135.
pub const METADATA_BYTES_MAX: usize = 128 << 10;
/// Bytes of a priority group's name at most; longer: refused with 10162.
pub const GROUP_BYTES_MAX: usize = 16;

const ACK_WAIT_NS: i64 = 30_000_000_000;
const ACK_PENDING: i64 = 1000;
const WAITING: i64 = 512;
const INACTIVE_NS: i64 = 5_000_000_000;
const PIN_NS: i64 = 120_000_000_000;
const HEARTBEAT_MIN_NS: i64 = 100_000_000;
const EXPIRES_MIN_NS: i64 = 1_000_000;
/// The heartbeat that the flow-control ack policy asks for.
const FLOW_HEARTBEAT_NS: i64 = 1_000_000_000;

/// Whether silent corrections are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Corrections {
    /// What is out of bounds in a harmless way is corrected.
    Silent,
    /// It is refused with 10157: `"pedantic": true` in the request.
    Refused,
}

/// What a consumer's configuration is judged against. Bounds of 0 or less are no bounds.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// The stream's subjects.
    pub subjects: &'a [String],
    /// How the stream retains.
    pub retention: Retention,
    /// The stream's replicas.
    pub replicas: i64,
    /// The stream's `consumer_limits.max_ack_pending`.
    pub stream_ack_pending_max: i64,
    /// The stream's `consumer_limits.inactive_threshold`, nanoseconds.
    pub stream_inactive_max_ns: i64,
    /// The server's or the account's `max_ack_pending`, whichever is lower.
    pub ack_pending_max: i64,
    /// The server's `max_request_batch`.
    pub request_batch_max: i64,
    /// How many consumers the stream may have, by its own or the account's limit.
    pub consumers_max: i64,
}

/// Fills in the defaults and applies the rules of create. `others` are the stream's other
/// consumers.
///
/// # Errors
/// The rule that is broken, as the API answers it.
pub fn admit(
    mut config: ConsumerConfig,
    setting: &Setting<'_>,
    others: &[&ConsumerConfig],
    corrections: Corrections,
) -> Result<ConsumerConfig, ApiError> {
    correct(&mut config, setting, corrections)?;
    texts(&config)?;
    durations(&config)?;
    if config.is_push() {
        push(&config, setting)?;
    } else {
        pull(&config, setting)?;
    }
    start(&config)?;
    acknowledgements(&config, setting)?;
    filters(&config)?;
    priority(&config)?;
    replicas(&config, setting)?;
    if setting.retention == Retention::WorkQueue && !config.is_internal() {
        work_queue(&config, others)?;
    }
    Ok(config)
}

/// Whether a consumer's name is one: what §4 asks of durable and other names alike.
///
/// # Errors
/// The rule that is broken.
pub fn check_name(text: &str) -> Result<(), ApiError> {
    if text.len() > NAME_BYTES_MAX {
        return Err(ApiError::with(ErrorCode::ConsumerNameTooLong, NAME_BYTES_MAX));
    }
    if text.contains(['\\', '/']) {
        return Err(ErrorCode::ConsumerNameContainsPathSeparators.into());
    }
    // spec/jetstream.md §3: no space tab CR LF FF `.` `*` `>`
    let forbidden = [' ', '\t', '\r', '\n', '\x0c', '.', '*', '>', '\0'];
    if text.is_empty() || text.contains(forbidden) {
        return Err(ErrorCode::ConsumerBadDurableName.into());
    }
    Ok(())
}

/// Sets what is unset, and corrects what may be corrected.
fn correct(
    config: &mut ConsumerConfig,
    setting: &Setting<'_>,
    corrections: Corrections,
) -> Result<(), ApiError> {
    let may_correct = |wrong: bool, what: &str| match corrections {
        Corrections::Refused if wrong => Err(ApiError::with(ErrorCode::Pedantic, what)),
        _ => Ok(wrong),
    };
    // spec/jetstream.md §4; the order and the words are those of nats-server 2.15.2
    let at_least = [
        ("max_deliver must be set to -1", -1, &mut config.max_deliver),
        ("max_waiting must not be negative", 0, &mut config.max_waiting),
        ("max_ack_pending must be set to -1", -1, &mut config.max_ack_pending),
        ("max_batch must not be negative", 0, &mut config.max_batch),
        ("max_expires must not be negative", 0, &mut config.max_expires),
        ("max_bytes must not be negative", 0, &mut config.max_bytes),
        ("idle_heartbeat must not be negative", 0, &mut config.idle_heartbeat),
        ("inactive_threshold must not be negative", 0, &mut config.inactive_threshold),
        ("priority_timeout must not be negative", 0, &mut config.priority_timeout),
    ];
    for (rule, lowest, value) in at_least {
        if may_correct(*value < lowest, rule)? {
            *value = lowest;
        }
    }
    if config.max_deliver == 0 {
        config.max_deliver = -1;
    }
    let flows = config.ack_policy == AckPolicy::FlowControl && config.is_push();
    if flows && corrections == Corrections::Silent {
        config.flow_control = true;
        config.idle_heartbeat = FLOW_HEARTBEAT_NS;
    }
    let waits = matches!(config.ack_policy, AckPolicy::Explicit | AckPolicy::All);
    if waits && config.ack_wait == 0 {
        config.ack_wait = ACK_WAIT_NS;
    }
    if let Some(&first) = config.backoff.first()
        && config.ack_wait != first
    {
        may_correct(true, "first backoff value has to equal batch AckWait")?;
        config.ack_wait = first;
    }
    if config.max_ack_pending == 0 && setting.stream_ack_pending_max > 0 {
        may_correct(true, "max_ack_pending must be set if it's configured in stream limits")?;
        config.max_ack_pending = within(setting.stream_ack_pending_max, setting.ack_pending_max);
    }
    if config.max_ack_pending == 0 && config.ack_policy != AckPolicy::None {
        config.max_ack_pending = within(ACK_PENDING, setting.ack_pending_max);
    }
    if config.inactive_threshold == 0 {
        let in_stream = setting.stream_inactive_max_ns > 0;
        may_correct(
            in_stream,
            "inactive_threshold must be set if it's configured in stream limits",
        )?;
        let ephemeral = if config.is_durable() { 0 } else { INACTIVE_NS };
        let stream = setting.stream_inactive_max_ns.max(0);
        config.inactive_threshold = if stream > 0 { stream } else { ephemeral };
    }
    if !config.is_push() {
        if config.max_waiting == 0 {
            config.max_waiting = WAITING;
        }
        if config.max_batch == 0 {
            config.max_batch = setting.request_batch_max.max(0);
        }
    }
    if config.priority_policy == PriorityPolicy::PinnedClient && config.priority_timeout == 0 {
        config.priority_timeout = PIN_NS;
    }
    Ok(())
}

/// What the client left open, within the operator's bound.
fn within(chosen: i64, bound: i64) -> i64 {
    if bound > 0 { chosen.min(bound) } else { chosen }
}

/// Names, description, metadata.
fn texts(config: &ConsumerConfig) -> Result<(), ApiError> {
    for text in [&config.durable_name, &config.name].into_iter().filter(|text| !text.is_empty()) {
        check_name(text)?;
    }
    if config.is_durable() && !config.name.is_empty() && config.name != config.durable_name {
        return Err(ErrorCode::ConsumerCreateDurableAndNameMismatch.into());
    }
    if config.description.len() > DESCRIPTION_BYTES_MAX {
        return Err(ApiError::with(ErrorCode::ConsumerDescriptionTooLong, DESCRIPTION_BYTES_MAX));
    }
    let bytes: usize = config.metadata.iter().map(|(key, value)| key.len() + value.len()).sum();
    if bytes > METADATA_BYTES_MAX {
        return Err(ApiError::with(ErrorCode::ConsumerMetadataLength, "128KB"));
    }
    Ok(())
}

/// Times that are out of bounds for every consumer.
fn durations(config: &ConsumerConfig) -> Result<(), ApiError> {
    if config.backoff.iter().any(|&wait| wait < 0) {
        return Err(ErrorCode::ConsumerBackOffNegative.into());
    }
    if config.ack_wait < 0 {
        return Err(ErrorCode::ConsumerAckWaitNegative.into());
    }
    // spec/jetstream.md §4: max_deliver >= len(backoff); without a bound it is long enough.
    let deliveries = config.deliveries_max().map_or(usize::MAX, |most| most as usize);
    if deliveries < config.backoff.len() {
        return Err(ErrorCode::ConsumerMaxDeliverBackoff.into());
    }
    Ok(())
}

/// What holds for push consumers.
fn push(config: &ConsumerConfig, setting: &Setting<'_>) -> Result<(), ApiError> {
    let subject = config.deliver_subject.as_bytes();
    if !name::is_sound_subscription(subject) {
        return Err(ErrorCode::ConsumerInvalidDeliverSubject.into());
    }
    if name::has_wildcard(subject) {
        return Err(ErrorCode::ConsumerDeliverToWildcards.into());
    }
    if setting.subjects.iter().any(|pattern| name::matches(pattern.as_bytes(), subject)) {
        return Err(ErrorCode::ConsumerDeliverCycle.into());
    }
    if config.max_waiting != 0 {
        return Err(ErrorCode::ConsumerPushMaxWaiting.into());
    }
    if config.idle_heartbeat != 0 && config.idle_heartbeat < HEARTBEAT_MIN_NS {
        return Err(ErrorCode::ConsumerSmallHeartbeat.into());
    }
    if config.flow_control && config.idle_heartbeat == 0 {
        return Err(ErrorCode::ConsumerWithFlowControlNeedsHeartbeats.into());
    }
    if config.priority_policy != PriorityPolicy::None {
        return Err(ErrorCode::ConsumerPushWithPriorityGroup.into());
    }
    if config.direct && config.is_durable() {
        return Err(ErrorCode::ConsumerDirectRequiresEphemeral.into());
    }
    Ok(())
}

/// What holds for pull consumers.
fn pull(config: &ConsumerConfig, setting: &Setting<'_>) -> Result<(), ApiError> {
    if config.ack_policy == AckPolicy::FlowControl {
        return Err(ErrorCode::ConsumerAckFcRequiresPush.into());
    }
    if config.rate_limit_bps > 0 {
        return Err(ErrorCode::ConsumerPullWithRateLimit.into());
    }
    if config.idle_heartbeat > 0 {
        return Err(ErrorCode::ConsumerHbRequiresPush.into());
    }
    if config.flow_control {
        return Err(ErrorCode::ConsumerFcRequiresPush.into());
    }
    if config.max_expires != 0 && config.max_expires < EXPIRES_MIN_NS {
        return Err(ErrorCode::ConsumerMaxRequestExpiresTooSmall.into());
    }
    if config.direct {
        return Err(ErrorCode::ConsumerDirectRequiresPush.into());
    }
    let bound = setting.request_batch_max;
    if bound > 0 && config.max_batch > bound {
        return Err(ApiError::with(ErrorCode::ConsumerMaxRequestBatchExceeded, bound));
    }
    Ok(())
}

/// Start options go with their policy only.
fn start(config: &ConsumerConfig) -> Result<(), ApiError> {
    let (sequence, time) = (config.opt_start_seq > 0, config.opt_start_time.is_some());
    let (policy, wants) = match config.deliver_policy {
        DeliverPolicy::All => ("deliver all", (false, false)),
        DeliverPolicy::Last => ("deliver last", (false, false)),
        DeliverPolicy::New => ("deliver new", (false, false)),
        DeliverPolicy::LastPerSubject => ("deliver last per subject", (false, false)),
        DeliverPolicy::ByStartSequence => ("deliver by start sequence", (true, false)),
        DeliverPolicy::ByStartTime => ("deliver by start time", (false, true)),
    };
    let unfiltered = config.filters().next().is_none();
    let wrong = if wants.0 && !sequence {
        "start sequence is not set"
    } else if wants.1 && !time {
        "start time is not set"
    } else if !wants.0 && sequence {
        "start sequence is also set"
    } else if !wants.1 && time {
        "start time is also set"
    } else if config.deliver_policy == DeliverPolicy::LastPerSubject && unfiltered {
        "filter subject is not set"
    } else {
        return Ok(());
    };
    let text = format!("consumer delivery policy is {policy}, but optional {wrong}");
    Err(ApiError::with(ErrorCode::ConsumerInvalidPolicy, text))
}

/// What has to do with acknowledgements and how many may be missing.
fn acknowledgements(config: &ConsumerConfig, setting: &Setting<'_>) -> Result<(), ApiError> {
    if let Err(text) = config.sampling() {
        let text = format!("strconv.Atoi: parsing \"{text}\": invalid syntax");
        return Err(ApiError::with(ErrorCode::ConsumerInvalidSampling, text));
    }
    let waits = config.ack_policy != AckPolicy::None;
    if config.is_push() && !waits && config.max_ack_pending > 0 {
        return Err(ErrorCode::ConsumerMaxPendingAckPolicyRequired.into());
    }
    // The operator's bound holds for those who ask for none, too; a stream's does not, and holds
    // for pull consumers that need none.
    let operators = setting.ack_pending_max;
    let unbounded = config.max_ack_pending < 0 || config.max_ack_pending > operators;
    if operators > 0 && waits && unbounded {
        return Err(ApiError::with(ErrorCode::ConsumerMaxPendingAckExcess, operators));
    }
    let streams = setting.stream_ack_pending_max;
    if streams > 0 && config.max_ack_pending > streams {
        return Err(ApiError::with(ErrorCode::ConsumerMaxPendingAckExcess, streams));
    }
    let bound = setting.stream_inactive_max_ns;
    if bound > 0 && config.inactive_threshold > bound {
        let text = duration::print(Duration::from_nanos(bound as u64));
        return Err(ApiError::with(ErrorCode::ConsumerInactiveThresholdExcess, text));
    }
    if config.ack_policy == AckPolicy::FlowControl { flow_policy(config) } else { Ok(()) }
}

/// What the flow-control policy asks of a push consumer.
fn flow_policy(config: &ConsumerConfig) -> Result<(), ApiError> {
    if !config.flow_control {
        return Err(ErrorCode::ConsumerAckFcRequiresFC.into());
    }
    if config.idle_heartbeat != FLOW_HEARTBEAT_NS {
        let text = "flow control ack policy requires an idle heartbeat of 1s";
        return Err(ApiError::with(ErrorCode::ConsumerCreate, text));
    }
    if config.max_ack_pending <= 0 {
        return Err(ErrorCode::ConsumerAckFcRequiresMaxAckPending.into());
    }
    if config.ack_wait != 0 || !config.backoff.is_empty() {
        return Err(ErrorCode::ConsumerAckFcRequiresNoAckWait.into());
    }
    if config.max_deliver > 0 {
        return Err(ErrorCode::ConsumerAckFcRequiresNoMaxDeliver.into());
    }
    Ok(())
}

/// Filters are valid, exclusive and apart from each other.
fn filters(config: &ConsumerConfig) -> Result<(), ApiError> {
    if !config.filter_subject.is_empty() && !config.filter_subjects.is_empty() {
        return Err(ErrorCode::ConsumerDuplicateFilterSubjects.into());
    }
    if config.filter_subjects.iter().any(String::is_empty) {
        return Err(ErrorCode::ConsumerEmptyFilter.into());
    }
    for (at, filter) in config.filters().enumerate() {
        let filter = filter.as_bytes();
        if !name::is_sound_subscription(filter) {
            return Err(ApiError::with(ErrorCode::StreamInvalidConfig, "invalid subject"));
        }
        let mut before = config.filters().take(at);
        if before.any(|other| name::overlap(other.as_bytes(), filter)) {
            return Err(ErrorCode::ConsumerOverlappingSubjectFilters.into());
        }
    }
    Ok(())
}

/// Groups and policy come together, on pull consumers.
fn priority(config: &ConsumerConfig) -> Result<(), ApiError> {
    if config.priority_policy == PriorityPolicy::None {
        if !config.priority_groups.is_empty() {
            return Err(ErrorCode::ConsumerPriorityGroupWithPolicyNone.into());
        }
        if config.priority_timeout > 0 {
            return Err(ErrorCode::ConsumerPinnedTtlWithoutPriorityPolicyNone.into());
        }
        return Ok(());
    }
    if config.priority_groups.is_empty() {
        return Err(ErrorCode::ConsumerPriorityPolicyWithoutGroup.into());
    }
    for group in &config.priority_groups {
        if group.is_empty() {
            return Err(ErrorCode::ConsumerEmptyGroupName.into());
        }
        // spec/jetstream.md §4: each `[a-zA-Z0-9/_=-]{1,16}`
        let fine = |byte: u8| byte.is_ascii_alphanumeric() || b"/_=-".contains(&byte);
        if group.len() > GROUP_BYTES_MAX || !group.bytes().all(fine) {
            return Err(ErrorCode::ConsumerInvalidGroupName.into());
        }
    }
    Ok(())
}

fn replicas(config: &ConsumerConfig, setting: &Setting<'_>) -> Result<(), ApiError> {
    if config.num_replicas < 0 {
        return Err(ErrorCode::ReplicasCountCannotBeNegative.into());
    }
    if config.num_replicas > 1 && setting.replicas <= 1 {
        return Err(ErrorCode::StreamReplicasNotSupported.into());
    }
    if config.num_replicas > setting.replicas {
        return Err(ErrorCode::ConsumerReplicasExceedsStream.into());
    }
    let same = config.num_replicas == 0 || config.num_replicas == setting.replicas;
    if setting.retention != Retention::Limits && !same {
        return Err(ErrorCode::ConsumerReplicasShouldMatchStream.into());
    }
    Ok(())
}

/// One consumer for each message, which says when it is done with it.
fn work_queue(config: &ConsumerConfig, others: &[&ConsumerConfig]) -> Result<(), ApiError> {
    // spec/jetstream.md §17: sourcing from work queues, 2.14, with the flow-control ack policy
    if !matches!(config.ack_policy, AckPolicy::Explicit | AckPolicy::FlowControl) {
        let pull_without = !config.is_push() && config.ack_policy == AckPolicy::None;
        return Err(if pull_without {
            ErrorCode::ConsumerPullRequiresAck.into()
        } else {
            ErrorCode::ConsumerWqRequiresExplicitAck.into()
        });
    }
    if config.deliver_policy != DeliverPolicy::All {
        return Err(ErrorCode::ConsumerWqConsumerNotDeliverAll.into());
    }
    let unfiltered = config.filters().next().is_none();
    for other in others.iter().filter(|other| !other.is_internal()) {
        if unfiltered {
            return Err(ErrorCode::ConsumerWqMultipleUnfiltered.into());
        }
        if other.filters().next().is_none() {
            return Err(ErrorCode::ConsumerWqConsumerNotUnique.into());
        }
        let meets = |filter: &str| {
            other.filters().any(|taken| name::overlap(taken.as_bytes(), filter.as_bytes()))
        };
        if config.filters().any(meets) {
            return Err(ErrorCode::ConsumerWqConsumerNotUnique.into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
