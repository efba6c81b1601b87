//! The two version numbers of the server: the NATS level that it speaks and its own.

/// The NATS server release whose protocol and options this server speaks. It stands in INFO's
/// `version`, in `/varz` and in `-v`, because clients and tools compare it.
pub const NATS_VERSION: &str = "2.14.5";

/// Corewire's own release.
pub const COREWIRE_VERSION: &str = env!("CARGO_PKG_VERSION");

/// The Git commit that the build was told of, for the start-up line `Git: [..]`.
pub const GIT_COMMIT: Option<&str> = option_env!("COREWIRE_GIT_COMMIT");

/// What `-v` prints, without the line end. The prefix is nats-server's because tools look for it.
pub fn line() -> String {
    format!("nats-server: v{NATS_VERSION} (corewire v{COREWIRE_VERSION})")
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_line_names_both_versions() {
        let expected = format!("nats-server: v2.14.5 (corewire v{})", env!("CARGO_PKG_VERSION"));
        assert_eq!(super::line(), expected);
    }
}
