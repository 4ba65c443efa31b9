//! What is known of addresses while the server runs: the databases' files are watched, and put in place as soon as they have changed.

use std::{net::IpAddr, path::PathBuf, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::{task::spawn_blocking, time::sleep};

use super::{Database, DatabaseError, Geography, KnownCountries, Place};
use crate::{
    config::Geo,
    sources::{SourceState, SourceStatus},
    watched_file::{Stamp, WatchedFileError, read_if_changed},
};

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// The largest file that is read: the largest databases that are sold have half of it.
const MOST_BYTES: usize = 1 << 30;

/// Where addresses are, as of now.
#[derive(Debug)]
pub struct LiveGeography {
    current: ArcSwap<Current>,
    files: Mutex<Files>,
}

/// What is asked for every call.
#[derive(Debug, Default)]
struct Current {
    known: KnownCountries,
    countries: Option<Arc<Database>>,
    asns: Option<Arc<Database>>,
    statuses: Vec<SourceStatus>,
}

#[derive(Debug)]
struct Files {
    config: Geo,
    built_in: Arc<Database>,
    countries: DatabaseFile,
    asns: DatabaseFile,
}

/// A file, and the database that was in it.
#[derive(Debug, Default)]
struct DatabaseFile {
    path: PathBuf,
    stamp: Option<Stamp>,
    database: Option<Arc<Database>>,
    error: String,
}

/// Why a file is not used.
#[derive(Debug, thiserror::Error)]
enum FileError {
    #[error(transparent)]
    File(#[from] WatchedFileError),
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error("it has {has} and no {wanted}: it belongs in geo.{key}")]
    Swapped {
        has: &'static str,
        wanted: &'static str,
        key: &'static str,
    },
}

impl LiveGeography {
    /// Reads the databases that are configured. One that can't be read is no hindrance: the built-in one counts. This blocks.
    ///
    /// # Errors
    /// When the built-in database is broken.
    pub fn open(config: &Geo) -> Result<Self, DatabaseError> {
        let geography = Self {
            current: ArcSwap::default(),
            files: Mutex::new(Files {
                config: Geo::default(),
                built_in: Arc::new(Database::built_in()?),
                countries: DatabaseFile::default(),
                asns: DatabaseFile::default(),
            }),
        };
        geography.set(config);
        Ok(geography)
    }

    /// Takes another configuration, and reads its files. This blocks.
    pub fn set(&self, config: &Geo) {
        let mut files = self.files.lock();
        for (role, path) in [
            (Role::Countries, &config.country_file),
            (Role::Asns, &config.asn_file),
        ] {
            let file = files.file(role);
            if file.path != *path {
                *file = DatabaseFile {
                    path: path.clone(),
                    ..DatabaseFile::default()
                };
            }
        }
        files.config = config.clone();
        files.refresh();
        self.current.store(Arc::new(files.current()));
    }

    /// Looks after the files, for ever.
    pub async fn run(self: Arc<Self>) {
        loop {
            sleep(LOOK_EVERY).await;
            let own = Arc::clone(&self);
            let looked = spawn_blocking(move || {
                let mut files = own.files.lock();
                if files.refresh() {
                    own.current.store(Arc::new(files.current()));
                }
            });
            if looked.await.is_err() {
                return;
            }
        }
    }

    /// How the databases are.
    pub fn statuses(&self) -> Vec<SourceStatus> {
        self.current.load().statuses.clone()
    }
}

impl Geography for LiveGeography {
    fn place(&self, ip: IpAddr) -> Place {
        let current = self.current.load();
        let place = current
            .countries
            .as_deref()
            .map_or_else(Place::default, |database| database.place(ip));
        Place {
            country: current.known.country(ip).or(place.country),
            asn: current
                .asns
                .as_deref()
                .map_or(place.asn, |database| database.place(ip).asn),
        }
    }
}

/// What a database is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Countries,
    Asns,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::Countries => "country-database",
            Self::Asns => "asn-database",
        }
    }

    fn admits(self, database: &Database) -> Result<(), FileError> {
        match self {
            Self::Countries if !database.has_countries() => Err(FileError::Swapped {
                has: "ASNs",
                wanted: "countries",
                key: "asn_file",
            }),
            Self::Asns if !database.has_asns() => Err(FileError::Swapped {
                has: "countries",
                wanted: "ASNs",
                key: "country_file",
            }),
            _ => Ok(()),
        }
    }
}

impl Files {
    fn file(&mut self, role: Role) -> &mut DatabaseFile {
        match role {
            Role::Countries => &mut self.countries,
            Role::Asns => &mut self.asns,
        }
    }

    /// Reads what has changed; says whether there is something new to tell.
    fn refresh(&mut self) -> bool {
        [Role::Countries, Role::Asns]
            .map(|role| self.file(role).refresh(role))
            .contains(&true)
    }

    fn statuses(&self) -> Vec<SourceStatus> {
        let mut statuses = vec![self.countries.status(Role::Countries, &self.built_in)];
        if !self.asns.path.as_os_str().is_empty() {
            statuses.push(self.asns.status(Role::Asns, &self.built_in));
        }
        statuses
    }

    fn current(&self) -> Current {
        let countries = self.countries.database.as_ref().unwrap_or(&self.built_in);
        Current {
            known: KnownCountries::new(&self.config.known),
            countries: Some(Arc::clone(countries)),
            asns: self.asns.database.clone(),
            statuses: self.statuses(),
        }
    }
}

impl DatabaseFile {
    fn refresh(&mut self, role: Role) -> bool {
        if self.path.as_os_str().is_empty() {
            return false;
        }
        match self.read(role) {
            Ok(None) => false,
            Ok(Some(database)) => {
                tracing::info!(
                    source = role.name(),
                    file = %self.path.display(),
                    networks = database.networks(),
                    built_at = database.built_at().map(tracing::field::display),
                    "a database was read"
                );
                self.database = Some(Arc::new(database));
                self.error.clear();
                true
            }
            Err(error) => {
                let error = error.to_string();
                let new = error != self.error;
                if new {
                    let consequence = match (&self.database, role) {
                        (Some(_), _) => "the old database stays",
                        (None, Role::Countries) => "the built-in countries count",
                        (None, Role::Asns) => "there are no ASNs",
                    };
                    tracing::warn!(source = role.name(), file = %self.path.display(), error, "{consequence}");
                }
                self.error = error;
                new
            }
        }
    }

    fn read(&mut self, role: Role) -> Result<Option<Database>, FileError> {
        match read_if_changed(&self.path, MOST_BYTES, self.stamp) {
            // One that comes back as it was is read anew.
            Err(error) => {
                self.stamp = None;
                Err(error.into())
            }
            Ok(None) => Ok(None),
            Ok(Some((bytes, stamp))) => {
                // A broken one is not read again and again.
                self.stamp = Some(stamp);
                let database = Database::open(bytes)?;
                role.admits(&database)?;
                Ok(Some(database))
            }
        }
    }

    fn status(&self, role: Role, built_in: &Database) -> SourceStatus {
        let in_use = match role {
            Role::Countries => Some(self.database.as_deref().unwrap_or(built_in)),
            Role::Asns => self.database.as_deref(),
        };
        SourceStatus {
            name: role.name().into(),
            state: if self.error.is_empty() {
                SourceState::Ok
            } else {
                SourceState::Failing
            },
            entries: in_use.map_or(0, Database::networks),
            refreshed_at: in_use.and_then(Database::built_at),
            retry_at: None,
            error: self.error.clone(),
        }
    }
}
