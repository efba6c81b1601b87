//! From where a user may connect: networks as address and prefix length. spec/security.md §3

use std::net::IpAddr;

/// Whether `address` is in one of the networks; `None` if one of them is no network.
pub(super) fn contain(networks: &[String], address: IpAddr) -> Option<bool> {
    let parsed: Vec<(IpAddr, u32)> =
        networks.iter().map(|text| parse(text)).collect::<Option<_>>()?;
    let address = address.to_canonical();
    Some(parsed.into_iter().any(|(network, prefix)| is_in(address, network, prefix)))
}

/// Whether each is a network.
pub(super) fn are_networks(networks: &[String]) -> bool {
    networks.iter().all(|text| parse(text).is_some())
}

/// `10.0.0.0/8`
fn parse(text: &str) -> Option<(IpAddr, u32)> {
    let (address, prefix) = text.trim().split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let is_number = prefix.bytes().all(|byte| byte.is_ascii_digit());
    let prefix = prefix.parse().ok().filter(|prefix| is_number && *prefix <= bits)?;
    Some((address, prefix))
}

fn is_in(address: IpAddr, network: IpAddr, prefix: u32) -> bool {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or_default();
            (address.to_bits() ^ network.to_bits()) & mask == 0
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            let mask = u128::MAX.checked_shl(128 - prefix).unwrap_or_default();
            (address.to_bits() ^ network.to_bits()) & mask == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_in_the_networks_that_share_its_prefix() {
        let contains = |network: &str, address: &str| {
            contain(&[network.to_owned()], address.parse().expect("an address"))
        };
        for (network, address, expected) in [
            ("10.0.0.0/8", "10.255.0.1", Some(true)),
            ("10.0.0.0/8", "11.0.0.1", Some(false)),
            ("10.1.2.3/8", "10.9.9.9", Some(true)),
            ("0.0.0.0/0", "1.2.3.4", Some(true)),
            ("127.0.0.1/32", "127.0.0.1", Some(true)),
            ("127.0.0.1/32", "127.0.0.2", Some(false)),
            ("127.0.0.1/32", "::ffff:127.0.0.1", Some(true)),
            ("0.0.0.0/0", "::1", Some(false)),
            ("2001:db8::/32", "2001:db8:1::1", Some(true)),
            ("::/0", "2001::1", Some(true)),
            ("::1/128", "::2", Some(false)),
            ("10.0.0.0", "10.0.0.0", None),
            ("10.0.0.0/33", "10.0.0.0", None),
            ("10.0.0.0/+8", "10.0.0.0", None),
            ("::1/129", "::1", None),
            ("x/8", "::1", None),
        ] {
            assert_eq!(contains(network, address), expected, "{address} in {network}");
        }
        assert_eq!(contain(&[], "::1".parse().expect("an address")), Some(false));
    }
}
