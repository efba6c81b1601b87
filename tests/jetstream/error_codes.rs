//! Every error code of the specification is produced by a test, or stands here with the reason why
//! no request can produce it on one node.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Codes that nothing here can produce, and why.
const NOT_HERE: &[(&str, &[u32])] = &[
    (
        "clusters only",
        &[
            10004, 10005, 10006, 10007, 10008, 10009, 10011, 10036, 10040, 10041, 10044, 10048,
            10061, 10075, 10118, 10119, 10123, 10124, 10129, 10180, 10194, 10195, 10202, 10224,
            10226,
        ],
    ),
    ("stream templates went with 2.10", &[10066, 10067, 10068, 10073]),
    (
        "older servers' rules, which the newer ones do not have any more",
        &[10033, 10085, 10105, 10106],
    ),
    ("no subject is subscribed to that may not be", &[10042]),
    ("restores need no temporary storage", &[10072]),
    ("without JetStream nobody listens on the API: no responders", &[10076]),
    ("a request comes from an account that is there", &[10035]),
    ("refusals have codes of their own, and these stand for what is left", &[10049, 10050, 10053]),
    ("a legacy subject with a name in it is that of a named consumer", &[10019]),
    ("mapped subjects are mapped before a stream sees them", &[10092]),
    ("a stream that is there is valid", &[10096]),
    ("a consumer's store is its stream's log; what that refuses is 10023", &[10104]),
    ("subject details come in pages", &[10117]),
    ("a publish is judged when the one before it is stored", &[10158, 10163]),
    ("a consumer's negative bounds are none, 10157 where nothing is corrected", &[10087, 10114]),
    ("a consumer without a configuration is one of zeroes", &[10078]),
    ("a filter that is no subject is 10052", &[10093]),
    ("JSON with a policy that nobody knows is invalid JSON, 10025", &[10181, 10182]),
    ("stream identities come with clusters of 2.15", &[10225]),
];

/// Codes that are produced, though not by a test, and why.
const NO_CASE: &[(&str, &[u32])] = &[
    ("an answer that is no JSON would be our own mistake", &[10051]),
    ("a mirror passes over what it has; the store says this of a bug", &[10063]),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in
        fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path())
    {
        if entry.is_dir() {
            rust_files(&entry, found);
        } else if entry.extension().is_some_and(|end| end == "rs") {
            found.push(entry);
        }
    }
}

/// Name and number of each code, as `error.rs` declares them.
fn declared() -> Vec<(String, u32)> {
    let text = fs::read_to_string(root().join("src/jetstream/error.rs")).expect("readable");
    let code = |line: &str| {
        let (name, rest) = line.trim().split_once(" = ")?;
        let number = rest.split(',').next()?.parse().ok()?;
        let is_name = name.chars().all(char::is_alphanumeric);
        (is_name && (10_000..11_000).contains(&number)).then(|| (name.to_owned(), number))
    };
    text.lines().filter_map(code).collect()
}

/// What the server does and what its tests do, as text.
fn sources() -> (String, String) {
    let (mut files, mut server, mut tests) = (Vec::new(), String::new(), String::new());
    rust_files(&root().join("src/jetstream"), &mut files);
    rust_files(&root().join("tests"), &mut files);
    for file in files {
        if file.ends_with("jetstream/error.rs") || file.ends_with("jetstream/error_codes.rs") {
            continue;
        }
        let text = fs::read_to_string(&file).expect("readable");
        let is_test = file.components().any(|part| part.as_os_str() == "tests")
            || file.file_name().is_some_and(|name| name == "tests.rs");
        let (work, cases) = match is_test {
            true => ("", &text[..]),
            false => text.split_once("#[cfg(test)]").unwrap_or((&text, "")),
        };
        server.push_str(work);
        tests.push_str(cases);
    }
    (server, tests)
}

fn words(text: &str) -> HashSet<&str> {
    text.split(|char: char| !char.is_alphanumeric() && char != '_' && char != ':').collect()
}

#[test]
fn every_error_code_has_a_case_or_a_reason() {
    let (server, tests) = sources();
    let (server, tests) = (words(&server), words(&tests));
    let listed = |list: &[(&str, &[u32])]| -> HashSet<u32> {
        list.iter().flat_map(|(_, codes)| codes.iter().copied()).collect()
    };
    let (not_here, no_case) = (listed(NOT_HERE), listed(NO_CASE));
    let declared = declared();
    assert!(declared.len() > 200, "{} codes", declared.len());
    let mut wrong = Vec::new();
    for (name, code) in &declared {
        let path = format!("ErrorCode::{name}");
        let is_produced = server.contains(&path[..]);
        let has_case = tests.contains(&path[..]) || tests.contains(&code.to_string()[..]);
        let problem = match (not_here.contains(code), no_case.contains(code)) {
            (true, _) if is_produced => "is produced now: take it off NOT_HERE",
            (true, _) => continue,
            (_, true) if has_case => "has a case now: take it off NO_CASE",
            (_, true) => continue,
            _ if !is_produced => "is produced nowhere: say why in NOT_HERE",
            _ if !has_case => "has no case",
            _ => continue,
        };
        wrong.push(format!("{code} {name} {problem}"));
    }
    let known: HashSet<u32> = declared.iter().map(|(_, code)| *code).collect();
    let unknown = not_here.union(&no_case).filter(|code| !known.contains(code));
    wrong.extend(unknown.map(|code| format!("{code} is no code")));
    assert!(wrong.is_empty(), "{wrong:#?}");
}
