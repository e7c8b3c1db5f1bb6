//! Subnets: which are free, and which of their addresses come next. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::Subnet;

/// The first free /24 of the pool that networks without a subnet of their own get theirs from: podman's.
///
/// `taken` are the subnets of other networks and of the host.
pub(crate) fn free(taken: &[IpNet]) -> Option<IpNet> {
    let pool = (89..=255u8).flat_map(|second| (0..=255u8).map(move |third| (second, third)));
    pool.map(|(second, third)| v4(second, third)).find(|net| !taken.iter().any(|other| overlap(*net, *other)))
}

fn v4(second: u8, third: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(10, second, third, 0), 24))
}

pub(crate) fn overlap(one: IpNet, other: IpNet) -> bool {
    one.contains(&other.network()) || other.contains(&one.network())
}

/// A /64 of RFC 4193, from eight random bytes.
pub(crate) fn unique_local(random: [u8; 8]) -> IpNet {
    let mut octets = [0; 16];
    octets[..8].copy_from_slice(&random);
    octets[0] = 0xfd;
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::from(octets), 64))
}

/// The first address that an interface can have.
pub(crate) fn gateway(subnet: IpNet) -> IpAddr {
    from_number(number(subnet.network()) + 1, subnet.addr().is_ipv4())
}

/// Every address that can be given, once: from the one after `last` to the end, then from the start.
///
/// Not the network's own, the gateway's or the broadcast address. An address that was just given back comes last, so that
/// what others still know about its last holder is forgotten meanwhile.
pub(crate) fn candidates(subnet: &Subnet, last: Option<IpAddr>) -> impl Iterator<Item = IpAddr> {
    let net = subnet.subnet;
    let is_v4 = net.addr().is_ipv4();
    let (start, end) = match subnet.range {
        Some((start, end)) => (number(start), number(end)),
        None => (number(net.network()) + 1, number(net.broadcast()) - u128::from(is_v4)),
    };
    let after = last.map(number).filter(|last| (start..end).contains(last)).map_or(start, |last| last + 1);
    let gateway = subnet.gateway.map(number);
    (after..=end)
        .chain(start..after)
        .filter(move |address| Some(*address) != gateway)
        .map(move |address| from_number(address, is_v4))
}

/// Whether an address of choice can be an interface's.
pub(crate) fn admits(subnet: &Subnet, ip: IpAddr) -> bool {
    let net = subnet.subnet;
    let special = ip == net.network() || (ip.is_ipv4() && ip == net.broadcast() && net.prefix_len() < 31);
    net.contains(&ip) && !special && subnet.gateway != Some(ip)
}

/// A MAC address for an interface with that address. It is the same each time: what a neighbour remembers of an address
/// stays true for its next holder.
pub(crate) fn mac(ip: Option<IpAddr>) -> String {
    let octets = match ip {
        Some(IpAddr::V4(ip)) => ip.octets(),
        Some(IpAddr::V6(ip)) => {
            let all = ip.octets();
            [all[12], all[13], all[14], all[15]]
        }
        None => [0; 4],
    };
    let [a, b, c, d] = octets;
    // 02: administered locally.
    format!("02:6b:{a:02x}:{b:02x}:{c:02x}:{d:02x}")
}

/// `aa:bb:cc:dd:ee:ff` of one interface: six bytes, not of a group.
pub fn parse_mac(text: &str) -> Option<[u8; 6]> {
    let mut bytes = [0; 6];
    let mut parts = text.split([':', '-']);
    for byte in &mut bytes {
        *byte = u8::from_str_radix(parts.next().filter(|part| part.len() == 2)?, 16).ok()?;
    }
    (parts.next().is_none() && bytes[0] & 1 == 0).then_some(bytes)
}

fn number(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => u32::from(ip).into(),
        IpAddr::V6(ip) => ip.into(),
    }
}

fn from_number(number: u128, is_v4: bool) -> IpAddr {
    if is_v4 { Ipv4Addr::from(number as u32).into() } else { Ipv6Addr::from(number).into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    fn subnet(text: &str, range: Option<(&str, &str)>) -> Subnet {
        let subnet = net(text);
        let range = range.map(|(start, end)| (start.parse().unwrap(), end.parse().unwrap()));
        Subnet { subnet, gateway: Some(gateway(subnet)), range }
    }

    #[test]
    fn the_next_free_subnet() {
        for (taken, expected) in [
            (&[][..], "10.89.0.0/24"),
            (&["10.89.0.0/24", "fd00::/64"], "10.89.1.0/24"),
            (&["10.88.0.0/15"], "10.90.0.0/24"),
            (&["10.89.0.77/32", "10.89.1.0/25"], "10.89.2.0/24"),
        ] {
            let taken: Vec<IpNet> = taken.iter().map(|text| net(text)).collect();
            assert_eq!(free(&taken), Some(net(expected)), "{taken:?}");
        }
        assert_eq!(free(&[net("10.0.0.0/8")]), None);
    }

    #[test]
    fn addresses_in_turn() {
        for (text, range, last, expected) in [
            ("10.0.0.0/29", None, None, &["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"][..]),
            ("10.0.0.0/30", None, Some("10.0.0.2"), &["10.0.0.2"]),
            (
                "10.0.0.0/29",
                None,
                Some("10.0.0.5"),
                &["10.0.0.6", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5"],
            ),
            ("10.0.0.0/24", Some(("10.0.0.8", "10.0.0.9")), Some("10.0.0.8"), &["10.0.0.9", "10.0.0.8"]),
            ("10.0.0.0/24", Some(("10.0.0.8", "10.0.0.9")), Some("10.0.0.200"), &["10.0.0.8", "10.0.0.9"]),
        ] {
            let last = last.map(|text| text.parse().unwrap());
            let got: Vec<String> = candidates(&subnet(text, range), last).map(|ip| ip.to_string()).collect();
            assert_eq!(got, expected, "{text} {range:?} {last:?}");
        }
        let first = candidates(&subnet("fd00:1::/64", None), None).next();
        assert_eq!(first, Some("fd00:1::2".parse().unwrap()));
    }

    #[test]
    fn addresses_of_choice() {
        let subnet = subnet("10.0.0.0/24", None);
        for (ip, expected) in [
            ("10.0.0.2", true),
            ("10.0.0.1", false),
            ("10.0.0.0", false),
            ("10.0.0.255", false),
            ("10.0.1.2", false),
        ] {
            assert_eq!(admits(&subnet, ip.parse().unwrap()), expected, "{ip}");
        }
    }

    #[test]
    fn mac_addresses() {
        assert_eq!(mac(Some("10.89.0.2".parse().unwrap())), "02:6b:0a:59:00:02");
        assert_eq!(parse_mac("02:42:aC:11:00:02"), Some([2, 0x42, 0xac, 0x11, 0, 2]));
        for text in ["", "02:42:ac:11:00", "02:42:ac:11:00:02:03", "01:42:ac:11:00:02", "2:42:ac:11:00:02"] {
            assert_eq!(parse_mac(text), None, "{text}");
        }
    }
}
