//! The tables against the options, and against a file that names every key.

use super::*;
use crate::apply;
use crate::authorization::USER;
use crate::declaration::{Inside, Known, Status};
use crate::parser::{self, Files};
use crate::place::Sources;
use crate::problem::{Diagnostics, Problem};
use std::io;
use std::path::Path;

struct One<'t>(&'t str);

impl Files for One<'_> {
    fn read(&self, _: &Path) -> io::Result<Vec<u8>> {
        Ok(self.0.as_bytes().to_vec())
    }
}

fn read(text: &str) -> (Draft, Diagnostics) {
    let mut sources = Sources::default();
    let root = match parser::load(Path::new("t"), &One(text), &|_| None, &mut sources) {
        Ok(root) => root,
        Err(problem) => panic!("{text}: {}", problem.show(&sources)),
    };
    let (mut draft, mut found) = (Draft::default(), Diagnostics::default());
    apply::apply(&root, &mut draft, &mut found);
    (draft, found)
}

fn each_block() -> [(&'static str, &'static [Declaration]); 3] {
    [("", TOP_LEVEL), ("authorization", AUTHORIZATION), ("corewire", COREWIRE)]
}

#[test]
fn declared_defaults_are_the_defaults_of_the_options() {
    for (block, table) in each_block() {
        for declaration in table.iter().filter(|declaration| !declaration.default.is_empty()) {
            for name in declaration.names() {
                let line = format!("{name}: {}", declaration.default);
                let text = if block.is_empty() { line } else { format!("{block} {{ {line} }}") };
                let (draft, found) = read(&text);
                assert_eq!(found.errors, [], "{text}");
                assert_eq!(draft.options, Draft::default().options, "{text}");
            }
        }
    }
}

#[test]
fn no_name_is_declared_twice_and_all_are_lower_case() {
    for (_, table) in each_block().into_iter().chain([("users", USER)]) {
        let mut names: Vec<_> = table.iter().flat_map(Declaration::names).collect();
        assert!(names.iter().all(|name| **name == name.to_lowercase()));
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
        assert!(table.iter().all(|declaration| !declaration.doc.is_empty()));
    }
}

/// A value that is written in no option that is off.
fn on(inside: Inside) -> String {
    let block = |keys: &[Known]| {
        let entries: Vec<String> = keys
            .iter()
            .flat_map(|known| known.names.iter().map(|name| (name, known.inside)))
            .map(|(name, inside)| format!("{name}: {}", on(inside)))
            .collect();
        format!("{{\n{}\n}}", entries.join("\n"))
    };
    match inside {
        Inside::Anything => "7".to_owned(),
        Inside::Block(keys) => block(keys),
        Inside::List(keys) => format!("[{}]", block(keys)),
        Inside::Named(keys) => format!("{{ A: {} }}", block(keys)),
    }
}

#[test]
fn every_option_that_is_not_built_is_refused_by_name_with_all_inside_it_known() {
    for (block, table) in each_block().into_iter().chain([("users", USER)]) {
        for declaration in table {
            let Status::NotBuilt { inside, .. } = declaration.status else { continue };
            for name in declaration.names() {
                let line = format!("{name}: {}", on(inside));
                let text = match block {
                    "" => line,
                    "users" => format!("authorization {{ users: [{{ user: a\n{line} }}] }}"),
                    block => format!("{block} {{ {line} }}"),
                };
                let (_, found) = read(&text);
                let problems: Vec<_> = found.errors.iter().map(|found| &found.problem).collect();
                let [Problem::NotBuilt { key, .. }] = problems[..] else {
                    panic!("{text}: {problems:?}");
                };
                assert_eq!(key, name);
            }
        }
    }
}
