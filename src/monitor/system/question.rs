//! From a subject to what is asked (spec/monitoring.md §13), and the subjects to listen on.

/// What a server can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Topic {
    Idz,
    Statsz,
    Varz,
    Subsz,
    Connz,
    Routez,
    Gatewayz,
    Leafz,
    Accountz,
    Jsz,
    Healthz,
    Profilez,
    Expvarz,
    Ipqueuesz,
    Raftz,
    Reload,
    Kick,
    LameDuck,
}

/// Whether every server may be asked at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    Every,
    One,
}

const TOPICS: [(&str, Topic, Reach); 18] = [
    ("IDZ", Topic::Idz, Reach::Every),
    ("STATSZ", Topic::Statsz, Reach::Every),
    ("VARZ", Topic::Varz, Reach::Every),
    ("SUBSZ", Topic::Subsz, Reach::Every),
    ("CONNZ", Topic::Connz, Reach::Every),
    ("ROUTEZ", Topic::Routez, Reach::Every),
    ("GATEWAYZ", Topic::Gatewayz, Reach::Every),
    ("LEAFZ", Topic::Leafz, Reach::Every),
    ("ACCOUNTZ", Topic::Accountz, Reach::Every),
    ("JSZ", Topic::Jsz, Reach::Every),
    ("HEALTHZ", Topic::Healthz, Reach::Every),
    ("PROFILEZ", Topic::Profilez, Reach::Every),
    ("EXPVARZ", Topic::Expvarz, Reach::Every),
    ("IPQUEUESZ", Topic::Ipqueuesz, Reach::Every),
    ("RAFTZ", Topic::Raftz, Reach::Every),
    ("RELOAD", Topic::Reload, Reach::One),
    ("KICK", Topic::Kick, Reach::One),
    ("LDM", Topic::LameDuck, Reach::One),
];

/// What can be asked about one account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AccountTopic {
    Subsz,
    Connz,
    Leafz,
    Jsz,
    Info,
    Statz,
    Conns,
}

const ACCOUNT_TOPICS: [(&str, AccountTopic); 7] = [
    ("SUBSZ", AccountTopic::Subsz),
    ("CONNZ", AccountTopic::Connz),
    ("LEAFZ", AccountTopic::Leafz),
    ("JSZ", AccountTopic::Jsz),
    ("INFO", AccountTopic::Info),
    ("STATZ", AccountTopic::Statz),
    ("CONNS", AccountTopic::Conns),
];

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// About this server, or to do something.
    Server(Topic),
    /// About one account.
    Account(String, AccountTopic),
    /// Figures of all accounts.
    AllAccounts,
    /// Who the asker is.
    User,
    /// How many subscribers a subject has.
    Subscribers,
}

const USER: &str = "$SYS.REQ.USER.INFO";
const SUBSCRIBERS: &str = "$SYS.DEBUG.SUBSCRIBERS";
/// What a normal account may ask, beside [`USER`]: about itself.
const OWN: [&str; 3] =
    ["$SYS.REQ.ACCOUNT.PING.CONNZ", "$SYS.REQ.SERVER.PING.CONNZ", "$SYS.REQ.ACCOUNT.PING.STATZ"];

/// The subjects that are answered in the system account.
pub fn subjects_of_system(server_id: &str) -> Vec<String> {
    let servers = TOPICS.iter().flat_map(|&(name, _, reach)| {
        let every = (reach == Reach::Every).then(|| format!("$SYS.REQ.SERVER.PING.{name}"));
        every.into_iter().chain([format!("$SYS.REQ.SERVER.{server_id}.{name}")])
    });
    let accounts = ACCOUNT_TOPICS.iter().map(|(name, _)| format!("$SYS.REQ.ACCOUNT.*.{name}"));
    let others = ["$SYS.REQ.SERVER.PING", USER, SUBSCRIBERS].map(String::from);
    servers.chain(accounts).chain(others).collect()
}

/// The subjects that are answered in every other account.
pub fn subjects_in() -> impl Iterator<Item = &'static str> {
    OWN.into_iter().chain([USER])
}

impl Question {
    /// What a message on `subject` asks of the server with this id; nothing that it answers
    /// otherwise.
    pub(super) fn of(subject: &[u8], server_id: &str) -> Option<Question> {
        let subject = str::from_utf8(subject).ok()?;
        match subject {
            USER => return Some(Question::User),
            SUBSCRIBERS => return Some(Question::Subscribers),
            // spec/monitoring.md §13: the legacy name of PING.STATSZ.
            "$SYS.REQ.SERVER.PING" => return Some(Question::Server(Topic::Statsz)),
            "$SYS.REQ.ACCOUNT.PING.STATZ" => return Some(Question::AllAccounts),
            _ => {}
        }
        if let Some(rest) = subject.strip_prefix("$SYS.REQ.SERVER.") {
            let (server, topic) = rest.split_once('.')?;
            let &(_, topic, reach) = TOPICS.iter().find(|(name, ..)| *name == topic)?;
            let meant = server == server_id || (server == "PING" && reach == Reach::Every);
            return meant.then_some(Question::Server(topic));
        }
        let (account, topic) = subject.strip_prefix("$SYS.REQ.ACCOUNT.")?.split_once('.')?;
        let &(_, topic) = ACCOUNT_TOPICS.iter().find(|(name, _)| *name == topic)?;
        Some(Question::Account(account.to_owned(), topic))
    }

    /// The same as somebody of the normal account `own` may ask it.
    pub(super) fn about_own(self, own: String) -> Option<Question> {
        match self {
            Question::User => Some(Question::User),
            Question::AllAccounts => Some(Question::Account(own, AccountTopic::Statz)),
            Question::Server(Topic::Connz) => Some(Question::Account(own, AccountTopic::Connz)),
            Question::Account(name, AccountTopic::Connz) if name == "PING" => {
                Some(Question::Account(own, AccountTopic::Connz))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(subject: &str) -> Option<Question> {
        Question::of(subject.as_bytes(), "NID")
    }

    #[test]
    fn every_subject_that_is_listened_on_is_understood_and_by_its_own_account_only() {
        for subject in subjects_of_system("NID") {
            assert!(asked(&subject.replace('*', "A")).is_some(), "{subject}");
        }
        for subject in subjects_in() {
            let own = asked(subject).unwrap().about_own("A".into());
            let expected = match subject {
                USER => Question::User,
                "$SYS.REQ.ACCOUNT.PING.STATZ" => Question::Account("A".into(), AccountTopic::Statz),
                _ => Question::Account("A".into(), AccountTopic::Connz),
            };
            assert_eq!(own, Some(expected), "{subject}");
        }
        let more = ["$SYS.REQ.SERVER.NID.CONNZ", "$SYS.REQ.SERVER.PING.VARZ"];
        assert_eq!(asked(more[1]).unwrap().about_own("A".into()), None);
        assert_eq!(asked(more[0]), Some(Question::Server(Topic::Connz)));
    }

    #[test]
    fn what_is_not_asked_of_this_server_is_nothing() {
        for subject in [
            "$SYS.REQ.SERVER.OTHER.VARZ",
            "$SYS.REQ.SERVER.PING.KICK",
            "$SYS.REQ.SERVER.PING.RELOAD",
            "$SYS.REQ.SERVER.PING.NONE",
            "$SYS.REQ.SERVER.NID",
            "$SYS.REQ.ACCOUNT.A",
            "$SYS.REQ.ACCOUNT.A.VARZ",
            "$SYS.REQ.USER.OTHER",
            "other",
        ] {
            assert_eq!(asked(subject), None, "{subject}");
        }
        assert_eq!(Question::of(b"$SYS.REQ.ACCOUNT.\xff.INFO", "NID"), None);
    }
}
