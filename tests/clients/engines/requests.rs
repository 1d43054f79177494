//! The pull cases of the conformance suite, asked of what docker has.

use std::ops::Range;

use bytes::Bytes;
use dockless_oci::Digest;
use dockless_testkit::Answer;

use super::scene::{Machine, Shown, serve};
use crate::inside::Node;

/// A node over a docker with the image `team/app:1` of two layers.
struct Scene {
    node: Node,
    shown: Shown,
    _machine: Machine,
}

impl Scene {
    fn new() -> Self {
        let machine = Machine::new();
        let node = serve(&[machine.engine.host()], &[]);
        machine.build("base:1", 3);
        machine.build_on("base:1", "team/app:1", "on top");
        Self { shown: Shown::of(&node, "team/app", "1"), node, _machine: machine }
    }

    fn ask(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> Answer {
        let ask = self.node.client().request(method, target);
        let ask = headers.iter().fold(ask, |ask, (name, value)| ask.header(name, value));
        self.node.block_on(ask.send())
    }

    fn manifests(&self) {
        let nobody = Digest::sha256(b"nobody");
        for (reference, status, code) in [
            ("1", 200, ""),
            (self.shown.digest.as_str(), 200, ""),
            ("2", 404, "MANIFEST_UNKNOWN"),
            (nobody.as_str(), 404, "MANIFEST_UNKNOWN"),
            (".INVALID_MANIFEST_NAME", 404, "MANIFEST_UNKNOWN"),
            ("sha256:totallywrong", 400, "DIGEST_INVALID"),
        ] {
            let target = format!("/v2/team/app/manifests/{reference}");
            let (head, get) = (self.ask("HEAD", &target, &[]), self.ask("GET", &target, &[]));
            assert_eq!((head.status, get.status), (status, status), "{reference}");
            assert!(head.body.is_empty());
            if status != 200 {
                get.expect_error(status, code);
                continue;
            }
            for answer in [&head, &get] {
                assert_eq!(answer.header("docker-content-digest"), Some(self.shown.digest.as_str()));
                assert_eq!(answer.content_length(), Some(get.body.len() as u64));
                let media_type = "application/vnd.oci.image.manifest.v1+json";
                assert_eq!(answer.header("content-type"), Some(media_type));
            }
            assert_eq!(Digest::sha256(&get.body), self.shown.digest);
        }
        self.ask("GET", "/v2/nobody/app/manifests/1", &[]).expect_error(404, "MANIFEST_UNKNOWN");
        self.ask("GET", "/v2/nobody/app/tags/list", &[]).expect_error(404, "NAME_UNKNOWN");
    }

    /// The blob, as a whole.
    fn blob(&self, digest: &str, size: u64) -> Bytes {
        let target = format!("/v2/team/app/blobs/{digest}");
        let (head, get) = (self.ask("HEAD", &target, &[]), self.ask("GET", &target, &[]));
        for answer in [&head, &get] {
            assert_eq!(answer.status, 200, "{digest}");
            assert_eq!(answer.header("docker-content-digest"), Some(digest));
            assert_eq!(answer.content_length(), Some(size));
            assert_eq!(answer.header("accept-ranges"), Some("bytes"));
        }
        assert!(head.body.is_empty());
        assert_eq!(Digest::sha256(&get.body).as_str(), digest);
        get.body
    }

    fn ranges(&self, digest: &str, whole: &Bytes) {
        let length = whole.len();
        let middle = length / 2;
        let table: [(String, Option<Range<usize>>); 8] = [
            ("bytes=500-1499".to_owned(), Some(500..1500)),
            (format!("bytes={middle}-{}", middle + 99_999), Some(middle..(middle + 100_000).min(length))),
            (format!("bytes={}-", length - 700), Some(length - 700..length)),
            ("bytes=-500".to_owned(), Some(length - 500..length)),
            (format!("bytes={}-{}", length - 10, length + 5000), Some(length - 10..length)),
            ("bytes=500-0".to_owned(), None),
            (format!("bytes={length}-"), None),
            (format!("bytes={}-{}", length + 5, length + 10), None),
        ];
        for (asked, expected) in table {
            let answer = self.ask("GET", &format!("/v2/team/app/blobs/{digest}"), &[("range", &asked)]);
            let Some(expected) = expected else {
                assert_eq!(
                    answer.header("content-range"),
                    Some(format!("bytes */{length}").as_str()),
                    "{asked}"
                );
                answer.expect_error(416, "RANGE_INVALID");
                continue;
            };
            assert_eq!(answer.status, 206, "{asked}");
            let stated = format!("bytes {}-{}/{length}", expected.start, expected.end - 1);
            assert_eq!(answer.header("content-range"), Some(stated.as_str()));
            assert_eq!(answer.content_length(), Some(expected.len() as u64));
            assert!(answer.body == whole.slice(expected), "{asked}: other bytes");
        }
    }
}

#[test]
fn manifests_blobs_and_ranges_are_answered_as_if_they_had_been_pushed() {
    let scene = Scene::new();
    scene.manifests();
    let (first, last) = (&scene.shown.layers[0], &scene.shown.layers[1]);
    assert!(first.1 > 1 << 20 && last.1 < 1 << 20, "one layer is too large to be held, one is small");
    // A part before the layer was ever read as a whole.
    let target = format!("/v2/team/app/blobs/{}", first.0);
    let part = scene.ask("GET", &target, &[("range", "bytes=1000000-1000999")]).expect(206);
    for (digest, size) in [first, last, &scene.shown.config] {
        let whole = scene.blob(digest, *size);
        assert_eq!(whole.len() as u64, *size);
        if digest == &first.0 {
            assert!(part.body == whole.slice(1_000_000..1_001_000));
        }
        if whole.len() > 2000 {
            scene.ranges(digest, &whole);
        }
    }
    let nobody = format!("/v2/team/app/blobs/{}", Digest::sha256(b"nobody"));
    scene.ask("GET", &nobody, &[]).expect_error(404, "BLOB_UNKNOWN");
    assert_eq!(scene.ask("HEAD", &nobody, &[]).status, 404);
    let wrong = scene.ask("GET", "/v2/team/app/blobs/sha256:totallywrong", &[]);
    wrong.expect_error(400, "DIGEST_INVALID");
    let etag = format!("\"{}\"", first.0);
    assert_eq!(scene.ask("GET", &target, &[("if-none-match", &etag)]).status, 304);
}
