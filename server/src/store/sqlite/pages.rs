//! Rows that are read in pages, ahead of who takes them.

use tokio::sync::mpsc;

use super::{StoreError, stopped};

/// Rows of a page.
pub(super) const ROWS: usize = 4_096;
/// Pages that are ahead of who takes them.
const AHEAD: usize = 2;

/// Where a reader puts its pages.
pub(super) type Pages<T> = mpsc::Sender<Vec<T>>;

/// Hands over what a reader reads. Reading, parsing and taking go on at the same time, each by a thread of its own. It reads in
/// pages: a reader that is ahead of the parser by as much as it may be wakes it, and is woken, at every row.
pub(super) async fn hand_over<T: Send + 'static, R>(
    read: impl FnOnce(Pages<T>) -> R,
    take: &mut (dyn FnMut(T) + Send),
) -> Result<(), StoreError>
where
    R: Future<Output = Result<(), StoreError>> + Send + 'static,
{
    let (sender, mut pages) = mpsc::channel(AHEAD);
    let reading = tokio::spawn(read(sender));
    while let Some(page) = pages.recv().await {
        page.into_iter().for_each(&mut *take);
    }
    reading.await.map_err(|error| stopped(&error))?
}
