"""What can go wrong between this machine and the hub, in one sentence each."""

from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub import constants, errors

from midfill_model.checkpoint import hub
from midfill_model.checkpoint.hub import HubName

from .resumable import HTTP_ERROR


class DownloadError(Exception):
    """Why a model was not downloaded, in one sentence that says what to do."""


@contextmanager
def in_one_sentence(name: HubName) -> Iterator[None]:
    """The library's errors, and the system's, as DownloadError."""
    try:
        yield
    except (OSError, HTTP_ERROR, errors.HFValidationError) as error:
        raise DownloadError(_sentence(error, name)) from None


def _sentence(error: BaseException, name: HubName) -> str:
    if isinstance(error, errors.LocalEntryNotFoundError) and error.__cause__:
        return _sentence(error.__cause__, name)  # it wraps whatever kept the library from asking the hub
    if isinstance(error, errors.HfHubHTTPError):
        return _refusal(error, name)
    if isinstance(error, errors.HFValidationError):
        return f"{name} is not a name that the hub can have; it looks like owner/name or owner/name@revision."
    if isinstance(error, errors.FileMetadataError):
        return f"{constants.ENDPOINT} does not answer as the hub does; check HF_ENDPOINT and the proxy."
    stays = ": what was fetched stays, and the same command goes on from there" if has_some(name) else ""
    if isinstance(error, HTTP_ERROR | errors.LocalEntryNotFoundError):
        return f"The hub at {constants.ENDPOINT} cannot be reached; check the network and try again{stays}."
    reason = error.strerror if isinstance(error, OSError) else None
    return (
        f"{hub.cache_folder()} cannot be written ({reason or error}); make room there, and try again{stays}."
    )


def has_some(name: HubName) -> bool:
    """Whether a byte of this model's files is in the hub's cache."""
    folders = (name.storage / "blobs", name.storage / "snapshots")
    return any(it.is_file() and it.stat().st_size for folder in folders for it in folder.rglob("*"))


def _refusal(error: errors.HfHubHTTPError, name: HubName) -> str:
    """What the hub itself answers with."""
    status = error.response.status_code
    if isinstance(error, errors.GatedRepoError):
        page = f"{constants.ENDPOINT}/{name.repo}"
        mend = f"do so at {page}, log in with `hf auth login`, then run this again"
        return f"{name} is open only to those who accepted its terms: {mend}."
    if isinstance(error, errors.RevisionNotFoundError):
        newest = f"`midfill download {name.repo}` fetches its newest"
        return f"{name.repo} has no revision {name.revision}; {newest}."
    if isinstance(error, errors.RepositoryNotFoundError) or status in (401, 403):
        mend = "check the name, or log in with `hf auth login` if it is private"
        return f"The hub shows no model {name.repo}; {mend}."
    if isinstance(error, errors.EntryNotFoundError):
        return f"{name} lacks a file that the hub lists for it; try again later, or choose another revision."
    stays = ": what was fetched stays" if has_some(name) else ""
    return f"The hub answers with error {status}; try again later{stays}."
