//! The INFO lines (spec/client-protocol.md §2.3).

use connection::Context;
use protocol::Info;

use crate::client::Client;

impl Client {
    /// Sends INFO as the server gives it to everyone, with this client's own facts and whatever
    /// `change` makes of it.
    pub(crate) fn send_info(&self, context: &mut Context<'_>, change: impl FnOnce(&mut Info)) {
        let mut info = self.settings.info.clone();
        info.client_id = context.link.cid.0;
        info.auth_required = self.settings.directory.is_auth_required();
        info.nonce.clone_from(&self.nonce);
        // spec/client-protocol.md §13: not before a proxy had its say.
        if context.link.peer_is_known {
            info.client_ip = context.link.peer.ip().to_canonical().to_string();
        }
        change(&mut info);
        let mut line = Vec::with_capacity(512);
        info.write_to(&mut line);
        context.shard.write(context.slot, &line);
    }
}
