//! What accounts of operators have of each other: activations of private exports, and loops that
//! are cut.

use super::*;

/// A private service of one account, imported by another with this activation.
fn imported(token: &str, exporter: &KeyPair, importer: &KeyPair, revoked: bool) -> bool {
    let mut world = World::new();
    let mut exports = account(exporter);
    let mut export: Export =
        serde_json::from_str(r#"{"subject":"q.>","type":"service","token_req":true}"#)
            .expect("an export");
    if revoked {
        export.revocations.insert(importer.public_key(), NOW_S);
    }
    exports.content.exports.push(export);
    world.add(exports);
    let mut imports = account(importer);
    imports.content.imports.push(Import {
        name: String::new(),
        subject: "q.a".to_owned(),
        account: exporter.public_key(),
        token: token.to_owned(),
        to: String::new(),
        local_subject: String::new(),
        kind: ExchangeKind::Service,
        share: false,
        allow_trace: false,
    });
    world.add(imports);
    let directory = world.directory();
    let found = directory.fetch(&importer.public_key(), NOW_NS).expect("both");
    assert_eq!(found.len(), 2, "the exporter comes with the importer");
    let (directory, faults) = directory.with_accounts(&found, NOW_NS);
    let id = directory.accounts().find(&importer.public_key()).expect("known");
    let opened = !directory.accounts().get(id).ways.is_empty();
    assert_eq!(opened, faults.is_empty(), "{faults:?}");
    opened
}

#[test]
fn a_private_export_is_imported_with_an_activation_only() {
    let (exporter, importer) = (KeyPair::new_account(), KeyPair::new_account());
    let activation = |change: &dyn Fn(&mut Claims<Activation>), signer: &KeyPair| {
        let content = Activation {
            subject: "q.*".to_owned(),
            kind: Some(ExchangeKind::Service),
            ..Activation::default()
        };
        let mut claims = Claims::new(importer.public_key(), content);
        change(&mut claims);
        claims.encode(signer, NOW_S).expect("signs")
    };
    let opens = |token: &str| imported(token, &exporter, &importer, false);
    let good = activation(&|_| {}, &exporter);
    assert!(opens(&good));
    assert!(!imported(&good, &exporter, &importer, true), "revoked");
    assert!(!opens(""), "none");
    assert!(!opens("eyJ.x.y"), "none either");
    let stranger = KeyPair::new_account();
    assert!(!opens(&activation(&|_| {}, &stranger)), "signed by a stranger");
    let says_so = |claims: &mut Claims<Activation>| {
        claims.content.issuer_account = exporter.public_key();
    };
    assert!(!opens(&activation(&says_so, &stranger)), "a stranger that says it signs for it");
    let to_other = |claims: &mut Claims<Activation>| {
        claims.subject = KeyPair::new_account().public_key();
    };
    assert!(!opens(&activation(&to_other, &exporter)), "for another account");
    assert!(!opens(&activation(&|claims| claims.content.subject = "z".to_owned(), &exporter)));
    let stream = |claims: &mut Claims<Activation>| {
        claims.content.kind = Some(ExchangeKind::Stream);
    };
    assert!(!opens(&activation(&stream, &exporter)), "for messages, not answers");
    assert!(!opens(&activation(&|claims| claims.expires_s = NOW_S - 1, &exporter)), "over");
    assert!(opens(&activation(&|claims| claims.expires_s = NOW_S + 1, &exporter)));
}

#[test]
fn an_import_loop_is_cut_and_the_rest_works() {
    let (one, other) = (KeyPair::new_account(), KeyPair::new_account());
    let mut world = World::new();
    for (here, there) in [(&one, &other), (&other, &one)] {
        let mut claims = account(here);
        claims
            .content
            .exports
            .push(serde_json::from_str(r#"{"subject":"q","type":"service"}"#).expect("an export"));
        let import =
            format!(r#"{{"subject":"q","account":"{}","type":"service"}}"#, there.public_key());
        claims.content.imports.push(serde_json::from_str(&import).expect("an import"));
        world.add(claims);
    }
    let directory = world.directory();
    let found = directory.fetch(&one.public_key(), NOW_NS).expect("both");
    let (directory, faults) = directory.with_accounts(&found, NOW_NS);
    assert!(matches!(&faults[..], [crate::ImportError::Cycle { .. }]), "{faults:?}");
    let ways: usize = directory.accounts().iter().map(|account| account.ways.len()).sum();
    assert_eq!(ways, 1);
}
