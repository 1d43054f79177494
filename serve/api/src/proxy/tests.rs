//! Tests of what is believed of proxies.

use http::HeaderValue;
use proptest::prelude::*;

use super::*;

fn outside(peer: &str, trusted: &[&str], headers: &[(&'static str, &str)]) -> String {
    let trusted: Vec<String> = trusted.iter().map(|&entry| entry.to_owned()).collect();
    let proxies = TrustedProxies::parse(&trusted).unwrap();
    let peer = if peer == "unix" { Peer::Unix } else { Peer::Tcp(peer.parse().unwrap()) };
    let connection = Connection::new(peer, Scheme::Http, false);
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, HeaderValue::from_str(value).unwrap());
    }
    let seen = proxies.outside(&connection, &Uri::from_static("/v2/"), &map);
    let client = seen.client.map_or("-".to_owned(), |address| address.to_string());
    format!("{}://{} {client}", seen.scheme.as_str(), seen.host.as_deref().unwrap_or("-"))
}

const FORWARDING: [(&str, &str); 4] = [
    ("host", "inside:5000"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-host", "registry.example.org"),
    ("x-forwarded-for", "6.6.6.6, 203.0.113.7, 10.0.0.9"),
];

#[test]
fn a_stranger_is_not_believed() {
    assert_eq!(outside("192.0.2.1:9", &["10.0.0.0/8"], &FORWARDING), "http://inside:5000 192.0.2.1");
    assert_eq!(outside("unix", &[], &FORWARDING), "http://inside:5000 -");
}

#[test]
fn a_trusted_proxy_says_who_came_and_how() {
    let expected = "https://registry.example.org 203.0.113.7";
    assert_eq!(outside("10.1.2.3:9", &["10.0.0.0/8"], &FORWARDING), expected);
    assert_eq!(outside("[::ffff:10.1.2.3]:9", &["10.0.0.0/8"], &FORWARDING), expected);
    assert_eq!(outside("unix", &["unix", "10.0.0.0/8"], &FORWARDING), expected);
}

#[test]
fn the_lines_that_proxies_append_are_read_as_one_list() {
    // A client that lies in the first line does not hide behind it from a proxy that appends one of its own.
    let headers =
        [("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "203.0.113.7"), ("x-forwarded-for", "10.0.0.9")];
    assert_eq!(outside("10.1.2.3:9", &["10.0.0.0/8"], &headers), "http://- 203.0.113.7");
}

#[test]
fn forwarded_is_read_with_quotes_and_ports() {
    let headers = [
        ("host", "inside"),
        (
            "forwarded",
            "for=6.6.6.6, for=\"[2001:db8::1]:4711\";proto=https;host=\"a.example:8443\", for=10.0.0.9",
        ),
        ("x-forwarded-proto", "http"),
    ];
    assert_eq!(outside("10.1.2.3:9", &["10.0.0.0/8"], &headers), "https://a.example:8443 2001:db8::1");
    let hidden = [("host", "inside"), ("forwarded", "for=_secret;proto=HTTPS")];
    assert_eq!(outside("10.1.2.3:9", &["10.0.0.0/8"], &hidden), "https://inside 10.1.2.3");
}

#[test]
fn a_host_that_could_break_a_url_is_not_taken() {
    let headers = [("host", "inside"), ("x-forwarded-host", "evil\"/?x"), ("x-forwarded-proto", "gopher")];
    assert_eq!(outside("10.1.2.3:9", &["10.0.0.0/8"], &headers), "http://inside 10.1.2.3");
}

#[test]
fn networks_match_by_their_prefix() {
    let contains =
        |network: &str, address: &str| network.parse::<Network>().unwrap().contains(address.parse().unwrap());
    assert!(contains("0.0.0.0/0", "1.2.3.4") && contains("::/0", "::1"));
    assert!(contains("10.0.0.0/9", "10.127.0.1") && !contains("10.0.0.0/9", "10.128.0.1"));
    assert!(contains("fd00::/8", "fdff::1") && !contains("fd00::/8", "fe00::1"));
    assert!(contains("127.0.0.1", "127.0.0.1") && !contains("127.0.0.1", "127.0.0.2"));
    for bad in ["10.0.0.0/33", "10.0.0/8", "::/129", "host", ""] {
        assert!(bad.parse::<Network>().is_err(), "{bad}");
    }
}

proptest! {
    #[test]
    fn any_forwarding_header_is_read_without_panic(value in "[ -~]{0,120}") {
        outside("10.1.2.3:9", &["10.0.0.0/8"], &[("forwarded", &value)]);
        outside("10.1.2.3:9", &["10.0.0.0/8"], &[("x-forwarded-for", &value), ("x-forwarded-host", &value)]);
    }
}
