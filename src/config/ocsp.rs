//! The option `ocsp`: whether certificates are shown with what their issuer says of them.
//! spec/cli-and-config.md §7.9, spec/security.md §8

use crate::declaration::{Declaration, Kind, reloadable};
use crate::draft::Draft;
use crate::problem::ValueError;

/// OCSP stapling.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ocsp {
    /// Which certificates are stapled.
    pub mode: OcspMode,
    /// Responders to ask instead of those that a certificate names.
    pub urls: Vec<String>,
}

/// Which certificates are stapled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OcspMode {
    /// Those that say that they must be.
    #[default]
    Auto,
    /// All.
    Always,
    /// Those that say that they must be; the server ends when one is revoked.
    Must,
    /// None.
    Never,
}

/// `ocsp: true`, `ocsp: false`.
pub(crate) fn switch(draft: &mut Draft, on: bool) {
    draft.options.ocsp.mode = if on { OcspMode::Auto } else { OcspMode::Never };
}

fn urls(draft: &mut Draft, urls: Vec<String>) -> Result<(), ValueError> {
    for url in &urls {
        if !url.starts_with("http://") {
            return Err(ValueError::ResponderUrl(url.clone()));
        }
    }
    draft.options.ocsp.urls.extend(urls);
    Ok(())
}

/// The block.
pub static OCSP: &[Declaration] = &[
    reloadable(
        "mode",
        "auto",
        "Certificates that are stapled: auto, always, must or never",
        Kind::Choice(&["auto", "always", "must", "never"], |draft, text| {
            draft.options.ocsp.mode = match text {
                "always" => OcspMode::Always,
                "must" => OcspMode::Must,
                "never" => OcspMode::Never,
                _ => OcspMode::Auto,
            };
        }),
    ),
    reloadable(
        "urls",
        "",
        "Responders to ask instead of those that the certificates name",
        Kind::TextList(urls),
    )
    .or(&["url"]),
];
