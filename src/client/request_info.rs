//! What a client tells of itself to those whose services its account imports
//! (spec/security.md §6, Nats-Request-Info), and to those who audit JetStream's API.

use connection::Context;
use serde::Serialize;
use shard::RequestInfo;

use crate::client::Client;

/// In the order and under the names of nats-server's `ClientInfo`.
#[derive(Serialize)]
struct Info<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
    acc: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    user: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    lang: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    ver: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rtt: Option<u64>,
    #[serde(skip_serializing_if = "str::is_empty")]
    server: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    kind: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    client_type: &'a str,
}

impl Client {
    /// Says it anew: at login, and when the round trip is known.
    pub(crate) fn say_who_asks(&self, context: &mut Context<'_>) {
        let account = self.settings.directory.accounts().get(self.publisher.account);
        if !account.asks_services() {
            return;
        }
        let brief = Info {
            host: None,
            id: None,
            acc: &account.name,
            user: "",
            name: "",
            lang: "",
            ver: "",
            rtt: context.link.liveness.rtt_ns(),
            server: "",
            kind: "",
            client_type: "",
        };
        let all = Info {
            host: Some(context.link.peer.ip().to_canonical().to_string()),
            id: Some(context.link.cid.0),
            user: &self.session.user,
            name: &self.connect.name,
            lang: &self.connect.lang,
            ver: &self.connect.version,
            server: &self.settings.info.server_name,
            kind: "Client",
            client_type: "nats",
            ..brief
        };
        let json = |info: &Info<'_>| serde_json::to_vec(info).unwrap_or_default();
        let info = RequestInfo { account: json(&brief), all: json(&all) };
        context.shard.set_request_info(context.slot, info);
    }
}
