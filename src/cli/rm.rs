//! `dockless rm`: removes tags, manifests or blobs.

use clap::Args;
use dockless_oci::Reference;
use serde_json::{Value, json};

use super::NodeArgs;
use super::admin_client::AdminClient;
use super::target::Target;
use crate::failure::{Exit, Failure};
use crate::output;

/// `dockless rm TARGET...`.
#[derive(Args)]
#[command(after_help = "\
REPOSITORY:TAG removes the tag and keeps the manifest. REPOSITORY@DIGEST
removes the manifest and every tag that points to it; with --blob it removes
the blob from the repository. What is removed is out of reach at once; the
space of its files is not given back yet.")]
pub(crate) struct Rm {
    /// What to remove: REPOSITORY:TAG or REPOSITORY@DIGEST
    #[arg(required = true, value_name = "TARGET")]
    targets: Vec<Target>,
    /// The digests are those of blobs
    #[arg(long)]
    blob: bool,
    /// It is no error if one does not exist
    #[arg(long)]
    ignore_missing: bool,
    #[command(flatten)]
    node: NodeArgs,
}

impl Rm {
    /// Removes one after the other; the first failure ends it.
    pub(crate) async fn run(&self) -> Result<(), Failure> {
        let paths = self.targets.iter().map(|target| self.path(target)).collect::<Result<Vec<_>, _>>()?;
        let mut client = AdminClient::connect(&self.node.data()?).await?;
        let mut removed = Vec::new();
        for (target, path) in self.targets.iter().zip(paths) {
            match client.delete::<Value>(&path).await {
                Ok(_) => {
                    removed.push(target.to_string());
                    if !self.node.json {
                        output::line(&format!("removed {target}"))?;
                    }
                }
                Err(failure) if self.ignore_missing && failure.exit == Exit::NotFound => {}
                Err(mut failure) => {
                    failure.message = format!("{target}: {}", failure.message);
                    return Err(failure);
                }
            }
        }
        if self.node.json { output::json(&json!({ "removed": removed })) } else { Ok(()) }
    }

    /// Where the admin API has a target.
    fn path(&self, target: &Target) -> Result<String, Failure> {
        let repository = &target.repository;
        match &target.reference {
            Some(Reference::Digest(digest)) if self.blob => {
                Ok(format!("repositories/{repository}/blobs/{digest}"))
            }
            Some(Reference::Digest(digest)) => Ok(format!("repositories/{repository}/manifests/{digest}")),
            Some(Reference::Tag(tag)) if !self.blob => Ok(format!("repositories/{repository}/tags/{tag}")),
            Some(Reference::Tag(_)) => {
                Err(Failure::usage("a blob has no tag").hint("name it as REPOSITORY@DIGEST"))
            }
            None => Err(Failure::usage(format!("`{repository}` is a whole repository"))
                .hint(format!("name what to remove: `{repository}:TAG` or `{repository}@DIGEST`"))),
        }
    }
}
