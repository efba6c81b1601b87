//! What every account has of the system account without importing it, as `/accountz` shows it
//! (spec/monitoring.md §9, §13). There, imports stand for subscriptions in each account.

use std::borrow::Cow;

use crate::exchange::{ExtExport, ExtImport};

/// Who asks, and of whom.
pub(crate) struct Asker<'a> {
    /// The account that is shown.
    pub(crate) account: &'a str,
    /// The system account.
    pub(crate) system: &'a str,
    /// Whether this server has JetStream.
    pub(crate) jetstream: bool,
}

/// What an account asks: its own subject, and what stands for its name in the system account's.
const OWN: [(&str, &str, &str); 3] = [
    ("$SYS.REQ.ACCOUNT.PING.CONNZ", "$SYS.REQ.ACCOUNT.", ".CONNZ"),
    ("$SYS.REQ.SERVER.PING.CONNZ", "$SYS.REQ.ACCOUNT.", ".CONNZ"),
    ("$SYS.REQ.ACCOUNT.PING.STATZ", "$SYS.REQ.ACCOUNT.", ".STATZ"),
];
const USER: (&str, &str, &str) = ("$SYS.REQ.USER.INFO", "$SYS.REQ.USER.", ".INFO");
const JETSTREAM: &str = "$JS.API.>";

/// Subject and kind of answer of what the system account offers to all.
const OFFERED: [(&str, &str); 4] = [
    ("$SYS.REQ.ACCOUNT.*.CONNZ", "Streamed"),
    ("$SYS.REQ.ACCOUNT.*.STATZ", "Streamed"),
    ("$SYS.DEBUG.SUBSCRIBERS", "Singleton"),
    ("$SYS.REQ.USER.*.INFO", "Singleton"),
];

impl<'a> Asker<'a> {
    /// The system account itself asks only who a user is.
    pub(crate) fn imports(&self) -> Vec<ExtImport<'a>> {
        let of = |(own, before, behind): (&'static str, &str, &str)| {
            let subject = format!("{before}{}{behind}", self.account);
            ExtImport::of_system(subject.into(), self.system, own)
        };
        let mut all = vec![of(USER).shared()];
        if self.account != self.system {
            all.extend(OWN.map(of));
            let jetstream = Cow::Borrowed(JETSTREAM);
            let jetstream = ExtImport::of_system(jetstream, self.system, JETSTREAM);
            all.extend(self.jetstream.then_some(jetstream.shared()));
        }
        all
    }

    /// What the system account offers; others nothing.
    pub(crate) fn exports(&self) -> Vec<ExtExport<'a>> {
        if self.account != self.system {
            return Vec::new();
        }
        let jetstream = self.jetstream.then_some((JETSTREAM, "Singleton"));
        let offered = OFFERED.into_iter().chain(jetstream);
        offered.map(|(subject, response)| ExtExport::of_system(subject, response)).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn shown(asker: &Asker<'_>) -> Vec<(Value, Value, Value)> {
        let imports = serde_json::to_value(asker.imports()).unwrap();
        let fields = |one: &Value| {
            let field = |name: &str| one[name].clone();
            (field("subject"), field("local_subject"), field("share"))
        };
        imports.as_array().unwrap().iter().map(fields).collect()
    }

    #[test]
    fn every_account_asks_about_itself_and_the_system_account_offers_it() {
        let asker = Asker { account: "A", system: "SYS", jetstream: true };
        let expected = [
            ("$SYS.REQ.USER.A.INFO", "$SYS.REQ.USER.INFO", true),
            ("$SYS.REQ.ACCOUNT.A.CONNZ", "$SYS.REQ.ACCOUNT.PING.CONNZ", false),
            ("$SYS.REQ.ACCOUNT.A.CONNZ", "$SYS.REQ.SERVER.PING.CONNZ", false),
            ("$SYS.REQ.ACCOUNT.A.STATZ", "$SYS.REQ.ACCOUNT.PING.STATZ", false),
            ("$JS.API.>", "$JS.API.>", true),
        ];
        assert_eq!(shown(&asker), expected.map(|(a, b, c)| (json!(a), json!(b), json!(c))));
        assert!(asker.exports().is_empty());
        let system = Asker { account: "SYS", jetstream: false, ..asker };
        assert_eq!(shown(&system).len(), 1);
        assert_eq!(system.exports().len(), OFFERED.len());
    }
}
