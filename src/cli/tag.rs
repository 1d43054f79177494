//! `dockless tag`: gives a manifest another tag, without moving a byte.

use clap::Args;
use dockless_oci::{Reference, Tag as TagName};
use serde_json::json;

use super::NodeArgs;
use super::admin_client::AdminClient;
use super::target::Target;
use crate::failure::Failure;
use crate::output;

/// `dockless tag REPOSITORY:TAG NEW...`.
#[derive(Args)]
#[command(after_help = "For example: dockless tag you/app:1.4.2 1.4 1 latest")]
pub(crate) struct Tag {
    /// The manifest: REPOSITORY:TAG or REPOSITORY@DIGEST
    source: Target,
    /// The tags it gets, in the same repository
    #[arg(required = true, value_name = "TAG")]
    tags: Vec<TagName>,
    #[command(flatten)]
    node: NodeArgs,
}

impl Tag {
    /// Sets the tags, one after the other.
    pub(crate) async fn run(&self) -> Result<(), Failure> {
        let repository = &self.source.repository;
        let (key, source) = match &self.source.reference {
            Some(Reference::Digest(digest)) => ("digest", digest.to_string()),
            Some(Reference::Tag(tag)) => ("from", tag.to_string()),
            None => {
                return Err(Failure::usage(format!("which manifest of `{repository}`?"))
                    .hint(format!("write `{repository}:TAG` or `{repository}@DIGEST`")));
            }
        };
        let mut client = AdminClient::connect(&self.node.data()?).await?;
        let mut digest = serde_json::Value::Null;
        for tag in &self.tags {
            let answer: serde_json::Value = client
                .post(&format!("repositories/{repository}/tags"), &json!({ "tag": tag, key: source }))
                .await?;
            digest = answer["digest"].clone();
            if !self.node.json {
                output::line(&format!("{repository}:{tag} is {}", digest.as_str().unwrap_or_default()))?;
            }
        }
        if self.node.json {
            output::json(&json!({ "repository": repository, "tags": self.tags, "digest": digest }))?;
        }
        Ok(())
    }
}
