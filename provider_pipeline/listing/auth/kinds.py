"""The kinds of authentication, as stored in `provider_metadata.auth_config`: one model per `type`.

A table never holds a secret, only the name of the environment variable or file with it, read anew for each listing.
"""

import base64
from abc import abstractmethod
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, TypeAlias
from urllib.parse import quote_plus

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from provider_pipeline.errors import ConfigurationError, MissingCredentialError
from provider_pipeline.listing.auth.credentials import (
    Authorizer,
    TokenAuthorizer,
    TokenCache,
    TokenExchange,
    TokenRequest,
    cache_key,
)
from provider_pipeline.listing.auth.secrets import (
    ONE_LINE,
    EnvName,
    FileName,
    Secret,
    Setting,
    header_name,
    one_place,
    static_headers,
    token_url,
)
from provider_pipeline.listing.auth.signing import AwsSigner, assertion_requests, service_account_key
from provider_pipeline.listing.redaction import one_line
from provider_pipeline.rules.variants import BUILT_WHEN_USED, Variants

_Name = Annotated[str, Field(min_length=1, max_length=200)]
_AwsName = Annotated[str, Field(pattern=r"^[a-z0-9-]+$", max_length=100)]
_Printable = Annotated[str, Field(min_length=1, max_length=2000, pattern=r"^[^\x00-\x1f\x7f]+$")]


class AuthConfig(BaseModel):
    """How one provider's requests are authorised; the base of all kinds.

    Attributes:
        headers: Static headers that are not secret, such as an API version.
    """

    model_config = ConfigDict(**BUILT_WHEN_USED, hide_input_in_errors=True)

    headers: Annotated[dict[str, str], AfterValidator(static_headers)] = Field(default_factory=dict)

    @staticmethod
    def parse(document: Mapping[str, Any], *, slug: str = "provider") -> "Auth":
        """Read a stored document; the default `type` is `none`.

        Raises:
            ConfigurationError: One line that says what is wrong, without the document's values.
        """
        try:
            return _KINDS.parse({"type": "none", **document})
        except ValidationError as error:
            reasons = "; ".join(_reason(detail) for detail in error.errors(include_input=False, include_url=False))
        raise ConfigurationError(
            f"{slug}: auth_config is not understood: {reasons}",
            hint='for example {"type": "bearer", "env": "OPENAI_API_KEY"}; see docs/authentication.md',
        )

    @property
    def places(self) -> tuple[Secret, ...]:
        """The variables and files of its secrets."""
        named = (value for value in vars(self).values() if isinstance(value, Secret))
        return tuple(place for place in named if place.env or place.file)

    @property
    def token_urls(self) -> tuple[str, ...]:
        """URLs besides the provider's own that get a secret."""
        return ()

    @abstractmethod
    def authorizer(
        self, slug: str, environ: Mapping[str, str], tokens: TokenCache, exchange: TokenExchange
    ) -> Authorizer:
        """Read the secrets, and make what adds them to requests.

        Args:
            slug: The provider.
            environ: The environment variables.
            tokens: Keeps tokens from one listing to the next.
            exchange: Sends a request to a token endpoint.

        Raises:
            MissingCredentialError: A variable or a file does not hold what is expected; nothing was sent.
        """


class NoAuth(AuthConfig):
    """No credentials."""

    type: Literal["none"] = "none"

    def authorizer(self, *_: object) -> Authorizer:
        """See `AuthConfig.authorizer`."""
        return Authorizer(hint="the provider wants a key: name its variable in auth_config", headers=self.headers)


class _Keyed(AuthConfig):
    """A kind with one secret, in the environment variable `env` or the file `file`."""

    env: EnvName | None = None
    file: FileName | None = None

    @model_validator(mode="after")
    def _names_one_place(self) -> Self:
        one_place(self.env, self.file)
        return self

    @property
    def secret(self) -> Secret:
        """The place of the key."""
        return Secret(env=self.env, file=self.file)

    @property
    def places(self) -> tuple[Secret, ...]:
        """See `AuthConfig.places`."""
        return (self.secret,)

    def _hint(self) -> str:
        return f"check the key in {self.secret.name}"


class BearerAuth(_Keyed):
    """`Authorization: Bearer` and the key."""

    type: Literal["bearer"]

    def authorizer(self, slug: str, environ: Mapping[str, str], *_: object) -> Authorizer:
        """See `AuthConfig.authorizer`."""
        key = self.secret.resolve(slug, environ)
        headers = {**self.headers, "Authorization": f"Bearer {key}"}
        return Authorizer(hint=self._hint(), headers=headers, secrets=(key,))


class HeaderAuth(_Keyed):
    """The key alone in the header `name`, such as `x-api-key`."""

    type: Literal["header"]
    name: Annotated[_Name, AfterValidator(header_name)]

    def authorizer(self, slug: str, environ: Mapping[str, str], *_: object) -> Authorizer:
        """See `AuthConfig.authorizer`."""
        key = self.secret.resolve(slug, environ)
        return Authorizer(hint=self._hint(), headers={**self.headers, self.name: key}, secrets=(key,))


class QueryAuth(_Keyed):
    """The key in the query parameter `name`, such as `key`."""

    type: Literal["query"]
    name: _Name

    def authorizer(self, slug: str, environ: Mapping[str, str], *_: object) -> Authorizer:
        """See `AuthConfig.authorizer`."""
        key = self.secret.resolve(slug, environ)
        return Authorizer(hint=self._hint(), headers=self.headers, params={self.name: key}, secrets=(key,))


class BasicAuth(AuthConfig):
    """User name and password (RFC 7617)."""

    type: Literal["basic"]
    username: Setting
    password: Secret

    def authorizer(self, slug: str, environ: Mapping[str, str], *_: object) -> Authorizer:
        """See `AuthConfig.authorizer`."""
        user = self.username.resolve(slug, environ, what="user name", fits=ONE_LINE)
        if ":" in user:
            raise MissingCredentialError(
                f"{slug}: its user name in {self.username.name} has a colon, which basic authentication cannot carry",
                hint="check that name and password are not both in there",
            )
        password = self.password.resolve(slug, environ, what="password", fits=ONE_LINE)
        encoded = _base64(f"{user}:{password}")
        return Authorizer(
            hint=f"check the user name in {self.username.name} and the password in {self.password.name}",
            headers={**self.headers, "Authorization": f"Basic {encoded}"},
            secrets=(password, encoded, *self.username.secrets(user)),
        )


class OAuth2ClientCredentials(AuthConfig):
    """A token from a token endpoint, in exchange for a client's id and secret (RFC 6749, 4.4).

    Attributes:
        token_url: The token endpoint. Only it gets the secret; its redirects are not followed.
        client_auth: Whether id and secret are sent as `basic` authentication or in the form's `body`.
    """

    type: Literal["oauth2_client_credentials"]
    token_url: Annotated[_Printable, AfterValidator(token_url)]
    client_id: Setting
    client_secret: Secret
    scope: _Printable | None = None
    audience: _Printable | None = None
    client_auth: Literal["basic", "body"] = "basic"

    @property
    def token_urls(self) -> tuple[str, ...]:
        """See `AuthConfig.token_urls`."""
        return (self.token_url,)

    def authorizer(
        self, slug: str, environ: Mapping[str, str], tokens: TokenCache, exchange: TokenExchange
    ) -> Authorizer:
        """See `AuthConfig.authorizer`."""
        client = self.client_id.resolve(slug, environ, what="client id", fits=ONE_LINE)
        secret = self.client_secret.resolve(slug, environ, what="client secret", fits=ONE_LINE)
        asked = {"grant_type": "client_credentials", "scope": self.scope, "audience": self.audience}
        headers = {}
        # Quoted first (RFC 6749, 2.3.1).
        encoded = _base64(f"{quote_plus(client)}:{quote_plus(secret)}")
        if self.client_auth == "basic":
            headers["Authorization"] = f"Basic {encoded}"
        else:
            asked |= {"client_id": client, "client_secret": secret}
        form = {name: value for name, value in asked.items() if value is not None}
        request = TokenRequest(self.token_url, form, headers)
        return TokenAuthorizer(
            slug,
            hint=f"check the client id in {self.client_id.name} and the client secret in {self.client_secret.name}",
            headers=self.headers,
            tokens=tokens,
            key=cache_key(slug, (self.model_dump(mode="json"), client, secret)),
            exchange=exchange,
            request=lambda: request,
            secrets=(secret, encoded, *self.client_id.secrets(client)),
        )


class AwsSigV4(AuthConfig):
    """Requests signed for AWS (Signature Version 4).

    Attributes:
        service: The service's name in signatures, such as `bedrock`.
        region: Such as `us-east-1`.
        session_token: For temporary credentials.
    """

    type: Literal["aws_sigv4"]
    service: _AwsName
    region: _AwsName
    access_key_id: Secret
    secret_access_key: Secret
    session_token: Secret | None = None

    def authorizer(self, slug: str, environ: Mapping[str, str], *_: object) -> Authorizer:
        """See `AuthConfig.authorizer`."""
        places = (self.access_key_id, self.secret_access_key, self.session_token)
        key_id = self.access_key_id.resolve(slug, environ, what="access key id")
        secret = self.secret_access_key.resolve(slug, environ, what="secret access key")
        token = self.session_token.resolve(slug, environ, what="session token") if self.session_token else None
        return AwsSigner(
            hint=f"check region, service and the keys in {', '.join(place.name for place in places if place)}",
            headers=self.headers,
            service=self.service,
            region=self.region,
            access_key_id=key_id,
            secret_access_key=secret,
            session_token=token,
        )


class GoogleServiceAccount(_Keyed):
    """A token for a Google service account, whose JSON key signs the request for it (RFC 7523).

    Attributes:
        env: The environment variable with the JSON key, or with the path of its file; or
        file: the file with the JSON key.
        scopes: The token's scopes.
    """

    type: Literal["google_service_account"]
    scopes: Annotated[list[_Printable], Field(min_length=1, max_length=100)]

    def authorizer(
        self, slug: str, environ: Mapping[str, str], tokens: TokenCache, exchange: TokenExchange
    ) -> Authorizer:
        """See `AuthConfig.authorizer`."""
        key = service_account_key(self.secret, slug, environ)
        return TokenAuthorizer(
            slug,
            hint=f"check the service account's key in {self.secret.name}, its roles and scopes",
            headers=self.headers,
            tokens=tokens,
            key=cache_key(slug, (self.model_dump(mode="json"), key)),
            exchange=exchange,
            request=assertion_requests(key, self.scopes, slug=slug, place=self.secret.name),
            secrets=(key,),
        )


Auth: TypeAlias = Annotated[
    NoAuth
    | BearerAuth
    | HeaderAuth
    | QueryAuth
    | BasicAuth
    | OAuth2ClientCredentials
    | AwsSigV4
    | GoogleServiceAccount,
    Field(discriminator="type"),
]

_KINDS: Variants[Auth] = Variants(Auth)


def _reason(detail: ErrorDetails) -> str:
    if detail["type"] == "union_tag_invalid":  # pydantic's own text repeats the value
        return f"type: expected one of {detail['ctx']['expected_tags']}"
    place = ".".join(one_line(str(part), limit=60) for part in detail["loc"]) or "document"
    if detail["type"] == "string_pattern_mismatch" and detail["loc"][-1] == "env":
        return f"{place}: expected the name of an environment variable, never the key itself"
    return f"{place}: {detail['msg'].removeprefix('Value error, ')}"


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii")
