//! A network as templates see it: Go's names.

use ketch_engine::network::inspect::Inspect;
use serde_json::{Value, json};

/// What `--format` can name in a list, and the heading of each in a table.
pub(super) const HEADING: &[(&str, &str)] = &[
    ("Created", "CREATED"),
    ("DNSEnabled", "DNSENABLED"),
    ("Driver", "DRIVER"),
    ("ID", "NETWORK ID"),
    ("IPAMOptions", "IPAMOPTIONS"),
    ("IPv6Enabled", "IPV6ENABLED"),
    ("Internal", "INTERNAL"),
    ("Labels", "LABELS"),
    ("Name", "NAME"),
    ("NetworkInterface", "NETWORKINTERFACE"),
    ("Options", "OPTIONS"),
    ("Subnets", "SUBNETS"),
];

pub(super) fn fields(network: &Inspect) -> Value {
    let subnets = network.subnets.iter().map(|subnet| {
        json!({
            "Subnet": subnet.subnet,
            "Gateway": subnet.gateway,
            "LeaseRange": subnet.lease_range.as_ref().map(|range| json!({ "StartIP": range.start_ip, "EndIP": range.end_ip })),
        })
    });
    json!({
        "Name": network.name,
        "ID": network.id,
        "Driver": network.driver,
        "NetworkInterface": network.network_interface,
        "Created": format!("{} +0000 UTC", network.created.trim_end_matches('Z').replacen('T', " ", 1)),
        "Subnets": subnets.collect::<Vec<_>>(),
        "IPv6Enabled": network.ipv6_enabled,
        "Internal": network.internal,
        "DNSEnabled": network.dns_enabled,
        "Labels": network.labels,
        "Options": network.options,
        "IPAMOptions": network.ipam_options,
    })
}
