//! Every request of the API, declared once: its subject, what the subject names, and the type of
//! its answer. Source: spec/jetstream.md §2.

/// What follows the fixed part of a request's subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Names {
    /// Nothing.
    Nothing,
    /// `<stream>`
    Stream,
    /// `<stream>.<consumer>`
    Consumer,
    /// `<stream>`, `<stream>.<consumer>` or `<stream>.<consumer>.<filter>`
    ConsumerAndFilter,
    /// Anything: what the system account alone may ask.
    System,
}

/// Who answers a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// The registry, by itself.
    Registry,
    /// All cores, put together by the registry.
    Everyone,
    /// The stream's core.
    Stream,
    /// The stream's core, after the registry has judged and recorded it.
    StreamByRegistry,
    /// The registry, for the system account's users only.
    System,
}

/// Declares [`Kind`] from the table.
macro_rules! kinds {
    ($($kind:ident $subject:literal $names:ident $home:ident $response:literal;)*) => {
        /// A request of the API.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "the subject beside each name says it")]
        pub enum Kind {
            $($kind,)*
        }

        impl Kind {
            /// Every request.
            pub const ALL: &[Kind] = &[$(Kind::$kind,)*];

            /// What stands between `$JS.API.` and the names.
            #[must_use]
            pub const fn subject(self) -> &'static str {
                match self {
                    $(Kind::$kind => $subject,)*
                }
            }

            const fn names(self) -> Names {
                match self {
                    $(Kind::$kind => Names::$names,)*
                }
            }

            /// Who answers it.
            #[must_use]
            pub const fn home(self) -> Home {
                match self {
                    $(Kind::$kind => Home::$home,)*
                }
            }

            /// The answer's `type`.
            #[must_use]
            pub const fn response(self) -> &'static str {
                match self {
                    $(Kind::$kind => concat!("io.nats.jetstream.api.v1.", $response),)*
                }
            }
        }
    };
}

// A subject that begins another one stands after it.
kinds! {
    AccountInfo "INFO" Nothing Everyone "account_info_response";
    StreamCreate "STREAM.CREATE" Stream StreamByRegistry "stream_create_response";
    StreamUpdate "STREAM.UPDATE" Stream StreamByRegistry "stream_update_response";
    StreamNames "STREAM.NAMES" Nothing Registry "stream_names_response";
    StreamList "STREAM.LIST" Nothing Everyone "stream_list_response";
    StreamInfo "STREAM.INFO" Stream Stream "stream_info_response";
    StreamDelete "STREAM.DELETE" Stream StreamByRegistry "stream_delete_response";
    StreamPurge "STREAM.PURGE" Stream Stream "stream_purge_response";
    StreamSnapshot "STREAM.SNAPSHOT" Stream Stream "stream_snapshot_response";
    StreamRestore "STREAM.RESTORE" Stream StreamByRegistry "stream_restore_response";
    StreamMsgGet "STREAM.MSG.GET" Stream Stream "stream_msg_get_response";
    StreamMsgDelete "STREAM.MSG.DELETE" Stream Stream "stream_msg_delete_response";
    StreamLeaderStepDown "STREAM.LEADER.STEPDOWN" Stream Registry "stream_leader_stepdown_response";
    StreamPeerRemove "STREAM.PEER.REMOVE" Stream Registry "stream_remove_peer_response";
    StreamPeerEvacuate "STREAM.PEER.EVACUATE" Stream Registry "stream_remove_peer_response";
    StreamCancelMove "STREAM.CANCEL_MOVE" Stream Registry "stream_update_response";
    ConsumerDurableCreate "CONSUMER.DURABLE.CREATE" ConsumerAndFilter Stream
        "consumer_create_response";
    ConsumerCreate "CONSUMER.CREATE" ConsumerAndFilter Stream "consumer_create_response";
    ConsumerNames "CONSUMER.NAMES" Stream Stream "consumer_names_response";
    ConsumerList "CONSUMER.LIST" Stream Stream "consumer_list_response";
    ConsumerInfo "CONSUMER.INFO" Consumer Stream "consumer_info_response";
    ConsumerDelete "CONSUMER.DELETE" Consumer Stream "consumer_delete_response";
    ConsumerPause "CONSUMER.PAUSE" Consumer Stream "consumer_pause_response";
    ConsumerReset "CONSUMER.RESET" Consumer Stream "consumer_reset_response";
    ConsumerUnpin "CONSUMER.UNPIN" Consumer Stream "consumer_unpin_response";
    ConsumerLeaderStepDown "CONSUMER.LEADER.STEPDOWN" Consumer Registry
        "consumer_leader_stepdown_response";
    MetaLeaderStepDown "META.LEADER.STEPDOWN" System System "meta_leader_stepdown_response";
    MetaRescue "META.RESCUE" System System "meta_rescue_response";
    ServerRemove "SERVER.REMOVE" System System "meta_server_remove_response";
    ServerEvacuate "SERVER.EVACUATE" System System "meta_server_remove_response";
    AccountPurge "ACCOUNT.PURGE" System System "account_purge_response";
    AccountStreamMove "ACCOUNT.STREAM.MOVE" System System "stream_update_response";
    AccountStreamCancelMove "ACCOUNT.STREAM.CANCEL_MOVE" System System "stream_update_response";
}

impl Kind {
    /// Whether it only asks for information; it waits in a queue of its own.
    #[must_use]
    pub const fn only_informs(self) -> bool {
        matches!(
            self,
            Kind::AccountInfo
                | Kind::StreamNames
                | Kind::StreamList
                | Kind::StreamInfo
                | Kind::ConsumerNames
                | Kind::ConsumerList
                | Kind::ConsumerInfo
        )
    }

    /// Whether its answer says that something changed: it waits until that is safe and known to
    /// every core.
    #[must_use]
    pub const fn changes(self) -> bool {
        matches!(
            self,
            Kind::StreamPurge
                | Kind::StreamMsgDelete
                | Kind::ConsumerCreate
                | Kind::ConsumerDurableCreate
                | Kind::ConsumerDelete
                | Kind::ConsumerPause
                | Kind::ConsumerReset
        )
    }
}

/// What every request's subject begins with, where no domain is named.
pub const PREFIX: &str = "$JS.API.";

/// What the registry listens on behind the prefix: every request, and what can be told to be
/// none. Pull requests and direct gets are not among it; the stream's core has its own.
pub const PATTERNS: &[&str] = &[
    "*",
    "*.*",
    "STREAM.*.>",
    "CONSUMER.CREATE.>",
    "CONSUMER.DURABLE.>",
    "CONSUMER.NAMES.>",
    "CONSUMER.LIST.>",
    "CONSUMER.INFO.>",
    "CONSUMER.DELETE.>",
    "CONSUMER.PAUSE.>",
    "CONSUMER.RESET.>",
    "CONSUMER.UNPIN.>",
    "CONSUMER.LEADER.>",
    "META.*.>",
    "SERVER.*.>",
    "ACCOUNT.*.>",
];

/// The type of the answer to what nobody knows.
pub const UNKNOWN: &str = "io.nats.jetstream.api.v1.system_response";

/// A request's subject, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked<'a> {
    /// What is asked.
    pub kind: Kind,
    /// Of which stream; empty where none is named.
    pub stream: &'a str,
    /// Of which consumer; empty where none is named.
    pub consumer: &'a str,
    /// The filter in the subject of a consumer's creation; empty where there is none.
    pub filter: &'a str,
}

impl<'a> Asked<'a> {
    /// Takes `subject` apart. `None` when it is no request of the API.
    #[must_use]
    pub fn parse(subject: &'a str) -> Option<Asked<'a>> {
        let rest = without_prefix(subject)?;
        Kind::ALL.iter().find_map(|&kind| {
            let names = rest.strip_prefix(kind.subject())?;
            if names.is_empty() {
                let complete = matches!(kind.names(), Names::Nothing | Names::System);
                return complete.then_some(Asked { kind, stream: "", consumer: "", filter: "" });
            }
            Asked::of(kind, names.strip_prefix('.')?)
        })
    }

    fn of(kind: Kind, names: &'a str) -> Option<Asked<'a>> {
        let (stream, rest) = names.split_once('.').unwrap_or((names, ""));
        let (consumer, filter) = rest.split_once('.').unwrap_or((rest, ""));
        let asked = Asked { kind, stream, consumer, filter };
        let fits = match kind.names() {
            Names::Nothing => false,
            Names::Stream => consumer.is_empty(),
            Names::Consumer => !consumer.is_empty() && filter.is_empty(),
            Names::ConsumerAndFilter => true,
            Names::System => return Some(Asked { kind, stream: "", consumer: "", filter: "" }),
        };
        fits.then_some(asked)
    }
}

/// What follows `$JS.API.` or `$JS.<domain>.API.`.
fn without_prefix(subject: &str) -> Option<&str> {
    subject.strip_prefix(PREFIX).or_else(|| {
        let (_domain, rest) = subject.strip_prefix("$JS.")?.split_once('.')?;
        rest.strip_prefix("API.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_taken_apart() {
        let cases = [
            ("$JS.API.INFO", Kind::AccountInfo, ["", "", ""]),
            ("$JS.hub.API.INFO", Kind::AccountInfo, ["", "", ""]),
            ("$JS.API.STREAM.CREATE.S", Kind::StreamCreate, ["S", "", ""]),
            ("$JS.API.STREAM.NAMES", Kind::StreamNames, ["", "", ""]),
            ("$JS.API.STREAM.MSG.DELETE.S", Kind::StreamMsgDelete, ["S", "", ""]),
            ("$JS.API.CONSUMER.CREATE.S", Kind::ConsumerCreate, ["S", "", ""]),
            ("$JS.API.CONSUMER.CREATE.S.c", Kind::ConsumerCreate, ["S", "c", ""]),
            ("$JS.API.CONSUMER.CREATE.S.c.a.*.>", Kind::ConsumerCreate, ["S", "c", "a.*.>"]),
            ("$JS.API.CONSUMER.DURABLE.CREATE.S.c", Kind::ConsumerDurableCreate, ["S", "c", ""]),
            ("$JS.API.CONSUMER.INFO.S.c", Kind::ConsumerInfo, ["S", "c", ""]),
            ("$JS.API.META.LEADER.STEPDOWN", Kind::MetaLeaderStepDown, ["", "", ""]),
            ("$JS.API.ACCOUNT.STREAM.MOVE.A.S", Kind::AccountStreamMove, ["", "", ""]),
        ];
        for (subject, kind, [stream, consumer, filter]) in cases {
            let asked = Asked { kind, stream, consumer, filter };
            assert_eq!(Asked::parse(subject), Some(asked), "{subject}");
        }
    }

    #[test]
    fn every_request_reaches_the_registry_once_and_no_pull_request_does() {
        let heard = |subject: &str| {
            let hears =
                |pattern: &&&str| subject::name::matches(pattern.as_bytes(), subject.as_bytes());
            PATTERNS.iter().filter(hears).count()
        };
        for kind in Kind::ALL {
            let names = match kind.names() {
                Names::Nothing => "",
                Names::Stream | Names::System => ".S",
                Names::Consumer | Names::ConsumerAndFilter => ".S.c",
            };
            let subject = format!("{}{names}", kind.subject());
            assert_eq!(heard(&subject), 1, "{subject}");
        }
        assert_eq!(heard("BOGUS"), 1);
        for silent in ["CONSUMER.MSG.NEXT.S.c", "DIRECT.GET.S", "DIRECT.GET.S.a.b"] {
            assert_eq!(heard(silent), 0, "{silent}");
        }
    }

    #[test]
    fn what_is_no_request_is_known_as_such() {
        let subjects = [
            "$JS.API.BOGUS",
            "$JS.API.INFO.x",
            "$JS.API.STREAM.INFO",
            "$JS.API.STREAM.INFO.a.b",
            "$JS.API.STREAM.INFOX.a",
            "$JS.API.CONSUMER.INFO.S",
            "$JS.API.CONSUMER.INFO.S.c.d",
            "$JS.API",
            "foo",
        ];
        for subject in subjects {
            assert_eq!(Asked::parse(subject), None, "{subject}");
        }
    }
}
