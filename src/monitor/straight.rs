//! Paths that are written in a roundabout way, such as `//varz`, which a base address that ends in
//! a slash gives. Whoever asks so is sent to the path that is meant, as by Go's net/http.

/// The path that `path` means, where that is written otherwise.
pub(crate) fn straightened(path: &str) -> Option<String> {
    let below = path.strip_prefix('/')?;
    let mut parts: Vec<&str> = Vec::new();
    for part in below.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    let end = if path.ends_with('/') && !parts.is_empty() { "/" } else { "" };
    let straight = format!("/{}{end}", parts.join("/"));
    (straight != path).then_some(straight)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_and_dots_are_taken_out() {
        for (path, straight) in [
            ("//varz", "/varz"),
            ("/a//b/../varz/", "/a/varz/"),
            ("/./varz", "/varz"),
            ("/../../varz", "/varz"),
            ("/varz/..", "/"),
            ("//", "/"),
        ] {
            assert_eq!(straightened(path).as_deref(), Some(straight), "{path}");
        }
        for path in ["/", "/varz", "/varz/", "/a/b", "*", ""] {
            assert_eq!(straightened(path), None, "{path}");
        }
    }
}
