//! Files of the Hugging Face hub, by way of its cache on disk.
//!
//! `hf-hub` knows the cache's layout, the addresses, the login and how the hub describes a file. The bytes are fetched
//! by code of our own: the crate waits for ever on a server that has fallen silent, takes whatever a server sends that
//! does not resume, names files on disk by what the server says, and compares no digest.
//!
//! | module | holds |
//! |---|---|
//! | `transfer` | one file over HTTP, resumed |
//! | [`error`] | [`HubError`] |

pub mod error;
mod transfer;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use affekt_core::Digest;
use hf_hub::api::sync::{Api, ApiBuilder, ApiError, Metadata};
use hf_hub::{Cache, Repo, RepoType};
use ureq::Agent;
use ureq::config::RedirectAuthHeaders;

use crate::bundle::HubFile;
pub use error::HubError;
use transfer::{Failure, Source, fetch};

/// Seconds without a byte after which a connection counts as lost; `HF_HUB_DOWNLOAD_TIMEOUT` sets another number.
const PATIENCE: Duration = Duration::from_secs(30);
/// What is asked for where no revision is pinned.
const MAIN: &str = "main";

/// The hub as the environment describes it.
pub struct Hub {
    cache: Cache,
    api: Api,
    agent: Agent,
    endpoint: String,
    token: Option<String>,
    offline: bool,
    patience: Duration,
}

/// What is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'f> {
    /// Repository and path.
    pub file: &'f HubFile,
    /// Commit, tag or branch; empty for `main`.
    pub revision: &'f str,
    /// What its bytes must be, where that is known.
    pub sha256: Option<&'f Digest>,
}

/// A file that lies in the cache, its digest compared.
#[derive(Clone, Debug)]
pub struct Pulled {
    /// Where it lies.
    pub path: PathBuf,
    /// SHA-256 of its bytes.
    pub sha256: Digest,
    /// Bytes.
    pub size: u64,
    /// Where it comes from, with the commit.
    pub hub: HubFile,
    /// Whether bytes came over the network; else it was in the cache.
    pub fetched: bool,
}

impl Hub {
    /// Follows `HF_HOME`, `HF_ENDPOINT`, `HF_HUB_OFFLINE`, `HF_TOKEN` (else the token file in `HF_HOME`) and
    /// `HF_HUB_DOWNLOAD_TIMEOUT`.
    pub fn from_env() -> Result<Self, HubError> {
        let set = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
        if set("HF_HOME").is_none() && std::env::home_dir().is_none() {
            let reason = "there is no home folder to keep the cache in".into();
            return Err(HubError::Setting { name: "HF_HOME", value: String::new(), reason });
        }
        let cache = if set("HF_HOME").is_some() { Cache::from_env() } else { Cache::default() };
        let endpoint = set("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".into());
        let endpoint = checked_endpoint(endpoint.trim_end_matches('/'))?;
        let token = set("HF_TOKEN").map(|token| token.trim().to_owned()).or_else(|| cache.token());
        let patience = match set("HF_HUB_DOWNLOAD_TIMEOUT") {
            Some(value) => checked_patience(value)?,
            None => PATIENCE,
        };
        let builder = ApiBuilder::from_cache(cache.clone()).with_endpoint(endpoint.clone());
        let api = builder.with_token(token.clone()).with_progress(false).build();
        let api = api.map_err(|error| HubError::Setting {
            name: "HF_ENDPOINT",
            value: endpoint.clone(),
            reason: error.to_string(),
        })?;
        let offline = set("HF_HUB_OFFLINE");
        let offline =
            offline.is_some_and(|value| ["1", "ON", "YES", "TRUE"].contains(&value.to_uppercase().as_str()));
        Ok(Self { cache, api, agent: agent(patience), endpoint, token, offline, patience })
    }

    /// Brings a file into the cache, unless it is there, and compares its bytes with what is known of them: with
    /// `wanted`, and with the SHA-256 that the hub announces for large files. Wrong bytes are removed.
    ///
    /// `progress` hears bytes done and in all.
    pub fn pull(&self, wanted: Wanted, progress: &dyn Fn(u64, u64)) -> Result<Pulled, HubError> {
        let revision = if wanted.revision.is_empty() { MAIN } else { wanted.revision };
        let repo = Repo::with_revision(wanted.file.repo.clone(), RepoType::Model, revision.to_owned());
        let name = format!("{}@{revision}: {}", wanted.file.repo, wanted.file.file);
        // A commit never changes, so what lies in the cache under it needs no word from the hub.
        if let Some((path, commit)) = self.cached(&repo, &wanted.file.file)
            && (is_commit(revision) || self.offline)
        {
            match self.accept(&path, &wanted, &commit, &name, false) {
                Err(HubError::Bytes { .. }) if !self.offline => {}
                result => return result,
            }
        }
        if self.offline {
            return Err(HubError::Offline { file: name, cache: self.cache.path().clone() });
        }
        self.fetch(&repo, &wanted, &name, progress)
    }

    /// The file in the cache, and the commit it is of.
    fn cached(&self, repo: &Repo, file: &str) -> Option<(PathBuf, String)> {
        let cached = self.cache.repo(repo.clone());
        let commit = if is_commit(repo.revision()) {
            repo.revision().to_owned()
        } else {
            // The references lie beside the snapshots.
            let refs = cached.pointer_path("any").parent()?.parent()?.join("refs").join(repo.revision());
            fs::read_to_string(refs).ok()?.trim().to_owned()
        };
        let path = is_commit(&commit).then(|| cached.pointer_path(&commit).join(file))?;
        path.is_file().then_some((path, commit))
    }

    fn fetch(
        &self,
        repo: &Repo,
        wanted: &Wanted,
        name: &str,
        progress: &dyn Fn(u64, u64),
    ) -> Result<Pulled, HubError> {
        let url = self.api.repo(repo.clone()).url(&wanted.file.file);
        let about = self.describe(&url, name)?;
        let answer = |reason: String| HubError::Answer { file: name.into(), reason };
        let (commit, etag) =
            (about.commit_hash().to_owned(), about.etag().trim_start_matches("W/").to_owned());
        if !is_commit(&commit) {
            return Err(answer(format!("{commit:?} is no commit")));
        }
        if is_commit(repo.revision()) && commit != repo.revision() {
            return Err(answer(format!("it is of commit {commit}")));
        }
        // It becomes a file's name.
        if etag.is_empty() || !etag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Err(answer(format!("{etag:?} is no entity tag")));
        }
        if let (Some(known), Ok(announced)) = (wanted.sha256, etag.parse::<Digest>())
            && announced != *known
        {
            let (got, wanted) = (announced.to_string(), known.to_string());
            return Err(HubError::Announced { file: name.into(), got, wanted });
        }
        let cached = self.cache.repo(repo.clone());
        let (blob, pointer) = (cached.blob_path(&etag), cached.pointer_path(&commit).join(&wanted.file.file));
        let size = about.size() as u64;
        let fetched = !fs::metadata(&blob).is_ok_and(|metadata| metadata.len() == size);
        if fetched {
            self.fill(&blob, size, &commit, wanted.file, name, progress)?;
        }
        let disk = |path: &Path, error: std::io::Error| HubError::Cache {
            path: path.into(),
            reason: error.to_string(),
        };
        point(&pointer, &blob).map_err(|error| disk(&pointer, error))?;
        if !is_commit(repo.revision()) {
            cached.create_ref(&commit).map_err(|error| disk(self.cache.path(), error))?;
        }
        self.accept(&pointer, wanted, &commit, name, fetched)
    }

    /// Fetches into the cache under the name `blob`; another process that does the same is waited for.
    fn fill(
        &self,
        blob: &Path,
        size: u64,
        commit: &str,
        file: &HubFile,
        name: &str,
        progress: &dyn Fn(u64, u64),
    ) -> Result<(), HubError> {
        let disk = |error: std::io::Error| HubError::Cache { path: blob.into(), reason: error.to_string() };
        if let Some(folder) = blob.parent() {
            fs::create_dir_all(folder).map_err(disk)?;
        }
        let lock = File::create(blob.with_extension("lock")).map_err(disk)?;
        lock.lock().map_err(disk)?;
        if fs::metadata(blob).is_ok_and(|metadata| metadata.len() == size) {
            return Ok(());
        }
        // Of the commit that was described, even if the branch moves on meanwhile.
        let repo = Repo::with_revision(file.repo.clone(), RepoType::Model, commit.to_owned());
        let url = self.api.repo(repo).url(&file.file);
        let source = Source { agent: &self.agent, url: &url, token: self.token.as_deref(), size };
        let part = blob.with_extension("part");
        fetch(&source, &part, &|done| progress(done, size)).map_err(|failure| match failure {
            Failure::Status(status) => self.refusal(status, name),
            Failure::Dropped { got, attempts, reason } => {
                HubError::Dropped { file: name.into(), got, size, attempts, reason }
            }
            Failure::Disk(error) => disk(error),
        })?;
        fs::rename(&part, blob).map_err(disk)
    }

    /// What the hub says of a file. It is asked in a thread of its own, since `hf-hub` would wait for ever.
    fn describe(&self, url: &str, name: &str) -> Result<Metadata, HubError> {
        let unreachable = |reason: String| HubError::Unreachable {
            endpoint: self.endpoint.clone(),
            file: name.into(),
            reason,
        };
        let (sender, receiver) = mpsc::channel();
        let (api, address) = (self.api.clone(), url.to_owned());
        std::thread::spawn(move || {
            // Nobody listens any more once the wait is over.
            let _ = sender.send(api.metadata(&address));
        });
        let described = match receiver.recv_timeout(self.patience) {
            Ok(described) => described,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                return Err(unreachable(format!("no answer within {} s", self.patience.as_secs_f64())));
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                return Err(HubError::Answer { file: name.into(), reason: "it redirects to nowhere".into() });
            }
        };
        described.map_err(|error| match error {
            ApiError::RequestError(error) => match *error {
                ureq::Error::StatusCode(status) => self.refusal(status, name),
                error => unreachable(error.to_string()),
            },
            error => HubError::Answer { file: name.into(), reason: error.to_string() },
        })
    }

    fn refusal(&self, status: u16, name: &str) -> HubError {
        let file = name.to_owned();
        match status {
            401 | 403 => HubError::Refused { file, status, token: self.token.is_some() },
            404 => HubError::Absent { file },
            status => HubError::Status { file, status },
        }
    }

    /// Compares the bytes of a file in the cache with what is known of them. Wrong ones are removed.
    fn accept(
        &self,
        pointer: &Path,
        wanted: &Wanted,
        commit: &str,
        name: &str,
        fetched: bool,
    ) -> Result<Pulled, HubError> {
        let disk =
            |error: std::io::Error| HubError::Cache { path: pointer.into(), reason: error.to_string() };
        let (sha256, size) = File::open(pointer).and_then(Digest::of_reader).map_err(disk)?;
        let blob = fs::canonicalize(pointer).map_err(disk)?;
        // The cache keeps large files under the SHA-256 that the hub announces, small ones under git's digest.
        let announced =
            blob.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse::<Digest>().ok());
        for known in wanted.sha256.into_iter().chain(&announced) {
            if *known != sha256 {
                fs::remove_file(pointer).map_err(disk)?;
                // The same file where the cache has no links.
                let _ = fs::remove_file(&blob);
                let (got, wanted) = (sha256.to_string(), known.to_string());
                return Err(HubError::Bytes { file: name.into(), got, wanted });
            }
        }
        let hub = HubFile { revision: commit.into(), ..wanted.file.clone() };
        Ok(Pulled { path: pointer.into(), sha256, size, hub, fetched })
    }
}

fn agent(patience: Duration) -> Agent {
    let config = Agent::config_builder()
        .redirect_auth_headers(RedirectAuthHeaders::SameHost)
        .timeout_resolve(Some(patience))
        .timeout_connect(Some(patience))
        .timeout_recv_response(Some(patience))
        .timeout_per_read(Some(patience))
        .user_agent(concat!("affekt/", env!("CARGO_PKG_VERSION")));
    config.build().into()
}

fn checked_endpoint(endpoint: &str) -> Result<String, HubError> {
    let bad = |reason: &str| HubError::Setting {
        name: "HF_ENDPOINT",
        value: endpoint.into(),
        reason: reason.into(),
    };
    let uri: ureq::http::Uri = endpoint.parse().map_err(|_| bad("it is no address"))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none_or(str::is_empty) {
        return Err(bad("it must start with https:// or http:// and name a host"));
    }
    if uri.query().is_some() {
        return Err(bad("it has a query"));
    }
    Ok(endpoint.into())
}

fn checked_patience(value: String) -> Result<Duration, HubError> {
    let seconds = value.trim().parse::<f64>().ok().filter(|seconds| (0.001..=86_400.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| HubError::Setting {
        name: "HF_HUB_DOWNLOAD_TIMEOUT",
        value,
        reason: "it must be a number of seconds, at most 86400".into(),
    })
}

/// Whether it is a full git commit.
fn is_commit(revision: &str) -> bool {
    let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    revision.len() == 40 && revision.bytes().all(digit)
}

/// Makes `pointer` stand for `blob`, as the cache's other users do: by a relative link.
fn point(pointer: &Path, blob: &Path) -> std::io::Result<()> {
    if let Some(folder) = pointer.parent() {
        fs::create_dir_all(folder)?;
    }
    if pointer.symlink_metadata().is_ok() {
        fs::remove_file(pointer)?;
    }
    #[cfg(unix)]
    {
        // SNAPSHOTS/COMMIT/some/file -> ../../../../blobs/ETAG
        let repository = blob.parent().and_then(Path::parent).unwrap_or(blob);
        let depth = pointer.strip_prefix(repository).map_or(0, |inside| inside.components().count() - 1);
        let up: PathBuf = std::iter::repeat_n("..", depth).collect();
        let inside = blob.strip_prefix(repository).unwrap_or(blob);
        std::os::unix::fs::symlink(up.join(inside), pointer)
    }
    #[cfg(not(unix))]
    fs::hard_link(blob, pointer).or_else(|_| fs::copy(blob, pointer).map(|_| ()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked() {
        for good in ["https://huggingface.co", "http://127.0.0.1:80/mirror"] {
            assert_eq!(checked_endpoint(good).unwrap(), good);
        }
        for bad in ["", "huggingface.co", "ftp://x", "http://", "http://x/?a=b", "not an address"] {
            assert!(checked_endpoint(bad).is_err(), "{bad}");
        }
        assert!(checked_patience("ten".into()).is_err() && checked_patience("0".into()).is_err());
        assert_eq!(checked_patience("0.5".into()).unwrap(), Duration::from_millis(500));
    }

    #[test]
    fn only_full_commits_are_commits() {
        assert!(is_commit("c1423ed94bb01d80a3f5ce5bc39f6026a0f4828c"));
        assert!(!is_commit("main") && !is_commit("c1423ed") && !is_commit(&"G".repeat(40)));
    }

    #[cfg(unix)]
    #[test]
    fn pointers_are_relative_links() {
        let folder = tempfile::tempdir().unwrap();
        let repository = folder.path().join("models--o--n");
        let (blob, pointer) = (repository.join("blobs/e"), repository.join("snapshots/c/d/model.bin"));
        fs::create_dir_all(repository.join("blobs")).unwrap();
        fs::write(&blob, b"bytes").unwrap();
        point(&pointer, &blob).unwrap();
        assert_eq!(fs::read_link(&pointer).unwrap(), Path::new("../../../blobs/e"));
        assert_eq!(fs::read(&pointer).unwrap(), b"bytes");
        point(&pointer, &blob).unwrap();
    }
}
