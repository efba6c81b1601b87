//! The file in which answers of OCSP responders outlive the server, as nats-server writes it: JSON
//! with one entry for each certificate, the answer in S2's stream format (`ocsp_cache`).
//!
//! ```text
//! <local_store>/cache.json
//! {"<SHA-256, base64>": {"subject", "cached_at", "resp_status", "resp_expires", "resp": base64}}
//! ```

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use config::limits;
use data_encoding::BASE64;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ocsp::Status;
use super::response_cache::{KeptAnswer, ResponseCache};
use crate::whole_file;

/// The file's name in its folder.
const FILE: &str = "cache.json";

/// A file longer than this is none of ours: answers are the larger part of an entry.
const FILE_BYTES_MAX: u64 = 4 * limits::OCSP_CACHE_BYTES_MAX as u64;

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {error}", .path.display())]
pub struct ResponseFileError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong.
    pub error: io::Error,
}

/// One entry.
#[derive(Serialize, Deserialize)]
struct Entry {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    subject: String,
    cached_at: String,
    resp_status: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    resp_expires: String,
    resp: String,
}

impl ResponseCache {
    /// Reads what a server before this one kept in `folder`, if there is such a file. An entry that
    /// cannot be read is left out.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn load(&self, folder: &Path, now_s: u64) -> Result<(), ResponseFileError> {
        let path = folder.join(FILE);
        let entries = match read(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(ResponseFileError { path, error }),
        };
        for (fingerprint, entry) in entries {
            if let Some(kept) = entry.unpack() {
                self.keep(&fingerprint, kept, now_s);
            }
        }
        // The file has all that.
        self.take_changed();
        Ok(())
    }

    /// Writes what is kept into `folder`, if something is new: all of it or nothing.
    ///
    /// # Errors
    /// What the system says.
    pub fn save(&self, folder: &Path) -> Result<(), ResponseFileError> {
        let Some(all) = self.take_changed() else { return Ok(()) };
        let path = folder.join(FILE);
        write(folder, &path, all).map_err(|error| {
            self.put_back_changed();
            ResponseFileError { path, error }
        })
    }
}

fn read(path: &Path) -> io::Result<BTreeMap<String, Entry>> {
    let mut text = Vec::new();
    std::fs::File::open(path)?.take(FILE_BYTES_MAX).read_to_end(&mut text)?;
    Ok(serde_json::from_slice(&text)?)
}

fn write(folder: &Path, path: &Path, all: Vec<(String, KeptAnswer)>) -> io::Result<()> {
    let mut entries = BTreeMap::new();
    for (fingerprint, kept) in all {
        entries.insert(fingerprint, Entry::pack(&kept)?);
    }
    let text = serde_json::to_vec_pretty(&entries)?;
    std::fs::create_dir_all(folder)?;
    whole_file::replace(path, &path.with_extension("json.new"), &text)
}

impl Entry {
    fn pack(kept: &KeptAnswer) -> io::Result<Entry> {
        let mut packer = minlz::Writer::new(Vec::new());
        packer.write_all(&kept.answer)?;
        packer.flush()?;
        Ok(Entry {
            subject: kept.subject.clone(),
            cached_at: time(kept.kept_at_s),
            resp_status: kept.status.word().to_owned(),
            resp_expires: time(kept.until_s),
            resp: BASE64.encode(packer.get_ref()),
        })
    }

    fn unpack(&self) -> Option<KeptAnswer> {
        let status = [Status::Good, Status::Revoked, Status::Unknown]
            .into_iter()
            .find(|status| status.word() == self.resp_status)?;
        let packed = BASE64.decode(self.resp.as_bytes()).ok()?;
        let mut answer = Vec::new();
        let longest = limits::OCSP_ANSWER_BYTES_MAX as u64;
        minlz::Reader::new(&packed[..]).take(longest + 1).read_to_end(&mut answer).ok()?;
        let fits = !answer.is_empty() && answer.len() as u64 <= longest;
        fits.then(|| KeptAnswer {
            answer: answer.into(),
            subject: self.subject.clone(),
            status,
            kept_at_s: seconds(&self.cached_at),
            until_s: seconds(&self.resp_expires),
        })
    }
}

fn time(seconds: u64) -> String {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX).to_string()
}

/// 0 for no time, or one before the epoch.
fn seconds(text: &str) -> u64 {
    let time: Option<Timestamp> = text.parse().ok();
    time.and_then(|time| u64::try_from(time.as_second()).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use config::ocsp_peer::OcspCache;

    use super::*;

    fn cache() -> ResponseCache {
        ResponseCache::new(&OcspCache::default())
    }

    fn kept(status: Status) -> KeptAnswer {
        let answer = [7; 300].into();
        let (kept_at_s, until_s) = (1_795_252_677, 1_795_256_277);
        KeptAnswer { answer, subject: "CN=a".into(), status, kept_at_s, until_s }
    }

    #[test]
    fn what_is_saved_is_loaded_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let inside = folder.path().join("_rc_");
        let first = cache();
        first.load(&inside, 0).expect("there is no file yet");
        first.save(&inside).expect("nothing to save");
        assert!(!inside.exists());
        for (name, status) in [("a", Status::Good), ("b", Status::Revoked), ("c", Status::Unknown)]
        {
            first.keep(name, kept(status), 0);
        }
        first.save(&inside).expect("saved");
        let text = std::fs::read_to_string(inside.join(FILE)).expect("a file");
        assert!(text.contains(r#""cached_at": "2026-11-21T09:17:57Z""#), "{text}");
        let second = cache();
        second.load(&inside, 0).expect("loaded");
        assert_eq!(second.take_changed(), None, "the file has it");
        assert_eq!(second.answer("a").as_deref(), Some(&[7; 300][..]));
        second.put_back_changed();
        let mut all = second.take_changed().expect("all");
        all.sort_by(|one, other| one.0.cmp(&other.0));
        assert_eq!(all[1], ("b".to_owned(), kept(Status::Revoked)));
    }

    #[test]
    fn what_is_damaged_is_left_out_and_a_file_that_is_none_is_said() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join(FILE);
        let entry = |resp: &str, status: &str| {
            format!(r#"{{"cached_at": "x", "resp_status": "{status}", "resp": "{resp}"}}"#)
        };
        let good = Entry::pack(&kept(Status::Good)).expect("packed").resp;
        let entries = [
            ("whole", entry(&good, "good")),
            ("base64", entry("%", "good")),
            ("packed", entry("AAAA", "good")),
            ("word", entry(&good, "bad")),
        ];
        let lines = entries.map(|(name, entry)| format!("\"{name}\": {entry}"));
        std::fs::write(&file, format!("{{{}}}", lines.join(","))).expect("written");
        let one = cache();
        one.load(folder.path(), 0).expect("loaded");
        assert_eq!(one.figures().answers, 1);
        for text in ["", "[]", "{\"a\": 1}"] {
            std::fs::write(&file, text).expect("written");
            let error = one.load(folder.path(), 0).expect_err("no such file").to_string();
            assert!(error.starts_with(&file.display().to_string()), "{error}");
        }
        std::fs::write(folder.path().join("no folder"), "").expect("written");
        one.put_back_changed();
        one.save(&folder.path().join("no folder")).expect_err("not a folder");
        assert!(one.take_changed().is_some(), "it is to be saved still");
    }
}
