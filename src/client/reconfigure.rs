//! New settings for a client that is connected, and the end for one that they do not let in
//! (spec/cli-and-config.md §8).

use std::sync::Arc;

use base::Level;
use connection::{Context, Reconfigured};
use protocol::{CloseReason, ErrorText};
use security::Credentials;

use crate::client::{Client, Login, STRANGER_PAYLOAD_MAX};

impl Client {
    pub(crate) fn take_new_settings(&mut self, context: &mut Context<'_>) -> Reconfigured {
        let new = self.current.get();
        let old = std::mem::replace(&mut self.settings, new);
        self.trace = context.log.wants(Level::Trace);
        self.limits.control_line_max = self.settings.control_line_max;
        self.limits.payload_max = match self.login {
            Login::Done => self.settings.payload_max,
            Login::Open | Login::Expected { .. } => {
                self.settings.payload_max.min(STRANGER_PAYLOAD_MAX)
            }
        };
        // Rules that did not change are the same ones.
        if Arc::ptr_eq(&old.authenticator, &self.settings.authenticator) || self.may_stay() {
            return Reconfigured::Stays;
        }
        self.error(context, ErrorText::AuthorizationViolation);
        self.say(context, Level::Error, "authentication error");
        Reconfigured::Closes(CloseReason::AuthenticationFailure)
    }

    /// Whether the new rules let this client in as it introduced itself.
    fn may_stay(&mut self) -> bool {
        let authenticator = &self.settings.authenticator;
        match self.login {
            // It has not said anything that it could be judged by.
            Login::Expected { .. } if authenticator.is_required() => true,
            Login::Expected { .. } => {
                self.login = Login::Open;
                true
            }
            Login::Open => !authenticator.is_required(),
            Login::Done => {
                let credentials = Credentials {
                    user: &self.connect.user,
                    pass: &self.connect.pass,
                    token: &self.connect.auth_token,
                };
                authenticator.check(credentials).is_ok_and(|identity| identity.user == self.user)
            }
        }
    }
}
