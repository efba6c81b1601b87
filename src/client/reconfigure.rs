//! New settings for a client that is connected, and the end for one that they do not let in
//! (spec/cli-and-config.md §8).

use std::sync::Arc;

use base::Level;
use connection::{Context, Reconfigured};
use protocol::error::GoQuoted;
use protocol::{CloseReason, ErrorText};
use security::{Denied, Directory, Session, Standing};
use shard::Revoked;

use crate::client::{Client, Login, STRANGER_PAYLOAD_MAX};
use crate::login::{gate, reason_for, text_for};

impl Client {
    pub(crate) fn take_new_settings(&mut self, context: &mut Context<'_>) -> Reconfigured {
        let new = self.current.get();
        let old = std::mem::replace(&mut self.settings, new);
        self.trace = context.log.wants(Level::Trace);
        self.label_deliveries(context);
        self.limits.control_line_max = self.settings.control_line_max;
        self.limits.payload_max = match self.login {
            Login::Done => self.payload_max(),
            _ => self.settings.payload_max.min(STRANGER_PAYLOAD_MAX),
        };
        // Rules that did not change are the same ones.
        if Arc::ptr_eq(&old.directory, &self.settings.directory) {
            return Reconfigured::Stays;
        }
        self.take_account(context);
        match self.standing(&old.directory, context.now.wall_ns) {
            Standing::Same => Reconfigured::Stays,
            Standing::Changed(session) => {
                self.change_session(context, *session);
                Reconfigured::Stays
            }
            Standing::Gone(denied) => Reconfigured::Closes(self.leave(context, denied)),
        }
    }

    /// What the new rules say of this client.
    fn standing(&mut self, before: &Directory, now_ns: u64) -> Standing {
        let directory = &self.settings.directory;
        match self.login {
            // It has not said anything that it could be judged by.
            Login::Expected { .. } if !directory.is_auth_required() => {
                self.login = Login::Unnamed;
                Standing::Same
            }
            Login::Expected { .. }
            | Login::Checking { .. }
            | Login::Asking { .. }
            | Login::Unnamed => Standing::Same,
            Login::Open | Login::Done => directory.still_allows(before, &self.session, now_ns),
        }
    }

    /// Tells a client why it may not stay.
    fn leave(&self, context: &mut Context<'_>, denied: Denied) -> CloseReason {
        let text = text_for(denied);
        self.error(context, text);
        let said = match denied {
            Denied::Revoked | Denied::AccountExpired => text.to_string(),
            _ => "authentication error".to_owned(),
        };
        self.say(context, Level::Error, &said);
        reason_for(denied)
    }

    /// Other permissions and limits are in force, and what they do not allow is at its end.
    fn change_session(&mut self, context: &mut Context<'_>, session: Session) {
        let permissions = session.permissions.clone();
        self.take_session(context, session);
        self.gate = gate(&self.session);
        if self.login == Login::Done {
            self.limits.payload_max = self.payload_max();
        }
        for Revoked { subject, queue, sid } in
            context.shard.change_permissions(context.slot, permissions)
        {
            let queue = queue.as_deref();
            let text = ErrorText::SubscriptionRevoked { subject: &subject, queue, sid: &sid };
            self.error(context, text);
            let shown = GoQuoted(&subject);
            let group = queue.map(|queue| format!(" using queue {}", GoQuoted(queue)));
            let (group, sid) = (group.unwrap_or_default(), GoQuoted(&sid));
            let who = self.known_by().accused().unwrap_or_default();
            let text = format!("Removed sub {shown}{group} (sid {sid}) for {who} - not authorized");
            context.log.say(Level::Info, text);
        }
        context.link.told = context.shard.interest_told();
    }
}
