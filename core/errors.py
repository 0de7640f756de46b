"""What can go wrong, as sentences for the person in front of the screen."""


class CoreError(Exception):
    """Base of every error that `core` raises on purpose; its text is fit to be shown as it is."""


class ConfigError(CoreError, ValueError):
    """A setting lies outside its limits."""


class DataError(CoreError):
    """A data set can't be found, read or downloaded."""


class DataMissingError(DataError):
    """A known data set is not on this computer yet; a run on it would fetch it."""


class ImageError(CoreError, ValueError):
    """An image can't be read, or is too large."""


class ImageUnavailableError(ImageError):
    """An image file can't be opened now: nothing is known of what is in it."""


class RunError(CoreError):
    """A run can't be found, created or written."""


class RunLockedError(RunError):
    """Another writer holds the run."""


class CheckpointError(CoreError):
    """A checkpoint is missing, damaged or does not fit the network."""


class InspectionError(CoreError, ValueError):
    """The layer, stage or channel asked for does not exist."""


class StopRequested(CoreError):  # noqa: N818 - not a failure: it unwinds long work on the user's wish
    """The user asked to stop while something long (a download, a decode) was under way."""


class ExportError(CoreError):
    """A file to take away can't be made or written."""
