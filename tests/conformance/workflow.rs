//! The four workflows of the suite of version 1.1.1 (its numbers are those of its source files).

mod discovery;
mod management;
mod pull;
mod push;

use dockless_oci::Algorithm;
use dockless_oci::media_type::OCI_CONFIG;
use dockless_testkit::{Content, Image, ImageBuilder};
use serde_json::json;

/// The images of the suite: their config descriptors carry `data` and a member that nobody knows.
fn image(seed: u64) -> Image {
    use base64::Engine as _;
    let config =
        Content::json(Algorithm::Sha256, OCI_CONFIG, &json!({"architecture": "amd64", "author": seed}));
    let mut descriptor = config.descriptor();
    descriptor["data"] = base64::engine::general_purpose::STANDARD.encode(&config.bytes).into();
    descriptor["newUnspecifiedField"] = json!("aGVsbG8=");
    ImageBuilder::new(seed).with_config(config).member("config", descriptor).build()
}
