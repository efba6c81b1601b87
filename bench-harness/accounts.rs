//! `accounts`: how soon a server with many accounts greets, and what memory it takes.

use std::fmt::Write;
use std::sync::Arc;

use crate::connect::StartPlan;
use crate::error::BenchError;
use crate::plans::positive;
use crate::quantity;
use crate::workload::Work;

/// How large the configuration is, and how often it is started.
#[derive(Debug, Clone)]
pub struct AccountsPlan {
    /// Accounts.
    pub accounts: u64,
    /// Users of each account.
    pub users: u64,
    /// The starts.
    pub starts: StartPlan,
}

impl AccountsPlan {
    /// The configuration file.
    // spec/cli-and-config.md: `accounts { NAME { users = [ … ] } }`.
    pub fn configuration(&self) -> Arc<str> {
        let mut text = String::from("accounts {\n");
        for account in 0..self.accounts {
            // Writing to a String cannot fail.
            let _ = write!(text, "A{account} {{ users = [");
            for user in 0..self.users {
                let _ = write!(text, " {{ user: u{account}_{user}, password: p{user} }},");
            }
            text.push_str(" ] }\n");
        }
        text.push_str("}\n");
        text.into()
    }
}

/// Flags of the `accounts` mode.
#[derive(Debug, Clone, clap::Args)]
pub struct AccountsFlags {
    /// Accounts
    #[arg(long, default_value = "10k", value_parser = quantity::count)]
    accounts: u64,
    /// Users of each account
    #[arg(long, default_value = "10", value_parser = quantity::count)]
    users: u64,
    /// How many times the server is started
    #[arg(long, default_value_t = 3)]
    starts: usize,
}

impl AccountsFlags {
    /// The work that the flags stand for, and its title.
    ///
    /// # Errors
    /// Flags without sense.
    pub fn work(&self) -> Result<(String, Work), BenchError> {
        let plan = AccountsPlan {
            accounts: positive("--accounts", self.accounts as usize)? as u64,
            users: positive("--users", self.users as usize)? as u64,
            starts: StartPlan { starts: positive("--starts", self.starts)? },
        };
        let title = format!("start with {} accounts of {} users", plan.accounts, plan.users);
        Ok((title, Work::Accounts(plan)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_account_has_its_users() {
        let plan = AccountsPlan { accounts: 2, users: 3, starts: StartPlan { starts: 1 } };
        let text = plan.configuration();
        assert_eq!(text.matches("user: ").count(), 6);
        assert!(text.contains("A1 { users = [ { user: u1_0"));
    }
}
