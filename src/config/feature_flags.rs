//! `feature_flags`: which of nats-server's there are here, and what an operator's say of them
//! (spec/cli-and-config.md §7.1).

use std::collections::BTreeMap;

/// Replies of deliveries and of flow control name domain and account.
pub const ACK_FORMAT_V2: &str = "js_ack_fc_v2";

/// Every flag that changes something here, and how it is unless an operator says otherwise.
const KNOWN: [(&str, bool); 1] = [(ACK_FORMAT_V2, false)];

/// Features of nats-server that an operator switched on or off, by their names there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeatureFlags {
    /// What was said, of flags that nobody knows too.
    pub said: BTreeMap<String, bool>,
}

impl FeatureFlags {
    /// Whether a feature is on. One that nobody knows never is.
    #[must_use]
    pub fn is_on(&self, name: &str) -> bool {
        unsaid(name).is_some_and(|unsaid| self.said.get(name).copied().unwrap_or(unsaid))
    }

    /// All that there are, and how they stand.
    #[must_use]
    pub fn in_force(&self) -> BTreeMap<String, bool> {
        KNOWN.into_iter().map(|(name, _)| (name.to_owned(), self.is_on(name))).collect()
    }

    /// What the log says of them at start; nothing where an operator said nothing.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        if self.said.is_empty() {
            return Vec::new();
        }
        let (mut configured, mut unsupported) = (Vec::new(), Vec::new());
        for (name, &on) in &self.said {
            let word = match (unsaid(name), on) {
                (None, _) => {
                    unsupported.push(&name[..]);
                    continue;
                }
                (Some(true), true) => "enabled",
                (Some(true), false) => "opt-out",
                (Some(false), true) => "opt-in",
                (Some(false), false) => "disabled",
            };
            configured.push(format!("{name} ({word})"));
        }
        let shown = if configured.is_empty() { "none".to_owned() } else { configured.join(", ") };
        let mut lines = vec!["  Feature flags:".to_owned(), format!("    Configured:    {shown}")];
        if !unsupported.is_empty() {
            lines.push(format!("    Unsupported:   {}", unsupported.join(", ")));
        }
        lines
    }
}

/// How a feature is unless an operator says otherwise; `None` of one that nobody knows.
fn unsaid(name: &str) -> Option<bool> {
    KNOWN.iter().find(|(known, _)| *known == name).map(|(_, unsaid)| *unsaid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(said: &[(&str, bool)]) -> FeatureFlags {
        FeatureFlags { said: said.iter().map(|&(name, on)| (name.to_owned(), on)).collect() }
    }

    #[test]
    fn what_is_unsaid_is_as_it_is_in_nats_server() {
        assert!(!FeatureFlags::default().is_on(ACK_FORMAT_V2));
        assert_eq!(FeatureFlags::default().in_force(), flags(&[(ACK_FORMAT_V2, false)]).said);
        assert!(FeatureFlags::default().lines().is_empty());
    }

    #[test]
    fn what_nobody_knows_is_off_and_named() {
        let both = flags(&[(ACK_FORMAT_V2, true), ("b", false), ("a", true)]);
        assert!(both.is_on(ACK_FORMAT_V2) && !both.is_on("a"));
        assert_eq!(both.in_force(), flags(&[(ACK_FORMAT_V2, true)]).said);
        let expected = [
            "  Feature flags:",
            "    Configured:    js_ack_fc_v2 (opt-in)",
            "    Unsupported:   a, b",
        ];
        assert_eq!(both.lines(), expected);
        assert_eq!(flags(&[("a", true)]).lines()[1], "    Configured:    none");
        let off = flags(&[(ACK_FORMAT_V2, false)]).lines();
        assert_eq!(off[1..], ["    Configured:    js_ack_fc_v2 (disabled)"]);
    }
}
