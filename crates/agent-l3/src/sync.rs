//! Reading all routers of this host, in parts: work begins with the first.

use std::collections::BTreeSet;

use tokio::sync::mpsc;

use crate::rpc::{L3Api, Result, Router};

/// Most routers that are asked for at a time.
const MOST: usize = 256;
/// Fewest, when the server does not answer in time; also what is tried more when it does.
const FEWEST: usize = 32;
/// Parts that wait to be taken in.
const PARTS: usize = 4;

/// What was read.
#[derive(Debug)]
pub enum Part {
    /// Some routers, by id.
    Routers(Vec<(String, Result<Router>)>),
    /// There are no others than those of these ids.
    All(BTreeSet<String>),
}

/// Reads all routers when told to.
pub struct Reader {
    api: L3Api,
    /// Routers to ask for at a time.
    step: usize,
    under_way: Option<mpsc::Receiver<(Result<Part>, usize)>>,
}

impl Reader {
    /// One that reads nothing yet.
    #[must_use]
    pub fn new(api: L3Api) -> Self {
        Self { api, step: MOST, under_way: None }
    }

    /// Begins to read. What was under way is given up.
    pub fn start(&mut self) {
        let (sender, receiver) = mpsc::channel(PARTS);
        self.under_way = Some(receiver);
        tokio::spawn(read(self.api.clone(), self.step, sender));
    }

    /// The next part; never while nothing is read. May be dropped and called again.
    pub async fn next(&mut self) -> Result<Part> {
        loop {
            let received = match &mut self.under_way {
                Some(receiver) => receiver.recv().await,
                None => std::future::pending().await,
            };
            let Some((part, step)) = received else {
                self.under_way = None;
                continue;
            };
            self.step = step;
            return part;
        }
    }
}

/// Reads all routers; ends early when nobody takes the parts.
async fn read(api: L3Api, step: usize, parts: mpsc::Sender<(Result<Part>, usize)>) {
    let ids = match api.router_ids().await {
        Ok(ids) => ids,
        Err(error) => {
            // An error means that nobody waits for it.
            let _ = parts.send((Err(error), step)).await;
            return;
        }
    };
    let mut named = BTreeSet::new();
    for chunk in ids.chunks(step) {
        let part = api.routers(chunk).await;
        let less = match &part {
            Ok(routers) => {
                named.extend(routers.iter().map(|(id, _)| id.clone()));
                step
            }
            Err(error) if error.is_timeout() => (step / 2).max(FEWEST),
            Err(_) => step,
        };
        let failed = part.is_err();
        if parts.send((part.map(Part::Routers), less)).await.is_err() || failed {
            return;
        }
    }
    let more = (step + FEWEST).min(MOST);
    let _ = parts.send((Ok(Part::All(named)), more)).await;
}
