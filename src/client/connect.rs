//! CONNECT: what the client wants (spec/client-protocol.md §2.4). Who it is, `login.rs` finds
//! out.

use base::Level;
use connection::Context;
use protocol::{CloseReason, Connect, ErrorText, HeaderSupport};
use shard::Echo;

use crate::client::{Client, Flow, Login};

impl Client {
    pub(crate) fn connect(&mut self, context: &mut Context<'_>, json: &[u8]) -> Flow {
        if let Some(token) = self.token.as_ref().filter(|_| self.connect.jwt.is_empty()) {
            self.connect.jwt.clone_from(&token.jwt);
        }
        let connect = match Connect::decode_over(&self.connect, json) {
            Ok(connect) => connect,
            Err(error) => {
                self.say(context, Level::Error, &error.to_string());
                return Flow::Close(CloseReason::ProtocolViolation);
            }
        };
        // spec §1, repeated CONNECT: what was subscribed before is gone.
        if self.login == Login::Done {
            self.forget_subscriptions(context);
        }
        *self.connect = connect;
        context.link.liveness.connected(context.now);
        if !self.connect.account.is_empty() || self.connect.new_account {
            self.say_who_failed(context);
            return self.close_for(context, ErrorText::AuthorizationViolation);
        }
        self.log_in(context)
    }

    pub(crate) fn forget_subscriptions(&mut self, context: &mut Context<'_>) {
        context.shard.unsubscribe_all(context.slot);
        context.link.told = context.shard.interest_told();
    }

    pub(crate) fn close_for(&self, context: &mut Context<'_>, refused: ErrorText<'_>) -> Flow {
        self.error(context, refused);
        Flow::Close(refused.close_reason().unwrap_or(CloseReason::ProtocolViolation))
    }

    /// What is wrong with the options. Only who has logged in is told.
    pub(crate) fn refused(&self) -> Option<ErrorText<'static>> {
        let connect = &self.connect;
        if !(0..=1).contains(&connect.protocol) {
            return Some(ErrorText::InvalidClientProtocol);
        }
        let headers = connect.headers && self.settings.info.headers;
        if connect.no_responders && !headers {
            return Some(ErrorText::NoRespondersRequiresHeaders);
        }
        None
    }

    /// The login was good: what CONNECT asked for is in force.
    pub(crate) fn accepted(&mut self, context: &mut Context<'_>) {
        let headers = self.connect.headers && self.settings.info.headers;
        self.limits.headers = headers;
        self.limits.payload_max = self.payload_max();
        self.publisher.echo = if self.connect.echo { Echo::On } else { Echo::Off };
        if let Some(outbox) = context.shard.outbox(context.slot) {
            outbox.set_headers(match headers {
                true => HeaderSupport::Supported,
                false => HeaderSupport::Unsupported,
            });
        }
        if !self.is_alive {
            self.is_alive = true;
            context.link.liveness.start(context.now, self.settings.ping_interval);
            context.logged_in(self);
        }
        self.login = Login::Done;
        self.label_deliveries(context);
        self.ok(context);
    }
}
