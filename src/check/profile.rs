//! The profiles that a host can be checked for, and how much an item weighs in each.

use config::host_check::CheckRequest;
use config::profile::{Idle, ProfileName, Tuning};
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

impl From<&CheckRequest> for Profile {
    /// A profile of one's own is weighed as the one that it is like: one that spins or polls
    /// counts microseconds, one that takes few cores shares its host, one that gathers is after
    /// throughput.
    fn from(request: &CheckRequest) -> Profile {
        let tuning = &request.tuning;
        let named = Profile::ALL.into_iter().find(|known| match &request.profile {
            ProfileName::Default => *known == Profile::Default,
            ProfileName::Embedded(embedded) => known.name() == embedded.name,
            ProfileName::File(_) => false,
        });
        named.unwrap_or(match tuning {
            Tuning { idle: Idle::Spin, .. } => Profile::Latency,
            Tuning { busy_poll_us: 1.., .. } => Profile::Latency,
            Tuning { cores_max, .. } if *cores_max < base::SHARDS_MAX => Profile::SharedHost,
            Tuning { gather_us: 1.., .. } => Profile::Throughput,
            _ => Profile::Default,
        })
    }
}

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

    fn own(tuning: Tuning) -> Profile {
        let profile = ProfileName::File("./my.toml".into());
        Profile::from(&CheckRequest { profile, tuning, ..CheckRequest::default() })
    }

    #[test]
    fn a_profile_is_known_by_its_name_or_weighed_by_what_it_asks_for() {
        for known in Profile::ALL {
            let profile = ProfileName::parse(known.name()).expect("it is known");
            assert_eq!(Profile::from(&CheckRequest { profile, ..CheckRequest::default() }), known);
        }
        let tuning = Tuning::default;
        assert_eq!(own(tuning()), Profile::Default);
        assert_eq!(own(Tuning { idle: Idle::Spin, ..tuning() }), Profile::Latency);
        assert_eq!(own(Tuning { busy_poll_us: 50, ..tuning() }), Profile::Latency);
        assert_eq!(own(Tuning { cores_max: 2, gather_us: 5, ..tuning() }), Profile::SharedHost);
        assert_eq!(own(Tuning { gather_us: 5, ..tuning() }), Profile::Throughput);
    }
}
