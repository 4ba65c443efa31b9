//! The lists of others: each is read from its file or fetched from its source at an interval, kept on disk, and replaced whole. A
//! source that fails or sends something else changes nothing: the old list stays.

mod copy;
mod download;
mod reader;
mod source;

pub use download::Fetcher;
pub use reader::{Form, Read, Unreadable, read};

use std::{path::PathBuf, sync::Arc};

use arc_swap::ArcSwapOption;
use futures::future::join_all;
use parking_lot::Mutex;
use tokio::{sync::Mutex as TaskMutex, task::JoinHandle};

use self::{copy::Copies, source::Source};
use crate::{admin::ListKeeper, clock::Clock, config::ListSource, sources::SourceStatus};

/// All of them.
pub struct Feeds {
    shared: Arc<Shared>,
    sources: Mutex<Vec<Arc<Source>>>,
    tasks: TaskMutex<Vec<Running>>,
}

/// What each of them needs.
struct Shared {
    lists: Arc<ListKeeper>,
    copies: Copies,
    fetcher: ArcSwapOption<Fetcher>,
    clock: Clock,
}

struct Running {
    source: Arc<Source>,
    task: JoinHandle<()>,
}

impl Feeds {
    /// None yet; their copies are in a folder.
    pub fn new(lists: Arc<ListKeeper>, folder: PathBuf, clock: Clock) -> Self {
        Self {
            shared: Arc::new(Shared {
                lists,
                copies: Copies::new(folder),
                fetcher: ArcSwapOption::empty(),
                clock,
            }),
            sources: Mutex::default(),
            tasks: TaskMutex::default(),
        }
    }

    /// Takes the sources that are configured: what is new begins with its copy on disk, what is as it was is fetched if it has
    /// changed, what is configured no more goes with all its entries.
    pub async fn take(&self, configured: &[ListSource], fetcher: Option<Fetcher>) {
        let mut tasks = self.tasks.lock().await;
        self.shared.fetcher.store(fetcher.map(Arc::new));
        let mut before = std::mem::take(&mut *tasks);
        let mut sources = Vec::new();
        let mut new = Vec::new();
        for config in configured {
            let same = |running: &Running| running.source.config == *config;
            let source = if let Some(place) = before.iter().position(same) {
                let running = before.swap_remove(place);
                let source = Arc::clone(&running.source);
                source.want();
                tasks.push(running);
                source
            } else {
                let source = Arc::new(Source::new(config.clone()));
                new.push(Arc::clone(&source));
                source
            };
            sources.push(source);
        }
        for Running { source, task } in before {
            task.abort();
            // What it was about to put in place is put in place before it is dropped.
            let _ = task.await;
            let name = &*source.config.name;
            if configured.iter().all(|other| other.name != name) {
                self.shared.lists.drop_feed(name).await;
                tracing::info!(list = name, "a list is gone: it is configured no more");
            }
        }
        self.sources.lock().clone_from(&sources);
        join_all(new.iter().map(|source| source.begin(&self.shared))).await;
        for source in new {
            let keeping = Arc::clone(&source).keep(Arc::clone(&self.shared));
            let task = tokio::spawn(keeping);
            tasks.push(Running { source, task });
        }
        let names: Vec<_> = configured.iter().map(|config| &*config.name).collect();
        if let Err(error) = self.shared.copies.keep_only(&names) {
            tracing::warn!(%error, "copies of lists that are configured no more stay on disk");
        }
    }

    /// How they are, in the order of the configuration.
    pub fn status(&self) -> Vec<SourceStatus> {
        let sources = self.sources.lock();
        sources.iter().map(|source| source.status()).collect()
    }
}
