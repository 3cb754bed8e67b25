//! Features into the cache: shards, committed for all features together.

use std::time::{Duration, Instant};

use affekt_cache::{Error as CacheError, ShardWriter, Store};
use affekt_core::{ClipId, Stage};
use affekt_report::run::Failed;

use super::ledger::Ledger;
use super::queue::{Next, Queue};
use super::{Entry, Error, Made, Numbers, Tally};

/// Shards are committed when a feature has so many bytes.
const MOST_BYTES: usize = 64 << 20;
/// What is not committed is done again after a crash: a twentieth of the run at most, but no more often than every 20 s,
/// which keeps the number of shards small, and no more seldom than every 10 min.
const SHARE: u32 = 20;
const SOONEST: Duration = Duration::from_secs(20);
const LATEST: Duration = Duration::from_secs(600);

/// The writer of a run.
pub struct Writing<'a> {
    stores: &'a [Store],
    ledger: &'a Ledger<'a>,
    /// Shards are committed when they have so many clips.
    most: usize,
    shards: Vec<Shard>,
    /// Clips that wait to be committed.
    clips: usize,
    /// When the last commit was.
    last: Instant,
}

/// A shard in the making, and what it has.
struct Shard {
    writer: ShardWriter,
    made: Tally,
}

impl<'a> Writing<'a> {
    /// Into `stores`, at most `most` clips a shard.
    pub fn new(stores: &'a [Store], most: usize, ledger: &'a Ledger<'a>) -> Result<Self, Error> {
        Ok(Self { stores, ledger, most, shards: new_shards(stores)?, clips: 0, last: ledger.started() })
    }

    /// Writes what comes until no more does; what waits then is committed too.
    ///
    /// # Errors
    /// Those of the disk. What was committed before stays.
    pub fn run(mut self, entries: &Queue<Entry>) -> Result<(), Error> {
        loop {
            match entries.pop_within(self.patience()) {
                Next::Item(entry) => self.ledger.stage(Stage::Write, 1, || self.add(entry))?,
                Next::Nothing => {}
                Next::End => return self.ledger.stage(Stage::Write, 0, || self.commit()),
            }
            if self.is_due() {
                self.ledger.stage(Stage::Write, 0, || self.commit())?;
            }
        }
    }

    /// Until when the next commit can wait.
    fn patience(&self) -> Duration {
        self.interval().saturating_sub(self.last.elapsed()).max(Duration::from_millis(100))
    }

    fn interval(&self) -> Duration {
        (self.ledger.started().elapsed() / SHARE).clamp(SOONEST, LATEST)
    }

    fn is_due(&self) -> bool {
        let bytes = self.shards.iter().map(|shard| shard.writer.pending_bytes()).max().unwrap_or_default();
        let is_full = self.clips >= self.most || bytes >= MOST_BYTES;
        self.clips > 0 && (is_full || self.last.elapsed() >= self.interval())
    }

    fn add(&mut self, Entry { id, made }: Entry) -> Result<(), Error> {
        self.clips += 1;
        for made in made {
            let place = self.stores.iter().position(|store| store.spec().kind == made.kind);
            let place = place.expect("only features that have a store are lacking");
            self.shards[place].add(&id, made, self.ledger)?;
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<(), Error> {
        self.last = Instant::now();
        for (store, Shard { writer, made }) in
            self.stores.iter().zip(std::mem::replace(&mut self.shards, new_shards(self.stores)?))
        {
            if let Some(path) = writer.commit()? {
                self.ledger.shard(store.spec().kind, made, &path);
            }
        }
        self.ledger.committed(std::mem::take(&mut self.clips));
        Ok(())
    }
}

fn new_shards(stores: &[Store]) -> Result<Vec<Shard>, Error> {
    let shard = |store: &Store| Ok(Shard { writer: store.writer()?, made: Tally::default() });
    stores.iter().map(shard).collect()
}

impl Shard {
    fn add(
        &mut self,
        id: &ClipId,
        Made { kind, facts, numbers }: Made,
        ledger: &Ledger<'_>,
    ) -> Result<(), Error> {
        let (stage, reason) = match numbers {
            Numbers::Absent(reason) => {
                self.made.absent += 1;
                return Ok(self.writer.add_absent(id.clone(), facts, reason)?);
            }
            Numbers::Failed { stage, reason } => (stage, reason),
            Numbers::Done(numbers) => match self.writer.add(id.clone(), facts.clone(), &numbers) {
                Ok(()) => {
                    self.made.done += 1;
                    return Ok(());
                }
                // Numbers that this type cannot hold, or none at all.
                Err(CacheError::BadFeature { reason, .. }) => {
                    let failed = Failed {
                        clip: id.clone(),
                        features: vec![kind],
                        stage: Stage::Write,
                        reason: reason.clone(),
                    };
                    ledger.fail(failed);
                    (Stage::Write, reason)
                }
                Err(error) => return Err(error.into()),
            },
        };
        self.made.failed += 1;
        Ok(self.writer.add_failure(id.clone(), facts, stage.name(), reason)?)
    }
}
