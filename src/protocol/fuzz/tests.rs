//! Replays the corpus through the fuzz entries and feeds them random bytes for a while.

use super::*;
use proptest::prelude::*;

/// Every file of one folder of the corpus, through `entry`.
fn replay(folder: &str, entry: fn(&[u8])) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(folder);
    let mut seeds = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        entry(&std::fs::read(file.unwrap().path()).unwrap());
        seeds += 1;
    }
    assert!(seeds > 0, "the corpus is gone");
}

#[test]
fn the_corpus_holds() {
    replay("parse", fuzz_parse);
    replay("connect", fuzz_connect);
    replay("proxy", fuzz_proxy);
}

/// Pieces of JSON that a CONNECT may hold, in any order, and stray bytes.
fn json_like() -> impl Strategy<Value = Vec<u8>> {
    let fragments = prop::sample::select(vec![
        "{",
        "{",
        "}",
        "}",
        ",",
        ",",
        ":",
        "\"",
        "\\",
        "[",
        "]",
        "null",
        "true",
        "1",
        "-1.5e3",
        " ",
        "\"pass\":",
        "\"PASS\" : ",
        "\"sig\":\"s\"",
        "\"user\":\"u\"",
        "\"name\":",
        "\"x\"",
        "\"p\\u0061ss\":\"q\"",
        "\"a\\\"b\"",
        "\"verbose\":false",
        "\"protocol\":1",
    ]);
    let piece = prop_oneof![
        20 => fragments.prop_map(|text| text.as_bytes().to_vec()),
        1 => any::<u8>().prop_map(|byte| vec![byte]),
    ];
    prop::collection::vec(piece, 0..16).prop_map(|pieces| pieces.concat())
}

/// Objects with members in any order, most of them well formed.
fn objects() -> impl Strategy<Value = Vec<u8>> {
    let keys = prop::sample::select(vec!["pass", "Sig", "nkey", "auth_token", "user", "name", "z"]);
    let values = prop::sample::select(vec!["\"v\"", "null", "\"\\\"\"", "\"\\\\\"", "\"\"", "7"]);
    prop::collection::vec((keys, values), 0..6).prop_map(|members| {
        let members: Vec<_> =
            members.iter().map(|(key, value)| format!("\"{key}\": {value}")).collect();
        format!("{{{}}}", members.join(",")).into_bytes()
    })
}

/// No files: a failing input is printed and goes into the corpus.
fn config() -> ProptestConfig {
    ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_bytes_parse(input in prop::collection::vec(any::<u8>(), 0..400)) {
        fuzz_parse(&input);
    }

    #[test]
    fn any_json_connects(input in prop_oneof![json_like(), objects()]) {
        fuzz_connect(&input);
    }

    #[test]
    fn any_bytes_connect(input in prop::collection::vec(any::<u8>(), 0..200)) {
        fuzz_connect(&input);
    }
}
