//! The image of a known binary, byte by byte: what engines are handed must not change by itself.

use std::collections::BTreeMap;

use serde_json::Value;

use super::layout::{self, Image};
use super::parse;
use super::tar::Archive;

/// The files of an archive, read without the writer's help.
fn files(archive: &[u8]) -> BTreeMap<String, (u8, Vec<u8>)> {
    let mut files = BTreeMap::new();
    let mut rest = archive;
    let text =
        |field: &[u8]| String::from_utf8(field.split(|byte| *byte == 0).next().unwrap().to_vec()).unwrap();
    while rest[0] != 0 {
        let (header, behind) = rest.split_at(512);
        let size = usize::from_str_radix(&text(&header[124..136]), 8).unwrap();
        let padded = size.next_multiple_of(512);
        files.insert(text(&header[..100]), (header[156], behind[..size].to_vec()));
        rest = &behind[padded..];
    }
    assert_eq!(rest, [0; 1024], "an archive ends with two empty records");
    files
}

fn value(files: &BTreeMap<String, (u8, Vec<u8>)>, path: &str) -> Value {
    serde_json::from_slice(&files[path].1).unwrap()
}

fn image() -> Image {
    layout::write(b"not really a binary", "amd64").unwrap()
}

#[test]
fn a_header_has_the_fields_that_posix_says() {
    let mut archive = Archive::default();
    archive.file("a/b", 0o755, b"xyz").unwrap();
    let bytes = archive.finish();
    assert_eq!(bytes.len(), 512 * 4);
    let mut expected = [0; 512];
    for (at, field) in [
        (0, &b"a/b"[..]),
        (100, b"0000755"),
        (108, b"0000000"),
        (116, b"0000000"),
        (124, b"00000000003"),
        (136, b"00000000000"),
        (156, b"0"),
        (257, b"ustar\x0000"),
    ] {
        expected[at..at + field.len()].copy_from_slice(field);
    }
    let sum: u32 = expected.iter().map(|byte| u32::from(*byte)).sum::<u32>() + 8 * u32::from(b' ');
    expected[148..156].copy_from_slice(format!("{sum:06o}\u{0} ").as_bytes());
    assert_eq!(bytes[..512], expected);
    assert_eq!(bytes[512..515], *b"xyz");
}

#[test]
fn what_a_plain_header_cannot_hold_is_refused() {
    let mut archive = Archive::default();
    assert!(archive.file(&"x".repeat(100), 0o644, b"").is_err());
    assert!(archive.file(&"x".repeat(99), 0o644, b"").is_ok());
}

#[test]
fn the_same_binary_gives_the_same_image() {
    assert_eq!(image().bytes, image().bytes);
    let other = layout::write(b"another binary", "amd64").unwrap();
    assert_ne!((image().digest, image().id), (other.digest, other.id));
}

/// A layer holds nothing but the binary and its folders; changed on purpose, it has another digest here.
#[test]
fn the_layer_is_as_it_was() {
    let files = files(&image().bytes);
    let docker = value(&files, "manifest.json");
    let path = docker[0]["Layers"][0].as_str().unwrap();
    assert_eq!(path, "blobs/sha256/10231b4d8c765ecd108fd34e6db681dc0d9b58abbb4de3663edc3574ab0e53ac");
    let inside = self::files(&files[path].1);
    let kinds: Vec<(&str, u8)> = inside.iter().map(|(path, (kind, _))| (path.as_str(), *kind)).collect();
    let expected =
        [("dockless", b'0'), ("tmp/", b'5'), ("var/", b'5'), ("var/lib/", b'5'), ("var/lib/dockless/", b'5')];
    assert_eq!(kinds, expected);
    assert_eq!(inside["dockless"].1, b"not really a binary");
}

#[test]
fn both_formats_name_the_same_blobs() {
    let image = image();
    let files = files(&image.bytes);
    let path = |digest: &Value| format!("blobs/{}", digest.as_str().unwrap().replace(':', "/"));
    let index = value(&files, "index.json");
    let entry = &index["manifests"][0];
    assert_eq!(entry["digest"], image.digest.as_str());
    let manifest = value(&files, &path(&entry["digest"]));
    assert_eq!(manifest["config"]["digest"], image.id.as_str());
    let docker = &value(&files, "manifest.json")[0];
    assert_eq!(docker["Config"], path(&manifest["config"]["digest"]));
    assert_eq!(docker["Layers"], serde_json::json!([path(&manifest["layers"][0]["digest"])]));
    for descriptor in [entry, &manifest["config"], &manifest["layers"][0]] {
        assert_eq!(descriptor["size"], files[&path(&descriptor["digest"])].1.len());
    }
    let config = value(&files, &path(&manifest["config"]["digest"]));
    assert_eq!(config["rootfs"]["diff_ids"][0], manifest["layers"][0]["digest"]);
}

#[test]
fn words_that_mean_nothing_are_refused() {
    let asked = parse(&["--json", "--profile=dev"]).unwrap();
    assert!(asked.json && asked.profile == "dev");
    assert_eq!(parse(&[]).unwrap().profile, "release");
    for word in ["json", "--profile", "--profile=", "--output=x", ""] {
        assert!(parse(&[word]).is_err(), "{word:?}");
    }
}
