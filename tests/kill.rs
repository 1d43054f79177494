//! `kill -9` of the real binary under concurrent pushes: nothing acknowledged is missing.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use dockless_oci::Digest;
use dockless_runtime::simulation::Random;
use dockless_testkit::process::Options;
use dockless_testkit::push::with_parameter;
use dockless_testkit::{Client, Content, ImageBuilder, Process};
use futures_util::future::join_all;

const ROUNDS: u64 = 100;
const CLIENTS: u64 = 6;

/// What one client knows of what it pushed in one round.
#[derive(Default)]
struct Known {
    repository: String,
    blobs: Vec<Content>,
    deleted: Vec<Content>,
    manifests: Vec<Content>,
    /// What the tag was last acknowledged to point to.
    tagged: Option<Digest>,
    /// Uploads in the middle: where they go on, what they are to become, how many bytes were acknowledged.
    uploads: Vec<(String, Content, usize)>,
    /// The request that had no answer when the node died.
    doubtful: Option<Doubtful>,
}

enum Doubtful {
    Push(Content),
    Tag(Content),
    Delete(Content),
}

/// Kills the node once so many requests were acknowledged, and some of the turns of the other clients later.
struct Killer {
    node: RefCell<Option<Process>>,
    acknowledged: Cell<u64>,
    limit: u64,
    turns: u64,
}

impl Killer {
    async fn acknowledged(&self) {
        self.acknowledged.set(self.acknowledged.get() + 1);
        if self.acknowledged.get() != self.limit {
            return;
        }
        for _ in 0..self.turns {
            tokio::task::yield_now().await;
        }
        let node = self.node.borrow_mut().take();
        drop(node.map(Process::kill));
    }
}

/// Works until the node is gone; an error is the end of the work.
async fn work(client: &Client, killer: &Killer, known: &mut Known, mut random: Random) -> Result<(), String> {
    loop {
        let content = Content::random(random.bits(), 1 + random.below(300_000));
        match random.below(8) {
            0..=2 => push(client, killer, known, content, 1).await?,
            3..=4 => push(client, killer, known, content, 3).await?,
            5 => begin(client, killer, known, content).await?,
            6 => put(client, killer, known, random.bits()).await?,
            _ => delete(client, killer, known).await?,
        }
    }
}

/// Sends all requests of an upload but the last; where that one goes.
async fn send(client: &Client, repository: &str, content: &Content, chunks: usize) -> Result<String, String> {
    let begun = client.post(&format!("/v2/{repository}/blobs/uploads/")).try_send().await?;
    let mut location = begun.expect(202).location();
    let size = content.bytes.len().div_ceil(chunks);
    for (number, chunk) in content.bytes.chunks(size).enumerate().take(chunks - 1) {
        let range = format!("{}-{}", number * size, number * size + chunk.len() - 1);
        let patch = client
            .patch(&location)
            .header("content-range", range)
            .header("content-type", "application/octet-stream");
        location = patch.body(content.bytes.slice_ref(chunk)).try_send().await?.expect(202).location();
    }
    Ok(location)
}

async fn push(
    client: &Client,
    killer: &Killer,
    known: &mut Known,
    content: Content,
    chunks: usize,
) -> Result<(), String> {
    let location = send(client, &known.repository, &content, chunks).await?;
    let held = content.bytes.len().div_ceil(chunks) * (chunks - 1);
    let rest = content.bytes.slice(held.min(content.bytes.len())..);
    known.doubtful = Some(Doubtful::Push(content.clone()));
    let target = with_parameter(&location, &format!("digest={}", content.digest));
    let _ = client.put(&target).body(rest).try_send().await?.expect(201);
    known.doubtful = None;
    known.blobs.push(content);
    killer.acknowledged().await;
    Ok(())
}

/// Sends half of a blob and leaves it there.
async fn begin(client: &Client, killer: &Killer, known: &mut Known, content: Content) -> Result<(), String> {
    let location = send(client, &known.repository, &content, 2).await?;
    let held = content.bytes.len().div_ceil(2);
    known.uploads.push((location, content, held));
    killer.acknowledged().await;
    Ok(())
}

/// Moves the tag to a new manifest.
async fn put(client: &Client, killer: &Killer, known: &mut Known, seed: u64) -> Result<(), String> {
    let manifest = ImageBuilder::new(seed >> 1).with_layers(known.blobs.clone()).build().manifest;
    known.doubtful = Some(Doubtful::Tag(manifest.clone()));
    let request = client.put(&format!("/v2/{}/manifests/latest", known.repository));
    let request = request.header("content-type", &manifest.media_type).body(manifest.bytes.clone());
    let _ = request.try_send().await?.expect(201);
    known.doubtful = None;
    known.tagged = Some(manifest.digest.clone());
    known.manifests.push(manifest);
    killer.acknowledged().await;
    Ok(())
}

/// Deletes the newest blob, if no manifest needs it.
async fn delete(client: &Client, killer: &Killer, known: &mut Known) -> Result<(), String> {
    let content = if known.manifests.is_empty() { known.blobs.pop() } else { None };
    let Some(content) = content else {
        tokio::task::yield_now().await;
        return Ok(());
    };
    known.doubtful = Some(Doubtful::Delete(content.clone()));
    let target = format!("/v2/{}/blobs/{}", known.repository, content.digest);
    let _ = client.delete(&target).try_send().await?.expect(202);
    known.doubtful = None;
    known.deleted.push(content);
    killer.acknowledged().await;
    Ok(())
}

/// Everything acknowledged is there, byte for byte; the request without an answer was done whole or not at all.
async fn check(client: &Client, known: &Known) {
    let repository = &known.repository;
    for content in &known.blobs {
        let answer =
            client.get(&format!("/v2/{repository}/blobs/{}", content.digest)).send().await.expect(200);
        assert_eq!(answer.body, content.bytes, "{repository} {}", content.digest);
    }
    for content in &known.deleted {
        let _ = client.get(&format!("/v2/{repository}/blobs/{}", content.digest)).send().await.expect(404);
    }
    for manifest in &known.manifests {
        let answer =
            client.get(&format!("/v2/{repository}/manifests/{}", manifest.digest)).send().await.expect(200);
        assert_eq!(answer.body, manifest.bytes);
    }
    match &known.doubtful {
        Some(Doubtful::Push(content) | Doubtful::Delete(content)) => {
            let answer = client.get(&format!("/v2/{repository}/blobs/{}", content.digest)).send().await;
            assert!(
                answer.status == 404 || answer.status == 200 && answer.body == content.bytes,
                "{answer:?}"
            );
        }
        Some(Doubtful::Tag(_)) | None => {}
    }
    let answer = client.get(&format!("/v2/{repository}/manifests/latest")).send().await;
    let pointed = answer.header("docker-content-digest").map(|digest| digest.parse::<Digest>().unwrap());
    match &known.doubtful {
        Some(Doubtful::Tag(manifest)) if answer.status == 200 && answer.body == manifest.bytes => {}
        _ => assert_eq!(pointed, known.tagged, "{answer:?}"),
    }
}

/// Uploads survive the end of the process: they stand at least where they were acknowledged, and can be finished.
async fn finish_uploads(client: &Client, known: &mut Known) {
    for (location, content, acknowledged) in std::mem::take(&mut known.uploads) {
        let status = client.get(&location).send().await.expect(204);
        let range = status.header("range").unwrap().to_owned();
        let held = range.strip_prefix("0-").unwrap().parse::<usize>().unwrap() + 1;
        assert!(held >= acknowledged, "{location}: {held} of {acknowledged} bytes");
        let target = with_parameter(&status.location(), &format!("digest={}", content.digest));
        let _ = client.put(&target).body(content.bytes.slice(held..)).send().await.expect(201);
        known.blobs.push(content);
    }
}

/// Starts the node, lets all clients work until it is killed, and says what they know.
async fn round(
    number: u64,
    directory: Option<Arc<tempfile::TempDir>>,
) -> (Arc<tempfile::TempDir>, Vec<Known>) {
    let mut random = Random::new(number);
    let node = match directory {
        Some(directory) => Process::start_in(directory, &Options::default()),
        None => Process::start(&Options::default()),
    };
    let (client, directory) = (node.client(), node.directory());
    let (limit, turns) = (1 + random.below(30) as u64, random.below(60) as u64);
    let killer = Killer { node: RefCell::new(Some(node)), acknowledged: Cell::new(0), limit, turns };
    let works = (0..CLIENTS).map(|worker| {
        let mut known = Known { repository: format!("round-{number}/client-{worker}"), ..Known::default() };
        let random = Random::new(number * 1000 + worker);
        let (client, killer) = (&client, &killer);
        async move {
            let end = work(client, killer, &mut known, random).await;
            assert!(killer.node.borrow().is_none(), "the node was alive: {end:?}");
            known
        }
    });
    (directory, join_all(works).await)
}

#[tokio::test]
async fn nothing_acknowledged_is_missing_after_a_hundred_kills() {
    let mut directory = None;
    let mut all = Vec::new();
    let mut in_doubt = 0;
    for number in 0..ROUNDS {
        let (left, mut known) = round(number, directory.take()).await;
        let node = Process::start_in(left, &Options::default());
        let client = node.client();
        for known in &mut known {
            in_doubt += u64::from(known.doubtful.is_some());
            check(&client, known).await;
            finish_uploads(&client, known).await;
        }
        all.extend(known);
        // Uploads that were just finished are acknowledged too.
        directory = Some(node.kill());
    }
    assert!(in_doubt > ROUNDS, "the kills came in the middle of {in_doubt} requests");
    let node = Process::start_in(directory.unwrap(), &Options::default());
    let client = node.client();
    for known in all {
        check_again(&client, &known).await;
    }
}

/// Everything acknowledged in any round is still there.
async fn check_again(client: &Client, known: &Known) {
    let repository = &known.repository;
    for content in &known.blobs {
        let head =
            client.head(&format!("/v2/{repository}/blobs/{}", content.digest)).send().await.expect(200);
        assert_eq!(head.content_length(), Some(content.bytes.len() as u64));
    }
    for manifest in &known.manifests {
        let _ =
            client.head(&format!("/v2/{repository}/manifests/{}", manifest.digest)).send().await.expect(200);
    }
    for content in &known.deleted {
        let _ = client.head(&format!("/v2/{repository}/blobs/{}", content.digest)).send().await.expect(404);
    }
}
