//! The log file: appended to, re-opened by name, rotated by size.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base::Level;
use base::log::Line;
use jiff::tz::TimeZone;

use crate::format::{Format, zoned};
use crate::options::FileOptions;
use crate::sink::complain;
use crate::writer::now_ns;

/// spec/cli-and-config.md §4.
const MODE: u32 = 0o640;

/// An open log file.
#[derive(Debug)]
pub(crate) struct LogFile {
    options: FileOptions,
    zone: TimeZone,
    file: File,
    /// Bytes in the file.
    size: u64,
    /// Bytes above which it is rotated; never when rotation is off.
    rotate_above: u64,
}

impl LogFile {
    /// Opens the file for appending, making it where there is none.
    pub(crate) fn open(options: FileOptions, zone: TimeZone) -> io::Result<LogFile> {
        let (file, size) = open(&options.path)?;
        let rotate_above = first_limit(&options);
        Ok(LogFile { options, zone, file, size, rotate_above })
    }

    /// Closes the file and opens it again by name: whoever moved it away gets a new one.
    pub(crate) fn reopen(&mut self) -> io::Result<()> {
        (self.file, self.size) = open(&self.options.path)?;
        self.rotate_above = first_limit(&self.options);
        Ok(())
    }

    /// Appends a whole line, and rotates when it made the file too large. A failed rotation is
    /// no failed line: it is reported, and tried again when the file has grown as much again.
    pub(crate) fn append(&mut self, text: &str, format: &Format) -> io::Result<()> {
        self.file.write_all(text.as_bytes())?;
        self.size += text.len() as u64;
        if self.size > self.rotate_above
            && let Err(error) = self.rotate(format)
        {
            self.rotate_above = self.size.saturating_add(self.options.size_limit);
            complain(format_args!("cannot rotate the log: {error}"));
        }
        Ok(())
    }

    /// Renames the file after the time now and begins a new one.
    fn rotate(&mut self, format: &Format) -> io::Result<()> {
        let at_ns = now_ns();
        let backup = self.backup_path(at_ns);
        fs::rename(&self.options.path, &backup)?;
        self.reopen()?;
        let text = format!("Rotated log, backup saved as {:?}", backup.display().to_string());
        let mut line = String::new();
        format.render(&Line { level: Level::Info, at_ns, text }, &mut line);
        // spec/cli-and-config.md §4: rotation messages end in CRLF.
        line.push_str("\r\n");
        self.file.write_all(line.as_bytes())?;
        self.size += line.len() as u64;
        self.delete_old_backups()
    }

    // spec/cli-and-config.md §4: `<file>.YYYY.MM.DD.HH.MM.SS.NNNNNNNNN`.
    fn backup_path(&self, at_ns: u64) -> PathBuf {
        let at = zoned(at_ns, &self.zone);
        let mut path = self.options.path.clone().into_os_string();
        path.push(format!(".{}.{:09}", at.strftime("%Y.%m.%d.%H.%M.%S"), at.subsec_nanosecond()));
        path.into()
    }

    /// Keeps the newest `files_max - 1` backups; their names sort by time.
    fn delete_old_backups(&self) -> io::Result<()> {
        if self.options.files_max == 0 {
            return Ok(());
        }
        let kept = usize::try_from(self.options.files_max - 1).unwrap_or(usize::MAX);
        let mut backups = backups_of(&self.options.path)?;
        backups.sort_unstable();
        let surplus = backups.len().saturating_sub(kept);
        backups[..surplus].iter().try_for_each(fs::remove_file)
    }
}

fn first_limit(options: &FileOptions) -> u64 {
    if options.size_limit == 0 { u64::MAX } else { options.size_limit }
}

fn open(path: &Path) -> io::Result<(File, u64)> {
    let file = OpenOptions::new().append(true).create(true).mode(MODE).open(path)?;
    let size = file.metadata()?.len();
    Ok((file, size))
}

/// The rotated files that belong to `log`, and nothing that only looks similar.
fn backups_of(log: &Path) -> io::Result<Vec<PathBuf>> {
    let Some(name) = log.file_name().map(|name| name.as_encoded_bytes()) else {
        return Ok(Vec::new());
    };
    let folder = match log.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut backups = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let suffix = entry.file_name().as_encoded_bytes().strip_prefix(name).map(is_stamp);
        if suffix == Some(true) {
            backups.push(entry.path());
        }
    }
    Ok(backups)
}

/// Whether `suffix` is `.YYYY.MM.DD.HH.MM.SS.NNNNNNNNN` in digits.
fn is_stamp(suffix: &[u8]) -> bool {
    const DIGITS: [usize; 7] = [4, 2, 2, 2, 2, 2, 9];
    let Some(parts) = suffix.strip_prefix(b".") else { return false };
    let part_lengths = parts
        .split(|&byte| byte == b'.')
        .map(|part| if part.iter().all(u8::is_ascii_digit) { part.len() } else { 0 });
    part_lengths.eq(DIGITS)
}

#[cfg(test)]
mod tests;
