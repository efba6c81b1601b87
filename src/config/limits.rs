//! Every limit and every default of the server in one place. Each says what happens there
//! (reject, drop, stall, close) and which counter rises; what must hold between two of them is
//! asserted when the server is compiled.
//!
//! A name ends in its bound; sizes are bytes. Where an option changes a limit, the constant is the
//! option's default and the option's key is named.

use std::ops::RangeInclusive;
use std::time::Duration;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

// ---- What a client may send (spec/client-protocol.md §1) ----

/// Bytes in the argument part of a control line (`max_control_line`). Over it: reject with
/// `-ERR 'maximum control line exceeded'` and close.
pub const CONTROL_LINE_MAX: usize = 4096;

/// Headers and payload of one message together (`max_payload`). Over it: reject on the control
/// line with `-ERR 'Maximum Payload Violation'` and close.
pub const PAYLOAD_MAX: usize = MIB;

/// Above this `max_payload` the server warns at start. Nothing is refused.
pub const PAYLOAD_WARN: usize = 8 * MIB;

/// The highest `max_payload` that can be set. Above it: the configuration is rejected.
pub const PAYLOAD_CEILING: usize = i32::MAX as usize;

/// Digits in a size field. More: reject, close.
pub const SIZE_DIGITS_MAX: usize = 9;

/// Tokens in a subscription's subject when `max_sub_tokens` is set to its highest. Over the set
/// limit: reject the SUB with `-ERR`, the connection stays open.
pub const SUB_TOKENS_CEILING: u8 = 255;

/// Queue groups of one core whose last member there has left and that may still be sent what is
/// under way. Over it: the oldest is forgotten, what is picked for it and finds no other member is
/// dropped (`Counter::QueueOrphans`).
pub const LEAVERS_MAX: usize = 256;

/// Memory that one connection may hold before its CONNECT is complete. At it: close.
pub const PRE_CONNECT_BYTES_MAX: usize = 64 * KIB;

/// Bytes queued before CONNECT towards one client that does not read. Over it, with what one
/// turn answers on top: close as soon as it sends more, `Counter::SlowConsumers` rises.
pub const PRE_CONNECT_PENDING_MAX: usize = PRE_CONNECT_BYTES_MAX / 2;

// ---- Tokens of operator mode (spec/security.md §3) ----

/// Bytes in a JWT, wherever it comes from. Over it: it is none.
pub const JWT_BYTES_MAX: usize = MIB;

/// Accounts that are fetched for one login: its own, and those from which that imports. Beyond it:
/// imports of the others are left out until somebody of theirs comes.
pub const ACCOUNTS_FETCHED_MAX: usize = 1024;

/// How long one login, one reload or one new token may take others' time for accounts: its own
/// and those from which it imports. Over it: as [`ACCOUNTS_FETCHED_MAX`]; a reload keeps the
/// tokens that are there.
pub const ACCOUNTS_FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// Accounts that are asked for of others at a time, whole server. At it: the next wait.
pub const ACCOUNT_FETCHERS_MAX: usize = 4;

/// Accounts that wait to be asked for. At it: logins of others are refused.
pub const ACCOUNTS_WANTED_MAX: usize = 256;

/// Logins that wait for such accounts, many for the same one perhaps. At it: one more is refused.
pub const LOGINS_FETCHING_MAX: usize = 8192;

/// How long nobody is asked again for an account that nobody had. Meanwhile: its logins are
/// refused.
pub const ACCOUNT_MISSED_LIFETIME: Duration = Duration::from_secs(2);

/// Accounts that nobody had and that are remembered for so long. At it: the oldest is forgotten.
pub const ACCOUNTS_MISSED_MAX: usize = 4096;

/// Subjects to which the entries of one list of a scoped key's template may come. Above it: the
/// login is refused.
pub const TEMPLATE_SUBJECTS_MAX: usize = 4096;

// ---- Connections ----

/// How long a start asks for a port that is in use: a server that was killed gives it back a
/// little after its end. Over it: the start fails.
pub const LISTEN_RETRY: Duration = Duration::from_secs(1);

/// Time between two such tries.
pub const LISTEN_RETRY_PAUSE: Duration = Duration::from_millis(10);

/// Open client connections on the whole server (`max_connections`). Over it: INFO, then
/// `-ERR 'maximum connections exceeded'` and close.
pub const CONNECTIONS_MAX: u32 = 65_536;

/// Closed connections kept for `/connz?state=closed`, whole server (`max_closed_clients`). At it:
/// the oldest is dropped.
pub const CLOSED_CLIENTS_MAX: usize = 10_000;

/// Subscriptions listed with a connection that ended. Beyond it they are only counted.
pub const CLOSED_SUBSCRIPTIONS_MAX: usize = 256;

/// Time between a CONNECT that is due and its arrival (`authorization.timeout`). Over it:
/// `-ERR 'Authentication Timeout'` and close.
pub const AUTH_TIMEOUT: Duration = Duration::from_secs(2);

/// Time between a CONNECT that came in time and the end of its check, which waits for other logins
/// and perhaps for a resolver; [`AUTH_TIMEOUT`] where that is longer. Over it: as there.
pub const LOGIN_CHECK_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a resolver may take to say what an account is (`resolver.timeout`, and of a resolver on
/// the web). Over it: the login is refused.
pub const RESOLVER_TIMEOUT: Duration = Duration::from_millis(1900);

/// How often servers compare the account JWTs that they have (`resolver.interval`).
pub const RESOLVER_SYNC_INTERVAL: Duration = Duration::from_secs(60);

/// JWTs in a folder of all accounts (`resolver.limit`). At it: a new account is refused.
pub const RESOLVER_JWTS_MAX: usize = 1 << 20;

/// JWTs in a folder of those that were used (`resolver.limit`). At it: the one that was not asked
/// for the longest time goes.
pub const RESOLVER_CACHED_MAX: usize = 1000;

/// Time between accept and the end of a PROXY header, or the first byte of who has none
/// (`proxy_protocol`). Over it: close.
pub const PROXY_HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// Time between accept and the end of a TLS handshake (`tls.timeout`). Over it:
/// `-ERR 'Secure Connection - TLS Required'` and close.
pub const TLS_TIMEOUT: Duration = Duration::from_secs(2);

/// Time that a client has to begin the handshake before INFO goes out in clear
/// (`tls.handshake_first: auto`).
pub const TLS_FIRST_FALLBACK: Duration = Duration::from_millis(50);

/// Time for an OCSP responder that is asked about a client's certificate (`ocsp_peer.ca_timeout`).
/// Over it: the next one that the certificate names is asked, then the client is refused.
pub const OCSP_RESPONDER_TIMEOUT: Duration = Duration::from_secs(2);

/// How far a responder's clock may be from this one (`ocsp_peer.allowed_clockskew`). Over it: its
/// answer does not count.
pub const OCSP_CLOCK_SKEW: Duration = Duration::from_secs(30);

/// How long a responder's answer is good that does not say so itself
/// (`ocsp_peer.cache_ttl_when_next_update_unset`). Over it: it is asked again.
pub const OCSP_UNSAID_LIFE: Duration = Duration::from_secs(3600);

/// Pause between two writes of the file of OCSP answers (`ocsp_cache.save_interval`).
pub const OCSP_SAVE_INTERVAL: Duration = Duration::from_secs(300);

/// The shortest such pause. Under it: the configuration is rejected.
pub const OCSP_SAVE_INTERVAL_MIN: Duration = Duration::from_secs(1);

/// Bytes of a responder's answer. Over it: the answer does not count.
pub const OCSP_ANSWER_BYTES_MAX: usize = 64 * KIB;

/// Bytes of all answers that are kept. At it: what comes is used and not kept.
pub const OCSP_CACHE_BYTES_MAX: usize = 64 * MIB;

/// Clients that may wait for OCSP responders at a time. One more: refused.
pub const OCSP_WAITING_MAX: usize = 4096;

/// Chains of certificates to one client that are looked at. Those beyond it do not count.
pub const OCSP_CHAINS_MAX: usize = 8;

/// An authorization timeout above this is warned of, since it lets strangers hold connections.
pub const AUTH_TIMEOUT_WARN: Duration = Duration::from_secs(60);

/// Answers that `allow_responses` lets a client publish to one request. One more: reject with
/// `-ERR 'Permissions Violation for Publish …'`.
pub const RESPONSES_MAX: u32 = 1;

/// For how long `allow_responses` lets a client answer. Later: rejected as above.
pub const RESPONSES_TTL: Duration = Duration::from_secs(120);

/// Requests of one client that it may still answer by `allow_responses`. One more, when none has
/// expired: its answer is rejected.
pub const RESPONSES_TRACKED_MAX: usize = 4096;

/// How long the answer to a request across accounts may take (`response_threshold`). Later: it
/// reaches nobody.
pub const SERVICE_RESPONSE_MAX: Duration = Duration::from_secs(120);

/// Silence after which the server sends PING (`ping_interval`).
pub const PING_INTERVAL: Duration = Duration::from_secs(120);

/// PINGs that may be unanswered (`ping_max`). One more: `-ERR 'Stale Connection'`, close,
/// `Counter::StaleConnections` rises.
pub const PING_MAX: u32 = 2;

/// The first PING after CONNECT, unless `ping_interval` is shorter.
pub const FIRST_PING: Duration = Duration::from_secs(2);

/// Up to this share of [`FIRST_PING`] is added at random, in percent, so that PINGs spread.
pub const FIRST_PING_JITTER_PERCENT: u32 = 20;

/// A measured round trip that is older than this is measured again, even on a busy connection.
pub const RTT_FRESH: Duration = Duration::from_secs(3600);

// ---- Outbound and slow consumers (spec/client-protocol.md §8) ----

/// Bytes queued towards one client (`max_pending`). Over it: close without `-ERR` or flush,
/// `Counter::SlowConsumers` rises.
pub const PENDING_MAX: usize = 64 * MIB;

/// Bytes that a client may send while its TLS handshake is being worked on; more ends it.
pub const HANDSHAKE_BYTES_MAX: usize = 64 * KIB;

/// Steps that a trace tells of one core; of what is beyond nothing is told.
pub const TRACE_STEPS_MAX: usize = 4096;

/// Share of `max_pending`, in percent, from which producers are stalled
/// (`Counter::StalledClients`) or deliveries dropped (`Counter::DroppedForSlow`), where the
/// operator set `no_fast_producer_stall`. Unset, neither happens.
pub const STALL_PENDING_PERCENT: usize = 75;

/// A stalled producer sleeps at least this for a message.
pub const STALL_MIN: Duration = Duration::from_millis(2);

/// A stalled producer sleeps at most this for a message.
pub const STALL_MAX: Duration = Duration::from_millis(5);

/// How long one write batch may take (`write_deadline`). Over it: close or retry as
/// `write_timeout` says, `Counter::SlowConsumers` rises.
pub const WRITE_DEADLINE: Duration = Duration::from_secs(10);

// ---- Lame duck and shutdown (spec/client-protocol.md §9) ----

/// Time over which lame duck closes the clients, grace included (`lame_duck_duration`).
pub const LAME_DUCK_DURATION: Duration = Duration::from_secs(120);

/// The shortest `lame_duck_duration` that can be set. Below: the configuration is rejected.
pub const LAME_DUCK_DURATION_MIN: Duration = Duration::from_secs(30);

/// Time between the lame-duck INFO and the first close (`lame_duck_grace_period`).
pub const LAME_DUCK_GRACE_PERIOD: Duration = Duration::from_secs(10);

/// The longest pause between two closes of lame duck.
pub const LAME_DUCK_CLOSE_INTERVAL_MAX: Duration = Duration::from_secs(1);

// ---- JetStream (spec/cli-and-config.md §7.7) ----

/// API requests that may wait at one turn (`jetstream.request_queue_limit`), and as many that only
/// ask for information. Over it: all of that kind are dropped without an answer, advisory
/// `API.LIMIT_REACHED`.
pub const API_REQUESTS_MAX: usize = 10_000;

/// Disk operations of all cores that the kernel has at a time (`jetstream.max_concurrent_io`). Over
/// it: the next one waits for one to end.
pub const DISK_OPERATIONS_MAX: usize = 4096;

/// What `jetstream.max_concurrent_io` may be.
pub const DISK_OPERATIONS_BOUNDS: RangeInclusive<i64> = 4..=8192;

// ---- Reading ----

/// Bytes in one pooled read chunk.
pub const READ_CHUNK: usize = 32 * KIB;

/// Read chunks in one core's provided-buffer ring. When all are in use: reading pauses until one
/// comes back, `Counter::ReadsPaused` rises.
pub const READ_CHUNKS: usize = 64;

/// The smallest read chunk that a profile may ask for. Below: the profile is rejected.
pub const READ_CHUNK_MIN: usize = 8 * KIB;

/// Events that end the gathering of a sleeping core early (`gather_events` of a profile).
pub const GATHER_EVENTS: u32 = 16;

/// Payloads up to this many bytes are copied inline, into a ring record or an outbound buffer;
/// larger ones travel as a refcounted slice.
pub const INLINE_PAYLOAD_MAX: usize = 4 * KIB;

/// Messages one behind another that differ in their payload only are handled as one, up to this
/// many bytes; more begin anew.
pub const RUN_BYTES_MAX: usize = 2 * INLINE_PAYLOAD_MAX;

// ---- Between cores (design.md §5) ----

/// Bytes in the data lane of one ordered pair of cores. Full: records spill,
/// `Counter::RingSpilled` rises.
pub const RING_DATA_BYTES: usize = MIB;

/// Bytes in the interest lane of one ordered pair of cores. Full: deltas spill,
/// `Counter::RingSpilled` rises.
pub const RING_INTEREST_BYTES: usize = 256 * KIB;

/// Refcounted payloads on their way between one ordered pair of cores.
pub const RING_LARGE_PAYLOADS: usize = 1024;

/// Bytes that may wait in one spill queue before the shard stops reading from the connections
/// that feed it (`Counter::ReadsPaused`).
pub const SPILL_PAUSE_BYTES: usize = 4 * MIB;

// ---- Logging ----

/// Lines that wait for the log writer. Full: the line is dropped and counted (`Log::dropped`).
pub const LOG_LINES_MAX: usize = 8192;

/// Of the failed first connects to one other server, one in so many is logged
/// (`connect_error_reports`).
pub const CONNECT_ERROR_REPORTS: u32 = 3600;

/// The same for connects after a connection was lost (`reconnect_error_reports`).
pub const RECONNECT_ERROR_REPORTS: u32 = 1;

// ---- Ports ----

/// Where clients are listened for (`port`).
pub const CLIENT_PORT: u16 = 4222;

/// Where clients and monitoring are listened for (`host`).
pub const HOST: &str = "0.0.0.0";

// ---- The configuration file ----

/// Bytes in one configuration file. Over it: the configuration is rejected.
pub const CONFIG_FILE_BYTES_MAX: usize = 64 * MIB;

/// Maps and arrays inside each other. Over it: the configuration is rejected.
pub const CONFIG_DEPTH_MAX: usize = 64;

/// Files including each other. Over it (a cycle, as a rule): the configuration is rejected.
pub const CONFIG_INCLUDE_DEPTH_MAX: usize = 16;

/// Files in one configuration, each counted as often as it is included. Over it: the
/// configuration is rejected, which bounds files that include each other twice.
pub const CONFIG_FILES_MAX: usize = 1024;

/// Variables that stand for variables. Over it: the configuration is rejected.
pub const CONFIG_VARIABLE_DEPTH_MAX: usize = 32;

/// Bytes that one configuration may take in memory, those that variables stand for counted each
/// time. Over it: the configuration is rejected.
pub const CONFIG_MEMORY_MAX: usize = 256 * MIB;

/// Bytes in a profile. Over it: the profile is rejected.
pub const PROFILE_BYTES_MAX: usize = 64 * KIB;

// ---- JetStream storage (design §6) ----

/// The first segment of a core's log: what an idle JetStream takes of the disk.
pub const JS_SEGMENT_BYTES_MIN: u32 = MIB as u32;

/// The longest segment of a core's log.
pub const JS_SEGMENT_BYTES_MAX: u32 = 64 * MIB as u32;

/// One write to the disk. Longer only for a single longer record.
pub const JS_WRITE_BYTES_MAX: usize = 160 * KIB;

/// Written bytes that stay in memory for readers, a core.
pub const JS_RECENT_BYTES: usize = 8 * MIB;

/// Read bytes that stay in memory for readers, a core.
pub const JS_READ_CACHE_BYTES: usize = 32 * MIB;

/// Appended bytes that wait for the disk, a core. Over it: publishes are refused until it has
/// come nearer.
pub const JS_BEHIND_BYTES_MAX: usize = 64 * MIB;

/// Bytes a second that compaction reads and writes, a core.
pub const JS_COMPACTION_BYTES_PER_S: u64 = 64 * MIB as u64;

/// Writes of a log under way at a time: with two, the disk never waits for the server. More wait.
pub const JS_WRITES_UNDER_WAY_MAX: usize = 2;

/// A record may take this part of the longest segment. Longer: the publish is refused (10054).
pub const JS_RECORD_SHARE: u32 = 4;

/// Messages end at this part of the last segment of a full disk (10023); the rest is for
/// removals.
pub const JS_FULL_SHARE: u32 = 2;

/// The least that is read from disk at once.
pub const JS_READ_BYTES_MIN: u32 = 16 * KIB as u32;

/// The most that is read ahead at once.
pub const JS_READ_AHEAD_BYTES_MAX: u32 = MIB as u32;

/// Each read of a row of reads is so many times as long as the one before.
pub const JS_READ_GROWTH: u32 = 4;

/// Bytes of pieces for scattered reads to which no reader has come back, a core. More: the one
/// that was not used for longest is given up.
pub const JS_READ_ALONE_BYTES: usize = 2 * MIB;

/// Memory of pieces that were given up, kept for the next.
pub const JS_READ_FREE_BYTES: usize = 4 * MIB;

/// Rows of reads that a core follows at a time. One more: the oldest is forgotten.
pub const JS_READ_ROWS_MAX: usize = 16;

/// Segments kept ready for use, a core.
pub const JS_SEGMENTS_READY: usize = 1;

/// Released segments kept for later use, a core. More: their files are removed.
pub const JS_SEGMENTS_SPARE_MAX: usize = 3;

/// How long until a full disk is tried again.
pub const JS_FULL_RETRY: Duration = Duration::from_secs(1);

/// One write of zeroes into a new segment.
pub const JS_ZERO_BYTES: usize = MIB;

/// Each segment is 2 to this power times as long as the one before, until they are long enough.
pub const JS_SEGMENT_GROWTH_SHIFT: u32 = 2;

/// How long a message that shall be erased may lie in a segment that is still appended to. Then
/// the segment is completed for its sake, so no more than one is in that time.
pub const JS_ERASE_WAIT: Duration = Duration::from_secs(60);

/// Messages that compaction looks at in one turn.
pub const JS_COMPACTION_LOOKS_PER_TURN: usize = 4096;

/// Bytes that compaction copies in one turn.
pub const JS_COMPACTION_BYTES_PER_TURN: usize = 128 * KIB;

/// Segments compacted at once. More wait for the next time.
pub const JS_COMPACTION_SOURCES_MAX: usize = 16;

/// A copy takes this part of the longest segment at most, in eighths; the rest is its index.
pub const JS_COMPACTION_FILLED_EIGHTHS: u64 = 6;

/// Pause of compaction before something that is not ready is tried again.
pub const JS_COMPACTION_PAUSE: Duration = Duration::from_millis(5);

/// A message's headers and payload from which on compression is tried. Below it: stored as it is.
pub const JS_COMPRESSED_BYTES_MIN: usize = 24;

/// The longest headers and payload that are compressed: the layout has 24 bits for it. Over it:
/// stored as it is.
pub const JS_COMPRESSED_BYTES_MAX: usize = (1 << 24) - 1;

/// Memory that a core keeps for compressing, in each direction. A longer message takes more, which
/// goes with the next shorter one.
pub const JS_COMPRESSION_MEMORY: usize = 256 * KIB;

/// Messages from which a stream's dictionary is learned.
pub const JS_DICTIONARY_SAMPLES: usize = 64;

/// Bytes of those messages. Over it: what is there is learned from. With it learning takes a
/// third of a millisecond, once.
pub const JS_DICTIONARY_SAMPLES_BYTES: usize = 8 * KIB;

/// The longest dictionary. Longer: the rest is left out. Each message is compressed with all of
/// it, which takes a microsecond.
pub const JS_DICTIONARY_BYTES_MAX: usize = 2 * KIB;

/// Dictionaries of one stream. One more: the last one goes on being used.
pub const JS_DICTIONARIES_MAX: usize = 8;

/// Messages after which a stream looks whether its dictionary still serves.
pub const JS_DICTIONARY_WINDOW: u64 = 4096;

// ---- JetStream streams (spec/jetstream.md §3, §5, §6) ----

/// Bytes in the name of a stream or consumer. Over it: the request is refused, 10052 or 10102.
pub const JS_NAME_MAX: usize = 255;

/// Bytes in a description. Over it: the request is refused.
pub const JS_DESCRIPTION_MAX: usize = 4096;

/// Bytes in keys and values of metadata together. Over it: the request is refused.
pub const JS_METADATA_MAX: usize = 128 * KIB;

/// The highest `num_replicas`. Over it: the request is refused.
pub const JS_REPLICAS_MAX: i64 = 5;

/// The shortest `max_age` and `duplicate_window`. Below it: the request is refused.
pub const JS_AGE_MIN: Duration = Duration::from_millis(100);

/// The `duplicate_window` of a stream that names none.
pub const JS_DUPLICATE_WINDOW: Duration = Duration::from_secs(120);

/// The shortest `subject_delete_marker_ttl` and `Nats-TTL`. Below it: refused.
pub const JS_TTL_MIN: Duration = Duration::from_secs(1);

/// Bytes in a stored message's header block. Over it: the publish is refused, 10097.
pub const JS_HEADER_BYTES_MAX: usize = 65_535;

/// Bytes in a batch's id. Over it: the message is refused, 10179 or 10207.
pub const JS_BATCH_ID_MAX: usize = 64;

/// Messages in one atomic batch. Over it: the batch is abandoned, 10199.
pub const JS_BATCH_MESSAGES_MAX: u64 = 1000;

/// Atomic batches under way in one stream (`limits.batch.max_inflight_per_stream`). Over it: a new
/// one is refused, 10210.
pub const JS_BATCHES_PER_STREAM_MAX: usize = 50;

/// Atomic batches under way on the whole server (`limits.batch.max_inflight_total`). Over it: a
/// new one is refused, 10210.
pub const JS_BATCHES_MAX: usize = 1000;

/// Fast batches under way on the whole server. Over it: a new one is refused, 10211.
pub const JS_FAST_BATCHES_MAX: usize = 50_000;

/// Fast batches under way in one stream. Over it: a new one is refused, 10211.
pub const JS_FAST_BATCHES_PER_STREAM_MAX: usize = 1000;

/// Silence after which a batch is abandoned.
pub const JS_BATCH_TIMEOUT: Duration = Duration::from_secs(10);

/// The flow of a fast batch that asks for none.
pub const JS_FAST_BATCH_FLOW: i64 = 10;

/// The highest flow of a fast batch. Above it: cut to it.
pub const JS_FAST_BATCH_FLOW_MAX: i64 = 65_535;

/// Messages of one stream that wait to be judged or for the disk (`max_buffered_msgs`). Over it:
/// the publish is refused, 429 and 10167.
pub const JS_INGEST_MESSAGES_MAX: usize = 100_000;

/// Their bytes (`max_buffered_size`), likewise.
pub const JS_INGEST_BYTES_MAX: u64 = 128 * MIB as u64;

/// Subjects that one direct get may find with `multi_last`. Over it: 413 Too Many Results.
pub const JS_MULTI_GET_SUBJECTS_MAX: usize = 1024;

/// Bytes that wait for a connection before consumers without flow control stop sending to it for
/// a moment; or [`PUSH_BACKLOG_PERCENT`], where that is less. The kernel holds some megabytes
/// besides, so that the connection does not run dry meanwhile.
pub const PUSH_BACKLOG_BYTES: usize = MIB;

/// The same as a share of `max_pending`, in percent.
pub const PUSH_BACKLOG_PERCENT: usize = 25;

/// Bytes that such a consumer sends to receivers on other cores before it asks those cores
/// whether the receivers keep up; an eighth of `max_pending`, where that is less. With twice as
/// many unanswered for it waits.
pub const PUSH_LEAD_BYTES: u64 = 512 * KIB as u64;

// ---- JetStream's deliveries ----

/// Messages that all consumers of a core deliver in one turn. The rest waits for the next.
pub const JS_DELIVERIES_PER_TURN: usize = 256;

/// Their bytes, likewise.
pub const JS_DELIVERED_PER_TURN_BYTES: u64 = 256 * KIB as u64;

/// Messages likewise on a core that delivers other messages too: some tens of microseconds, for
/// which those wait.
pub const JS_DELIVERIES_BESIDE_OTHERS: usize = 64;

/// Their bytes, likewise.
pub const JS_DELIVERED_BESIDE_OTHERS_BYTES: u64 = 64 * KIB as u64;

/// How long after such a message a core counts as one that has others to serve.
pub const JS_OTHERS_STAY: Duration = Duration::from_millis(20);

// ---- What must hold between them ----

const _: () = {
    assert!(PAYLOAD_MAX <= PENDING_MAX, "a message must fit its subscriber's queue");
    assert!(PAYLOAD_MAX <= PAYLOAD_WARN && PAYLOAD_WARN <= PAYLOAD_CEILING);
    assert!(CONTROL_LINE_MAX < READ_CHUNK_MIN, "a control line fits one chunk");
    assert!(READ_CHUNK_MIN <= READ_CHUNK);
    assert!(READ_CHUNK <= PRE_CONNECT_BYTES_MAX, "one chunk may be held before CONNECT");
    assert!(INLINE_PAYLOAD_MAX <= READ_CHUNK_MIN, "an inline payload fits one chunk");
    assert!(INLINE_PAYLOAD_MAX + CONTROL_LINE_MAX < RING_DATA_BYTES / 16, "many records a lane");
    assert!(CONTROL_LINE_MAX < RING_INTEREST_BYTES / 16, "many interest deltas a lane");
    assert!(RING_DATA_BYTES.is_power_of_two() && RING_INTEREST_BYTES.is_power_of_two());
    assert!(READ_CHUNKS.is_power_of_two(), "the kernel wants a power of two");
    assert!(RING_DATA_BYTES <= SPILL_PAUSE_BYTES, "a lane spills before reading pauses");
    assert!(STALL_PENDING_PERCENT < 100, "stalling begins before closing");
    assert!(STALL_MIN.as_nanos() <= STALL_MAX.as_nanos());
    assert!(FIRST_PING.as_nanos() <= PING_INTERVAL.as_nanos());
    assert!(AUTH_TIMEOUT.as_nanos() <= AUTH_TIMEOUT_WARN.as_nanos());
    assert!(LAME_DUCK_GRACE_PERIOD.as_nanos() < LAME_DUCK_DURATION.as_nanos());
    assert!(LAME_DUCK_DURATION_MIN.as_nanos() <= LAME_DUCK_DURATION.as_nanos());
    assert!(CONFIG_INCLUDE_DEPTH_MAX <= CONFIG_FILES_MAX);
    assert!(CONFIG_FILE_BYTES_MAX < CONFIG_MEMORY_MAX);
};
