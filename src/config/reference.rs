//! The reference of all options, made from their declarations: `corewire options`, in columns or
//! as JSON, and the man page's second half.

use std::fmt::Write as _;

use serde_json::{Value as Json, json};

use crate::declaration::{Declaration, Inside, Kind, Known, Reload, Status};
use crate::duration;
use crate::table::TOP_LEVEL;

/// How `corewire options` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// In columns.
    Table,
    /// As a JSON array.
    Json,
}

/// One option as the reference has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Where it stands, from the top: `authorization.timeout`; in `users[].nkey` it is in each of
    /// a list, in `accounts.*.users` under each name.
    pub path: String,
    /// Other keys for the same.
    pub aliases: &'static [&'static str],
    /// What its value must be; nothing where it is not built.
    pub words: Option<&'static str>,
    /// What bounds it; empty where nothing does.
    pub bounds: String,
    /// The default as one would write it; empty when there is none.
    pub default: &'static str,
    /// What a change does on reload.
    pub reload: Reload,
    /// What it does, in a line.
    pub doc: &'static str,
}

impl Row {
    fn of(path: String, option: &'static Declaration) -> Row {
        let Declaration { aliases, doc, default, reload, .. } = *option;
        let (words, bounds) = match &option.status {
            Status::Built(kind) => (Some(kind.words()), bounds(kind)),
            Status::NotBuilt { .. } => (None, String::new()),
        };
        Row { path, aliases, words, bounds, default, reload, doc }
    }

    fn within(path: String, key: &'static Known, reload: Reload) -> Row {
        let Known { names, words, doc, .. } = *key;
        let (aliases, words) = (&names[1..], Some(words).filter(|words| !words.is_empty()));
        Row { path, aliases, words, bounds: String::new(), default: "", reload, doc }
    }

    /// Type and bounds, or that there is nothing yet.
    pub fn type_text(&self) -> String {
        match (self.words, self.bounds.as_str()) {
            (None, _) => "not built yet, refused".to_owned(),
            (Some(words), "") => words.to_owned(),
            (Some(words), bounds) => format!("{words}, {bounds}"),
        }
    }

    /// What a change does on reload, in a word.
    pub fn reload_text(&self) -> &'static str {
        match (self.words, self.reload) {
            (None, _) => "",
            (Some(_), Reload::Applies) => "applies",
            (Some(_), Reload::NeedsRestart) => "restart",
        }
    }

    fn json(&self) -> Json {
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        json!({
            "key": self.path,
            "aliases": self.aliases,
            "type": self.words,
            "bounds": some(&self.bounds),
            "default": some(self.default),
            "reloadable": self.words.is_some() && self.reload == Reload::Applies,
            "built": self.words.is_some(),
            "meaning": self.doc,
        })
    }
}

/// What a value of this kind is kept within; empty where nothing bounds it.
pub fn bounds(kind: &Kind) -> String {
    match kind {
        Kind::Count { min, max: i64::MAX, .. } => format!("{min} or more"),
        Kind::Count { min, max, .. } => format!("{min} to {max}"),
        Kind::Span { min, .. } if !min.is_zero() => {
            format!("{} or more", duration::print(*min))
        }
        Kind::Choice(words, _) => words.join(", "),
        _ => String::new(),
    }
}

/// Every option, each block's own behind it.
pub fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    collect("", TOP_LEVEL, &mut rows);
    rows
}

fn collect(prefix: &str, table: &'static [Declaration], rows: &mut Vec<Row>) {
    for option in table {
        let path = format!("{prefix}{}", option.key);
        rows.push(Row::of(path.clone(), option));
        match &option.status {
            Status::Built(Kind::Block(inside) | Kind::Toggled(_, inside)) => {
                collect(&format!("{path}."), inside, rows);
            }
            Status::Built(Kind::Tree(_, inside, _)) => {
                collect_known(&path, *inside, option.reload, rows);
            }
            _ => {}
        }
    }
}

fn collect_known(path: &str, inside: Inside, reload: Reload, rows: &mut Vec<Row>) {
    let (each, keys) = match inside {
        Inside::Anything => return,
        Inside::Block(keys) => ("", keys),
        Inside::List(keys) => ("[]", keys),
        Inside::Named(keys) => (".*", keys),
    };
    for key in keys {
        let path = format!("{path}{each}.{}", key.names[0]);
        rows.push(Row::within(path.clone(), key, reload));
        if !key.words.is_empty() {
            collect_known(&path, key.inside, reload, rows);
        }
    }
}

/// The whole reference.
pub fn print(form: Form) -> String {
    let rows = rows();
    match form {
        Form::Json => {
            let all: Vec<Json> = rows.iter().map(Row::json).collect();
            format!("{:#}\n", Json::Array(all))
        }
        Form::Table => table(&rows),
    }
}

fn table(rows: &[Row]) -> String {
    let columns = |row: &Row| {
        let key = match row.aliases {
            [] => row.path.clone(),
            aliases => format!("{} ({})", row.path, aliases.join(", ")),
        };
        let Row { default, doc, .. } = row;
        [
            key,
            row.type_text(),
            (*default).to_owned(),
            row.reload_text().to_owned(),
            (*doc).to_owned(),
        ]
    };
    let head = ["OPTION", "TYPE", "DEFAULT", "RELOAD", "MEANING"].map(str::to_owned);
    let lines: Vec<[String; 5]> = std::iter::once(head).chain(rows.iter().map(columns)).collect();
    let width = |column: usize| {
        // A few long ones are not worth the room in every line.
        let widths = lines.iter().map(|line| line[column].len()).filter(|width| *width <= 40);
        widths.max().unwrap_or_default()
    };
    let widths = [0, 1, 2, 3].map(width);
    let mut out = String::new();
    for [key, kind, default, reload, doc] in &lines {
        let [a, b, c, d] = widths;
        let _ = writeln!(out, "{key:a$}  {kind:b$}  {default:c$}  {reload:d$}  {doc}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_has_a_row_with_its_bounds() {
        let rows = rows();
        let row = |path: &str| rows.iter().find(|row| row.path == path).expect(path);
        assert_eq!(row("max_sub_tokens").type_text(), "an integer, 1 to 255");
        assert_eq!(row("lame_duck_duration").type_text(), "a duration such as 10s, 30s or more");
        assert_eq!(row("corewire.cores").reload_text(), "restart");
        assert_eq!(row("ping_max").reload_text(), "applies");
        assert_eq!(row("gateway").type_text(), "not built yet, refused");
        assert!(row("jetstream.domain").aliases.is_empty());
        let export = row("accounts.*.exports[].response");
        assert_eq!((export.aliases, export.reload_text()), (&["response_type"][..], "applies"));
        assert!(
            rows.iter().any(|row| row.path == "authorization.users[].permissions.publish.deny")
        );
    }

    #[test]
    fn the_table_has_a_line_and_the_json_an_object_for_each() {
        let table = print(Form::Table);
        assert_eq!(table.lines().count(), rows().len() + 1);
        let json: Json = serde_json::from_str(&print(Form::Json)).expect("JSON");
        let all = json.as_array().expect("an array");
        assert_eq!(all.len(), rows().len());
        let port = all.iter().find(|row| row["key"] == "port").expect("the port");
        assert_eq!(port["bounds"], "-1 to 65535");
        assert_eq!((&port["reloadable"], &port["built"]), (&json!(false), &json!(true)));
        assert_eq!(port["default"], "4222");
    }
}
