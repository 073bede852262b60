"""Every exception this project raises on purpose, as one tree.

A verdict on a listing is data (`provider_pipeline.rules`), not an exception, unless the caller asked for a sync that
must succeed.

    ProviderPipelineError
    |-- ConfigurationError              the operator's settings are wrong
    |   |-- MissingCredentialError      no usable key where one is expected
    |   |-- UnknownValueError           a filter names a value that does not exist
    |   `-- InvalidRuleError            a rule document is not valid or does not compile
    |       `-- RuleTooCostlyError      a rule needs more work on a listing than any rule may
    |-- CatalogError                    the catalogue cannot do what was asked
    |   |-- DatabaseUnavailableError    no answer from the database, or it cannot work at the moment
    |   |   |-- DatabaseReadOnlyError   it accepts no writes
    |   |   `-- DatabaseFullError       its disk is full
    |   |-- MigrationMissingError       the schema is older or newer than this code
    |   |-- NoSuchEntryError            no such task, trial, rule version, stored response or model
    |   `-- TaskClaimLostError          the caller does not hold the claim on a task, or no longer
    |-- ModelSyncerError                a provider could not be synced; its rows are unchanged
    |   |-- UnknownProviderError        no provider with that slug
    |   |-- RuleMissingError            the provider has no active extraction rule
    |   |-- RuleReplacedError           the active rule was replaced during the operation
    |   |-- SyncInProgressError         another process is syncing the provider
    |   `-- ListingError                its listing could not be fetched completely
    |       |-- ListingUnreachableError the server did not answer
    |       |-- ListingRefusedError     the server answered with an error status
    |       `-- ListingUnreadableError  the server answered with something that is not a JSON listing
    |           `-- ListingPartialError     its listing goes on in a way that its rule cannot follow
    |-- RuleJudgingError                the process that tried out a proposed rule died or gave up
    `-- RuleValidationError             the listing was fetched, and the rule does not fit it
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

Stage = Literal["name", "connection", "tls", "authorised", "listing"]
"""The stages of a request for a listing, in order."""


class ProviderPipelineError(Exception):
    """Base of every error this project raises on purpose.

    Args:
        message: One line: which provider, what was expected, what came.
        hint: What the reader can do about it.
        transient: Whether the same attempt may succeed later.
    """

    def __init__(self, message: str, *, hint: str | None = None, transient: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.transient = transient

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class ConfigurationError(ProviderPipelineError):
    """The operator's settings are wrong or contradict each other."""


class MissingCredentialError(ConfigurationError):
    """The environment variable or file that a provider names for its key holds no usable one."""


class InvalidRuleError(ConfigurationError):
    """A rule document is not valid, or one of its expressions does not compile."""


class RuleTooCostlyError(InvalidRuleError):
    """Running a rule on a listing takes more work, or produces more, than any rule may."""


class UnknownValueError(ConfigurationError):
    """A filter names a value that does not exist, such as a misspelt capability."""


class CatalogError(ProviderPipelineError):
    """The catalogue cannot do what was asked."""


class DatabaseUnavailableError(CatalogError):
    """The database did not answer, or cannot do its work at the moment; nothing was written."""


class DatabaseReadOnlyError(DatabaseUnavailableError):
    """The database accepts no writes: it is a standby, or became one in a failover."""


class DatabaseFullError(DatabaseUnavailableError):
    """The database server's disk is full."""


class MigrationMissingError(CatalogError):
    """The database schema is older or newer than this version of the code."""


class NoSuchEntryError(CatalogError):
    """There is no such task, trial, rule version, stored response or model."""


class TaskClaimLostError(CatalogError):
    """The caller cannot answer a task, because another worker holds it or it is closed."""


class ModelSyncerError(ProviderPipelineError):
    """A provider could not be synced, for a reason other than a rule that no longer fits."""


class UnknownProviderError(ModelSyncerError):
    """No provider has the given slug."""


class RuleMissingError(ModelSyncerError):
    """The provider has no active extraction rule."""


class SyncInProgressError(ModelSyncerError):
    """Another process is syncing the provider, or took the sync over; nothing was written.

    Args:
        holder: A description of that process; None if unknown.
        since: When it began.
        until: When its lease ends, unless it is renewed.
    """

    def __init__(self, message: str, *, holder: str | None, since: datetime | None, until: datetime | None) -> None:
        super().__init__(message, hint="try again when that sync is done", transient=True)
        self.holder = holder
        self.since = since
        self.until = until


class RuleReplacedError(ModelSyncerError):
    """The active rule was replaced during the operation, which was abandoned."""


class ListingError(ModelSyncerError):
    """A provider's listing could not be fetched completely; `stage` is the first stage that failed."""

    def __init__(
        self, message: str, *, stage: Stage = "listing", hint: str | None = None, transient: bool = False
    ) -> None:
        super().__init__(message, hint=hint, transient=transient)
        self.stage = stage


class ListingUnreachableError(ListingError):
    """The request was not answered: name resolution, connection, TLS or time-out."""


class ListingRefusedError(ListingError):
    """The server answered with an HTTP error status."""

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


class ListingPartialError(ListingUnreadableError):
    """The pages read so far are not the whole listing, and the rule's pagination does not lead to the others."""


class RuleJudgingError(ProviderPipelineError):
    """The process that tried out a proposed rule died or gave up; that rule is not retried automatically."""


class RuleValidationError(ProviderPipelineError):
    """A listing was fetched, and the provider's extraction rule does not fit it; nothing was written.

    Args:
        reason: One line that names the provider and the first blocking issue.
        issues: As `RuleValidator.validate_rule` returns them.
        hint: What the reader can do about it.
    """

    def __init__(self, reason: str, issues: Sequence[Mapping[str, Any]], *, hint: str | None = None) -> None:
        super().__init__(reason, hint=hint)
        self.reason = reason
        self.issues = [dict(issue) for issue in issues]
