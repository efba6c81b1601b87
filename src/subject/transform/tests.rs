//! What transforms make of subjects, and which are refused.

use proptest::prelude::*;

use super::*;

fn make(source: &str, destination: &str) -> Transform {
    Transform::new(source, destination, TransformUse::Stream)
        .unwrap_or_else(|error| panic!("{source} -> {destination}: {error}"))
}

fn run(transform: &Transform, subject: &str) -> Option<String> {
    let mut out = Vec::new();
    let mut random = fastrand::Rng::with_seed(7);
    transform
        .apply(subject.as_bytes(), &mut random, &mut out)
        .then(|| String::from_utf8(out).expect("text in, text out"))
}

#[test]
fn functions_do_what_their_table_says() {
    // spec/security.md §6
    let table = [
        ("foo.*.*", "bar.$2.$1", "foo.a.b", "bar.b.a"),
        ("foo.*.*", "bar.{{wildcard(2)}}.{{Wildcard( 1 )}}", "foo.a.b", "bar.b.a"),
        ("foo.>", "bar.>", "foo.a.b", "bar.a.b"),
        ("foo.*.>", "$1.x.>", "foo.a.b.c", "a.x.b.c"),
        ("foo", "bar", "foo", "bar"),
        ("*", "{{split(1,-)}}", "-abc-def--ghi-", "abc.def.ghi"),
        ("*", "{{splitFromLeft(1,3)}}", "12345", "123.45"),
        ("*", "{{SplitFromRight(1,3)}}", "12345", "12.345"),
        ("*", "{{splitfromleft(1,9)}}", "12345", "12345"),
        ("*", "{{splitfromright(1,9)}}", "12345", "12345"),
        ("*", "{{sliceFromLeft(1,3)}}", "1234567890", "123.456.789.0"),
        ("*", "{{sliceFromRight(1,3)}}", "1234567890", "1.234.567.890"),
        ("*", "{{left(1,3)}}", "1234567890", "123"),
        ("*", "{{right(1,3)}}", "1234567890", "890"),
        ("*", "{{left(1,30)}}", "123", "123"),
        ("*", "x.{{random(1)}}", "a", "x.0"),
        ("foo.*", "bar", "foo.a", "bar"),
        ("", "pre.>", "a.b", "pre.a.b"),
    ];
    for (source, destination, subject, expected) in table {
        let became = run(&make(source, destination), subject);
        assert_eq!(became.as_deref(), Some(expected), "{source} -> {destination} of {subject}");
    }
}

#[test]
fn partitions_are_fnv1a_of_the_tokens_together() {
    // FNV-1a of 32 bits: "" is 0x811c9dc5, "a" is 0xe40c292c, "foobar" is 0xbf9cf968.
    let of = |source: &str, token: &str, subject: &str| {
        run(&make(source, token), subject).expect("it matches").parse::<u32>().expect("a number")
    };
    assert_eq!(of("*", "{{partition(1000000000,1)}}", "a"), 0xe40c_292c % 1_000_000_000);
    assert_eq!(of("*.*", "{{partition(10,1,2)}}", "foo.bar"), 0xbf9c_f968 % 10);
    assert_eq!(of("foobar", "{{partition(10)}}", "foobar"), 0xbf9c_f968 % 10);
    assert_ne!(
        of("*.*", "{{partition(1000000000,1,2)}}", "foo.bar"),
        of("*.*", "{{partition(1000000000)}}", "foo.bar"),
        "the whole subject has its dot"
    );
}

#[test]
fn what_does_not_match_is_left_alone() {
    let transform = make("foo.*", "bar.$1");
    let mut out = b"before".to_vec();
    assert!(!transform.apply(b"fo.a", &mut fastrand::Rng::with_seed(1), &mut out));
    assert_eq!(out, b"before");
}

#[test]
fn wrong_destinations_are_refused_with_their_reason() {
    use TransformError as E;
    use TransformUse::{AccountMapping, Import, Stream};
    let text = str::to_owned;
    let table = [
        ("foo.>", "bar", Stream, E::BadSubject),
        ("foo", "bar.>", Stream, E::BadSubject),
        ("foo.*", "bar.*", Stream, E::BadSubject),
        ("foo..x", "bar", Stream, E::BadSubject),
        ("foo x", "bar", Stream, E::BadSubject),
        ("foo", "bar x", AccountMapping, E::BadDestination),
        ("foo.*", "bar\r\nPING.$1", Stream, E::BadDestination),
        ("foo", "bar\0", Import, E::BadDestination),
        ("foo", "bar..x", Stream, E::BadDestination),
        ("foo.*", "bar.$2", Stream, E::IndexOutOfRange(text("$2"))),
        ("foo", "bar.$1", Stream, E::IndexOutOfRange(text("$1"))),
        ("foo.*", "{{nope(1)}}", Stream, E::UnknownFunction(text("{{nope(1)}}"))),
        ("foo.*", "{{left(1,1)}}", AccountMapping, E::UnknownFunction(text("{{left(1,1)}}"))),
        ("foo.*", "{{wildcard()}}", Stream, E::TooFewArguments(text("{{wildcard()}}"))),
        ("foo.*", "{{wildcard(1,2)}}", Stream, E::TooManyArguments(text("{{wildcard(1,2)}}"))),
        ("foo.*", "{{partition(0,1)}}", Stream, E::BadArgument(text("{{partition(0,1)}}"))),
        ("foo.*", "{{partition(3,1)}}", Import, E::NotForImports),
        ("foo.*.*", "bar.$1", Import, E::UnusedWildcard),
    ];
    for (source, destination, purpose, expected) in table {
        let found = Transform::new(source, destination, purpose);
        assert_eq!(found, Err(expected), "{source} -> {destination}");
    }
    // A brace that is not closed is an ordinary byte.
    assert_eq!(run(&make("foo.*", "{{x"), "foo.a").as_deref(), Some("{{x"));
}

#[test]
fn imports_go_both_ways() {
    let table = [
        ("req.*.x", "mine.$1", "req.a.x", "mine.a"),
        ("req.*.*", "mine.$2.$1", "req.a.b", "mine.b.a"),
        ("req.*.*", "mine.*.*", "req.a.b", "mine.a.b"),
        ("req.>", "mine.>", "req.a.b", "mine.a.b"),
        ("req", "mine", "req", "mine"),
    ];
    for (source, destination, there, here) in table {
        let forward = Transform::import(source, destination).expect("valid");
        let back = Transform::import_reversed(source, destination).expect("valid");
        assert_eq!(run(&forward, there).as_deref(), Some(here), "{source} -> {destination}");
        assert_eq!(run(&back, here).as_deref(), Some(there), "{destination} -> {source}");
        assert_eq!(back.source(), forward.destination_pattern());
    }
}

#[test]
fn only_random_makes_different_things_of_the_same() {
    assert!(make("a.*", "b.{{partition(4,1)}}").is_pure());
    assert!(!make("a.*", "b.{{random(4)}}").is_pure());
}

proptest! {
    /// Whatever is written as a destination: it is refused or it makes a subject of a subject.
    #[test]
    fn any_text_is_a_destination_or_is_refused(
        destination in "(\\{\\{)?[a-zA-Z$]{0,16}(\\()?[0-9,a.-]{0,8}(\\))?(\\}\\})?",
        token in "[a-z-]{1,12}",
    ) {
        if let Ok(transform) = Transform::new("x.*", &destination, TransformUse::Stream) {
            let became = run(&transform, &format!("x.{token}"));
            prop_assert!(became.is_some());
        }
    }
}
