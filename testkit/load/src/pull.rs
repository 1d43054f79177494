//! `pull`: an image as clients take it: the manifest by tag, then every blob that it names.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use http_body_util::BodyExt as _;
use serde_json::Value;

use crate::connection::{Connection, empty};
use crate::get::MANIFEST_TYPES;
use crate::options::Options;
use crate::report::{Tally, report_all};

/// Whole pulls of `tag` of `repository` over `connections`, one after the other for `seconds`; a pull that began in time is ended.
pub(crate) async fn run(options: &Options) -> Result<Value, String> {
    let begun = Instant::now();
    let plan = Plan {
        to: options.to()?,
        repository: options.text("repository", "bench/app").to_owned(),
        tag: options.text("tag", "t0").to_owned(),
        end: begun + Duration::from_secs(options.number("seconds", 3)?.min(600)),
    };
    let workers = (0..options.connections()?).map(|_| tokio::spawn(work(plan.clone())));
    report_all(workers, begun).await
}

#[derive(Clone)]
struct Plan {
    to: SocketAddr,
    repository: String,
    tag: String,
    end: Instant,
}

async fn work(plan: Plan) -> Result<Tally, String> {
    let mut connection = Connection::open(plan.to).await?;
    let mut tally = Tally::default();
    while Instant::now() < plan.end {
        let begun = Instant::now();
        let outcome = image(&mut connection, &plan).await;
        if outcome.is_err() {
            connection = Connection::open(plan.to).await?;
        }
        tally.note(begun, outcome);
    }
    Ok(tally)
}

/// One pull; gives the bytes of the manifest and of all blobs.
async fn image(connection: &mut Connection, plan: &Plan) -> Result<u64, String> {
    let path = format!("/v2/{}/manifests/{}", plan.repository, plan.tag);
    let response = connection.send("GET", &path, &[("accept", MANIFEST_TYPES)], empty()).await?;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
    if status != 200 {
        return Err(format!("{path}: {status}"));
    }
    let mut bytes = body.len() as u64;
    for (digest, size) in blobs(&body)? {
        let path = format!("/v2/{}/blobs/{digest}", plan.repository);
        let answer = connection.exchange("GET", &path, &[], empty()).await?;
        if answer.status != 200 || answer.length != size {
            return Err(format!("{path}: {} with {} bytes of {size}", answer.status, answer.length));
        }
        bytes += size;
    }
    Ok(bytes)
}

/// Digest and size of the config and the layers.
fn blobs(manifest: &[u8]) -> Result<Vec<(String, u64)>, String> {
    let manifest: Value = serde_json::from_slice(manifest).map_err(|error| error.to_string())?;
    let layers = manifest["layers"].as_array().ok_or("a manifest without layers")?;
    std::iter::once(&manifest["config"])
        .chain(layers)
        .map(|descriptor| {
            let digest = descriptor["digest"].as_str()?.to_owned();
            Some((digest, descriptor["size"].as_u64()?))
        })
        .collect::<Option<_>>()
        .ok_or_else(|| "a descriptor without digest or size".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pull_takes_the_config_and_every_layer() {
        let manifest = br#"{"config": {"digest": "a", "size": 1}, "layers": [{"digest": "b", "size": 2}, {"digest": "c", "size": 3}]}"#;
        let wanted = [("a", 1), ("b", 2), ("c", 3)].map(|(digest, size)| (digest.to_owned(), size));
        assert_eq!(blobs(manifest).unwrap(), wanted);
    }

    #[test]
    fn what_is_no_image_manifest_is_an_error() {
        for text in ["", "{}", r#"{"layers": []}"#, r#"{"config": {"digest": "a"}, "layers": []}"#] {
            assert!(blobs(text.as_bytes()).is_err(), "{text}");
        }
    }
}
