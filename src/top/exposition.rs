//! The text format of Prometheus and OpenMetrics, as far as it is needed: one series a line.

/// One series and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Series<'a> {
    /// Such as `corewire_turns_total`.
    pub name: &'a str,
    labels: &'a str,
    /// Its value.
    pub value: f64,
}

impl<'a> Series<'a> {
    /// The value of a label; as it stands there, escapes included.
    pub fn label(&self, name: &str) -> Option<&'a str> {
        let mut rest = self.labels;
        while let Some((found, after)) = rest.split_once("=\"") {
            let end = end_of_value(after)?;
            if found.trim_matches([',', ' ']) == name {
                return Some(&after[..end]);
            }
            rest = &after[end + 1..];
        }
        None
    }
}

/// The series of a text. Comments, and lines that are not understood, are left out.
pub fn series(text: &str) -> impl Iterator<Item = Series<'_>> {
    text.lines().filter(|line| !line.starts_with('#')).filter_map(read)
}

fn read(line: &str) -> Option<Series<'_>> {
    let (name, labels, rest) = match line.find('{') {
        Some(open) => {
            let close = open + 1 + end_of_labels(&line[open + 1..])?;
            (&line[..open], &line[open + 1..close], &line[close + 1..])
        }
        None => {
            let (name, rest) = line.split_once(' ')?;
            (name, "", rest)
        }
    };
    let value = rest.split_ascii_whitespace().next()?.parse().ok()?;
    Some(Series { name, labels, value })
}

/// Where the brace closes that is in no value.
fn end_of_labels(text: &str) -> Option<usize> {
    let mut at = 0;
    loop {
        let next = at + text[at..].find(['"', '}'])?;
        if text.as_bytes()[next] == b'}' {
            return Some(next);
        }
        at = next + 1;
        at += end_of_value(&text[at..])? + 1;
    }
}

/// Where the quote closes that no backslash escapes.
fn end_of_value(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_labels_and_values() {
        let text = concat!(
            "# TYPE a counter\n",
            "a_total{core=\"0\",le=\"+Inf\"} 12 1700000000\n",
            "plain 1.5e-3\n",
            "odd{x=\"a}\\\"b,c=\",core=\"7\"} +Inf\n",
        );
        let found: Vec<Series<'_>> = series(text).collect();
        assert_eq!(found.len(), 3);
        assert_eq!((found[0].name, found[0].value), ("a_total", 12.0));
        assert_eq!((found[0].label("core"), found[0].label("le")), (Some("0"), Some("+Inf")));
        assert_eq!(found[0].label("cor"), None);
        assert_eq!((found[1].name, found[1].value, found[1].label("x")), ("plain", 0.0015, None));
        assert_eq!((found[2].label("x"), found[2].label("core")), (Some("a}\\\"b,c="), Some("7")));
        assert_eq!(found[2].value, f64::INFINITY);
    }

    #[test]
    fn what_is_not_understood_is_left_out() {
        for line in ["", "a", "a{", "a{b=\"c} 1", "a{b=\"c\"", "a{b=\"c\"}", "a b", "}{ 1", "é{ü"]
        {
            assert_eq!(series(line).count(), 0, "{line}");
        }
    }
}
