//! Digests that nats-server's own tests publish, variables, includes, and the bounds.

use std::collections::HashMap;

use super::*;
use crate::digest::{digest, json, print};

/// Files held in memory.
#[derive(Default)]
struct Shelf(HashMap<PathBuf, Vec<u8>>);

impl Files for Shelf {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.0.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

fn shelf(files: &[(&str, &str)]) -> Shelf {
    let put = |(name, text): &(&str, &str)| (PathBuf::from(name), text.as_bytes().to_vec());
    Shelf(files.iter().map(put).collect())
}

fn nowhere(_: &str) -> Option<String> {
    None
}

fn parse_with(files: &[(&str, &str)], env: Environment<'_>) -> Result<Map, String> {
    let mut sources = Sources::default();
    load(Path::new("t.conf"), &shelf(files), env, &mut sources)
        .map_err(|found| found.show(&sources).lines().next().unwrap_or_default().to_owned())
}

fn parse(text: &str) -> Result<Map, String> {
    parse_with(&[("t.conf", text)], &nowhere)
}

fn json_of(text: &str) -> String {
    match parse(text) {
        Ok(map) => json(&map),
        Err(error) => error,
    }
}

#[test]
fn digests_are_those_that_nats_publishes() {
    let bar = "sha256:226e49e13d16e5e8aa0d62e58cd63361bf097d3e2b2444aa3044334628a2e8de";
    for text in [
        "foo = bar",
        "# c\n  foo = bar\n ",
        "'foo': 'bar'",
        "{ 'foo': 'bar' }",
        "{\n\"foo\": \"bar\"\n}",
        "foo bar;",
        "foo\tbar // c",
    ] {
        assert_eq!(digest(&parse(text).unwrap()), bar, "{text}");
    }
    let nested = "bar = { users = [ {user = \"foo\"} ]}\naccounts {\n users = { users = [ {user = \
                  \"foo\"} ]}\n}";
    assert_eq!(
        digest(&parse(nested).unwrap()),
        "sha256:f5d943b4ed22b80c6199203f8a7eaa8eb68ef7b2d46ef6b1b26f05e21f8beb13"
    );
    let plain = "hello = 'world'\naccounts {\n bar = { users = [ { user = \"bar\" } ]}\n quux = \
                 { users = [ { user: quux } ]}\n}\nvery { nested { env { quux = 'NESTED' }}}";
    assert_eq!(
        digest(&parse(plain).unwrap()),
        "sha256:34f8faf3f269fe7509edc4742f20c8c4a7ad51fe21f8b361764314b533ac3ab5"
    );
    let included = "accounts {\n foo { include 'foo.conf'}\n bar { users = [{user = \"bar\"}] }\n \
                    quux { include 'quux.conf'}\n}";
    let files = [
        ("t.conf", included),
        ("foo.conf", " users = [{user = \"foo\"}]"),
        ("quux.conf", " users = [{user = \"quux\"}]"),
    ];
    assert_eq!(
        digest(&parse_with(&files, &nowhere).unwrap()),
        "sha256:e72d70c91b64b0f880f86decb95ec2600cbdcf8bdcd2355fce5ebc54a84a77e9"
    );
}

#[test]
fn variables_come_from_the_nearest_map_and_must_stand_before_their_use() {
    assert_eq!(
        json_of("index = 22\nnest {\n index = 11\n foo = $index\n}\nbar = $index"),
        r#"{"bar":22,"index":22,"nest":{"foo":11,"index":11}}"#
    );
    assert_eq!(json_of("P = x\na { b = [ {p: $P} ] }"), r#"{"P":"x","a":{"b":[{"p":"x"}]}}"#);
    assert_eq!(json_of("a = \"$X\""), r#"{"a":"$X"}"#);
    let missing = "variable reference for 'X' on line 1 can not be found";
    assert_eq!(json_of("a: $X\nX = 5"), format!("t.conf:1:4: {missing}"));
    assert_eq!(json_of("X = $X"), format!("t.conf:1:5: {missing}"));
    let map = parse("A = 1\nB = $A").unwrap();
    assert!(map.get("A").unwrap().used && !map.get("B").unwrap().used);
}

#[test]
fn the_environment_is_written_in_the_same_language() {
    let env = |name: &str| {
        let value = match name {
            "NUMBER" => "22",
            "TEXT" => "3Gyz",
            "QUOTED" => "'3x yz'",
            "OTHER" => "$NUMBER",
            "LIST" => "[1, $TEXT]",
            "LOOP" => "$POOL",
            "POOL" => "$LOOP",
            "TWO" => "\"x\" y",
            "EMPTY" => "",
            _ => return None,
        };
        Some(value.to_owned())
    };
    let with = |name: &str| match parse_with(&[("t.conf", &format!("a = ${name}"))], &env) {
        Ok(map) => json(&map),
        Err(error) => error,
    };
    assert_eq!(with("NUMBER"), r#"{"a":22}"#);
    assert_eq!(with("TEXT"), r#"{"a":"3Gyz"}"#);
    assert_eq!(with("QUOTED"), r#"{"a":"3x yz"}"#);
    assert_eq!(with("OTHER"), r#"{"a":22}"#);
    assert_eq!(with("LIST"), r#"{"a":[1,"3Gyz"]}"#);
    assert!(with("LOOP").ends_with("variable reference cycle for 'LOOP'"), "{}", with("LOOP"));
    assert!(with("TWO").contains("'TWO' on line 1 could not be parsed"), "{}", with("TWO"));
    assert!(with("EMPTY").contains("'EMPTY' on line 1 could not be parsed"));
}

#[test]
fn includes_are_relative_merge_and_have_their_own_variables() {
    let files = [
        ("t.conf", "X = 1\na: old\ninclude \"d/one.conf\"\nb = $Y\nm { include ./d/two.conf }"),
        ("d/one.conf", "a: new\nY = 2; include 'two.conf'"),
        ("d/two.conf", "{\"c\": 3}"),
    ];
    let map = parse_with(&files, &nowhere).unwrap();
    assert_eq!(json(&map), r#"{"X":1,"Y":2,"a":"new","b":2,"c":3,"m":{"c":3}}"#);
    let files = [("t.conf", "X = 1\ninclude /inner.conf"), ("inner.conf", "a = $X")];
    assert_eq!(
        parse_with(&files, &nowhere).unwrap_err(),
        "inner.conf:1:5: variable reference for 'X' on line 1 can not be found"
    );
    assert_eq!(
        json_of("\n include nope.conf"),
        "t.conf:2:2: error parsing include file 'nope.conf', entity not found"
    );
    assert_eq!(json_of("include: foo"), r#"{"include":"foo"}"#);
}

#[test]
fn cycles_depth_and_growth_are_bounded() {
    let cycle = [("t.conf", "include t.conf")];
    let error = parse_with(&cycle, &nowhere).unwrap_err();
    assert!(error.ends_with("files include each other more than 16 deep"), "{error}");
    let twice = [("t.conf", "include t.conf\ninclude t.conf")];
    assert!(parse_with(&twice, &nowhere).is_err());
    for open in ["{a:", "[", "{a {", "{\"a\":"] {
        let deep = format!("a: {}", open.repeat(100_000));
        assert!(parse(&deep).is_err());
    }
    let deep = format!("a {}1{}", "[".repeat(64), "]".repeat(64));
    assert!(parse(&deep).is_ok());
    let deep = format!("a {}1{}", "[".repeat(65), "]".repeat(65));
    assert!(parse(&deep).unwrap_err().contains("more than 64 deep"));
    let mut growing = "a0 = [x,x,x,x,x,x,x,x]\n".to_owned();
    for level in 1..30 {
        let inner = format!("$a{}", level - 1);
        growing += &format!("a{level} = [{}]\n", [inner.as_str(); 8].join(","));
    }
    assert!(parse(&growing).unwrap_err().contains("takes more than 268435456 bytes"));
    let mut chain = "a0 = {x: 1}\n".to_owned();
    for level in 1..100 {
        chain += &format!("a{level} = {{x: $a{}}}\n", level - 1);
    }
    assert!(parse(&chain).unwrap_err().contains("more than 64 deep"));
}

#[test]
fn what_is_printed_parses_to_the_same() {
    let text = "a: 1.5, b: [x, \"y z\", {c: d}]\n'k e\"y': (\nblock\n)\ne: 1e300x; f: -3k\ng: \
                2016-05-04T18:53:41Z\nh: \"\\x01\\t\\\\\"\n\"i:j\" {}\nk []\nl: \
                100000000000000000000000.0";
    let map = parse(text).unwrap();
    let printed = print(&map);
    assert_eq!(parse(&printed).unwrap(), map, "{printed}");
}
