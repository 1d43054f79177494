//! What is there before each row: repositories with content of every kind, and uploads in every state.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use dockless_oci::{Algorithm, Digest};
use dockless_registry::access::{Action, Pattern, Rule};
use dockless_testkit::client::basic;
use dockless_testkit::node::{Backing, Node, Users};
use dockless_testkit::{Client, Content, ImageBuilder};

/// The repository of all rows.
pub(super) const REPO: &str = "bad/input";
/// Another one.
const OTHER: &str = "bad/other";

/// The users of a locked scene, each with the password `secret-<name>` (bcrypt of the least cost).
const HTPASSWD: &str = "owner:$2y$04$Wn8iUMZoT9fVUlbdfV5GSeZE8bsbZSNqQ.bKg.1sOFSkya/nHeDOS\n\
    reader:$2y$04$zfKhslZyNjs6p2Vhlf/.GeBhQ2HZpfap8FjG/C1bEAArXiMfj5gAW\n\
    writer:$2y$04$pjvqPoAXSl9cNlbe22WhlOu6c9BBBNFFzDd3I6SvoJNR.Vt1Ow4cm\n";

/// A node with content, and the names by which rows speak of it.
pub(super) struct Scene {
    node: Node,
    client: Client,
    values: HashMap<&'static str, String>,
}

impl Scene {
    /// A node that is open to everyone.
    pub(super) async fn open() -> Self {
        let node = Node::start(Backing::Memory).await;
        let client = node.client();
        Self::fill(node, client, HashMap::new()).await
    }

    /// A node where `owner` may do everything, `reader` may pull from the repository of the rows, and `writer` may
    /// push to the other one; nobody else may do anything. All content is the owner's.
    pub(super) async fn locked() -> Self {
        let node = Node::start_locked(users(Duration::from_secs(900))).await;
        let client = node.client().with_basic("owner", "secret-owner");
        let mut values = HashMap::new();
        let all = |repository: &str| format!("&scope=repository:{repository}:pull,push,delete");
        for (name, user, scope) in [
            ("token_all", "owner", all(REPO)),
            ("token_bare", "owner", String::new()),
            ("token_other", "owner", all(OTHER)),
            ("token_reader", "reader", all(REPO)),
        ] {
            values.insert(name, token(&node, user, &scope).await);
        }
        values.insert("forged", forge(&values["token_all"]));
        // The key is the same, so a token of this node is one of the other; its time was over when it was made.
        let hasty = Node::start_locked(users(Duration::ZERO)).await;
        values.insert("expired", token(&hasty, "owner", &all(REPO)).await);
        hasty.stop().await;
        for user in ["owner", "reader", "writer"] {
            values.insert(user, basic(user, &format!("secret-{user}")));
        }
        values.insert("wrong_password", basic("owner", "secret-reader"));
        values.insert("unknown_user", basic("nobody", "secret-owner"));
        Self::fill(node, client, values).await
    }

    async fn fill(node: Node, client: Client, values: HashMap<&'static str, String>) -> Self {
        let mut scene = Self { node, client, values };
        scene.set("repo", REPO);
        scene.set("other", OTHER);
        scene.set("nobody", "bad/nobody");
        scene.set("absent", Digest::sha256(b"absent"));
        scene.set("absent512", Digest::of(Algorithm::Sha512, b"absent"));
        scene.push_images().await;
        scene.push_blobs().await;
        scene.begin_uploads().await;
        scene
    }

    fn set(&mut self, name: &'static str, value: impl ToString) {
        self.values.insert(name, value.to_string());
    }

    /// The value behind a name.
    pub(super) fn value(&self, name: &str) -> Option<String> {
        self.values.get(name).cloned()
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.node.address()
    }

    pub(super) async fn stop(self) {
        self.node.stop().await;
    }

    /// All that a client or an operator could see of the node's content.
    pub(super) async fn state(&self) -> String {
        self.node.state(&[REPO, OTHER, "bad/nobody"]).await
    }

    /// `image` with tag `v1`, `second` with `v2`, one of each kind that was deleted, one that is elsewhere, and `new`
    /// that nobody pushed yet (its blobs are there).
    async fn push_images(&mut self) {
        let client = self.client.clone();
        let [image, second, deleted, elsewhere, new] =
            [1, 2, 3, 4, 5].map(|seed| ImageBuilder::new(seed).build());
        client.push_image(REPO, Some("v1"), &image).await;
        client.push_image(REPO, Some("v2"), &second).await;
        client.push_image(REPO, Some("gone"), &deleted).await;
        let target = format!("/v2/{REPO}/manifests/{}", deleted.manifest.digest);
        client.delete(&target).send().await.expect(202);
        client.push_image(OTHER, Some("elsewhere"), &elsewhere).await;
        for blob in new.blobs() {
            client.push_blob(REPO, blob).await;
        }
        for (name, image) in [
            ("image", &image),
            ("second", &second),
            ("deleted", &deleted),
            ("elsewhere", &elsewhere),
            ("new", &new),
        ] {
            self.set(name, &image.manifest.digest);
        }
        self.set("blob", &image.layers[0].digest);
        self.set("config", &image.config.digest);
        self.set("manifest", String::from_utf8_lossy(&image.manifest.bytes));
        self.set("new_manifest", String::from_utf8_lossy(&new.manifest.bytes));
        self.set("new512", Digest::of(Algorithm::Sha512, &new.manifest.bytes));
    }

    /// `free` that no manifest names, `free512` the same by SHA-512, `blob_deleted`, and `blob_elsewhere`.
    async fn push_blobs(&mut self) {
        let client = self.client.clone();
        let free = Content::random(11, 2048);
        client.push_blob(REPO, &free).await;
        self.set("free_alias", Digest::of(Algorithm::Sha512, &free.bytes));
        let deleted = Content::random(12, 100);
        client.push_blob(REPO, &deleted).await;
        client.delete(&format!("/v2/{REPO}/blobs/{}", deleted.digest)).send().await.expect(202);
        let elsewhere = Content::random(13, 100);
        client.push_blob(OTHER, &elsewhere).await;
        for (name, blob) in [("free", free), ("blob_deleted", deleted), ("blob_elsewhere", elsewhere)] {
            self.set(name, blob.digest);
        }
    }

    /// `upload` that holds ten digits, `fresh` that holds nothing, `foreign` of the other repository, and ids of
    /// uploads that were finished and cancelled.
    async fn begin_uploads(&mut self) {
        let client = self.client.clone();
        let upload = begin(&client, REPO).await;
        let target = format!("/v2/{REPO}/blobs/uploads/{upload}");
        client.patch(&target).body("0123456789").send().await.expect(202);
        self.set("upload", upload);
        self.set("held", Digest::sha256(b"0123456789"));
        self.set("abc", Digest::sha256(b"0123456789abc"));
        self.set("fresh", begin(&client, REPO).await);
        self.set("foreign", begin(&client, OTHER).await);
        let finished = begin(&client, REPO).await;
        let target = format!("/v2/{REPO}/blobs/uploads/{finished}?digest={}", Digest::sha256(b"done"));
        client.put(&target).body("done").send().await.expect(201);
        self.set("finished", finished);
        self.set("done", Digest::sha256(b"done"));
        let cancelled = begin(&client, REPO).await;
        client.delete(&format!("/v2/{REPO}/blobs/uploads/{cancelled}")).send().await.expect(204);
        self.set("cancelled", cancelled);
    }
}

async fn begin(client: &Client, repository: &str) -> String {
    let begun = client.post(&format!("/v2/{repository}/blobs/uploads/")).send().await.expect(202);
    begun.header("docker-upload-uuid").unwrap().to_owned()
}

fn users(token_lifetime: Duration) -> Users {
    let rule = |user: &str, repositories: &str, actions: &[Action]| Rule {
        users: vec![user.to_owned()],
        repositories: vec![Pattern::parse(repositories).unwrap()],
        actions: actions.to_vec(),
    };
    let rules = vec![
        rule("owner", "**", &Action::ALL),
        rule("reader", REPO, &[Action::Pull]),
        rule("writer", OTHER, &[Action::Pull, Action::Push]),
    ];
    let settings = dockless_registry::access::Settings { token_lifetime, ..Default::default() };
    Users { htpasswd: HTPASSWD.to_owned(), rules, settings }
}

async fn token(node: &Node, user: &str, scope: &str) -> String {
    let client = node.client().with_basic(user, &format!("secret-{user}"));
    let answer = client.get(&format!("/token?service=dockless{scope}")).send().await.expect(200);
    format!("Bearer {}", answer.json()["token"].as_str().unwrap())
}

/// A token whose signature has one character changed, not the last, whose low bits may mean nothing.
fn forge(token: &str) -> String {
    let at = token.rfind('.').unwrap() + 5;
    let other = if &token[at..=at] == "A" { "B" } else { "A" };
    format!("{}{other}{}", &token[..at], &token[at + 1..])
}
