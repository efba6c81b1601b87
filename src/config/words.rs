//! The words that may stand in place of flags, declared once: for the help, the man page and the
//! completions.

/// A word, and what it does instead of serving.
#[derive(Debug)]
pub struct Word {
    /// The word.
    pub name: &'static str,
    /// What may stand behind it, in the help's way.
    pub arguments: &'static str,
    /// Its flags, for completions.
    pub flags: &'static [(&'static str, &'static str)],
    /// What it takes besides: one of these.
    pub choices: &'static [&'static str],
    /// What it does, in a line.
    pub doc: &'static str,
}

const JSON: (&str, &str) = ("json", "Print JSON");

/// All of them, in the order of the help.
pub static WORDS: [Word; 9] = [
    Word {
        name: "top",
        arguments: "[--help]",
        flags: &[
            ("server", "Monitoring address of the server"),
            ("interval", "Time over which figures are taken"),
            ("once", "Print one interval as plain text and exit"),
        ],
        choices: &[],
        doc: "Show live what each core of a server does",
    },
    Word {
        name: "explain",
        arguments: "client ID|subject SUBJECT",
        flags: &[
            ("server", "Monitoring address of the server"),
            ("account", "The account that the subject is in"),
        ],
        choices: &["client", "subject"],
        doc: "Say on which core something lives, who is slow, what was dropped",
    },
    Word {
        name: "check",
        arguments: "[--json]",
        flags: &[JSON, ("profile", "What the host shall be good at: a name or a path")],
        choices: &[],
        doc: "Say whether this host has what a --profile needs",
    },
    Word {
        name: "store",
        arguments: "inspect|verify|repair DIR",
        flags: &[JSON],
        choices: &["inspect", "verify", "repair"],
        doc: "Say what is in the files of a stopped server, and what is wrong with them",
    },
    Word {
        name: "options",
        arguments: "[--json]",
        flags: &[JSON],
        choices: &[],
        doc: "List every option of the configuration file",
    },
    Word {
        name: "man",
        arguments: "",
        flags: &[],
        choices: &[],
        doc: "Print the man page, as in corewire man | man -l -",
    },
    Word {
        name: "completions",
        arguments: "bash|zsh|fish",
        flags: &[],
        choices: &["bash", "zsh", "fish"],
        doc: "Print what a shell needs to complete flags",
    },
    Word { name: "version", arguments: "", flags: &[], choices: &[], doc: "Show version" },
    Word { name: "help", arguments: "", flags: &[], choices: &[], doc: "Show the help" },
];
