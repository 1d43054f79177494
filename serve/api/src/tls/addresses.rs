//! The names of this machine: what a client might call it by.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use dockless_runtime::{Disk, OpenMode};

use super::TlsError;

/// Addresses of the machine in one certificate. A machine with more is a router of containers; the first must do.
const ADDRESSES_MAX: usize = 100;

/// Names that can be given besides; clients read a certificate of some kilobytes before each connection.
const GIVEN_MAX: usize = 100;

/// What is read of one file of `/proc`; an address has some 60 bytes there.
const PROC_BYTES_MAX: usize = 256 << 10;

/// `localhost`, the loopback addresses, the host name, every address of every interface, and the `given` ones; each
/// once, in order.
pub(super) fn all_names(disk: &dyn Disk, given: &[String]) -> Vec<String> {
    let mut names: BTreeSet<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
    let host = read(disk, "/proc/sys/kernel/hostname");
    let host = host.trim().to_ascii_lowercase();
    if is_dns_name(&host) {
        names.insert(host);
    }
    let v4 = local_v4(&read(disk, "/proc/net/fib_trie")).into_iter().map(IpAddr::V4);
    let v6 = local_v6(&read(disk, "/proc/net/if_inet6")).into_iter().map(IpAddr::V6);
    names.extend(v4.chain(v6).take(ADDRESSES_MAX).map(|address| address.to_string()));
    names.extend(given.iter().cloned());
    names.into_iter().collect()
}

/// The setting `tls.names` as certificates write it: two spellings of one address are one name.
///
/// # Errors
/// [`TlsError::Names`] for the first that no certificate can bear, or for too many.
pub(super) fn given_names(given: &[String]) -> Result<Vec<String>, TlsError> {
    if given.len() > GIVEN_MAX {
        return Err(TlsError::Names(format!("more than {GIVEN_MAX} names are given")));
    }
    let name = |text: &String| {
        let name = text.trim().to_ascii_lowercase();
        match name.parse::<IpAddr>() {
            Ok(address) => Ok(address.to_string()),
            Err(_) if is_dns_name(&name) => Ok(name),
            Err(_) => Err(TlsError::Names(format!(
                "`{text}` is no host name and no address; write it without scheme, port and path"
            ))),
        }
    };
    given.iter().map(name).collect()
}

/// A file of `/proc`, which has no size; empty when there is none (other systems, sandboxes).
fn read(disk: &dyn Disk, path: &str) -> String {
    let Ok(file) = disk.open(Path::new(path), OpenMode::Read) else { return String::new() };
    let mut text = Vec::new();
    let mut piece = vec![0; 16 << 10];
    while text.len() < PROC_BYTES_MAX {
        match file.read_at(&mut piece, text.len() as u64) {
            Ok(0) | Err(_) => break,
            Ok(read) => text.extend_from_slice(&piece[..read]),
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// The addresses that the kernel's routing table calls its own: the line `/32 host LOCAL` follows each.
fn local_v4(table: &str) -> BTreeSet<Ipv4Addr> {
    let mut addresses = BTreeSet::new();
    let mut last: Option<Ipv4Addr> = None;
    for line in table.lines() {
        if let Some((_, address)) = line.split_once("|-- ") {
            last = address.trim().parse().ok();
        } else if line.trim_end().ends_with("/32 host LOCAL") {
            addresses.extend(last);
        }
    }
    addresses
}

/// The addresses of all interfaces; those of one link alone mean nothing without its name.
fn local_v6(table: &str) -> BTreeSet<Ipv6Addr> {
    let digits = table.lines().filter_map(|line| line.split_whitespace().next());
    let addresses =
        digits.filter(|digits| digits.len() == 32).filter_map(|digits| u128::from_str_radix(digits, 16).ok());
    addresses.map(Ipv6Addr::from).filter(|address| !address.is_unicast_link_local()).collect()
}

/// A host name as certificates have it (RFC 1123), perhaps with a wildcard in front.
fn is_dns_name(text: &str) -> bool {
    let label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        !label.is_empty() && label.len() <= 63 && label.bytes().all(inner) && !label.starts_with('-')
    };
    let rest = text.strip_prefix("*.").unwrap_or(text);
    !text.is_empty() && text.len() <= 253 && rest.split('.').all(label) && rest.parse::<IpAddr>().is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_from_the_kernels_tables() {
        let trie = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n     |-- 10.1.2.3\n        \
                    /32 host LOCAL\n     |-- 10.1.2.255\n        /32 link BROADCAST\nLocal:\n     |-- 10.1.2.3\n        \
                    /32 host LOCAL\n     |-- 127.0.0.1\n        /32 host LOCAL\n";
        let found: Vec<String> = local_v4(trie).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["10.1.2.3", "127.0.0.1"]);
        let inet6 = "00000000000000000000000000000001 01 80 10 80       lo\n\
                     fe80000000000000021122fffe334455 02 40 20 80     eth0\n\
                     20010db8000000000000000000000007 02 40 00 80     eth0\n";
        let found: Vec<String> = local_v6(inet6).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["::1", "2001:db8::7"]);
        assert!(local_v4("nonsense |-- x").is_empty() && local_v6("zz\n").is_empty());
    }

    #[test]
    fn only_names_that_a_certificate_can_hold_are_taken() {
        for good in ["a", "registry.example.org", "*.example.org", "my_host-1"] {
            assert!(is_dns_name(good), "{good}");
        }
        for bad in ["", "a..b", "-a", "a b", "10.0.0.1", "ä", &"x".repeat(64), "a.*.b"] {
            assert!(!is_dns_name(bad), "{bad}");
        }
    }
}
