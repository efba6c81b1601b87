//! What an operator allows an account of JetStream, by tier: rows J02 and J09.

use harness::{Raw, Server};
use security::jwt::{self, JetStreamLimits};
use serde_json::{Value, json};

use crate::operator::{Account, Operator, ask_json};

/// A server whose operator allows an account these tiers, and a user of the account.
fn start(tiers: &[(&str, JetStreamLimits)]) -> (Server, Raw) {
    let operator = Operator::new();
    let mut account = Account::new();
    account.change(|claims| {
        let tiers = tiers.iter().map(|(name, limits)| ((*name).to_owned(), *limits));
        claims.limits = jwt::AccountLimits {
            tiers: tiers.collect(),
            jetstream: JetStreamLimits::default(),
            ..jwt::AccountLimits::unlimited()
        };
    });
    let tokens = [&operator.system, &account]
        .map(|account| format!("{}: {}", account.name(), operator.token(account)));
    let builder = Server::builder();
    let folder = builder.folder().join("js");
    let more = format!(
        "resolver: MEMORY\nresolver_preload {{ {} }}\njetstream {{ store_dir: {folder:?} }}",
        tokens.join("\n")
    );
    let server = builder.config(&operator.config_without_preload(&more)).start();
    let user = account.user().enters(&server);
    (server, user)
}

fn limits(disk: i64, streams: i64) -> JetStreamLimits {
    JetStreamLimits { memory: 1 << 20, disk, streams, consumers: 5, ..JetStreamLimits::default() }
}

fn create(user: &mut Raw, name: &str) -> Value {
    let config = json!({ "name": name, "subjects": [name], "max_bytes": 100, "num_replicas": 1 });
    ask_json(user, &format!("$JS.API.STREAM.CREATE.{name}"), &config.to_string())
}

#[test]
fn j09_streams_are_of_the_tier_of_one_replica() {
    let (_server, mut user) = start(&[("R1", limits(1000, 2)), ("R3", limits(2000, 7))]);
    let made = create(&mut user, "A");
    assert!(made["error"].is_null(), "{made}");
    let info = ask_json(&mut user, "$JS.API.INFO", "");
    assert_eq!((&info["streams"], &info["reserved_storage"]), (&json!(1), &json!(100)), "{info}");
    assert_eq!(info["limits"]["max_streams"], 0, "each tier has its own: {info}");
    let (one, three) = (&info["tiers"]["R1"], &info["tiers"]["R3"]);
    assert_eq!((&one["streams"], &one["reserved_storage"]), (&json!(1), &json!(100)), "{info}");
    assert_eq!(one["limits"]["max_storage"], 1000, "{info}");
    assert_eq!((&three["streams"], &three["limits"]["max_streams"]), (&json!(0), &json!(7)));
    assert!(create(&mut user, "B")["error"].is_null());
    assert_eq!(create(&mut user, "C")["error"]["err_code"], 10027, "two of R1");
}

#[test]
fn j09_without_a_tier_for_one_replica_nothing_is_stored() {
    let (_server, mut user) = start(&[("R3", limits(2000, 7))]);
    let info = ask_json(&mut user, "$JS.API.INFO", "");
    assert_eq!(info["tiers"]["R3"]["limits"]["max_storage"], 2000, "{info}");
    let refused = create(&mut user, "A");
    assert_eq!(refused["error"]["err_code"], 10120, "{refused}");
}
