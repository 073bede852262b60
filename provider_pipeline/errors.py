"""What can go wrong, as one tree of exceptions.

Here: the exception types that cross a layer's border, and nothing that raises them. The verdict on a listing is data
(`provider_pipeline.rules`), not an exception, until a caller asks for a sync that must succeed.

    ProviderPipelineError
    |-- ConfigurationError              what the operator set up does not hold
    |   |-- MissingCredentialError      no usable key where it is expected
    |   `-- InvalidRuleError            a rule document cannot be understood or compiled
    |       `-- RuleTooCostlyError      running it on a listing takes more work than any rule may make
    |-- CatalogError                    the database
    |   |-- DatabaseUnavailableError    no answer at the database URL, or the server cannot do its work for now
    |   |   |-- DatabaseReadOnlyError   it takes no writes
    |   |   `-- DatabaseFullError       its disk has no space left
    |   |-- MigrationMissingError       the schema is older or newer than this code
    |   |-- NoSuchEntryError            there is no task, trial or stored response of that number
    |   `-- TaskClaimLostError          a task is not, or no longer, the caller's to answer
    |-- ModelSyncerError                a provider could not be synced; its rows stay as they were
    |   |-- UnknownProviderError        no provider with that slug
    |   |-- RuleMissingError            the provider has no active extraction rule
    |   |-- RuleReplacedError           another rule became active in the middle of the work
    |   |-- SyncInProgressError         another process is syncing the provider
    |   `-- ListingError                its listing did not come whole
    |       |-- ListingUnreachableError we never got an answer
    |       |-- ListingRefusedError     the server answered, with an error status
    |       `-- ListingUnreadableError  the server answered, with something that is not a JSON listing
    |-- RuleJudgingError                a rule from outside could not be judged to the end
    `-- RuleValidationError             the listing was read, and the rule does not fit it
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

Stage = Literal["name", "connection", "tls", "authorised", "listing"]
"""How far a request for a listing came, in order: up to which of these it went well."""


class ProviderPipelineError(Exception):
    """Base of every error this project raises on purpose.

    Args:
        message: One line: which provider, what was expected, what came.
        hint: What the reader can do about it, or None.
        transient: Whether trying again later, unchanged, may work.
    """

    def __init__(self, message: str, *, hint: str | None = None, transient: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.transient = transient

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class ConfigurationError(ProviderPipelineError):
    """What the operator set up does not hold together."""


class MissingCredentialError(ConfigurationError):
    """A provider names an environment variable or a file for its key, and there is no usable one."""


class InvalidRuleError(ConfigurationError):
    """A rule document cannot be understood, or one of its expressions does not compile."""


class RuleTooCostlyError(InvalidRuleError):
    """Running a rule on a listing takes more work, or gives more, than any rule may."""


class CatalogError(ProviderPipelineError):
    """The catalogue's database cannot serve the request."""


class DatabaseUnavailableError(CatalogError):
    """Nothing answered at the database URL, or the server cannot do what was asked of it; nothing was written."""


class DatabaseReadOnlyError(DatabaseUnavailableError):
    """The database takes no writes: a standby, or a primary that became one."""


class DatabaseFullError(DatabaseUnavailableError):
    """The database server has no space left on its disk."""


class MigrationMissingError(CatalogError):
    """The database schema is not the one this version of the code works with."""


class NoSuchEntryError(CatalogError):
    """There is no task, trial or stored response of the given number."""


class TaskClaimLostError(CatalogError):
    """A task is with another worker, or closed, and cannot be answered by this one."""


class ModelSyncerError(ProviderPipelineError):
    """A provider could not be synced, for a reason other than a rule that no longer fits."""


class UnknownProviderError(ModelSyncerError):
    """No provider has the given slug."""


class RuleMissingError(ModelSyncerError):
    """The provider has no active extraction rule."""


class SyncInProgressError(ModelSyncerError):
    """Another process is syncing the provider, or took its sync over; nothing was written.

    Args:
        holder: That process, as people call it; None if it is not known.
        since: Since when.
        until: When its lease ends if the process does not renew it, because it is gone.
    """

    def __init__(self, message: str, *, holder: str | None, since: datetime | None, until: datetime | None) -> None:
        super().__init__(message, hint="try again when that is done", transient=True)
        self.holder = holder
        self.since = since
        self.until = until


class RuleReplacedError(ModelSyncerError):
    """Another rule became the active one while something was done with the one before; nothing came of that."""


class ListingError(ModelSyncerError):
    """A provider's listing did not come whole.

    Args:
        stage: What went wrong first on the way to it.
    """

    def __init__(
        self, message: str, *, stage: Stage = "listing", hint: str | None = None, transient: bool = False
    ) -> None:
        super().__init__(message, hint=hint, transient=transient)
        self.stage = stage


class ListingUnreachableError(ListingError):
    """The request got no answer: name resolution, connection, TLS or time-out."""


class ListingRefusedError(ListingError):
    """The server answered with an error status.

    Args:
        status: The HTTP status code.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        stage: Stage = "listing",
        hint: str | None = None,
        transient: bool = False,
    ) -> None:
        super().__init__(message, stage=stage, hint=hint, transient=transient)
        self.status = status


class ListingUnreadableError(ListingError):
    """The server answered, but not with a complete JSON listing within the limits."""


class RuleJudgingError(ProviderPipelineError):
    """The process that tried a rule from outside died of it, or gave up: the rule is never tried again by itself."""


class RuleValidationError(ProviderPipelineError):
    """A listing was read whole, and the provider's extraction rule does not fit it; nothing was written.

    Args:
        reason: One line that names the provider and the first blocking issue.
        issues: The verdict's issues, as `RuleValidator.validate_rule` returns them.
    """

    def __init__(self, reason: str, issues: Sequence[Mapping[str, Any]], *, hint: str | None = None) -> None:
        super().__init__(reason, hint=hint)
        self.reason = reason
        self.issues = [dict(issue) for issue in issues]
