//! `--report`: one self-contained page. No script, nothing loaded; it follows the reader's light or
//! dark setting and can be read without this project's README.

use crate::compare::{Comparison, Rules, Standing};
use crate::fingerprint::Fingerprint;
use crate::measure::{Better, Measure};
use crate::plot::{Curve, bars, percentile_plot};

/// Colours of the servers, in their order. Told apart in both schemes and by colour-blind readers.
pub const COLOURS: [&str; 6] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];

const STYLE: &str = "
:root{color-scheme:light dark;--ink:#1c1c1e;--soft:#6b6b70;--line:#d8d8dc;--page:#fff}
@media(prefers-color-scheme:dark){:root{--ink:#ececf0;--soft:#9a9aa2;--line:#3a3a40;--page:#17171a}}
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--page);
 max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2.5rem}
table{border-collapse:collapse;margin:1rem 0;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .8rem .25rem 0;border-bottom:1px solid var(--line);text-align:right}
th:first-child,td:first-child{text-align:left}
.soft{color:var(--soft)}.warn{border-left:4px solid #d55e00;padding-left:.8rem}
svg{display:block;max-width:100%;height:auto;margin:1rem 0}
svg text{fill:var(--ink);font:12px system-ui,sans-serif}
svg .grid{stroke:var(--line)}svg .soft{fill:var(--soft)}
pre,.wide{overflow-x:auto}pre{font-size:.85rem}.figures td+td{white-space:nowrap}";

/// Builds the page. `summary` is the table of a suite, if there was one.
pub fn page(
    title: &str,
    comparisons: &[&Comparison],
    summary: Option<&str>,
    rules: &Rules,
    fingerprint: &Fingerprint,
) -> String {
    let mut html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>{0}</title><style>{STYLE}</style><h1>{0}</h1>",
        escaped(title)
    );
    html.push_str(&format!(
        "<p>Each server did the same work alone, {} time(s), in alternating order. Figures are \
         medians; the spread is the distance between the extremes as a share of the median. \
         <em>Server CPU / 1M</em> is the server's user and system time per million messages \
         published; with several subscribers it includes every delivery. It is the figure that \
         noise moves least. Shares compare with the first server; a share is left out when the \
         rounds differ by more than {:.0} %, when a round ended early, or when the load generator \
         itself was the limit.</p>",
        rules.rounds,
        rules.noise_max * 100.0
    ));
    if let Some(summary) = summary {
        html.push_str(&format!("<pre>{}</pre>", escaped(summary)));
    }
    for comparison in comparisons {
        html.push_str(&section(comparison, rules));
    }
    html.push_str("<h2>Machine</h2><div class=\"wide\"><table>");
    for (name, value) in &fingerprint.rows {
        html.push_str(&format!("<tr><td>{name}</td><td>{}</td></tr>", escaped(value)));
    }
    html.push_str("</table></div></html>\n");
    html
}

fn section(comparison: &Comparison, rules: &Rules) -> String {
    let mut html = format!("<h2>{}</h2>", escaped(&comparison.title));
    for column in &comparison.columns {
        if let Some(failure) = &column.failure {
            let (label, failure) = (escaped(&column.label), escaped(failure));
            html.push_str(&format!("<p class=\"warn\">{label}: <b>partial</b>. {failure}</p>"));
        }
    }
    html.push_str(&table(comparison, rules));
    for measure in comparison.measures().into_iter().filter(|measure| measure.is_headline()) {
        let values: Vec<(&str, f64, String)> = comparison
            .columns
            .iter()
            .filter_map(|column| {
                let median = column.stats(measure)?.median;
                let words = match column.standing(measure, rules.noise_max) {
                    Standing::Sound => measure.show(median),
                    standing => format!("{} ({})", measure.show(median), standing.words()),
                };
                Some((column.label.as_str(), median, words))
            })
            .collect();
        let way =
            if measure.better() == Better::Higher { "higher is better" } else { "lower is better" };
        html.push_str(&bars(&format!("{} ({way})", measure.title()), &values));
    }
    let curves: Vec<Curve<'_>> = comparison
        .columns
        .iter()
        .filter_map(|column| Some(Curve { label: &column.label, latencies: column.latencies()? }))
        .collect();
    if !curves.is_empty() {
        html.push_str(&percentile_plot(&curves));
        html.push_str(
            "<p class=\"soft\">Latency by percentile, all rounds together. Both axes are \
             logarithmic: each step to the right is ten times rarer.</p>",
        );
    }
    html
}

fn table(comparison: &Comparison, rules: &Rules) -> String {
    let mut html = "<div class=\"wide\"><table class=\"figures\"><tr><th>quantity</th>".to_string();
    for (index, column) in comparison.columns.iter().enumerate() {
        html.push_str(&format!(
            "<th>{}</th><th class=\"soft\">spread</th>",
            escaped(&column.name())
        ));
        if index > 0 {
            html.push_str("<th>share</th>");
        }
    }
    html.push_str("</tr>");
    for measure in comparison.measures() {
        html.push_str(&format!("<tr><td>{}</td>", measure.title()));
        for (index, column) in comparison.columns.iter().enumerate() {
            html.push_str(&match column.stats(measure) {
                Some(stats) => format!(
                    "<td>{}</td><td class=\"soft\">{:.0} %</td>",
                    measure.show(stats.median),
                    stats.spread() * 100.0
                ),
                None => "<td>–</td><td></td>".to_string(),
            });
            if index > 0 {
                html.push_str(&share(comparison, index, measure, rules));
            }
        }
        html.push_str("</tr>");
    }
    html + "</table></div>"
}

fn share(comparison: &Comparison, index: usize, measure: Measure, rules: &Rules) -> String {
    match (comparison.standing(index, measure, rules.noise_max), comparison.share(index, measure)) {
        (Standing::Sound, Some(share)) => format!("<td><b>{share:.2}</b></td>"),
        (standing, _) => format!("<td class=\"soft\">{}</td>", standing.words()),
    }
}

/// Text between tags and in attributes.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::{Column, Servers};
    use crate::cores::Placement;
    use crate::measure::{Sample, latency_histogram};

    fn column(label: &str, micros: u64) -> Column {
        let mut latencies = latency_histogram();
        for value in 1..=10_000 {
            latencies.record(micros * 1000 + value).expect("within bounds");
        }
        let mut sample = Sample::default();
        sample.put(Measure::CpuPerMillion, 0.5);
        sample.put_latencies(latencies);
        Column { label: label.to_string(), samples: vec![sample], ..Column::default() }
    }

    #[test]
    fn the_page_is_whole_and_loads_nothing() {
        let mut broken = column("b<script>", 80);
        broken.failure = Some("died & gone".to_string());
        let columns = vec![column("a", 50), broken];
        let comparison = Comparison { title: "work".to_string(), columns };
        let (rounds, noise_max) = (1, 0.3);
        let placement = Placement::default();
        let rules = Rules { rounds, servers: Servers::Fresh, noise_max, placement };
        let fingerprint = Fingerprint { rows: vec![("kernel", "6 <7>".to_string())] };
        let page = page("t", &[&comparison], Some("| row |"), &rules, &fingerprint);
        assert!(page.contains("b&lt;script&gt;") && !page.contains("<script"));
        assert!(page.contains("died &amp; gone") && page.contains("6 &lt;7&gt;"));
        assert!(page.matches("<polyline").count() == 2, "one curve a server");
        for loads in ["http:", "https:", "src=", "url("] {
            assert!(!page.contains(loads), "{loads}");
        }
        assert_eq!(page.matches("<table").count(), page.matches("class=\"wide\"><table").count());
        for tag in ["svg", "table", "style", "pre", "div"] {
            let open = page.matches(&format!("<{tag}")).count();
            assert_eq!(open, page.matches(&format!("</{tag}>")).count(), "{tag}");
        }
    }
}
