//! What an authentication service is asked, and what it answers. spec/security.md §5

use nkeys::KeyPairType;
use serde::{Deserialize, Serialize};

use super::Content;

/// Who wants to come in: signed by the server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AuthorizationRequest {
    /// The server that asks.
    pub server_id: ServerId,
    /// The public key that the user will have.
    pub user_nkey: String,
    /// What is known of the client's connection.
    pub client_info: ClientInformation,
    /// What the client said in CONNECT.
    pub connect_opts: ConnectOptions,
    /// What is known of its TLS, where it speaks that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_tls: Option<ClientTls>,
    /// A nonce of this request.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub request_nonce: String,
}

/// The server that asks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServerId {
    /// Its name.
    pub name: String,
    /// Where it listens.
    pub host: String,
    /// Its public key.
    pub id: String,
    /// The level of NATS that it speaks.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// Its cluster.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cluster: String,
    /// Words about it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Its public curve key, to which answers may be sealed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub xkey: String,
}

/// What is known of a client's connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClientInformation {
    /// Its address.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub host: String,
    /// Its id.
    #[serde(skip_serializing_if = "super::is_default")]
    pub id: u64,
    /// Who it says it is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// What it calls itself.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Words about its user.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Its user's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name_tag: String,
    /// `Client`, `Leafnode`, …
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// `nats`, `mqtt`, `websocket`.
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    pub kind_of_client: String,
    /// Its MQTT client id.
    #[serde(rename = "mqtt_id", skip_serializing_if = "String::is_empty")]
    pub mqtt: String,
    /// What it was to sign.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub nonce: String,
}

/// What a client said in CONNECT.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConnectOptions {
    /// `jwt`
    #[serde(skip_serializing_if = "String::is_empty")]
    pub jwt: String,
    /// `nkey`
    #[serde(skip_serializing_if = "String::is_empty")]
    pub nkey: String,
    /// `sig`
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sig: String,
    /// `auth_token`
    #[serde(skip_serializing_if = "String::is_empty")]
    pub auth_token: String,
    /// `user`
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// `pass`
    #[serde(skip_serializing_if = "String::is_empty")]
    pub pass: String,
    /// `name`
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// `lang`
    #[serde(skip_serializing_if = "String::is_empty")]
    pub lang: String,
    /// `version`
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// `protocol`
    pub protocol: i64,
}

/// No secret shows.
impl std::fmt::Debug for ConnectOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConnectOptions").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What is known of a client's TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClientTls {
    /// Its version.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// Its cipher suite.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cipher: String,
    /// The client's certificates, PEM.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub certs: Vec<String>,
    /// Those that were verified, each chain, PEM.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub verified_chains: Vec<Vec<String>>,
}

/// What the service answers; the subject is the key that was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AuthorizationResponse {
    /// The user's token.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub jwt: String,
    /// Why it is not let in.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub error: String,
    /// The account, where a signing key of it is the issuer.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub issuer_account: String,
    /// Words about it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

impl Content for AuthorizationRequest {
    const KIND: Option<&'static str> = Some("authorization_request");

    fn may_issue(kind: &KeyPairType) -> bool {
        *kind == KeyPairType::Server
    }
}

impl Content for AuthorizationResponse {
    const KIND: Option<&'static str> = Some("authorization_response");

    fn may_issue(kind: &KeyPairType) -> bool {
        *kind == KeyPairType::Account
    }
}
