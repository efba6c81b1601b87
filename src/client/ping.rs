//! PING and PONG, both ways (spec/client-protocol.md §7).

use base::{AccountId, Level};
use connection::{Context, Pause};

use crate::client::{Client, Flow, Login};

impl Client {
    /// design §4 rule 1, flush means visible: the PONG waits until every other core has applied
    /// what this client subscribed to.
    pub(crate) fn ping_received(&mut self, context: &mut Context<'_>) -> Flow {
        let told = context.link.told;
        if !context.shard.is_visible(told) {
            return Flow::Pause(Pause::Visible(told));
        }
        self.send_pong(context);
        Flow::Continue
    }

    pub(crate) fn send_pong(&mut self, context: &mut Context<'_>) {
        context.shard.write(context.slot, protocol::encode::PONG);
        if self.trace {
            self.say(context, Level::Trace, "->> [PONG]");
        }
        // spec/client-protocol.md §4.5: once, to a client that understands it.
        if !self.introduced && self.login == Login::Done && self.connect.protocol >= 1 {
            self.introduced = true;
            let max_payload = self.limits.payload_max as i64;
            let account = self.account().name.as_ref().to_owned();
            let is_system = self.publisher.account == AccountId::SYSTEM;
            self.send_info(context, |info| {
                info.connect_info = true;
                info.max_payload = max_payload;
                info.remote_account = account;
                info.acc_is_sys = is_system;
            });
        }
    }

    pub(crate) fn send_ping(&mut self, context: &mut Context<'_>) {
        context.shard.write(context.slot, protocol::encode::PING);
        if self.trace {
            self.say(context, Level::Trace, "->> [PING]");
        }
    }
}
