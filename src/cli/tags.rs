//! `dockless tags`: the tags of a repository.

use clap::Args;
use dockless_oci::RepositoryName;
use serde::Serialize;

use super::NodeArgs;
use super::admin_client::{AdminClient, TagRow};
use super::target::Target;
use crate::failure::Failure;
use crate::output::{self, Table};

/// `dockless tags REPOSITORY`.
#[derive(Args)]
pub(crate) struct Tags {
    /// The repository
    repository: Target,
    #[command(flatten)]
    node: NodeArgs,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Answer<'a> {
    repository: &'a RepositoryName,
    tags: &'a [TagRow],
}

impl Tags {
    /// Prints the list.
    pub(crate) async fn run(&self) -> Result<(), Failure> {
        let repository = self.repository.whole()?;
        let mut client = AdminClient::connect(&self.node.data()?).await?;
        let tags = client.tags(repository).await?;
        if self.node.json {
            return output::json(&Answer { repository, tags: &tags });
        }
        let mut table = Table::new(&["TAG", "DIGEST"]);
        for row in &tags {
            table.row(vec![
                row.tag.to_string(),
                row.digest.as_ref().map_or("in an engine".into(), ToString::to_string),
            ]);
        }
        output::text(&table.render())
    }
}
