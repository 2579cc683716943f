"""Downloads from the Hugging Face hub, with the errors of its client as ours."""

from pathlib import Path

from .errors import FetchError

MEND_MISSING = "install it with: pip install 'loopspec[fineweb]'"


def hub_download(repository: str, name: str, folder: Path) -> Path:
    """`huggingface_hub.hf_hub_download` of a data set's file to `folder`/`name`; goes on where it was broken off.

    Raises:
        FetchError: the client is not installed, or the file did not come.
    """
    try:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, HFValidationError
    except ImportError as error:
        raise FetchError(f"fetching needs huggingface_hub, which is not installed; {MEND_MISSING}") from error
    # HfHubHTTPError derives from the error of the HTTP library that this version of the client uses
    faults = (OSError, EntryNotFoundError, HFValidationError, *HfHubHTTPError.__bases__)
    try:
        return Path(hf_hub_download(repository, name, repo_type="dataset", local_dir=folder))
    except faults as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise FetchError(f"{name} of {repository} was not fetched: {reason}; run the same command again") from error
