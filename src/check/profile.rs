//! The profiles that a host can be checked for, and how much an item weighs in each.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// What a server here shall be good at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// The server's default: parks when idle.
    #[default]
    Default,
    /// Cores that spin and are set apart.
    Latency,
    /// Most messages a second.
    Throughput,
    /// Beside other programs.
    SharedHost,
}

/// A name that is no profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownProfile(pub String);

impl Profile {
    /// All, as the columns of [`Weights`] stand.
    pub const ALL: [Profile; 4] =
        [Profile::Default, Profile::Latency, Profile::Throughput, Profile::SharedHost];

    /// As `--profile` takes it.
    pub const fn name(self) -> &'static str {
        match self {
            Profile::Default => "default",
            Profile::Latency => "latency",
            Profile::Throughput => "throughput",
            Profile::SharedHost => "shared-host",
        }
    }
}

impl FromStr for Profile {
    type Err = UnknownProfile;

    /// A profile's name, or the path of a file of that name: `tuning/latency.toml`.
    fn from_str(text: &str) -> Result<Profile, UnknownProfile> {
        let file = text.rsplit('/').next().unwrap_or(text);
        let name = file.strip_suffix(".toml").unwrap_or(file);
        let known = Profile::ALL.into_iter().find(|profile| profile.name() == name);
        known.ok_or_else(|| UnknownProfile(text.to_owned()))
    }
}

impl fmt::Display for UnknownProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Profile::ALL.map(Profile::name).join(", ");
        write!(f, "unknown profile {:?}; the check knows {names}", self.0)
    }
}

impl std::error::Error for UnknownProfile {}

/// How much an item matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Weight {
    /// Without it the profile cannot keep what it promises, or the server does not run.
    Need,
    /// It costs something not to have it.
    Wish,
    /// It makes no difference to this profile.
    None,
}

/// An item's weight in each profile.
#[derive(Clone, Copy, Debug)]
pub struct Weights {
    /// In the default profile.
    pub default: Weight,
    /// In the latency profile.
    pub latency: Weight,
    /// In the throughput profile.
    pub throughput: Weight,
    /// On a shared host.
    pub shared_host: Weight,
}

impl Weights {
    /// The same in every profile.
    pub const fn all(weight: Weight) -> Weights {
        Weights { default: weight, latency: weight, throughput: weight, shared_host: weight }
    }

    /// In this profile.
    pub const fn of(&self, profile: Profile) -> Weight {
        match profile {
            Profile::Default => self.default,
            Profile::Latency => self.latency,
            Profile::Throughput => self.throughput,
            Profile::SharedHost => self.shared_host,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_named_or_is_a_file_of_that_name() {
        assert_eq!("latency".parse(), Ok(Profile::Latency));
        assert_eq!("/etc/corewire/shared-host.toml".parse(), Ok(Profile::SharedHost));
        let unknown = "fast".parse::<Profile>().unwrap_err().to_string();
        assert!(unknown.contains("default, latency, throughput, shared-host"), "{unknown}");
    }
}
