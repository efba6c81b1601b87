//! What a service that says who may come in is told of a client (spec/security.md §5).

use connection::Link;
use security::callout::Applicant;
use security::jwt::{ClientInformation, ClientTls, ConnectOptions};

use crate::client::Client;

impl Client {
    /// Everything, secrets included: the service is to judge by it.
    pub(crate) fn applicant(&self, link: &Link) -> Applicant {
        let connect = &self.connect;
        let information = ClientInformation {
            host: link.peer.ip().to_canonical().to_string(),
            id: link.cid.0,
            user: connect.user.clone(),
            name: connect.name.clone(),
            kind: String::from("Client"),
            kind_of_client: String::from("nats"),
            nonce: self.nonce.clone(),
            ..ClientInformation::default()
        };
        let options = ConnectOptions {
            jwt: connect.jwt.clone(),
            nkey: connect.nkey.clone(),
            sig: connect.sig.clone(),
            auth_token: connect.auth_token.clone(),
            user: connect.user.clone(),
            pass: connect.pass.clone(),
            name: connect.name.clone(),
            lang: connect.lang.clone(),
            version: connect.version.clone(),
            protocol: connect.protocol,
        };
        let tls = link.tls.as_ref().map(|agreed| ClientTls {
            version: agreed.version.to_owned(),
            cipher: agreed.cipher_suite.clone(),
            ..ClientTls::default()
        });
        Applicant { information, options, tls, timeout: self.settings.auth_timeout }
    }
}
