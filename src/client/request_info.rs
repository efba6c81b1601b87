//! What a client tells of itself to those whose services its account imports
//! (spec/security.md §6, Nats-Request-Info), and to those who audit JetStream's API.

use base::ClientInfo;
use connection::Context;
use jiff::Timestamp;
use shard::RequestInfo;

use crate::client::Client;

impl Client {
    /// Says it anew: at login, and when the round trip is known.
    pub(crate) fn say_who_asks(&self, context: &mut Context<'_>) {
        let account = self.account();
        if !account.asks_services() {
            return;
        }
        let rtt = context.link.liveness.rtt_ns();
        let brief = ClientInfo { acc: &account.name, rtt, ..ClientInfo::default() };
        let came = Timestamp::from_nanosecond(i128::from(context.link.start_ns));
        let all = ClientInfo {
            start: came.ok().map(|came| came.to_string()),
            host: Some(context.link.peer.ip().to_canonical().to_string()),
            id: Some(context.link.cid.0),
            user: &self.session.user,
            name: &self.connect.name,
            lang: &self.connect.lang,
            ver: &self.connect.version,
            server: &self.settings.info.server_name,
            token: self.token.as_deref(),
            name_tag: self.token.as_ref().map_or("", |token| &token.name_tag),
            kind: "Client",
            client_type: "nats",
            ..brief.clone()
        };
        let json = |info: &ClientInfo<'_>| serde_json::to_vec(info).unwrap_or_default();
        let info = RequestInfo { account: json(&brief), all: json(&all) };
        context.shard.set_request_info(context.slot, info);
    }
}
