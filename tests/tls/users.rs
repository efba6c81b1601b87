//! A13: clients that are told by their certificates (spec/security.md §8, `verify_and_map`).

use async_nats::{Client, ConnectOptions};
use harness::{Server, get};
use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, SanType};

use crate::papers::Papers;
use crate::url;

/// A client's certificate of that subject and those other names, written under `name`.
fn issue(papers: &Papers, name: &str, subject: &[(DnType, &str)], names: Vec<SanType>) {
    let mut params = CertificateParams::new(vec![]).expect("no names");
    params.subject_alt_names = names;
    params.distinguished_name = DistinguishedName::new();
    for (kind, value) in subject {
        params.distinguished_name.push(kind.clone(), *value);
    }
    params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
    papers.sign(name, params);
}

fn options(papers: &Papers, name: &str) -> ConnectOptions {
    let (cert, key) = (papers.path(&format!("{name}.pem")), papers.path(&format!("{name}.key")));
    papers.options().add_client_certificate(cert, key)
}

/// The users that are connected, with their accounts.
fn connected(server: &Server) -> Vec<String> {
    let connz = get(server.monitor(), "/connz?auth=1").json();
    let connections = connz["connections"].as_array().expect("a list").iter();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let mut users: Vec<String> = connections
        .map(|one| format!("{} in {}", text(&one["authorized_user"]), text(&one["account"])))
        .collect();
    users.sort();
    users
}

async fn comes_in(papers: &Papers, server: &Server, name: &str) -> Client {
    let connected = options(papers, name).connect(url(server)).await;
    let client = connected.unwrap_or_else(|error| panic!("{name}: {error}"));
    client.flush().await.expect("flushed");
    client
}

#[tokio::test]
async fn a13_certificates_say_who_clients_are() {
    let papers = Papers::new();
    let text = |text: &str| text.try_into().expect("a name");
    let cn = |name| vec![(DnType::CommonName, name)];
    issue(&papers, "email", &cn("x"), vec![SanType::Rfc822Name(text("bob@example.com"))]);
    issue(&papers, "dns", &cn("x"), vec![SanType::DnsName(text("carol.example"))]);
    issue(&papers, "uri", &cn("x"), vec![SanType::URI(text("spiffe://nats/dave"))]);
    let parts = [(DnType::OrganizationName, "Corewire"), (DnType::CommonName, "erin")];
    issue(&papers, "subject", &parts, vec![]);
    let config = papers.block("verify_and_map: true")
        + r#"accounts {
            A { users: [{user: "bob@example.com"}, {user: "carol.example"}] }
            B { users: [{user: "spiffe://nats/dave"}, {user: "O=Corewire, CN=erin"}] }
        }"#;
    let server = Server::builder().config(&config).monitored().start();
    let mut clients = Vec::new();
    for name in ["email", "dns", "uri", "subject"] {
        clients.push(comes_in(&papers, &server, name).await);
    }
    let expected = [
        "O=Corewire, CN=erin in B",
        "bob@example.com in A",
        "carol.example in A",
        "spiffe://nats/dave in B",
    ];
    assert_eq!(connected(&server), expected);
    // What CONNECT says of a user is not asked.
    let named = options(&papers, "email").user_and_password("carol.example".into(), "".into());
    named.connect(url(&server)).await.expect("bob, not carol");
    server.wait_for_log("found in connect proto, but user required from cert");
}

#[tokio::test]
async fn a13_who_has_a_password_too_needs_both() {
    let papers = Papers::new();
    for name in ["plain", "hashed", "none"] {
        let dns = format!("{name}.example").try_into().expect("a name");
        issue(&papers, name, &[], vec![SanType::DnsName(dns)]);
    }
    // Of `secret`.
    let hash = "$2a$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW";
    let users = format!(
        "authorization {{ users: [
            {{user: plain.example, password: secret}}
            {{user: hashed.example, password: {hash:?}}}
            {{user: none.example}}
        ] }}"
    );
    let config = papers.block("verify_and_map: true") + &users;
    let server = Server::builder().config(&config).start();
    for (name, password, comes_in) in [
        ("plain", "secret", true),
        ("plain", "wrong", false),
        ("plain", "", false),
        ("hashed", "secret", true),
        ("hashed", "wrong", false),
        ("hashed", "", false),
        ("none", "", true),
        ("none", "secret", false),
    ] {
        // Of whom CONNECT speaks says nothing: the certificate does.
        let user = "plain.example".to_owned();
        let said = options(&papers, name).user_and_password(user, password.to_owned());
        let came_in = said.connect(url(&server)).await.is_ok();
        assert_eq!(came_in, comes_in, "{name} with {password:?}");
    }
}

#[tokio::test]
async fn a13_tricks_with_names_open_no_door() {
    let papers = Papers::new();
    let (cn, ou) = (DnType::CommonName, DnType::OrganizationalUnitName);
    let subjects: [(&str, Vec<(DnType, &str)>); 5] = [
        ("fewer", vec![(cn.clone(), "admin")]),
        (
            "more",
            vec![(ou.clone(), "ops"), (cn.clone(), "admin"), (DnType::OrganizationName, "guests")],
        ),
        ("hidden", vec![(cn.clone(), "admin,OU=ops")]),
        ("longer", vec![(ou.clone(), "ops"), (cn.clone(), "admins")]),
        ("case", vec![(ou.clone(), "ops"), (cn.clone(), "Admin")]),
    ];
    for (name, subject) in &subjects {
        issue(&papers, name, subject, vec![]);
    }
    issue(&papers, "right", &[(ou, "ops"), (cn, "admin")], vec![]);
    let config = papers.block("verify_and_map: true")
        + r#"authorization { users: [{user: "CN=admin,OU=ops"}, {user: "plain", password: p}] }"#;
    let server = Server::builder().config(&config).monitored().start();
    for (name, _) in &subjects {
        let refused = options(&papers, name).connect(url(&server)).await;
        assert!(refused.is_err(), "{name} is not admin");
        // A password is no way around the certificate either.
        let named = options(&papers, name).user_and_password("plain".into(), "p".into());
        assert!(named.connect(url(&server)).await.is_err(), "{name} is not plain");
    }
    assert!(papers.options().connect(url(&server)).await.is_err(), "no certificate");
    let _admin = comes_in(&papers, &server, "right").await;
    assert_eq!(connected(&server), ["CN=admin,OU=ops in "]);
}
