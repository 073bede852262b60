"""Made-up keys of well-known forms, and of none."""

import string

BASE62 = string.ascii_letters + string.digits
KEYS = {
    "OpenAI": "sk-proj-Vq3nX8mK2pL5wR7tY9zB4cD6fG1hJ0kN",
    "OpenAI's old form": "sk-Vq3nX8mK2pL5wR7tY9zBT3BlbkFJ4cD6fG1hJ0kNaB2c",
    "Anthropic": "sk-ant-api03-Vq3nX8mK2pL5wR7tY9zB4cD6fG1hJ0kN",
    "OpenRouter": "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",
    "DeepSeek": "sk-0f1e2d3c4b5a69788796a5b4c3d2e1f0",
    "a LiteLLM proxy": "sk-Wx_3kP9-mQ2vL7tR5yB8nZ1c",
    "GitHub": "ghp_R7tY9zB4cD6fG1hJ0kNVq3nX8mK2pL5wA1b2",
    "Google": "AIzaSyD7tY9zB4cD6fG1hJ0kNVq3nX8mK2pL5wA",
    "AWS": "AKIAQ3EGHZ7WXN5TB2LD",
    "Hugging Face": "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",
    "Groq": "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",
    "a token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
    "no known form": "Vq3nX8mK2pL5wR7tY9zB4cD6fG1hJ0kN",
    "hexadecimal": "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c",
    "after a word": "Bearer Vq3nX8mK2pL5wR7tY9zB4cD6fG1hJ0kN",
}
