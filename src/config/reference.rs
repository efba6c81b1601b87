//! The reference of all options, made from their declarations: `corewire options`, in columns or
//! as JSON, and the man page's second half.

use std::fmt::Write as _;

use serde_json::{Value as Json, json};

use crate::declaration::{Declaration, Kind, Reload, Status};
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
    /// Where it stands, from the top: `authorization.timeout`; `users[]` is one of a list.
    pub path: String,
    /// How it is declared.
    pub option: &'static Declaration,
}

impl PartialEq for Declaration {
    /// No two declarations are the same one.
    fn eq(&self, other: &Declaration) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for Declaration {}

impl Row {
    fn kind(&self) -> Option<&'static Kind> {
        match &self.option.status {
            Status::Built(kind) => Some(kind),
            Status::NotBuilt { .. } => None,
        }
    }

    /// Type and bounds, or that there is nothing yet.
    pub fn type_text(&self) -> String {
        let Some(kind) = self.kind() else { return "not built yet, refused".to_owned() };
        match bounds(kind) {
            bounds if bounds.is_empty() => kind.words().to_owned(),
            bounds => format!("{}, {bounds}", kind.words()),
        }
    }

    /// What a change does on reload.
    pub fn reload_text(&self) -> &'static str {
        match (self.kind(), self.option.reload) {
            (None, _) => "",
            (Some(_), Reload::Applies) => "applies",
            (Some(_), Reload::NeedsRestart) => "restart",
        }
    }

    fn json(&self) -> Json {
        let Declaration { aliases, doc, default, reload, .. } = self.option;
        let kind = self.kind();
        json!({
            "key": self.path,
            "aliases": aliases,
            "type": kind.map(Kind::words),
            "bounds": kind.map(bounds).filter(|bounds| !bounds.is_empty()),
            "default": Some(default).filter(|default| !default.is_empty()),
            "reloadable": kind.is_some() && *reload == Reload::Applies,
            "built": kind.is_some(),
            "meaning": doc,
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
        let inside = match &option.status {
            Status::Built(Kind::Block(inside) | Kind::Toggled(_, inside)) => Some(*inside),
            _ => None,
        };
        rows.push(Row { path: path.clone(), option });
        if let Some(inside) = inside {
            collect(&format!("{path}."), inside, rows);
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
        let key = match row.option.aliases {
            [] => row.path.clone(),
            aliases => format!("{} ({})", row.path, aliases.join(", ")),
        };
        let Declaration { default, doc, .. } = row.option;
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
        assert!(row("jetstream.domain").option.aliases.is_empty());
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
