//! Where results go: the terminal, JSON, `.hgrm` files and the report page. Whatever cannot be
//! written is an error; what was written before it stays.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use crate::compare::{Comparison, Rules};
use crate::error::BenchError;
use crate::fingerprint::Fingerprint;
use crate::{hgrm, report};

/// Where the result goes, as flags.
#[derive(Debug, Clone, Args)]
pub struct Output {
    /// Print JSON instead of a table
    #[arg(long, global = true)]
    pub json: bool,
    /// Write one self-contained page with tables and plots
    #[arg(long, global = true, value_name = "FILE.html")]
    report: Option<PathBuf>,
    /// Write latencies as `DIR/<work>-<server>.hgrm`
    #[arg(long, global = true, value_name = "DIR")]
    hgrm: Option<PathBuf>,
}

impl Output {
    /// Prints `text`, then writes the files that were asked for.
    ///
    /// # Errors
    /// [`BenchError::Output`] names the file that failed.
    pub fn write(
        &self,
        text: &str,
        title: &str,
        comparisons: &[&Comparison],
        summary: Option<&str>,
        rules: &Rules,
        fingerprint: &Fingerprint,
    ) -> Result<(), BenchError> {
        emit(text)?;
        if let Some(dir) = &self.hgrm {
            write_hgrm(dir, comparisons)?;
        }
        if let Some(path) = &self.report {
            let page = report::page(title, comparisons, summary, rules, fingerprint);
            write_file(path, &page)?;
        }
        Ok(())
    }
}

/// Prints to standard output; a full disk behind it is an error.
pub fn emit(text: &str) -> Result<(), BenchError> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|source| BenchError::Output { path: "standard output".into(), source })
}

fn write_hgrm(dir: &Path, comparisons: &[&Comparison]) -> Result<(), BenchError> {
    let failed = |source| BenchError::Output { path: dir.to_path_buf(), source };
    fs::create_dir_all(dir).map_err(failed)?;
    for comparison in comparisons {
        for column in &comparison.columns {
            if let Some(latencies) = column.latencies() {
                let name = format!("{}-{}.hgrm", plain(&comparison.title), plain(&column.label));
                write_file(&dir.join(name), &hgrm::text(&latencies))?;
            }
        }
    }
    Ok(())
}

fn write_file(path: &Path, text: &str) -> Result<(), BenchError> {
    fs::write(path, text).map_err(|source| BenchError::Output { path: path.to_path_buf(), source })
}

/// A file name of letters, digits and hyphens.
fn plain(text: &str) -> String {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_are_plain() {
        assert_eq!(plain("latency at 50000/s, 1 → 1, 128 B"), "latency-at-50000-s-1-1-128-B");
    }

    #[test]
    fn a_full_disk_is_named() {
        let error = write_file(Path::new("/dev/full"), "x").unwrap_err();
        assert!(matches!(error, BenchError::Output { .. }), "{error}");
        assert!(error.to_string().contains("/dev/full"), "{error}");
    }
}
