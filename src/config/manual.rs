//! The man page and the shells' completions, from the declarations of flags, words and options.

use clap::{Arg, ArgAction, Command};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, italic, roman};

use crate::flags::{FLAGS, Flag, Group, Takes};
use crate::reference;
use crate::version;
use crate::words::{WORDS, Word};

/// The command line as documents show it: short names short, words as subcommands.
fn command() -> Command {
    let flags = FLAGS.iter().filter(|flag| flag.is_built()).map(argument);
    Command::new("corewire")
        .about("A NATS server for dedicated Linux hosts")
        .version(version::COREWIRE_VERSION)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .disable_help_subcommand(true)
        .args(flags)
        .subcommands(WORDS.iter().map(subcommand))
}

fn argument(flag: &'static Flag) -> Arg {
    let short = flag.names.iter().find_map(|name| {
        let mut letters = name.chars();
        letters.next().filter(|_| letters.next().is_none())
    });
    let long: Vec<&str> = flag.names.iter().copied().filter(|name| name.len() > 1).collect();
    let arg = Arg::new(flag.name()).help(flag.doc());
    let arg = match short {
        Some(short) => arg.short(short),
        None => arg,
    };
    let arg = match long.split_first() {
        Some((first, others)) => arg.long(*first).visible_aliases(others.to_vec()),
        None => arg,
    };
    match flag.takes {
        Takes::Switch => arg.action(ArgAction::SetTrue),
        Takes::Value(metavar) if metavar == "file" || metavar == "dir" => {
            arg.value_name(metavar).value_hint(clap::ValueHint::AnyPath)
        }
        Takes::Value(metavar) => arg.value_name(metavar),
    }
}

fn subcommand(word: &'static Word) -> Command {
    let flags = word
        .flags
        .iter()
        .map(|(name, doc)| Arg::new(*name).long(*name).help(*doc).action(ArgAction::SetTrue));
    let choices = Arg::new("which").value_parser(word.choices.to_vec());
    let command = Command::new(word.name).about(word.doc).disable_help_flag(true).args(flags);
    if word.choices.is_empty() { command } else { command.arg(choices) }
}

/// The man page, in roff.
pub fn page() -> String {
    let man = Man::new(command()).section("8").manual("Corewire");
    let mut page = Vec::new();
    let mut rest = Roff::new();
    command_line(&mut rest);
    rest.control("SH", ["CONFIGURATION FILE"]);
    rest.text([roman(
        "The language is nats-server's: key and value, blocks in braces, lists in brackets. An \
         option that is marked restart cannot change on reload (SIGHUP).",
    )]);
    for row in reference::rows() {
        rest.control("TP", []);
        let mut head = vec![bold(row.path.clone())];
        if !row.aliases.is_empty() {
            head.push(roman(format!(" ({})", row.aliases.join(", "))));
        }
        rest.text(head);
        let mut facts = vec![row.type_text()];
        if !row.default.is_empty() {
            facts.push(format!("default {}", row.default));
        }
        facts.extend(Some(row.reload_text()).filter(|text| *text == "restart").map(str::to_owned));
        rest.text([roman(format!("{} ({})", row.doc, facts.join("; ")))]);
    }
    rest.control("SH", ["SIGNALS"]);
    rest.text([roman(
        "INT and TERM end the server, HUP reads its configuration again, USR1 opens the log file \
         again, USR2 begins lame duck mode.",
    )]);
    // Nothing fails that writes into memory.
    let _ = man.render_title(&mut page).and_then(|()| man.render_name_section(&mut page));
    let _ = rest.to_writer(&mut page);
    String::from_utf8_lossy(&page).into_owned()
}

/// Words and flags, with all their names: `clap_mangen` knows no long ones with a single dash.
fn command_line(page: &mut Roff) {
    page.control("SH", ["SYNOPSIS"]);
    page.text([bold("corewire"), roman(" [options]")]);
    for Word { name, arguments, .. } in &WORDS {
        page.control("br", []);
        page.text([bold(format!("corewire {name}")), roman(format!(" {arguments}"))]);
    }
    page.control("SH", ["COMMANDS"]);
    for Word { name, doc, .. } in &WORDS {
        page.control("TP", []).text([bold(*name)]).text([roman(*doc)]);
    }
    for group in Group::ALL.into_iter().filter(|group| *group != Group::NotBuilt) {
        page.control("SH", [group.title().to_uppercase().as_str()]);
        for flag in FLAGS.iter().filter(|flag| flag.group == group) {
            let dashed = |name: &&str| format!("-{}{name}", if name.len() > 3 { "-" } else { "" });
            let names: Vec<String> = flag.names.iter().map(dashed).collect();
            let mut head = vec![bold(names.join(", "))];
            if let Takes::Value(metavar) = flag.takes {
                head.push(italic(format!(" {metavar}")));
            }
            page.control("TP", []).text(head).text([roman(flag.doc())]);
        }
    }
}

/// What a shell needs to complete the command line; `None` for one that is not known.
pub fn completions(shell: &str) -> Option<String> {
    let shell = match shell {
        "bash" => Shell::Bash,
        "zsh" => Shell::Zsh,
        "fish" => Shell::Fish,
        _ => return None,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command(), "corewire", &mut script);
    Some(String::from_utf8_lossy(&script).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_every_flag_word_and_option() {
        let page = page().replace("\\-", "-");
        for flag in FLAGS.iter().filter(|flag| flag.is_built()) {
            for name in flag.names {
                assert!(page.contains(name), "{name}");
            }
        }
        assert!(WORDS.iter().all(|word| page.contains(word.doc)), "{page}");
        assert!(reference::rows().iter().all(|row| page.contains(&row.path)));
    }

    #[test]
    fn three_shells_get_every_flag() {
        for shell in ["bash", "zsh", "fish"] {
            let script = completions(shell).expect(shell);
            for flag in FLAGS.iter().filter(|flag| flag.is_built()) {
                assert!(script.contains(flag.name()), "{shell}: {}", flag.name());
            }
            assert!(script.contains("completions"), "{shell}");
        }
        assert_eq!(completions("tcsh"), None);
    }
}
