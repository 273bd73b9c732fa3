"""Traces of what the language models are asked, at a service outside the lab."""

from pydantic import Field

from model.base import Value
from model.secrets import SecretReference
from model.workloads.containers import FromSecret, Setting, Text

CALLBACK = "langsmith"
"""What the gateway is told among its `callbacks`."""


class LangSmithTracing(Value):
    """LangSmith as the LLM gateway (LiteLLM) is told of it. Prompts and answers leave the lab with it."""

    project: str = Field(min_length=1)
    """Where the traces are filed."""
    key: SecretReference
    """API key, in Vault."""
    endpoint: str = Field(default="https://api.smith.langchain.com", pattern=r"^https://")
    share: float = Field(default=1.0, gt=0, le=1)
    """Of the calls that are traced."""
    secret_key: str = "langsmith-api-key"  # noqa: S105 - the name of a key
    """Under which the gateway's own Secret has the API key."""

    @property
    def secrets(self) -> dict[str, SecretReference]:
        """What the gateway's Secret must have for it."""
        return {self.secret_key: self.key}

    @property
    def environment(self) -> dict[str, Setting]:
        """Variables that the gateway reads it from."""
        return {
            "LANGSMITH_API_KEY": FromSecret(key=self.secret_key),
            "LANGSMITH_BASE_URL": Text(value=self.endpoint),
            "LANGSMITH_PROJECT": Text(value=self.project),
            "LANGSMITH_SAMPLING_RATE": Text(value=str(self.share)),
        }
